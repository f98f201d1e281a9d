"""Labels that stand on a scale: one label for a posterior, and how far labels are from gold in steps of the scale.

Knows nothing of workers, files or of how the labels came about.
"""

from __future__ import annotations

import numpy as np

from limbeck.evaluation.intervals import Estimate, Floats, Integers, bootstrap, mean_estimate, undefined
from limbeck.evaluation.people import correlation
from limbeck.evaluation.scores import NO_GOLD, known

# Sums of probabilities miss a half by rounding only.
ROUNDING = 1e-9


def expected(probabilities: Floats, values: Floats) -> Floats:
    """Expected value of each posterior: [N, K] and [K] → [N]."""
    return np.asarray(probabilities @ values)


def point(probabilities: Floats, values: Floats, how: str) -> Integers:
    """The label that speaks for each posterior, [N, K] → [N].

    The mode is right most often; the median has the least expected distance, and the label nearest to the mean the
    least expected squared distance, which is what quadratic kappa counts. Ties go to the lower label.

    Args:
        probabilities: posteriors, shape [N, K].
        values: what the labels stand for, ascending, shape [K].
        how: mode, median or mean.
    """
    if how == "mode":
        return np.asarray(probabilities.argmax(axis=1))
    if how == "median":
        return np.asarray((probabilities.cumsum(axis=1) >= 0.5 - ROUNDING).argmax(axis=1))
    gaps = np.abs(expected(probabilities, values)[:, None] - values)
    return np.asarray((gaps <= gaps.min(axis=1, keepdims=True) + ROUNDING).argmax(axis=1))


def mean_absolute_error(gold: Integers, predicted: Integers, values: Floats, *, rng: np.random.Generator) -> Estimate:
    """Mean distance between label and gold, in the scale's own numbers.

    Args:
        gold: label indices, shape [n]; -1 = unknown, left out.
        predicted: label indices, shape [n].
        values: what the labels stand for, shape [K].
        rng: source of the bootstrap.
    """
    rows = known(gold, predicted)
    if not rows.any():
        return undefined(NO_GOLD)
    return mean_estimate(np.abs(values[gold[rows]] - values[predicted[rows]]), rng=rng)


def quadratic_kappa(gold: Integers, predicted: Integers, values: Floats, *, rng: np.random.Generator) -> Estimate:
    """Weighted kappa with squared distances on the scale (Cohen 1968): 1 is right, 0 what shuffled labels would get.

    Undefined where gold and labels are all one and the same. Arguments as in `mean_absolute_error`.
    """
    rows = known(gold, predicted)
    if not rows.any():
        return undefined(NO_GOLD)
    one, two = values[gold[rows]], values[predicted[rows]]
    # From the means of x, y, x², y² and xy: observed E(x−y)², expected by chance E x² + E y² − 2 E x E y.
    features = np.column_stack([one, two, one**2, two**2, one * two, np.ones(len(one))])

    def statistic(sums: Floats) -> Floats:
        x, y, xx, yy, xy = (sums[:, :5] / sums[:, 5:]).T
        chance = xx + yy - 2 * x * y
        apart = np.where(chance > ROUNDING, chance, np.nan)
        return np.asarray(1 - (xx + yy - 2 * xy) / apart)

    alike = np.ptp(np.concatenate([one, two])) == 0
    return bootstrap(features, statistic, rng=rng, reason="gold and labels are all the same" if alike else None)


def rank_agreement(gold: Integers, said: Floats, *, rng: np.random.Generator) -> Estimate:
    """Spearman's rank correlation over items between the expected value and the place of gold on the scale.

    Args:
        gold: label indices, shape [n]; -1 = unknown, left out.
        said: expected values, shape [n].
        rng: source of the bootstrap.
    """
    rows = known(gold, said)
    if not rows.any():
        return undefined(NO_GOLD)
    return correlation([(said[rows], gold[rows].astype(np.float64))], rng=rng, reason="labels or gold do not differ")
