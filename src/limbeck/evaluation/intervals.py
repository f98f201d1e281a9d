"""Estimates with bootstrap intervals: a value, or None with the reason why there is none.

Knows nothing of labels, workers or of what is being estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

RESAMPLES = 1000
LEVEL = 0.95
# Weights are drawn in blocks of about this many numbers, so that memory does not grow with items × resamples.
BLOCK = 4_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic of n items.

    Attributes:
        value: the statistic on the items as they are; None where it is undefined.
        low: lower end of the 95 % interval; None where there is none.
        high: upper end of the 95 % interval; None where there is none.
        n: how many items it rests on.
        reason: why the value or its interval is missing, or what one must know to read it.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)


def undefined(reason: str, n: int = 0) -> Estimate:
    """An estimate that does not exist, and why."""
    return Estimate(None, n=n, reason=reason)


def bootstrap(
    features: Floats, statistic: Callable[[Floats], Floats], *, rng: np.random.Generator, reason: str | None = None
) -> Estimate:
    """A statistic of column sums, with its percentile bootstrap interval.

    Items are drawn with replacement, as many as there are, 1,000 times; the interval runs from the 2.5th to the 97.5th
    percentile (linear interpolation) of the statistic over the resamples (Efron 1979). Items with equal features are
    counted as one group, which is the same distribution. Resamples in which the statistic is
    undefined are left out; there is no interval when more than half of them are, when there are fewer than two items,
    or when all items are equal: resampling cannot show what was never seen to vary.

    Args:
        features: one row per item, shape [n, F].
        statistic: sums over items, shape [B, F] → values, shape [B], NaN where undefined. Sees counts, not means.
        rng: the only source of randomness.
        reason: why the statistic may be undefined here, or how to read it; kept in the result.
    """
    n = features.shape[0]
    if n == 0:
        return undefined(reason or "no items", n)
    rows, counts = np.unique(features, axis=0, return_counts=True)
    # Summed from the same groups as in the resamples, so that rounding cannot put the value outside its interval.
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic((counts @ rows)[None, :])[0])
    if not np.isfinite(value):
        return undefined(reason or "undefined for these items", n)
    if len(rows) < 2:
        return Estimate(value, n=n, reason=reason or _why_no_interval(n))
    drawn = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for weights in resample(counts, rng=rng):
            drawn.append(statistic(weights @ rows))
    return with_interval(value, np.concatenate(drawn), n=n, reason=reason)


def with_interval(value: float, drawn: Floats, *, n: int, reason: str | None = None) -> Estimate:
    """A value and the percentile interval of its resampled twins, NaN among them meaning undefined."""
    defined = drawn[np.isfinite(drawn)]
    if len(defined) * 2 < len(drawn):
        return Estimate(value, n=n, reason=reason or "undefined in most resamples: no interval")
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(defined, [tail, 100 - tail])
    return Estimate(value, float(low), float(high), n, reason)


def resample(counts: Integers, *, rng: np.random.Generator) -> Iterator[Floats]:
    """Blocks of resampled counts, shape [b, G], 1,000 rows in all, of G groups seen `counts` times."""
    groups, n = len(counts), int(counts.sum())
    # A draw per group costs about ten times a draw per item, so few large groups are drawn as groups.
    by_group = groups * 10 < n
    owner = np.repeat(np.arange(groups), counts)
    block = max(1, BLOCK // (groups if by_group else n))
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        if by_group:
            yield rng.multinomial(n, counts / n, size=size).astype(np.float64)
        else:
            drawn = owner[rng.integers(n, size=(size, n))] + groups * np.arange(size)[:, None]
            yield np.bincount(drawn.ravel(), minlength=size * groups).reshape(size, groups).astype(np.float64)


def mean_estimate(values: Floats, *, rng: np.random.Generator, reason: str | None = None) -> Estimate:
    """Mean of one value per item, shape [n], with its interval."""
    features = np.column_stack([values, np.ones(len(values))])
    return bootstrap(features, lambda sums: np.asarray(sums[:, 0] / sums[:, 1]), rng=rng, reason=reason)


def _why_no_interval(n: int) -> str:
    return "one item: no interval" if n == 1 else "all items are equal: resampling gives no interval"
