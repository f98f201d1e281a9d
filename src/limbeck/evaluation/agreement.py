"""How much the workers of a panel repeat one another, and whether the panel is worth more than its best member.

Knows nothing of models, probabilities or of how the votes came about. All intervals resample items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from limbeck.evaluation.comparison import compare
from limbeck.evaluation.intervals import Booleans, Estimate, Floats, Integers, bootstrap, undefined
from limbeck.evaluation.scores import NO_GOLD, known

ONE_WORKER = "fewer than two workers"


@dataclass(frozen=True, slots=True)
class PanelDiagnosis:
    """How independent the workers of a panel are.

    Attributes:
        agreement: share of common items on which two workers agree, mean over pairs of workers.
        error_correlation: phi coefficient of two workers' errors, mean over pairs; needs gold.
        effective_votes: n / (1 + (n − 1)·ρ) for n workers with that mean correlation ρ, held within 1 to n; needs gold.
        both_wrong_agreement: share of pairs of simultaneously wrong votes that chose the same wrong label; needs gold.
    """

    agreement: Estimate
    error_correlation: Estimate
    effective_votes: Estimate
    both_wrong_agreement: Estimate


def diagnose(choices: Integers, k: int, *, rng: np.random.Generator, gold: Integers | None = None) -> PanelDiagnosis:
    """Diagnose a panel from its votes.

    The three measures of errors are undefined without gold: how far agreement comes from being right and how far from
    sharing errors cannot be told apart without knowing what is right, so no estimate without labels is offered.

    Args:
        choices: label indices, shape [n, W]; -1 = no vote.
        k: number of labels.
        rng: source of the bootstrap.
        gold: label indices, shape [n]; -1 = unknown; None = no gold.
    """
    agreement = pairwise_agreement(choices, rng=rng)
    if gold is None or not known(gold, choices).any():
        missing = undefined(NO_GOLD)
        return PanelDiagnosis(agreement, missing, missing, missing)
    rows = known(gold, choices)
    voted = choices[rows] >= 0
    wrong = voted & (choices[rows] != gold[rows, None])
    return PanelDiagnosis(
        agreement,
        _from_errors(voted, wrong, lambda rho: rho, rng=rng),
        _from_errors(voted, wrong, lambda rho: effective_votes(rho, choices.shape[1]), rng=rng),
        _both_wrong(choices[rows], wrong, k, rng=rng),
    )


def pairwise_agreement(choices: Integers, *, rng: np.random.Generator) -> Estimate:
    """Share of common items on which two workers agree, mean over pairs with common items; choices [n, W]."""
    pairs = list(combinations(range(choices.shape[1]), 2))
    if not pairs:
        return undefined(ONE_WORKER)
    left, right = choices[:, [a for a, _ in pairs]], choices[:, [b for _, b in pairs]]
    both = (left >= 0) & (right >= 0)
    features = np.hstack([both & (left == right), both]).astype(np.float64)[both.any(axis=1)]

    def statistic(sums: Floats) -> Floats:
        same, common = np.split(sums, 2, axis=1)
        return _mean_defined(same / common)

    return bootstrap(features, statistic, rng=rng, reason=None if len(features) else "no item has two votes")


def effective_votes(correlation: Floats, n: int) -> Floats:
    """How many independent votes n votes with this mean error correlation are worth, 1 to n."""
    with np.errstate(divide="ignore"):
        worth = n / np.maximum(1 + (n - 1) * correlation, 0.0)
    return np.asarray(np.clip(worth, 1.0, float(n)))


def panel_warning(
    gold: Integers, panel: Integers, choices: Integers, workers: Sequence[str], *, rng: np.random.Generator
) -> str | None:
    """A warning when the panel is no more right than its best member on the items with gold, else None.

    The best member is picked on the same items, so it is flattered a little; a missing vote counts as wrong.

    Args:
        gold: label indices, shape [n]; -1 = unknown, left out.
        panel: the panel's labels, shape [n].
        choices: the workers' labels, shape [n, W].
        workers: their names, length W.
        rng: source of the bootstrap.
    """
    rows = known(gold, panel)
    if choices.shape[1] < 2 or not rows.any():
        return None
    right = (choices[rows] == gold[rows, None]).mean(axis=0)
    best = int(right.argmax())
    comparison = compare(gold, panel, choices[:, best], rng=rng)
    difference = comparison.difference
    if difference.value is None or difference.value > 0:
        return None
    mine = float((panel[rows] == gold[rows]).mean())
    interval = (
        "" if difference.interval is None else f" (95 % interval {difference.low:+.3f} to {difference.high:+.3f})"
    )
    return (
        f"The panel is no better than its best member: accuracy {mine:.3f} against {right[best]:.3f} of "
        f"{workers[best]!r} on {rows.sum()} items with gold, a difference of {difference.value:+.3f}{interval}."
    )


def _from_errors(
    voted: Booleans, wrong: Booleans, use: Callable[[Floats], Floats], *, rng: np.random.Generator
) -> Estimate:
    """A function of the mean phi coefficient of errors over the pairs of workers for which it exists."""
    pairs = list(combinations(range(voted.shape[1]), 2))
    if not pairs:
        return undefined(ONE_WORKER)
    a, b = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    both = voted[:, a] & voted[:, b]
    features = np.hstack([both, both & wrong[:, a], both & wrong[:, b], wrong[:, a] & wrong[:, b]]).astype(np.float64)

    def statistic(sums: Floats) -> Floats:
        n, first, second, joint = np.split(sums, 4, axis=1)
        spread = first * (n - first) * second * (n - second)
        phi = np.divide(n * joint - first * second, np.sqrt(spread), out=np.full_like(n, np.nan), where=spread > 0)
        return use(_mean_defined(phi))

    estimate = bootstrap(features, statistic, rng=rng)
    if estimate.value is None:
        return undefined("no pair of workers in which both are sometimes right and sometimes wrong", len(features))
    return estimate


def _both_wrong(choices: Integers, wrong: Booleans, k: int, *, rng: np.random.Generator) -> Estimate:
    pairs = list(combinations(range(choices.shape[1]), 2))
    if not pairs:
        return undefined(ONE_WORKER)
    a, b = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    both = wrong[:, a] & wrong[:, b]
    same = both & (choices[:, a] == choices[:, b])
    features = np.column_stack([same.sum(axis=1), both.sum(axis=1)]).astype(np.float64)
    if not both.any():
        return undefined("no two workers are ever wrong on the same item", len(features))
    reason = "with two labels, two wrong votes always agree" if k == 2 else None
    return bootstrap(features, lambda sums: np.asarray(sums[:, 0] / sums[:, 1]), rng=rng, reason=reason)


def _mean_defined(values: Floats) -> Floats:
    """Mean of each row over its finite entries; NaN where there are none."""
    finite = np.isfinite(values)
    total = np.where(finite, values, 0.0).sum(axis=1)
    return np.asarray(np.where(finite.any(axis=1), total / np.maximum(finite.sum(axis=1), 1), np.nan))
