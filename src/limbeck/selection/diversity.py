"""Selection by place: ask items that cover the space of texts, whatever anybody thinks of them.

Knows nothing of labels, opinions or of any other selector.
"""

from __future__ import annotations

import numpy as np

from limbeck.selection.base import Evidence, vectors_by_id
from limbeck.selection.vectors import Places, Vectors, blocks, closest, k_means, nearest

FRONT = 1 << 12  # candidates that are farthest and looked at one by one; measured best of 1,024 to 16,384


class KCentre:
    """Farthest from everything labelled or chosen so far first: greedy k-centre (Sener & Savarese 2018).

    With nothing labelled it starts at a random candidate. The choice is that of the plain greedy loop; only the
    candidates that can be the farthest are compared with each new centre at once, the others with many centres in one
    matrix product.
    """

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without embeddings."""
        order, vectors = vectors_by_id(evidence, "KCentre")
        ranks = rng.permutation(len(order))
        near = closest(vectors, evidence.labelled)
        chosen: list[int] = []
        while len(chosen) < min(n, len(vectors)):
            front, bound = _front(near, ranks)
            new = _greedy(
                vectors[front], near[front], ranks[front], most=min(n, len(vectors)) - len(chosen), bound=bound
            )
            chosen += front[new].tolist()
            centres = vectors[front[new]]
            for block in blocks(len(vectors), len(centres)):
                np.maximum(near[block], (vectors[block] @ centres.T).max(axis=1), out=near[block])
            near[chosen] = np.inf
        return [evidence.ids[place] for place in order[chosen]]


class KMeans:
    """The item nearest to each of n centres of spherical k-means, largest cluster first (Zhdanov 2019, unweighted).

    Centres are found on a sample: at most 10,000 candidates, or 5 for each centre if that is more; then every candidate
    goes to its nearest centre. What is labelled already does not count. Where there are fewer different vectors than n,
    the rest is drawn by lot.

    Args:
        sample: candidates used to find the centres.
        iterations: of Lloyd's algorithm, at most.
    """

    def __init__(self, *, sample: int = 10_000, iterations: int = 15) -> None:
        self._sample = sample
        self._iterations = iterations

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without embeddings."""
        order, vectors = vectors_by_id(evidence, "KMeans")
        ranks = rng.permutation(len(order))
        n = min(n, len(vectors))
        if n == 0:
            return []
        places = np.argsort(ranks)[: max(self._sample, 5 * n)]
        if len(places) < len(vectors):
            evidence.note(f"KMeans found its centres on {len(places):,} of {len(vectors):,} candidates, drawn by lot")
        centres = k_means(vectors[places], n, iterations=self._iterations, rng=rng)
        homes, cosines = nearest(vectors, centres)
        by_cluster = np.lexsort((ranks, -cosines, homes))
        clusters, firsts, sizes = np.unique(homes[by_cluster], return_index=True, return_counts=True)
        chosen = by_cluster[firsts][np.lexsort((clusters, -sizes))]
        rest = np.setdiff1d(np.arange(len(vectors)), chosen)
        filled = np.concatenate([chosen, rest[np.argsort(ranks[rest])]])[:n]
        return [evidence.ids[place] for place in order[filled]]


def _front(near: Vectors, ranks: Places) -> tuple[Places, float]:
    """The FRONT farthest candidates, ties by rank, and the cosine that the nearest of the others has at least."""
    if len(near) <= FRONT:
        return np.arange(len(near)), np.inf
    bound = np.partition(near, FRONT)[FRONT]
    inside, tied = np.flatnonzero(near < bound), np.flatnonzero(near == bound)
    tied = tied[np.argsort(ranks[tied])][: FRONT - len(inside)]
    return np.sort(np.concatenate([inside, tied])), float(bound)


def _greedy(vectors: Vectors, near: Vectors, ranks: Places, *, most: int, bound: float) -> list[int]:
    """Places of the farthest of these one after the other, as long as nobody at `bound` can be as far; at least one."""
    chosen: list[int] = []
    while len(chosen) < most:
        farthest = np.flatnonzero(near == near.min())
        place = int(farthest[ranks[farthest].argmin()])
        if chosen and near[place] >= bound:
            break
        np.maximum(near, vectors @ vectors[place], out=near)
        chosen.append(place)
        near[chosen] = np.inf  # again each time: the line above may only raise the others
    return chosen
