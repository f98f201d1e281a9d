"""Proactive learning: ask where the student is in doubt and the committee is likely to know (Donmez & Carbonell 2008).

Items that the student finds hard the committee often finds hard too, and a wrong answer teaches wrongly. Knows nothing
of members or of any other selector.
"""

from __future__ import annotations

import numpy as np
from scipy.special import entr

from limbeck.selection.base import Evidence, about_labelled, at_most, highest, opinions, vectors_by_id
from limbeck.selection.vectors import PAIRS, neighbour_means


class Proactive:
    """Highest product of the student's entropy and what the committee's answer would be worth nearby.

    The worth of an answer is how far its confidence exceeds chance, which is what it weighs when a student is taught;
    expected is the mean over the nearest labelled items.

    Args:
        neighbours: labelled items that make up a region.
    """

    def __init__(self, *, neighbours: int = 20) -> None:
        self._neighbours = neighbours

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without embeddings, a student or labelled items."""
        what = "the committee's beliefs about labelled items"
        posterior = about_labelled(evidence.posterior, evidence, what=what, selector="Proactive")
        evidence = at_most(evidence, max(n, PAIRS // len(posterior)), selector="Proactive", rng=rng)
        order, vectors = vectors_by_id(evidence, "Proactive")
        doubts = entr(opinions(evidence, "Proactive")[order]).sum(axis=1)
        assert evidence.labelled is not None  # there are vectors of the candidates, so of the labelled as well
        chance = 1 / posterior.shape[1]
        worth = np.maximum(posterior.max(axis=1) - chance, 0)
        scores = doubts * neighbour_means(vectors, evidence.labelled, worth[:, None], self._neighbours)[:, 0]
        return highest(scores, n, ids=tuple(evidence.ids[place] for place in order), rng=rng)
