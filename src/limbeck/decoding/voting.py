"""How branches vote: their answers are grouped, weighed and counted. Works on stored trees as well as on fresh ones.

A branch that was cut short, or has no answer, does not vote. Knows nothing of engines, tokens or of when to stop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from limbeck.decoding.base import Draw
from limbeck.decoding.branches import Branch, of_facts

# CISC's temperature: how much a surer path outweighs a less sure one.
TEMPERATURE = 0.5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What some branches decide.

    Attributes:
        answer: the winner, or None with a `reason`.
        shares: answer → share of the weight, the winner first; they sum to 1.
        best: the number of the branch that says the winner most surely, or None.
        reason: why there is no winner.
    """

    answer: str | None
    shares: Mapping[str, float]
    best: int | None
    reason: str | None = None

    @property
    def confidence(self) -> float | None:
        """The winner's share, 0 to 1; None without a winner."""
        return None if self.answer is None else self.shares[self.answer]


def by_sum(branches: Sequence[Branch]) -> list[float]:
    """Δ of each branch: an answer weighs the sum of its branches' Δ (Wang & Zhou 2024, section 2.3, the default)."""
    return [_sure(branch) for branch in branches]


def by_max(branches: Sequence[Branch]) -> list[float]:
    """Δ of the surest branch, and nothing for all others: that single branch decides (Wang & Zhou 2024)."""
    sure = [_sure(branch) for branch in branches]
    top = sure.index(max(sure))
    return [one if i == top else 0.0 for i, one in enumerate(sure)]


def by_majority(branches: Sequence[Branch]) -> list[float]:
    """One vote for each branch (Wang et al. 2023, arXiv 2203.11171)."""
    return [1.0] * len(branches)


def by_confidence(branches: Sequence[Branch]) -> list[float]:
    """exp(Δ / T), T = 0.5, over its highest value: in shares, the softmax of CISC (Taubenfeld et al. 2025,
    arXiv 2502.06233)."""
    return [math.exp((_sure(branch) - 1.0) / TEMPERATURE) for branch in branches]


LEAST = 1e-9
# Every branch weighs between 0 and 1.
WEIGHINGS: Mapping[str, Callable[[Sequence[Branch]], list[float]]] = {
    "sum": by_sum,
    "max": by_max,
    "majority": by_majority,
    "confidence": by_confidence,
}


def masses(branches: Sequence[Branch], weighing: str) -> dict[str, float]:
    """Answer → summed weight of the branches that vote for it, the heaviest first; ties go to the earlier branch."""
    voters = [branch for branch in branches if branch.votes]
    weights = WEIGHINGS[weighing](voters) if voters else []
    if not any(weights):  # all margins are exactly zero: nobody is surer than another, and any later branch may be
        weights = [LEAST] * len(voters)
    found: dict[str, float] = {}
    for branch, weight in zip(voters, weights, strict=True):
        found[branch.answer or ""] = found.get(branch.answer or "", 0.0) + weight
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def decide(branches: Sequence[Branch], weighing: str) -> Verdict:
    """The heaviest answer of some branches.

    Args:
        branches: in the order of their rank.
        weighing: one of `WEIGHINGS`.
    """
    found = masses(branches, weighing)
    if not found:
        return Verdict(None, {}, None, _why_nobody(branches))
    total = math.fsum(found.values())
    winner = next(iter(found))
    mine = [i for i, branch in enumerate(branches) if branch.votes and branch.answer == winner]
    best = max(mine, key=lambda i: (_sure(branches[i]), -i))
    return Verdict(winner, {answer: mass / total for answer, mass in found.items()}, best)


def settled(draw: Draw, fits: Callable[[str], bool]) -> Draw:
    """An open answer among those that fit, with the log of its share of their weight as its only score.

    Branches with an answer that does not fit have no vote. What was refused is kept in the trace.
    """
    branches = [of_facts(facts) for facts in (draw.trace or {}).get("branches", ())]
    given = dict.fromkeys(branch.answer for branch in branches if branch.votes and branch.answer is not None)
    refused = [answer for answer in given if not fits(answer)]
    kept = [replace(branch, answer=None) if branch.answer in refused else branch for branch in branches]
    verdict = decide(kept, (draw.trace or {}).get("aggregate", "sum"))
    if verdict.answer is None or verdict.best is None:
        reason = f"the checker refused every answer: {', '.join(refused[:5])}" if refused else draw.reason
        return replace(draw, scores=None, answer=None, reason=reason or verdict.reason, trace=_noting(draw, refused))
    score = math.log(max(verdict.shares[verdict.answer], LEAST))
    rationale = kept[verdict.best].rationale
    trace = _noting(draw, refused)
    return replace(draw, scores=(score,), reason=None, answer=verdict.answer, rationale=rationale, trace=trace)


def _noting(draw: Draw, refused: Sequence[str]) -> Mapping[str, Any] | None:
    return {**(draw.trace or {}), "refused": list(refused)} if refused else draw.trace


def _sure(branch: Branch) -> float:
    """Δ; a branch without log-probabilities counts as wholly sure, so that its vote counts as one."""
    return 1.0 if branch.margin is None else branch.margin


def _why_nobody(branches: Sequence[Branch]) -> str:
    if not branches:
        return "no branch was started"
    cut = sum(branch.end == "length" for branch in branches)
    broken = sum(branch.end == "broken" for branch in branches)
    if broken == len(branches):
        return "the engine gave scores that are not numbers"
    if cut:
        return f"{cut} of {len(branches)} branches hit the length limit before they ended, and no other has an answer"
    return f"no answer was found in {len(branches)} branches"
