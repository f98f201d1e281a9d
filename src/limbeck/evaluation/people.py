"""Labels beside the ratings of many people: how near the opinions are, and how right one person is.

Knows nothing of workers, votes or of single raters: it sees only how many people chose what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limbeck.errors import DataError
from limbeck.evaluation.intervals import (
    BLOCK,
    Booleans,
    Estimate,
    Floats,
    Integers,
    mean_estimate,
    resample,
    undefined,
    with_interval,
)

NO_RATINGS = "no item was rated by people"


@dataclass(frozen=True, slots=True)
class PeopleAgreement:
    """How the labels stand beside people.

    Attributes:
        distance: mean total variation distance between posterior and shares of people, 0 to 1.
        rank_correlation: Spearman's ρ over items between posterior and share (mean over labels for K > 2).
        rater_accuracy: how right one average rater is against the others' majority.
        raters_per_item: mean number of ratings on rated items, undecided ones included; None without ratings.
    """

    distance: Estimate
    rank_correlation: Estimate
    rater_accuracy: Estimate
    raters_per_item: float | None


def against_people(
    probabilities: Floats, counts: Integers, undecided: Integers, *, rng: np.random.Generator
) -> PeopleAgreement:
    """Compare posteriors with people's ratings on the items that anybody rated.

    Args:
        probabilities: posteriors, shape [n, K], rows sum to 1.
        counts: how many people chose each label, shape [n, K].
        undecided: how many chose none, shape [n]; in the shares each of them is split evenly over the labels.
        rng: source of the bootstrap.
    """
    if probabilities.shape != counts.shape:
        raise DataError(
            f"Posteriors of shape {probabilities.shape} stand against ratings of shape {counts.shape}.",
            hint="Pass one row per item and one column per label.",
        )
    shares, rated = human_shares(counts, undecided)
    total = counts.sum(axis=1) + undecided
    gap = 0.5 * np.abs(probabilities[rated] - shares[rated]).sum(axis=1)
    return PeopleAgreement(
        distance=mean_estimate(gap, rng=rng, reason=None if rated.any() else NO_RATINGS),
        rank_correlation=rank_correlation(probabilities[rated], shares[rated], rng=rng),
        rater_accuracy=rater_accuracy(counts, undecided, rng=rng),
        raters_per_item=float(total[rated].mean()) if rated.any() else None,
    )


def human_shares(counts: Integers, undecided: Integers) -> tuple[Floats, Booleans]:
    """Shares of people behind each label, shape [n, K] (uniform where nobody rated), and which items were rated [n].

    Raises:
        DataError: a negative count, or arrays of different length.
    """
    if counts.shape[0] != undecided.shape[0] or (counts < 0).any() or (undecided < 0).any():
        raise DataError(
            "The counts of people's ratings are negative or of different length.", hint="Check the column of ratings."
        )
    k = counts.shape[1]
    total = counts.sum(axis=1) + undecided
    mass = counts + undecided[:, None] / k
    shares = np.divide(mass, total[:, None], out=np.full(mass.shape, 1.0 / k), where=total[:, None] > 0)
    return shares, total > 0


def rater_accuracy(counts: Integers, undecided: Integers, *, rng: np.random.Generator) -> Estimate:
    """Accuracy of one average rater against the majority of the item's other raters (leave one out).

    A rater's label is right when it alone leads among the others' labels. Where labels tie for the lead among the
    others, and for a rater who is undecided, the credit is 1/K, what a guess would earn. A rater is left out where no
    other rater of the item decided. Raters are averaged within an item first, so that every item counts the same.
    Arguments as in `against_people`.
    """
    human_shares(counts, undecided)
    k = counts.shape[1]
    decided = counts.sum(axis=1)
    credit = np.zeros(len(counts))
    raters = np.zeros(len(counts))
    for label in range(k):
        others = counts - np.eye(k, dtype=np.int64)[label]
        best = others.max(axis=1)
        alone = (others == best[:, None]).sum(axis=1) == 1
        judged = (counts[:, label] > 0) & (decided > 1)
        earned = np.where(alone, others[:, label] == best, 1.0 / k)
        credit += np.where(judged, earned * counts[:, label], 0.0)
        raters += np.where(judged, counts[:, label], 0)
    judged = (undecided > 0) & (decided > 0)
    credit += np.where(judged, undecided / k, 0.0)
    raters += np.where(judged, undecided, 0)
    used = raters > 0
    return mean_estimate(
        credit[used] / raters[used], rng=rng, reason=None if used.any() else "no item was rated by two people"
    )


def rank_correlation(probabilities: Floats, shares: Floats, *, rng: np.random.Generator) -> Estimate:
    """Spearman's rank correlation over items between posterior and share, with mean ranks for ties.

    For two labels that of the second one (the first one's is the same); for more, the mean over the labels for which
    it exists. Both arrays have shape [n, K].
    """
    n, k = shares.shape
    if n == 0:
        return undefined(NO_RATINGS)
    columns = [1] if k == 2 else list(range(k))
    pairs = [(probabilities[:, c], shares[:, c]) for c in columns]
    return correlation(pairs, rng=rng, reason="posteriors or shares do not differ between items")


def correlation(pairs: Sequence[tuple[Floats, Floats]], *, rng: np.random.Generator, reason: str) -> Estimate:
    """Mean Spearman correlation over the pairs of columns, each of shape [n], for which it exists.

    Args:
        pairs: what is ranked against what.
        rng: source of the bootstrap, which ranks every resample anew.
        reason: told where it exists for no pair.
    """
    n = len(pairs[0][0])

    def correlations(weights: Floats) -> Floats:
        table = np.array([_spearman(one, two, weights) for one, two in pairs])
        finite = np.isfinite(table)
        total = np.where(finite, table, 0.0).sum(axis=0)
        return np.asarray(np.where(finite.any(axis=0), total / np.maximum(finite.sum(axis=0), 1), np.nan))

    value = float(correlations(np.ones((1, n)))[0])
    if not np.isfinite(value):
        return undefined(reason, n)
    step = max(1, BLOCK // (4 * n))
    drawn = [
        correlations(block[start : start + step])
        for block in resample(np.ones(n, dtype=np.int64), rng=rng)
        for start in range(0, len(block), step)
    ]
    return with_interval(value, np.concatenate(drawn), n=n)


def _spearman(first: Floats, second: Floats, weights: Floats) -> Floats:
    """Rank correlation in every resample; weights are counts, shape [B, n]; NaN where a side has no variance."""
    one, two = _mean_ranks(first, weights), _mean_ranks(second, weights)
    total = weights.sum(axis=1, keepdims=True)
    one -= (weights * one).sum(axis=1, keepdims=True) / total
    two -= (weights * two).sum(axis=1, keepdims=True) / total
    spread = (weights * one * one).sum(axis=1) * (weights * two * two).sum(axis=1)
    joint = (weights * one * two).sum(axis=1)
    # Ranks are halves of whole numbers, so a true variance is never as small as rounding.
    return np.asarray(np.where(spread > 1e-6, joint / np.sqrt(np.maximum(spread, 1e-6)), np.nan))


def _mean_ranks(values: Floats, weights: Floats) -> Floats:
    """Mean rank of each item in each resample, shape [B, n], where item i occurs weights[:, i] times."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    size = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks: Floats = (np.cumsum(size, axis=1) - size + (size + 1) / 2)[:, group]
    return ranks
