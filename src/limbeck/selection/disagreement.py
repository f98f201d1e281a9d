"""Selection by quarrel: ask where students taught by different workers contradict each other (query by committee).

Knows nothing of vectors, of the joint student's opinion or of any other selector.
"""

from __future__ import annotations

import numpy as np
from scipy.special import entr, rel_entr

from limbeck.errors import RunError
from limbeck.selection.base import Evidence, Floats, highest, needed


class VoteEntropy:
    """Highest entropy of the members' hard votes first (Dagan & Engelson 1995).

    A member that is torn between labels votes for the first of them. With M members there are few different scores, so
    most of the choice among equals is by lot.
    """

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without members."""
        members = _opinions(evidence, "VoteEntropy")
        votes = members.argmax(axis=2)
        shares = [(votes == label).mean(axis=0) for label in range(members.shape[2])]
        return highest(entr(np.array(shares)).sum(axis=0), n, ids=evidence.ids, rng=rng)


class BALD:
    """Most to learn from the answer about which member is right first (Houlsby et al. 2011).

    The mutual information of answer and member: entropy of the mean opinion less the mean entropy of the opinions. For
    members that count the same it is KLDivergence's score in other words, so both choose the same items.
    """

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without members."""
        members = _opinions(evidence, "BALD")
        doubts = np.mean([entr(member).sum(axis=1) for member in members], axis=0)
        return highest(entr(members.mean(axis=0)).sum(axis=1) - doubts, n, ids=evidence.ids, rng=rng)


class KLDivergence:
    """Highest mean Kullback-Leibler divergence of the members from their mean first (McCallum & Nigam 1998)."""

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """min(n, N) ids; raises RunError without members."""
        members = _opinions(evidence, "KLDivergence")
        consensus = members.mean(axis=0)
        scores = sum((rel_entr(member, consensus).sum(axis=1) for member in members), np.zeros(len(consensus)))
        return highest(scores, n, ids=evidence.ids, rng=rng)


def _opinions(evidence: Evidence, selector: str) -> Floats:
    hint = "Let at least two workers vote, so that each can teach a student of its own."
    members = needed(evidence.members, what="the members' opinions", selector=selector, hint=hint)
    if len(members) == 0 or not np.isfinite(members).all():
        raise RunError(f"{selector} was given {len(members)} members, or opinions that are not finite", hint=hint)
    return members
