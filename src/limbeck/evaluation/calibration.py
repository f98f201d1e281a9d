"""Whether a confidence means what it says, and what waiting for more confidence would buy.

Knows nothing of workers, votes or of how the probabilities came about. The confidence of an item is the probability of
the label it was given: the most probable one, ties going to the lowest index, unless another was chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limbeck.evaluation.intervals import Estimate, Floats, Integers, bootstrap, mean_estimate, undefined
from limbeck.evaluation.scores import NO_GOLD, known

BINS = 15


@dataclass(frozen=True, slots=True)
class Bin:
    """The items with a confidence in (low, high]: how many, how sure on average, how often right."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    """Accuracy on the most confident share of the items."""

    coverage: float
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What a threshold on the confidence lets through: which share of all items, and how right these are."""

    threshold: float
    coverage: Estimate
    accuracy: Estimate


def calibration_error(
    gold: Integers,
    probabilities: Floats,
    *,
    rng: np.random.Generator,
    bins: int = BINS,
    chosen: Integers | None = None,
) -> Estimate:
    """Expected calibration error: mean |confidence − accuracy| over equal-width bins, weighted by their items.

    15 bins (low, high] over 0 to 1 unless told otherwise (Naeini et al. 2015; Guo et al. 2017, arXiv 1706.04599).
    Noise inside the bins can only add to it, so on few items the value, and its bootstrap interval even more, lie
    above the true error.

    Args:
        gold: label indices, shape [n]; -1 = unknown, left out.
        probabilities: shape [n, K], rows sum to 1.
        rng: source of the bootstrap.
        bins: number of bins.
        chosen: index of the label that each item was given, shape [n]; None = the most probable one.
    """
    sure, right = _confidence(gold, probabilities, chosen)
    if not len(sure):
        return undefined(NO_GOLD)
    member = np.eye(bins)[_bin_of(sure, bins)]
    features = np.hstack([member * (sure - right)[:, None], member])

    def statistic(sums: Floats) -> Floats:
        gap, count = np.split(sums, 2, axis=1)
        return np.asarray(np.abs(gap).sum(axis=1) / count.sum(axis=1))

    return bootstrap(features, statistic, rng=rng)


def reliability(
    gold: Integers,
    probabilities: Floats,
    *,
    rng: np.random.Generator,
    bins: int = BINS,
    chosen: Integers | None = None,
) -> tuple[Bin, ...]:
    """Every bin of `calibration_error` from low to high, empty ones too. Arguments as there."""
    sure, right = _confidence(gold, probabilities, chosen)
    member = _bin_of(sure, bins)
    table = []
    for index in range(bins):
        own = member == index
        table.append(
            Bin(
                low=index / bins,
                high=(index + 1) / bins,
                count=int(own.sum()),
                confidence=float(sure[own].mean()) if own.any() else None,
                accuracy=mean_estimate(right[own], rng=rng, reason=None if own.any() else "no item in this bin"),
            )
        )
    return tuple(table)


def coverage_curve(
    gold: Integers,
    probabilities: Floats,
    *,
    rng: np.random.Generator,
    points: int = 10,
    chosen: Integers | None = None,
) -> tuple[CoveragePoint, ...]:
    """Accuracy on the most confident 1/points, 2/points, … of the items with gold.

    A share of n items is rounded up. Where equally confident items straddle the cut, each of them counts by the part
    of the group that is inside, so the order of the items does not matter. The interval resamples items with the cut
    held fixed. Arguments as in `calibration_error`.
    """
    sure, right = _confidence(gold, probabilities, chosen)
    if not len(sure):
        return tuple(CoveragePoint((i + 1) / points, undefined(NO_GOLD)) for i in range(points))
    falling = np.sort(sure)[::-1]
    curve = []
    for step in range(1, points + 1):
        size = -(-len(sure) * step // points)
        cut = falling[size - 1]
        above, at = sure > cut, sure == cut
        part = above + at * ((size - above.sum()) / at.sum())
        inside = part > 0
        features = np.column_stack([part * right, part])[inside]
        estimate = bootstrap(features, lambda sums: np.asarray(sums[:, 0] / sums[:, 1]), rng=rng)
        curve.append(CoveragePoint(step / points, estimate))
    return tuple(curve)


def acceptance(
    gold: Integers,
    probabilities: Floats,
    threshold: float,
    *,
    rng: np.random.Generator,
    chosen: Integers | None = None,
) -> Acceptance:
    """Coverage over all items, and accuracy over accepted items with gold, at confidence ≥ threshold."""
    if not len(gold):
        return Acceptance(threshold, undefined("no items"), undefined("no items"))
    given = probabilities.argmax(axis=1) if chosen is None else chosen
    taken = probabilities[np.arange(len(given)), given] >= threshold
    _, right = _confidence(gold[taken], probabilities[taken], given[taken])
    why = None if len(right) else NO_GOLD if taken.any() else "no item reaches the threshold"
    return Acceptance(
        threshold, mean_estimate(taken.astype(np.float64), rng=rng), mean_estimate(right, rng=rng, reason=why)
    )


def _confidence(gold: Integers, probabilities: Floats, chosen: Integers | None) -> tuple[Floats, Floats]:
    """Probability of the label given, and whether it is right, of the items with gold."""
    rows = known(gold, probabilities)
    given = probabilities.argmax(axis=1) if chosen is None else chosen
    sure = probabilities[np.arange(len(given)), given]
    return sure[rows], (given[rows] == gold[rows]).astype(np.float64)


def _bin_of(sure: Floats, bins: int) -> Integers:
    return np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
