"""Selection by the student's doubt: ask where the current student is least sure.

Knows nothing of members, vectors or of any other selector. Definitions as in Settles, Active Learning Literature Survey
(2009), section 3.1.
"""

from __future__ import annotations

import numpy as np
from scipy.special import entr

from limbeck.selection.base import Evidence, highest, needed, opinions


class LeastConfidence:
    """Lowest probability of the likeliest label first (Lewis & Gale 1994)."""

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without probabilities."""
        return highest(-opinions(evidence, "LeastConfidence").max(axis=1), n, ids=evidence.ids, rng=rng)


class Margin:
    """Smallest gap between the two likeliest labels first (Scheffer, Decomain & Wrobel 2001)."""

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without probabilities."""
        found = opinions(evidence, "Margin")
        if found.shape[1] < 2:  # one label only: no gap tells anything
            return highest(np.zeros(len(found)), n, ids=evidence.ids, rng=rng)
        top = np.partition(found, -2, axis=1)[:, -2:]
        return highest(top[:, 0] - top[:, 1], n, ids=evidence.ids, rng=rng)


class Entropy:
    """Highest Shannon entropy first."""

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without probabilities."""
        return highest(entr(opinions(evidence, "Entropy")).sum(axis=1), n, ids=evidence.ids, rng=rng)


class Variance:
    """Highest variance of the posterior on the labels' scale first: the expected squared error of its expected value.

    The uncertainty of regression (Settles 2009, section 3.4): being split between neighbours is less than between ends.
    """

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without probabilities, or where the labels are no scale."""
        found = opinions(evidence, "Variance")
        values = needed(evidence.values, what="labels on a scale", selector="Variance", hint="Make the task ordinal.")
        gaps = values - (found @ values)[:, None]
        return highest((found * gaps**2).sum(axis=1), n, ids=evidence.ids, rng=rng)
