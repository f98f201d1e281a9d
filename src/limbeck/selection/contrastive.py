"""CAL: ask where the student answers unlike it answers on the nearest labelled items (Margatina et al. 2021).

Knows nothing of the committee's labels, of members or of any other selector.
"""

from __future__ import annotations

import numpy as np
from scipy.special import entr

from limbeck.selection.base import Evidence, about_labelled, at_most, highest, opinions, vectors_by_id
from limbeck.selection.vectors import PAIRS, neighbour_means

LEAST = 1e-12  # a probability of 0 would make all else equal


class CAL:
    """Highest mean divergence of the student's answer from its answers on the 10 nearest labelled items first.

    Contrastive active learning (Margatina et al. 2021): the mean Kullback-Leibler divergence of the neighbours'
    probabilities from the candidate's.

    Args:
        neighbours: labelled items that each candidate is compared with.
    """

    def __init__(self, *, neighbours: int = 10) -> None:
        self._neighbours = neighbours

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without embeddings, a student or labelled items."""
        taught = about_labelled(evidence.taught, evidence, what="opinions of labelled items", selector="CAL")
        evidence = at_most(evidence, max(n, PAIRS // len(taught)), selector="CAL", rng=rng)
        order, vectors = vectors_by_id(evidence, "CAL")
        logs = np.log(np.maximum(opinions(evidence, "CAL")[order], LEAST))
        assert evidence.labelled is not None  # there are vectors of the candidates, so of the labelled as well
        told = np.column_stack([taught, entr(taught).sum(axis=1)])
        means = neighbour_means(vectors, evidence.labelled, told, self._neighbours)
        scores = -np.einsum("nk,nk->n", means[:, :-1], logs) - means[:, -1]
        return highest(scores, n, ids=tuple(evidence.ids[place] for place in order), rng=rng)
