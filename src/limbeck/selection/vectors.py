"""Many unit vectors at once: nearest neighbours and k-means, by matrix products in blocks.

Knows nothing of labels, opinions or of any selector. Vectors have length 1, so the nearest is the one with the largest
cosine; all products are float32.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BLOCK = 1 << 23  # cosines held at once: 32 MiB
PAIRS = 1 << 32  # cosines that a selector may look at: about a minute on two cores


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices that cover the rows, so that each has about BLOCK products with so many columns."""
    step = max(1, BLOCK // max(1, columns))
    return (slice(start, start + step) for start in range(0, rows, step))


def closest(vectors: Vectors, others: Vectors | None) -> Vectors:
    """Cosine of each vector and the nearest of the others, shape [N]; -inf where there are no others."""
    found = np.full(len(vectors), -np.inf, dtype=np.float32)
    if others is not None and len(others):
        for block in blocks(len(vectors), len(others)):
            found[block] = (vectors[block] @ others.T).max(axis=1)
    return found


def nearest(vectors: Vectors, centres: Vectors) -> tuple[Places, Vectors]:
    """Each vector's nearest centre and the cosine between them, both of shape [N]."""
    places = np.empty(len(vectors), dtype=np.int64)
    cosines = np.empty(len(vectors), dtype=np.float32)
    for block in blocks(len(vectors), len(centres)):
        products = vectors[block] @ centres.T
        best = products.argmax(axis=1)
        places[block] = best
        cosines[block] = np.take_along_axis(products, best[:, None], axis=1)[:, 0]
    return places, cosines


def neighbour_means(vectors: Vectors, others: Vectors, values: Floats, k: int) -> Floats:
    """Mean of the values of each vector's k nearest others, and of all that are as near as the last of them.

    Args:
        vectors: shape [N, D].
        others: shape [L, D], L > 0.
        values: shape [L, C].
        k: others that are a neighbourhood; all of them where there are fewer.

    Returns:
        Shape [N, C].
    """
    first = len(others) - min(k, len(others))
    found = np.empty((len(vectors), values.shape[1]))
    columns = np.column_stack([values, np.ones(len(values))]).astype(np.float32)
    for block in blocks(len(vectors), len(others)):
        products = vectors[block] @ others.T
        # Which they are is not needed, and telling who is near enough is quicker than sorting out places.
        edge = np.partition(products, first, axis=1)[:, first, None]
        sums = (products >= edge).astype(np.float32) @ columns
        found[block] = sums[:, :-1] / sums[:, -1:]
    return found


def k_means(vectors: Vectors, n: int, *, iterations: int, rng: np.random.Generator) -> Vectors:
    """n centres of spherical k-means (Lloyd's steps from k-means++), shape [n, D].

    The vectors come in random order: the first is the first centre.
    """
    centres = _seeds(vectors, n, rng=rng)
    for _ in range(iterations):
        moved = _moved(vectors, centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _seeds(vectors: Vectors, n: int, *, rng: np.random.Generator) -> Vectors:
    """n starting centres by k-means++: drawn with the squared distance to those before as weight.

    Source: Arthur & Vassilvitskii (2007). Where all distances are zero, repeats fill the rest.
    """
    places = [0]
    distances = np.full(len(vectors), np.inf)
    for _ in range(n - 1):
        distances = np.minimum(distances, np.maximum(1.0 - vectors @ vectors[places[-1]], 0.0))
        sums = np.cumsum(distances)
        drawn = np.searchsorted(sums, rng.random() * sums[-1], side="right")
        places.append(int(min(drawn, len(vectors) - 1)))
    return vectors[places]


def _moved(vectors: Vectors, centres: Vectors) -> Vectors:
    """One step of Lloyd's algorithm on the sphere; a centre that nothing is nearest to stays."""
    places, _ = nearest(vectors, centres)
    order = np.argsort(places, kind="stable")
    clusters, firsts = np.unique(places[order], return_index=True)
    sums = np.add.reduceat(vectors[order], firsts, axis=0)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    moved = centres.copy()
    moved[clusters] = np.where(norms > 0, sums / np.where(norms > 0, norms, 1), centres[clusters])
    return moved
