"""How people judged, not what: whether the place on the screen decided, whether a rater drifted, how fast they were.

Knows nothing of the systems behind the sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limbeck.evaluation.comparison import mcnemar
from limbeck.evaluation.intervals import Estimate, Floats, Integers, bootstrap, mean_estimate, undefined

HASTY = 1 / 3


@dataclass(frozen=True, slots=True)
class PositionBias:
    """Whether what was shown first was preferred.

    Attributes:
        first_preferred: share of decided judgements that prefer what came first; 0.5 is no bias.
        p_value: exact two-sided binomial test of 0.5; None where nothing was decided.
    """

    first_preferred: Estimate
    p_value: float | None


@dataclass(frozen=True, slots=True)
class Pace:
    """One rater's speed.

    Attributes:
        median: seconds; None without judgements.
        hasty: share of judgements below a third of the median over all raters.
        trend: seconds that a judgement in the second half took beyond one in the first (medians); None below 4.
    """

    median: float | None
    hasty: float | None
    trend: float | None


def position_bias(items: Integers, first: Integers, *, rng: np.random.Generator) -> PositionBias:
    """Test whether place decides; the interval resamples items.

    Args:
        items: item of each decided judgement, shape [c].
        first: 1 where what was shown first is preferred, else 0, shape [c].
        rng: source of the bootstrap.
    """
    if not len(items):
        return PositionBias(undefined("no judgement decided between two sides"), None)
    _, group = np.unique(items, return_inverse=True)
    sums = np.column_stack([np.bincount(group, weights=first), np.bincount(group)]).astype(np.float64)
    share = bootstrap(sums, lambda totals: np.asarray(totals[:, 0] / totals[:, 1]), rng=rng)
    wins = int(first.sum())
    return PositionBias(share, mcnemar(wins, len(first) - wins))


def drift(ratings: Floats, places: Floats, *, rng: np.random.Generator) -> list[Estimate]:
    """How much each rater's judgements rose from the first half of their items to the second, against the others.

    A judgement is held against the mean of the other raters of its item, so that harder items later are no drift.

    Args:
        ratings: of each item and rater, shape [n, R]; NaN = none.
        places: at which place of the rater's own order it came, shape [n, R].
        rng: source of the bootstrap over items.

    Returns:
        One estimate per rater, undefined where fewer than four of their items were also judged by others.
    """
    there = np.isfinite(ratings)
    values = np.where(there, ratings, 0.0)
    found = []
    for rater in range(ratings.shape[1]):
        others = np.delete(values, rater, axis=1).sum(axis=1)
        count = np.delete(there, rater, axis=1).sum(axis=1)
        rows = there[:, rater] & (count > 0)
        if rows.sum() < 4:
            found.append(undefined("fewer than four items in common with others", int(rows.sum())))
            continue
        gap = values[rows, rater] - others[rows] / count[rows]
        late = places[rows, rater] > np.median(places[rows, rater])
        features = np.column_stack([gap * late, late, gap * ~late, ~late]).astype(np.float64)
        found.append(
            bootstrap(features, lambda sums: np.asarray(sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3]), rng=rng)
        )
    return found


def pace(seconds: Floats) -> list[Pace]:
    """Speed of each rater; seconds in the order judged, shape [n, R], NaN = none."""
    all_of_them = seconds[np.isfinite(seconds)]
    limit = float(np.median(all_of_them)) * HASTY if len(all_of_them) else 0.0
    found = []
    for column in seconds.T:
        own = column[np.isfinite(column)]
        if not len(own):
            found.append(Pace(None, None, None))
            continue
        half = len(own) // 2
        trend = float(np.median(own[half:]) - np.median(own[:half])) if len(own) >= 4 else None
        found.append(Pace(float(np.median(own)), float((own < limit).mean()), trend))
    return found


def self_consistency(first: Floats, again: Floats, *, rng: np.random.Generator) -> Estimate:
    """Share of repeated questions that a rater answered alike both times; one value per repeat, shape [c]."""
    if not len(first):
        return undefined("no question was asked twice")
    return mean_estimate((first == again).astype(np.float64), rng=rng)
