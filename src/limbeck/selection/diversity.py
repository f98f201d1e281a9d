"""Selection by place: ask items that cover the space of texts, whatever anybody thinks of them.

Knows nothing of labels, opinions or of any other selector. Vectors have length 1, so the nearest is the one with the
largest cosine; all products are float32 and made in blocks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from limbeck.errors import RunError
from limbeck.selection.base import Evidence, needed, random_ranks

Vectors = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

BLOCK = 1 << 23  # cosines held at once: 32 MiB


class KCentre:
    """Farthest from everything labelled or chosen so far first: greedy k-centre (Sener & Savarese 2018).

    With nothing labelled it starts at a random candidate. Time grows with n · N.
    """

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without embeddings."""
        ids, vectors = _sorted(evidence, "KCentre")
        ranks = random_ranks(ids, rng)
        closest = _closest(vectors, evidence.labelled)
        chosen: list[int] = []
        while len(chosen) < min(n, len(vectors)):
            farthest = np.flatnonzero(closest == closest.min())
            place = int(farthest[ranks[farthest].argmin()])
            np.maximum(closest, vectors @ vectors[place], out=closest)
            chosen.append(place)
            closest[chosen] = np.inf  # again each time: the line above may only raise the others
        return [ids[place] for place in chosen]


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
        ids, vectors = _sorted(evidence, "KMeans")
        ranks = random_ranks(ids, rng)
        n = min(n, len(vectors))
        if n == 0:
            return []
        places = np.argsort(ranks)[: max(self._sample, 5 * n)]
        centres = _seeds(vectors[places], n, rng=rng)
        for _ in range(self._iterations):
            moved = _moved(vectors[places], centres)
            if np.array_equal(moved, centres):
                break
            centres = moved
        nearest, cosines = _nearest(vectors, centres)
        order = np.lexsort((ranks, -cosines, nearest))
        clusters, firsts, sizes = np.unique(nearest[order], return_index=True, return_counts=True)
        chosen = order[firsts][np.lexsort((clusters, -sizes))]
        rest = np.setdiff1d(np.arange(len(vectors)), chosen)
        filled = np.concatenate([chosen, rest[np.argsort(ranks[rest])]])[:n]
        return [ids[place] for place in filled]


def _sorted(evidence: Evidence, selector: str) -> tuple[tuple[str, ...], Vectors]:
    """Ids and vectors, by id: rounding differs with a row's place, and near ties would hang on the order."""
    hint = "Name an encoder in the task file, or choose a selector that needs none."
    vectors = needed(evidence.embeddings, what="embeddings", selector=selector, hint=hint)
    if len(vectors) != len(evidence.ids) or not np.isfinite(vectors).all():
        raise RunError(f"{selector} was given {len(vectors)} vectors, not {len(evidence.ids)} finite ones", hint=hint)
    order = sorted(range(len(vectors)), key=evidence.ids.__getitem__)
    return tuple(evidence.ids[place] for place in order), vectors[order]


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    step = max(1, BLOCK // max(1, columns))
    return (slice(start, start + step) for start in range(0, rows, step))


def _closest(vectors: Vectors, labelled: Vectors | None) -> Vectors:
    """Cosine of each candidate and the labelled item nearest to it; -inf where nothing is labelled."""
    closest = np.full(len(vectors), -np.inf, dtype=np.float32)
    if labelled is not None and len(labelled):
        for block in _blocks(len(vectors), len(labelled)):
            closest[block] = (vectors[block] @ labelled.T).max(axis=1)
    return closest


def _nearest(vectors: Vectors, centres: Vectors) -> tuple[Places, Vectors]:
    """Each vector's nearest centre and the cosine between them."""
    nearest = np.empty(len(vectors), dtype=np.int64)
    cosines = np.empty(len(vectors), dtype=np.float32)
    for block in _blocks(len(vectors), len(centres)):
        products = vectors[block] @ centres.T
        nearest[block] = products.argmax(axis=1)
        cosines[block] = products.max(axis=1)
    return nearest, cosines


def _seeds(vectors: Vectors, n: int, *, rng: np.random.Generator) -> Vectors:
    """n starting centres by k-means++: drawn with the squared distance to those before as weight.

    Source: Arthur & Vassilvitskii (2007). Where all distances are zero, repeats fill the rest.
    """
    places = [0]  # the sample comes in random order
    distances = np.full(len(vectors), np.inf)
    for _ in range(n - 1):
        distances = np.minimum(distances, np.maximum(1.0 - vectors @ vectors[places[-1]], 0.0))
        sums = np.cumsum(distances)
        drawn = np.searchsorted(sums, rng.random() * sums[-1], side="right")
        places.append(int(min(drawn, len(vectors) - 1)))
    return vectors[places]


def _moved(vectors: Vectors, centres: Vectors) -> Vectors:
    """One step of Lloyd's algorithm on the sphere; a centre that nothing is nearest to stays."""
    nearest, _ = _nearest(vectors, centres)
    order = np.argsort(nearest, kind="stable")
    clusters, firsts = np.unique(nearest[order], return_index=True)
    sums = np.add.reduceat(vectors[order], firsts, axis=0)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    moved = centres.copy()
    moved[clusters] = np.where(norms > 0, sums / np.where(norms > 0, norms, 1), centres[clusters])
    return moved
