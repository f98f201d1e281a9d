"""Relabel or new: ask again about a doubtful label, or ask about a new item (Lin, Mausam & Weld 2016).

Knows nothing of vectors, of members or of any other selector.
"""

from __future__ import annotations

import numpy as np
from scipy.special import entr

from limbeck.selection.base import Evidence, Floats, about_labelled, highest, opinions


class ReActive:
    """Highest mean of the student's entropy and the label's first, over new items and those that are still open.

    Re-active learning by uncertainty sampling over all items (Lin, Mausam & Weld 2016): of an item that nobody labelled
    the label's entropy is the highest there is. Where no item is open, only new ones are left and the choice is that of
    Entropy.

    Args:
        alpha: how much the label's entropy counts, 0 to 1.
    """

    def __init__(self, *, alpha: float = 0.5) -> None:
        self._alpha = alpha

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without a student."""
        new = opinions(evidence, "ReActive")
        scores = (1 - self._alpha) * _entropy(new) + self._alpha
        again = np.zeros(0, dtype=np.int64) if evidence.open is None else np.flatnonzero(evidence.open)
        if len(again):
            posterior = about_labelled(evidence.posterior, evidence, what="beliefs about labels", selector="ReActive")
            taught = about_labelled(evidence.taught, evidence, what="opinions of labelled items", selector="ReActive")
            old = (1 - self._alpha) * _entropy(taught[again]) + self._alpha * _entropy(posterior[again])
            scores = np.concatenate([scores, old])
        ids = evidence.ids + tuple(evidence.asked[place] for place in again)
        return highest(scores, min(n, len(new)), ids=ids, rng=rng)


def _entropy(rows: Floats) -> Floats:
    """Shannon entropy of each row as a share of the highest there is."""
    shares: Floats = entr(rows).sum(axis=1) / np.log(max(rows.shape[1], 2))
    return shares
