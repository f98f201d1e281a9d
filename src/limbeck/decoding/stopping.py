"""When enough branches have voted: rules that look at the votes so far and at how many more could come.

Each rule says why no further branch is needed, or None. Rules work on stored trees alike, so a policy can be replayed
without a model. Knows nothing of engines or of what the answers mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from scipy.special import betainc

from limbeck.decoding.branches import Branch
from limbeck.decoding.voting import Verdict, decide, masses


class Rule(Protocol):
    """One way to have enough."""

    @property
    def identity(self) -> str:
        """The rule and its parameters, for keys."""
        ...

    @property
    def early(self) -> bool:
        """Whether it is asked each time a branch ends, and branches that still grow are dropped; else after windows."""
        ...

    def __call__(self, done: Sequence[Branch], left: int, weighing: str) -> str | None:
        """Why no further branch is needed.

        Args:
            done: branches that have ended, by rank.
            left: how many have not ended or not begun.
            weighing: how branches vote.
        """
        ...


@dataclass(frozen=True, slots=True)
class Never:
    """All branches are taken."""

    identity: str = "none"
    early: bool = False

    def __call__(self, done: Sequence[Branch], left: int, weighing: str) -> str | None:
        """None."""
        del done, left, weighing
        return None


@dataclass(frozen=True, slots=True)
class Exact:
    """The branches that are left cannot overturn the leader, whatever they say: each weighs at most 1.

    The answer is the one that all branches would give. Where a single branch decides (`max`), this hardly ever stops.
    """

    identity: str = "exact"
    early: bool = True

    def __call__(self, done: Sequence[Branch], left: int, weighing: str) -> str | None:
        """Stop when the lead exceeds what can still come."""
        first, second = _leaders(done, weighing)
        return "exact: the rest cannot overturn the leader" if first - second > left else None


@dataclass(frozen=True, slots=True)
class Adaptive:
    """The leader would also win among endless branches, with a probability of at least `threshold`.

    The weights of the two leading answers give a Beta posterior with a uniform prior: P(first > second) =
    1 − I½(w₁ + 1, w₂ + 1) (Adaptive-Consistency, Aggarwal et al. 2023, arXiv 2305.11860, where every weight is 1).
    """

    threshold: float = 0.95
    early: bool = False

    @property
    def identity(self) -> str:
        """The threshold."""
        return f"adaptive:{self.threshold:g}"

    def __call__(self, done: Sequence[Branch], left: int, weighing: str) -> str | None:
        """Stop when the posterior is sure enough."""
        del left
        first, second = _leaders(done, weighing)
        sure = 1.0 - float(betainc(first + 1, second + 1, 0.5))
        return f"adaptive: the leader stays ahead with probability {sure:.3f}" if sure >= self.threshold else None


@dataclass(frozen=True, slots=True)
class Window:
    """The last `size` branches all agree (early-stopping self-consistency, Li et al. 2024, arXiv 2401.10480)."""

    size: int = 5
    early: bool = False

    @property
    def identity(self) -> str:
        """The size."""
        return f"window:{self.size}"

    def __call__(self, done: Sequence[Branch], left: int, weighing: str) -> str | None:
        """Stop when a whole window is of one mind."""
        del left, weighing
        answers = [branch.answer if branch.votes else None for branch in done[-self.size :]]
        agree = len(answers) == self.size and len(set(answers)) == 1 and answers[0] is not None
        return f"window: {self.size} branches agree" if agree else None


@dataclass(frozen=True, slots=True)
class Short:
    """The first `m` branches to end with an answer decide; longer ones are dropped where they stand.

    Short chains of thought are the likelier ones to be right (short-m@k, Hassid et al. 2025, arXiv 2505.17813).
    """

    m: int = 4
    early: bool = True

    @property
    def identity(self) -> str:
        """The number."""
        return f"short:{self.m}"

    def __call__(self, done: Sequence[Branch], left: int, weighing: str) -> str | None:
        """Stop when so many have answered."""
        del left, weighing
        voted = sum(branch.votes for branch in done)
        return f"short: {voted} branches have answered" if voted >= self.m else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy made of a tree.

    Attributes:
        verdict: the decision.
        used: branches that it took.
        tokens: tokens generated for them.
        why: why it stopped, "all branches" where it did not.
    """

    verdict: Verdict
    used: int
    tokens: int
    why: str


def replay(tree: Sequence[Branch], rule: Rule, *, weighing: str = "sum", window: int = 0) -> Outcome:
    """What another policy would have decided on a stored tree, and what it would have spent; needs no model.

    Branches of a window grow side by side, a token each at a time, as they do when they are grown.

    Args:
        tree: all branches by rank, none of them dropped.
        rule: see `Rule`.
        weighing: how branches vote.
        window: branches that are started together; 0 = all.
    """
    taken: list[Branch] = []
    size = window or max(1, len(tree))
    for start in range(0, len(tree), size):
        stage = tree[start : start + size]
        if rule.early:
            steps = sorted({_ends_at(branch) for branch in stage})
            for step in steps:
                now = [*taken, *(branch if _ends_at(branch) <= step else _dropped(branch, step) for branch in stage)]
                ended = [branch for branch in now if branch.end != "dropped"]
                why = rule(ended, len(tree) - len(ended), weighing)
                if why is not None:
                    return _outcome(now, weighing, why)
        taken += stage
        why = rule(taken, len(tree) - len(taken), weighing)
        if why is not None and len(taken) < len(tree):
            return _outcome(taken, weighing, why)
    return _outcome(taken, weighing, "all branches")


def _ends_at(branch: Branch) -> int:
    """The step at which a branch is found to have ended: one more than its tokens where the model says the end."""
    return branch.tokens + (branch.end == "end")


def _dropped(branch: Branch, step: int) -> Branch:
    return replace(branch, end="dropped", tokens=min(branch.tokens, step))


def _outcome(taken: Sequence[Branch], weighing: str, why: str) -> Outcome:
    return Outcome(decide(taken, weighing), len(taken), sum(branch.tokens for branch in taken), why)


def _leaders(done: Sequence[Branch], weighing: str) -> tuple[float, float]:
    """Weight of the leading answer and of the second."""
    first, second, *_ = [*masses(done, weighing).values(), 0.0, 0.0]
    return first, second
