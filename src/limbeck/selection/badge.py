"""BADGE: a batch whose gradients are large and unlike each other (Ash et al. 2020).

Knows nothing of members, of what is labelled already or of any other selector. The gradient of a candidate for the
student's own answer is the outer product of (probabilities - one-hot answer) and vector. It is never written out: the
product of two gradients is the product of their two factors' products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limbeck.selection.base import Evidence, Floats, opinions, vectors_by_id
from limbeck.selection.vectors import Places, Vectors, blocks

TOGETHER = 64  # new centres that are compared with all candidates in one product
PATIENCE = 64  # draws refused before all weights are brought up to date


class BADGE:
    """Longest gradient first, then drawn with the squared distance to those chosen as weight (k-means++).

    Draws from weights that are out of date are kept with the share that is left of their weight, so the distribution is
    that of the plain loop. Where all distances are zero the rest is drawn by lot.
    """

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without embeddings or probabilities."""
        order, vectors = vectors_by_id(evidence, "BADGE")
        slopes = opinions(evidence, "BADGE")[order].astype(np.float32)
        n = min(n, len(order))
        if n == 0:
            return []
        slopes[np.arange(len(slopes)), slopes.argmax(axis=1)] -= 1
        gradients = _Gradients(slopes, vectors, np.einsum("nk,nk->n", slopes, slopes))
        ranks = rng.permutation(len(order))
        longest = np.flatnonzero(gradients.squares == gradients.squares.max())
        chosen = _spread(gradients, int(longest[ranks[longest].argmin()]), n, rng=rng)
        if len(chosen) < n:
            rest = np.setdiff1d(np.arange(len(order)), chosen)
            chosen += rest[np.argsort(ranks[rest])][: n - len(chosen)].tolist()
        return [evidence.ids[place] for place in order[chosen]]


@dataclass(frozen=True, slots=True)
class _Gradients:
    """Gradients as their factors, shapes [N, K] and [N, D], and their squared lengths, shape [N]."""

    slopes: Vectors
    vectors: Vectors
    squares: Vectors

    def distances(self, rows: slice | Places, centres: Places) -> Vectors:
        """Squared distance of each row and the nearest centre."""
        products = self.vectors[rows] @ self.vectors[centres].T
        products *= self.slopes[rows] @ self.slopes[centres].T
        products *= -2
        products += self.squares[centres]
        least: Vectors = np.maximum(products.min(axis=1) + self.squares[rows], 0)
        return least


def _spread(gradients: _Gradients, first: int, n: int, *, rng: np.random.Generator) -> list[int]:
    """Up to n places, fewer where the other gradients are all equal to chosen ones."""
    chosen, pending, refused = [first], [first], PATIENCE
    weights = np.full(len(gradients.squares), np.inf)
    sums: Floats = weights
    while len(chosen) < n:
        if refused >= PATIENCE or len(pending) >= TOGETHER:
            _update(weights, gradients, np.array(pending))
            weights[chosen] = 0
            sums, pending, refused = np.cumsum(weights), [], 0
            if sums[-1] <= 0:
                break
        place = int(min(np.searchsorted(sums, rng.random() * sums[-1], side="right"), len(sums) - 1))
        share = rng.random() * weights[place]
        if place in pending or weights[place] <= 0:
            refused += 1
            continue
        if pending and gradients.distances(np.array([place]), np.array(pending))[0] <= share:
            refused += 1
            continue
        chosen.append(place)
        pending.append(place)
    return chosen


def _update(weights: Floats, gradients: _Gradients, centres: Places) -> None:
    for block in blocks(len(weights), len(centres)):
        np.minimum(weights[block], gradients.distances(block, centres), out=weights[block])
