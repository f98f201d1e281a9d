"""Paired non-inferiority: is one side at most a margin worse than the other, as people judge both?

The bootstrap runs over items and over raters, for both are samples. Knows nothing of systems, studies or pages.
Imported by name, since it needs SciPy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from limbeck.errors import DataError
from limbeck.evaluation.intervals import RESAMPLES, Booleans, Estimate, Floats, undefined
from limbeck.evaluation.power import ALPHA, POWER, items_needed

ONE_RATER = "one rater: the interval speaks for this rater only"


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """The outcome.

    Attributes:
        difference: mean difference (first − second) with its two-sided interval at level 1 − 2·alpha.
        margin: the largest loss that counts as not inferior; fixed before anybody looked.
        p_value: one-sided, of the hypothesis that the first is worse by the margin or more; None where undefined.
        shown: whether non-inferiority is shown; None where it cannot be tested.
        standard_error: of the difference, over items and raters; None where undefined.
        items_error: the part of it that items bring.
        raters_error: the part of it that raters bring; None with one rater.
        degrees: degrees of freedom (Satterthwaite); few where the raters disagree about the sides.
        reason: why there is no outcome, or what one must know to read it.
    """

    difference: Estimate
    margin: float
    p_value: float | None = None
    shown: bool | None = None
    standard_error: float | None = None
    items_error: float | None = None
    raters_error: float | None = None
    degrees: float | None = None
    reason: str | None = None


def non_inferiority(
    differences: Floats, *, margin: float, rng: np.random.Generator, alpha: float = ALPHA
) -> NonInferiority:
    """Test whether the first side is at most `margin` worse than the second.

    Items are drawn with replacement, and so are raters (one fewer than there are, as Rao & Wu 1988 do, or three raters
    would seem to differ less than they do). The variance is the sum of both. The noise of single judgements is in both,
    so it counts twice, which errs on the safe side where it is most of the spread. The statistic is Student's, with
    Satterthwaite's degrees of freedom: how far few raters differ is itself known badly.

    Args:
        differences: first − second of each item and rater, shape [n, R]; NaN = not judged.
        margin: above 0, in the unit of the differences.
        rng: source of the bootstrap.
        alpha: one-sided type-I error.

    Raises:
        DataError: a margin that is not above 0, or an array of another shape.
    """
    if not margin > 0 or differences.ndim != 2:
        raise DataError(
            f"Differences of shape {differences.shape} cannot be tested with a margin of {margin}.",
            hint="Pass one row per item, one column per rater, and a margin above 0.",
        )
    judged = np.isfinite(differences)
    rows, columns = judged.any(axis=1), judged.any(axis=0)
    values, judged = np.where(judged, differences, 0.0)[rows][:, columns], judged[rows][:, columns]
    n, raters = judged.shape
    if n == 0:
        return _nothing(undefined("nobody judged both sides of an item"), margin)
    means = values.sum(axis=1) / judged.sum(axis=1)
    value = float(means.mean())
    if n == 1 or len(np.unique(values[judged])) == 1:
        why = "one item: no interval" if n == 1 else "all differences are equal: resampling gives no interval"
        return _nothing(Estimate(value, n=n, reason=why), margin)
    of_items = _spread(means[rng.integers(n, size=(RESAMPLES, n - 1))].mean(axis=1))
    reason: str | None = ONE_RATER
    of_raters = 0.0
    if raters > 1:
        reason, of_raters = None, _spread(_by_raters(values, judged, rng))
    variance = of_items + of_raters
    if variance == 0:
        return _nothing(Estimate(value, n=n, reason="no variance between items or raters"), margin)
    parts = of_items**2 / (n - 1) + (of_raters**2 / (raters - 1) if raters > 1 else 0.0)
    error, degrees = math.sqrt(variance), variance**2 / parts
    reach = float(stdtrit(degrees, 1 - alpha)) * error
    p_value = float(stdtr(degrees, -(value + margin) / error))
    return NonInferiority(
        Estimate(value, value - reach, value + reach, n, reason),
        margin,
        p_value,
        p_value <= alpha,
        error,
        math.sqrt(of_items),
        math.sqrt(of_raters) if raters > 1 else None,
        degrees,
        reason,
    )


def shown_by(test: NonInferiority, *, power: float, alpha: float = ALPHA) -> tuple[float | None, float | None]:
    """What a study of this spread could show, both sides being equal; None where the test is undefined.

    Returns:
        The power for its margin, and the smallest margin that it shows with `power`.
    """
    error, degrees = test.standard_error, test.degrees
    if error is None or degrees is None:
        return None, None
    bar = float(stdtrit(degrees, 1 - alpha))
    return float(stdtr(degrees, test.margin / error - bar)), error * (bar + float(stdtrit(degrees, power)))


def items_if_noisy(sd: float, margin: float, *, raters: int, alpha: float = ALPHA, power: float = POWER) -> int:
    """Items for this test where all spread over items is noise of single judgements, which then counts twice.

    The other end is `power.items_needed`: items differ, and the raters of an item agree. Raters who take sides cost
    more than either, and more items do not help against them.

    Args:
        sd: standard deviation of the difference over items, above 0.
        margin: above 0.
        raters: how many people judge; with one there is no spread over raters.
        alpha: one-sided type-I error.
        power: chance to show non-inferiority of equals.
    """
    if raters < 2:
        return items_needed(sd, margin, alpha=alpha, power=power)
    degrees = 4.0 * (raters - 1)
    wanted = (float(stdtrit(degrees, 1 - alpha)) + float(stdtrit(degrees, power))) * sd / margin
    return max(2, math.ceil(2 * wanted**2))


def _nothing(difference: Estimate, margin: float) -> NonInferiority:
    return NonInferiority(difference, margin, reason=difference.reason)


def _spread(drawn: Floats) -> float:
    """Variance over resamples, those without any judgement left out."""
    kept = drawn[np.isfinite(drawn)]
    return float(kept.var(ddof=1)) if len(kept) > 1 else 0.0


def _by_raters(values: Floats, judged: Booleans, rng: np.random.Generator) -> Floats:
    """The mean difference for resampled raters, shape [B]."""
    raters = judged.shape[1]
    drawn = rng.multinomial(raters - 1, np.full(raters, 1 / raters), size=RESAMPLES).T.astype(np.float64)
    count = judged @ drawn
    kept = count > 0
    means = np.divide(values @ drawn, count, out=np.zeros_like(count), where=kept)
    there = kept.sum(axis=0)
    return np.asarray(np.divide(means.sum(axis=0), there, out=np.full(RESAMPLES, np.nan), where=there > 0))
