"""Selection by lot: the baseline that every other selector has to beat.

Knows nothing of opinions, vectors or of any other selector.
"""

from __future__ import annotations

import numpy as np

from limbeck.selection.base import Evidence, random_ranks


class Random:
    """Every candidate is equally likely."""

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids in random order."""
        order = np.argsort(random_ranks(evidence.ids, rng))
        return [evidence.ids[place] for place in order[:n]]
