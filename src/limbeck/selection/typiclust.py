"""TypiClust: the most typical item of each cluster that nothing was asked of (Hacohen, Dekel & Weinshall 2022).

Made for a cold start: it needs no student. Knows nothing of labels, opinions or of any other selector.
"""

from __future__ import annotations

import numpy as np

from limbeck.selection.base import Evidence, Floats, at_most, vectors_by_id
from limbeck.selection.vectors import Places, Vectors, blocks, k_means, nearest

FEW = 5  # clusters with fewer items come last


class TypiClust:
    """Most typical of each cluster first: clusters with the fewest labelled items, then the largest.

    There are as many clusters as labelled items and n together, up to `clusters`. Typical is an item near to its
    nearest items of the same cluster. An item that is asked still counts as its cluster's next one's neighbour.

    Args:
        clusters: at most.
        neighbours: items whose mean distance says how typical one is.
        most: candidates that are looked at; of more, a sample.
        sample: candidates used to find the centres, or 5 for each centre if that is more.
    """

    def __init__(self, *, clusters: int = 500, neighbours: int = 20, most: int = 100_000, sample: int = 10_000) -> None:
        self._clusters, self._neighbours = clusters, neighbours
        self._most, self._sample = most, sample

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without embeddings."""
        evidence = at_most(evidence, max(n, self._most), selector="TypiClust", rng=rng)
        order, vectors = vectors_by_id(evidence, "TypiClust")
        labelled = vectors[:0] if evidence.labelled is None else evidence.labelled
        count = min(n + len(labelled), self._clusters, len(order))
        if min(n, count) == 0:
            return []
        ranks = rng.permutation(len(order))
        drawn = np.argsort(ranks)[: max(self._sample, 5 * count)]
        centres = k_means(vectors[drawn], count, iterations=15, rng=rng)
        homes, _ = nearest(vectors, centres)
        covered = np.bincount(nearest(labelled, centres)[0], minlength=count)
        sizes = np.bincount(homes, minlength=count)
        queue = np.empty(count, dtype=np.int64)
        queue[np.lexsort((-sizes, covered))] = np.arange(count)
        turns = _turns(_typicality(vectors, homes, self._neighbours), homes, ranks)
        chosen = np.lexsort((queue[homes], turns, sizes[homes] < FEW))[:n]
        return [evidence.ids[place] for place in order[chosen]]


def _typicality(vectors: Vectors, homes: Places, most: int) -> Floats:
    """Minus the mean distance to the nearest items of the same cluster (at most half of it), shape [N]."""
    found = np.full(len(vectors), -np.inf)
    for members in np.split(np.argsort(homes, kind="stable"), np.cumsum(np.bincount(homes))[:-1]):
        near = min(most, len(members) // 2)
        if near == 0:
            continue
        own = vectors[members]
        for block in blocks(len(members), len(members)):
            cosines = own[block] @ own.T
            rows = np.arange(len(cosines))
            cosines[rows, rows + block.start] = -np.inf
            nearest_ones = np.partition(cosines, len(members) - near, axis=1)[:, len(members) - near :]
            found[members[block]] = -np.sqrt(np.maximum(2 - 2 * nearest_ones, 0)).mean(axis=1)
    return found


def _turns(typicality: Floats, homes: Places, ranks: Places) -> Places:
    """How many items of its cluster are more typical than this one, ties by rank, shape [N]."""
    order = np.lexsort((ranks, -typicality, homes))
    starts = np.concatenate([[0], np.cumsum(np.bincount(homes))[:-1]])
    turns = np.empty(len(homes), dtype=np.int64)
    turns[order] = np.arange(len(homes)) - starts[homes[order]]
    return turns
