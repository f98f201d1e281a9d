"""Two sets of labels for the same items: which is more right, by how much, and could it be chance.

Knows nothing of workers, votes or of how the labels came about.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from limbeck.errors import DataError
from limbeck.evaluation.intervals import Estimate, Integers, mean_estimate, undefined
from limbeck.evaluation.scores import NO_GOLD, known


@dataclass(frozen=True, slots=True)
class Comparison:
    """A paired comparison.

    Attributes:
        difference: accuracy of the first minus accuracy of the second, by a bootstrap over items.
        only_first: items that only the first has right.
        only_second: items that only the second has right.
        p_value: exact two-sided McNemar test that both are equally right; None without gold.
    """

    difference: Estimate
    only_first: int
    only_second: int
    p_value: float | None


def compare(gold: Integers, first: Integers, second: Integers, *, rng: np.random.Generator) -> Comparison:
    """Compare two sets of labels on the items with gold; a missing label (-1) is wrong.

    Args:
        gold: label indices, shape [n]; -1 = unknown, left out.
        first: label indices, shape [n].
        second: label indices, shape [n].
        rng: source of the bootstrap.
    """
    rows = known(gold, first) & known(gold, second)
    if not rows.any():
        return Comparison(undefined(NO_GOLD), 0, 0, None)
    one, two = first[rows] == gold[rows], second[rows] == gold[rows]
    only_first, only_second = int((one & ~two).sum()), int((two & ~one).sum())
    difference = mean_estimate(one.astype(np.float64) - two, rng=rng)
    return Comparison(difference, only_first, only_second, mcnemar(only_first, only_second))


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of McNemar's test (1947): twice the smaller binomial tail at 1/2, at most 1.

    Without any discordant item it is 1.

    Raises:
        DataError: a negative count.
    """
    if only_first < 0 or only_second < 0:
        raise DataError("A count of discordant items is negative.", hint="Count items that only one side has right.")
    n = only_first + only_second
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2)
        for i in range(min(only_first, only_second) + 1)
    ]
    return min(1.0, 2 * math.fsum(math.exp(log) for log in logs))
