"""Prediction-powered inference: a mean over all items from a few human answers and a guess for every item.

Knows nothing of labels, workers or of where the guesses come from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from limbeck.errors import DataError
from limbeck.evaluation.intervals import LEVEL, Estimate, Floats, Integers, undefined

# With fewer answers of either kind the law of large numbers has not set in: of a label with 9 of 500 items the interval
# missed the truth in 13 to 40 of 100 replays, and not in 5.
LEAST_OF_A_KIND = 5
FEW = f"fewer than {LEAST_OF_A_KIND} answers of either kind: an interval of this kind would be too narrow"


@dataclass(frozen=True, slots=True)
class Powered:
    """A mean from answers and guesses, beside the mean from the answers alone.

    Attributes:
        estimate: with the guesses.
        alone: from the answers alone, with an interval of the same kind.
        strength: λ, how much the guesses count: 0 = not at all, 1 = in full; None where there is no estimate.
        width_ratio: width of the first interval as a share of the other's; None where one of them has no width.
        saved: share of the answers that could have been left out for an interval as wide as that from answers alone;
            negative where the guesses did harm.
    """

    estimate: Estimate
    alone: Estimate
    strength: float | None
    width_ratio: float | None = None
    saved: float | None = None


def prediction_powered(
    truth: Floats,
    rows: Integers,
    guesses: Floats,
    *,
    chances: Floats | None = None,
    strength: float | None = None,
    beyond: bool = False,
) -> Powered:
    """PPI++ with power tuning (Angelopoulos, Duchi & Zrnic 2023, arXiv 2311.01453) for the mean of a share.

    The estimate is λ·mean(guesses of all items) + mean(truth − λ·guess of the answered ones), where the λ of the least
    variance is found from the answers and held within 0 to 1. Answered items must have been drawn at random, each with
    a known chance; with unlike chances every answer is weighed by 1/chance (Zrnic & Candès 2024), weights scaled to a
    mean of 1. The interval is symmetric, from Student's t with n − 2 degrees of freedom and the residuals' variance
    over n − 2 (n − 1 for the answers alone), because λ is fitted to the same few answers; the paper's has the normal
    law and n. Where fewer than 5 answers of either kind were seen there is no interval.

    By default it is for the mean over these N items: the more of them are answered, the narrower, down to nothing when
    all are. With `beyond` it is for the source from which all N were drawn at random, as in the paper.

    Args:
        truth: what people said, 0 to 1, shape [n].
        rows: positions of these items among all, shape [n], none twice.
        guesses: a guess for every item, 0 to 1, shape [N].
        chances: chance with which each of `rows` was drawn, shape [n], in (0, 1]; None = equal.
        strength: λ where it must not be tuned.
        beyond: see above.

    Raises:
        DataError: shapes that do not fit, a chance outside (0, 1], an item twice.
    """
    n, size = len(truth), len(guesses)
    odds = np.full(n, n / size if size else 1.0) if chances is None else chances
    _check(truth, rows, guesses, odds)
    if n == size and n and not beyond:
        value = float(truth.mean())
        whole = Estimate(value, value, value, n, "every item was answered: nothing is left to estimate")
        return Powered(whole, whole, 0.0 if strength is None else strength)
    if n == 0:
        return Powered(undefined("no answers"), undefined("no answers"), None)
    enough = min(float(truth.sum()), n - float(truth.sum())) >= LEAST_OF_A_KIND
    weights = np.ones(n) if chances is None else 1 / odds / (1 / odds).mean()
    # Answered with certainty, an item adds no variance to the mean over the items themselves.
    spared = 1 - odds
    tuned = _tuned(truth, guesses[rows], weights) if strength is None else strength
    found = []
    for power in (tuned, 0.0):
        residual = truth - power * guesses[rows]
        rest = float((weights * residual).mean())
        centred = weights * (residual - rest)
        spread = float((spared * centred**2).sum()) / n
        if beyond:
            apart = truth - (weights * truth).mean()
            spread += float((weights * apart**2).mean()) * n / size
        lost = 2 if power and strength is None else 1
        value = power * float(guesses.mean()) + rest
        found.append(_interval(value, spread / (n - lost), n, n - lost) if enough else Estimate(value, n=n, reason=FEW))
    one, other = found[0].interval, found[1].interval
    if one is None or other is None or other[0] == other[1]:
        return Powered(found[0], found[1], tuned)
    ratio = (one[1] - one[0]) / (other[1] - other[0])
    share = 0.0 if beyond else n / size
    return Powered(found[0], found[1], tuned, ratio, 1 - 1 / ((1 - share) / ratio**2 + share))


def _tuned(truth: Floats, guess: Floats, weights: Floats) -> float:
    """The λ of the least variance: slope of truth on guess, both weighed."""
    one = weights * (truth - (weights * truth).mean())
    two = weights * (guess - (weights * guess).mean())
    power = float(two @ two)
    # Equal numbers leave no more than rounding after their mean is taken off.
    return 0.0 if np.ptp(guess) == 0 or np.ptp(truth) == 0 or power == 0 else float(np.clip(one @ two / power, 0, 1))


def _interval(value: float, variance: float, n: int, freedom: int) -> Estimate:
    reach = float(stdtrit(freedom, (1 + LEVEL) / 2)) * math.sqrt(variance)
    return Estimate(value, value - reach, value + reach, n)


def _check(truth: Floats, rows: Integers, guesses: Floats, odds: Floats) -> None:
    if not len(truth) == len(rows) == len(odds) or len(np.unique(rows)) < len(rows) or (rows >= len(guesses)).any():
        raise DataError(
            f"{len(truth)} answers, {len(rows)} positions and {len(odds)} chances do not fit together.",
            hint="Pass one of each per answered item, each item once.",
        )
    if not ((odds > 0) & (odds <= 1)).all():
        raise DataError("A chance is not above 0 and at most 1.", hint="Pass the chance with which each was drawn.")
