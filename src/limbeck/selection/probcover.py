"""ProbCover: items whose surroundings hold most others that are not covered yet (Yehuda et al. 2022).

Made for a cold start: it needs no student. Knows nothing of labels, opinions or of any other selector.
"""

from __future__ import annotations

import numpy as np

from limbeck.errors import RunError
from limbeck.selection.base import Booleans, Evidence, at_most, vectors_by_id
from limbeck.selection.vectors import Places, Vectors, blocks, closest, k_means, nearest

NEAR = 1 - 1e-6  # nearer than this rounding could put an item out of its own reach
ANCHORS = 1_000  # candidates whose surroundings tell the radius


class ProbCover:
    """Most uncovered items within the radius first, greedily; when all are covered, the rest by lot.

    The radius is the largest in which a share `purity` of the candidates has none but their own k-means cluster around
    them, with as many clusters as the task has labels. What lies within it of a labelled item is covered.

    Args:
        radius: as a distance between unit vectors, 0 to 2; None: found as above.
        purity: share of pure surroundings that the radius must keep.
        most: candidates that are looked at; of more, a sample. Time grows with its square.
        sample: candidates used to find the clusters.
    """

    def __init__(
        self, *, radius: float | None = None, purity: float = 0.95, most: int = 50_000, sample: int = 10_000
    ) -> None:
        self._radius, self._purity = radius, purity
        self._most, self._sample = most, sample

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without embeddings, or without radius and number of labels."""
        evidence = at_most(evidence, max(n, self._most), selector="ProbCover", rng=rng)
        order, vectors = vectors_by_id(evidence, "ProbCover")
        ranks = rng.permutation(len(order))
        if min(n, len(order)) == 0:
            return []
        if self._radius is None:
            drawn = np.argsort(ranks)
            homes = self._homes(vectors, drawn, evidence.classes, rng=rng)
            reach = _reach(vectors, homes, drawn[:ANCHORS], purity=self._purity)
        else:
            reach = 1 - self._radius**2 / 2
        reach = min(reach, NEAR)
        chosen = _cover(vectors, closest(vectors, evidence.labelled) < reach, reach, n=n, ranks=ranks)
        return [evidence.ids[place] for place in order[chosen]]

    def _homes(self, vectors: Vectors, drawn: Places, labels: int | None, *, rng: np.random.Generator) -> Places:
        """The cluster of each vector, shape [N]; centres are found on the first of those drawn."""
        if labels is None:
            raise RunError(
                "the selector ProbCover needs the number of labels", hint="Give Evidence.classes or a radius."
            )
        centres = k_means(vectors[drawn[: self._sample]], min(labels, len(vectors)), iterations=15, rng=rng)
        return nearest(vectors, centres)[0]


def _reach(vectors: Vectors, homes: Places, anchors: Places, *, purity: float) -> float:
    """The radius as a cosine: a share `purity` of the anchors has nothing of another cluster as near as this."""
    foreign = np.full(len(anchors), -1.0)
    for block in blocks(len(anchors), len(vectors)):
        products = vectors[anchors[block]] @ vectors.T
        products[homes[anchors[block], None] == homes] = -1
        foreign[block] = products.max(axis=1)
    edge = np.float32(np.quantile(foreign, purity, method="higher"))
    return float(np.nextafter(edge, np.float32(2)))


def _cover(vectors: Vectors, open_: Booleans, reach: float, *, n: int, ranks: Places) -> list[int]:
    """Up to n places, each covering most of what is open when it is chosen."""
    counts = _within(vectors, vectors[open_], reach)
    chosen: list[int] = []
    while len(chosen) < min(n, len(vectors)):
        best = np.flatnonzero(counts == counts.max())
        if counts[best[0]] <= 0:
            break
        place = int(best[ranks[best].argmin()])
        covered = np.flatnonzero(open_ & (vectors @ vectors[place] >= reach))
        counts -= _within(vectors, vectors[covered], reach)
        open_[covered] = False
        chosen.append(place)
        counts[place] = -1
    rest = np.setdiff1d(np.arange(len(vectors)), chosen)
    chosen += rest[np.argsort(ranks[rest])][: min(n, len(vectors)) - len(chosen)].tolist()
    return chosen


def _within(vectors: Vectors, others: Vectors, reach: float) -> Places:
    """How many of the others lie within reach of each vector, shape [N]."""
    counts = np.zeros(len(vectors), dtype=np.int64)
    if len(others):
        for block in blocks(len(vectors), len(others)):
            counts[block] = np.count_nonzero(vectors[block] @ others.T >= reach, axis=1)
    return counts
