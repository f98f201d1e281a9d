"""How far several people who judged the same items agree beyond chance: Krippendorff's α and Gwet's AC1 and AC2.

Knows nothing of who the people are or of what they judged. All intervals resample items.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from limbeck.errors import DataError
from limbeck.evaluation.intervals import Estimate, Floats, Integers, bootstrap, undefined

Level = Literal["nominal", "ordinal", "interval"]
NO_OVERLAP = "no item was judged by two people"
ONE_VALUE = "everybody gave the same answer: chance and agreement cannot be told apart"


def krippendorff_alpha(ratings: Integers, k: int, *, level: Level, rng: np.random.Generator) -> Estimate:
    """Krippendorff's α: 1 − observed / expected disagreement (Krippendorff 2011, Computing α-Reliability).

    The interval is that of the bootstrap over items, which covers better than the one Krippendorff gave (Zapf et al.
    2016, BMC Medical Research Methodology 16:93).

    Args:
        ratings: category of each judgement, shape [n, R], 0 to k − 1; -1 = none.
        k: number of categories; for "interval" they are equally spaced.
        level: nominal (same or not), ordinal (ranks between), interval (squared distance).
        rng: source of the bootstrap.

    Returns:
        An estimate over the items with two or more judgements; undefined without such an item, or without variance.
    """
    counts = _counts(ratings, k)
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return undefined(NO_OVERLAP)
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(k)
    coincidences = pairs / (counts.sum(axis=1) - 1)[:, None, None]
    if (coincidences.sum(axis=(0, 1)) > 0).sum() < 2:
        return undefined(ONE_VALUE, len(counts))

    def alpha(sums: Floats) -> Floats:
        table = sums.reshape(-1, k, k)
        each = table.sum(axis=2)
        total = each.sum(axis=1)
        apart = _distances(each, level)
        observed = (table * apart).sum(axis=(1, 2))
        expected = (each[:, :, None] * each[:, None, :] * apart).sum(axis=(1, 2)) / (total - 1)
        return np.asarray(np.where(expected > 0, 1 - observed / expected, np.nan))

    return bootstrap(coincidences.reshape(len(counts), k * k), alpha, rng=rng)


def gwet_ac(ratings: Integers, k: int, *, rng: np.random.Generator, weighted: bool = False) -> Estimate:
    """Gwet's AC1, or AC2 with quadratic weights (Gwet 2008, Br. J. Math. Stat. Psychol. 61; 2014, Handbook, 4th ed.).

    Unlike α it stays high where nearly all judgements fall into one category and people agree on that.

    Args:
        ratings: as in `krippendorff_alpha`; all k categories count, also unused ones.
        k: number of categories, at least 2.
        rng: source of the bootstrap.
        weighted: whether near categories agree in part (AC2).
    """
    counts = _counts(ratings, k)
    counts = counts[counts.sum(axis=1) >= 1]
    each = counts.sum(axis=1, keepdims=True)
    if not (each >= 2).any():
        return undefined(NO_OVERLAP)
    steps = np.arange(k)
    apart = ((steps[:, None] - steps[None, :]) / (k - 1)) ** 2
    weights = 1 - apart if weighted else np.eye(k)
    near = counts @ weights.T
    both = each[:, 0] >= 2
    agreed = np.where(both, (counts * (near - 1)).sum(axis=1) / np.maximum(each * (each - 1), 1)[:, 0], 0.0)
    features = np.column_stack([agreed, both, counts / each, np.ones(len(counts))])

    def coefficient(sums: Floats) -> Floats:
        observed = sums[:, 0] / sums[:, 1]
        shares = sums[:, 2:-1] / sums[:, -1:]
        chance = weights.sum() / (k * (k - 1)) * (shares * (1 - shares)).sum(axis=1)
        return np.asarray((observed - chance) / (1 - chance))

    return bootstrap(features, coefficient, rng=rng)


def _counts(ratings: Integers, k: int) -> Floats:
    """How many people put each item into each category, shape [n, k].

    Raises:
        DataError: a rating outside the categories, or fewer than two categories.
    """
    if k < 2 or ratings.ndim != 2 or (ratings.size and (ratings.min() < -1 or ratings.max() >= k)):
        raise DataError(
            f"Ratings of shape {ratings.shape} do not fit {k} categories.",
            hint="Pass one row per item, one column per person, values 0 to k − 1 and -1 for none.",
        )
    return np.asarray((ratings[:, :, None] == np.arange(k)).sum(axis=1), np.float64)


def _distances(each: Floats, level: Level) -> Floats:
    """δ² between categories, shape [B, k, k]; for ordinal data it hangs on how often each is used, shape [B, k]."""
    k = each.shape[1]
    steps = np.arange(k)
    if level == "nominal":
        return np.broadcast_to(1 - np.eye(k), (len(each), k, k))
    if level == "interval":
        return np.broadcast_to((steps[:, None] - steps[None, :]) ** 2.0, (len(each), k, k))
    # Ranks: the sum from one category to the other, each end counted by half.
    middle = np.cumsum(each, axis=1) - each / 2
    return np.asarray((middle[:, :, None] - middle[:, None, :]) ** 2)
