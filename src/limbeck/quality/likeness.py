"""How near generated texts are to real ones, and how much of the real ones they cover, in a space of vectors.

Knows nothing of the texts themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
BLOCK = 1 << 22  # cosines held at once
NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class Likeness:
    """How a generated set lies among real texts.

    Attributes:
        distance: mean of 1 − cosine between a generated text and the real one nearest to it, 0 to 2.
        density: how many real texts' neighbourhoods a generated text lies in, over k; 1 is what real texts have among
            themselves, more is crowding where real texts are dense (Naeem et al. 2020, arXiv 2002.09797).
        coverage: share of real texts with a generated text in their neighbourhood, 0 to 1 (the same).
    """

    distance: float
    density: float
    coverage: float


def closeness(vectors: Vectors, others: Vectors) -> Vectors:
    """The highest cosine between each vector and any of the others, shape [n]; −1 where there are no others."""
    found = np.full(len(vectors), -1.0, np.float32)
    step = max(1, BLOCK // max(1, len(others)))
    for start in range(0, len(vectors) if len(others) else 0, step):
        found[start : start + step] = (vectors[start : start + step] @ others.T).max(axis=1)
    return found


def likeness(generated: Vectors, real: Vectors, k: int = NEIGHBOURS) -> Likeness | None:
    """Where generated texts lie among real ones; None for an empty set or no more than k real texts.

    A real text's neighbourhood reaches to its k-th nearest real text.

    Args:
        generated: unit vectors, shape [n, D].
        real: unit vectors, shape [m, D].
        k: neighbours, at least 1.
    """
    if not len(generated) or len(real) <= k:
        return None
    inside, covered = 0, 0
    step = max(1, BLOCK // max(len(real), len(generated)))
    for start in range(0, len(real), step):
        block = real[start : start + step]
        among = block @ real.T
        among[np.arange(len(block)), start + np.arange(len(block))] = -np.inf  # nobody is a neighbour of itself
        radius = np.partition(among, len(real) - k, axis=1)[:, len(real) - k]
        hits = block @ generated.T >= radius[:, None]
        inside += int(hits.sum())
        covered += int(hits.any(axis=1).sum())
    distance = float((1.0 - closeness(generated, real)).mean(dtype=np.float64))
    return Likeness(distance, inside / (k * len(generated)), covered / len(real))
