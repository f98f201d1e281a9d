"""A tree of branches for each of many prompts, grown stage by stage until a rule has enough, and what it decides.

The prompts are read once; every stage goes back to them. Branches of all prompts grow in one batch. Knows nothing of
where first tokens come from or how the others are picked: that is the strategy's part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from limbeck.decoding.answers import AnswerKind
from limbeck.decoding.base import Draw
from limbeck.decoding.branches import WHOLE, Branch, read, read_asked
from limbeck.decoding.paths import Limits, Pick, Watch, likeliest, margin_of, write
from limbeck.decoding.stopping import Never, Rule
from limbeck.decoding.voting import decide, masses
from limbeck.engines.base import Engine, Path, Peaks, Remote

# Tokens in which a model must say its answer when it is asked for it.
REPLY = 24
# A tree's shares are smoothed by the weight of half a sure branch, spread over all options.
SMOOTHING = 0.5


@dataclass(frozen=True, slots=True)
class Policy:
    """How branches become an answer.

    Attributes:
        kind: what an answer is and which answers are the same.
        max_tokens: of one branch; a branch that needs more does not vote.
        aggregate: how branches vote, see `voting.WEIGHINGS`.
        stop: when there are enough branches.
        window: branches of a prompt that are started together; 0 = all.
        values: the answers that are the task's options, in their order; empty for open answers.
    """

    kind: AnswerKind
    max_tokens: int = 200
    aggregate: str = "sum"
    stop: Rule = field(default_factory=Never)
    window: int = 0
    values: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """All of it."""
        parts = (self.kind.identity, self.max_tokens, self.aggregate, self.stop.identity, self.window, self.values)
        return repr(parts)

    @property
    def limits(self) -> Limits:
        """What ends a branch."""
        return Limits(self.max_tokens)

    @property
    def reach(self) -> int:
        """Tokens that a branch may add to its prompt, with the question for its answer."""
        return self.max_tokens + (2 * REPLY if self.kind.cue else 0)


@dataclass(slots=True)
class Sprout:
    """A path that is about to grow: the prompt it belongs to, the engine's row it continues, what it has so far, and
    its number among the prompt's paths where somebody asks for it."""

    prompt: int
    parent: int
    path: Path
    rank: int = 0


Picking = Callable[[Sequence[Sprout]], Pick]
"""Sprouts that start together → how their tokens are picked; a path's number is its place among them."""


@dataclass(slots=True)
class Tree:
    """The branches of one prompt.

    Attributes:
        body: tokens of the prompt behind the shared prefix.
        branches: those that have ended, in the order they were started.
        planned: branches that may be started.
        why: why no further branch is needed; "" while there may be more.
        read: tokens read again, to ask a finished branch for its answer or to branch late.
    """

    body: int
    branches: list[Branch] = field(default_factory=list)
    planned: int = 0
    why: str = ""
    read: int = 0


def heads(engine: Engine | Remote, rows: Sequence[Sequence[int]], parents: Sequence[int], k: int) -> Peaks:
    """Read some rows, and the k likeliest tokens after each of them."""
    if isinstance(engine, Remote):
        engine.hold(rows, parents)
        return engine.peaks(k)
    return likeliest(engine.extend(rows, parents), k)


class Grove:
    """Trees of many prompts that grow together, from an engine that has just read the prompts.

    Args:
        engine: one row for each tree.
        trees: empty ones.
        policy: how branches end, vote and suffice.
        again: whether the prompts will be continued more than once; else their state is not kept.
    """

    def __init__(self, engine: Engine | Remote, trees: Sequence[Tree], policy: Policy, *, again: bool) -> None:
        self.engine, self._trees, self._policy = engine, trees, policy
        self._prompts = engine.snapshot() if again else None
        self._forks = self._prompts
        self._fresh = True

    def fork(self, rows: Sequence[Sequence[int]], prompts: Sequence[int], k: int) -> Peaks:
        """Go on from inside of paths: read their beginnings, and the k likeliest tokens after each.

        From now on sprouts grow from these rows.
        """
        self.engine.restore(self._prompts)
        for row, prompt in zip(rows, prompts, strict=True):
            self._trees[prompt].read += len(row)
        found = heads(self.engine, rows, prompts, k)
        self._forks, self._fresh = self.engine.snapshot(), True
        return found

    def grow(self, sprouts: Sequence[Sequence[Sprout]], *, pick: Picking | None = None) -> None:
        """Start the sprouts of each tree window by window, until its rule has enough or none is left."""
        waiting = [list(own) for own in sprouts]
        for tree, own in zip(self._trees, waiting, strict=True):
            tree.planned = len(tree.branches) + len(own)
        while growing := self._growing():
            window = self._policy.window or max(len(waiting[prompt]) for prompt in growing)
            started = [sprout for prompt in growing for sprout in waiting[prompt][:window]]
            self.stage(started, pick=None if pick is None else pick(started))
            for prompt in growing:
                del waiting[prompt][:window]

    def stage(self, sprouts: Sequence[Sprout], *, pick: Pick | None = None) -> None:
        """Grow some sprouts to their ends in one batch and add them to their trees.

        Where the rule is an early one, branches that nobody needs any more are dropped while they grow.
        """
        if not self._fresh:
            self.engine.restore(self._forks)
        self._fresh = False
        policy, tokenizer = self._policy, self.engine.tokenizer
        watch = self._watch(sprouts) if policy.stop.early else None
        paths = [sprout.path for sprout in sprouts]
        write(self.engine, paths, [s.parent for s in sprouts], limits=policy.limits, pick=pick, watch=watch)
        replies = self._replies(sprouts) if policy.kind.cue else {}
        for place, sprout in enumerate(sprouts):
            self._trees[sprout.prompt].branches.append(
                read_asked(sprout.path, replies[place], tokenizer, limits=policy.limits, kind=policy.kind)
                if place in replies
                else read(sprout.path, tokenizer, limits=policy.limits, kind=policy.kind)
            )

    def _growing(self) -> list[int]:
        """The prompts whose trees need more branches, once the rule was asked about each."""
        growing = []
        for number, tree in enumerate(self._trees):
            left = tree.planned - len(tree.branches)
            if not tree.why:
                tree.why = "all branches" if left <= 0 else self._enough(tree.branches, left) or ""
            if not tree.why:
                growing.append(number)
        return growing

    def _enough(self, branches: Sequence[Branch], left: int) -> str | None:
        return self._policy.stop(branches, left, self._policy.aggregate) if branches else None

    def _replies(self, sprouts: Sequence[Sprout]) -> dict[int, Path]:
        """Place of a finished path → what the model said when it was asked for the answer."""
        whole = [place for place, sprout in enumerate(sprouts) if sprout.path.end in WHOLE]
        if not whole:
            return {}
        self.engine.restore(self._prompts)
        cue = self.engine.tokenizer.encode(f" {self._policy.kind.cue}")
        rows = [[*sprouts[place].path.tokens, *cue] for place in whole]
        for place, row in zip(whole, rows, strict=True):
            self._trees[sprouts[place].prompt].read += len(row)
        found = heads(self.engine, rows, [sprouts[place].prompt for place in whole], 2)
        first = zip(found.tokens[:, 0].tolist(), found.logs[:, 0].tolist(), margin_of(found.logs).tolist(), strict=True)
        asked = [Path([token], [log], [margin]) for token, log, margin in first]
        write(self.engine, asked, range(len(whole)), limits=Limits(REPLY, ("\n",)))
        return dict(zip(whole, asked, strict=True))

    def _watch(self, sprouts: Sequence[Sprout]) -> Watch:
        """Once a tree has enough branches, its other paths are dropped."""
        mates: dict[int, list[int]] = {}
        for number, sprout in enumerate(sprouts):
            mates.setdefault(sprout.prompt, []).append(number)
        ended = {prompt: list(self._trees[prompt].branches) for prompt in mates}
        policy, tokenizer = self._policy, self.engine.tokenizer

        def watch(number: int) -> Sequence[int]:
            prompt, path = sprouts[number].prompt, sprouts[number].path
            ended[prompt].append(read(path, tokenizer, limits=policy.limits, kind=policy.kind))
            tree = self._trees[prompt]
            tree.why = self._enough(ended[prompt], tree.planned - len(ended[prompt])) or ""
            return mates[prompt] if tree.why else ()

        return watch


def draw(tree: Tree, policy: Policy) -> Draw:
    """What a tree decides, and everything behind it."""
    verdict = decide(tree.branches, policy.aggregate)
    decoded = sum(branch.tokens for branch in tree.branches)
    trace = {
        "why": tree.why,
        "confidence": verdict.confidence,
        "aggregate": policy.aggregate,
        "planned": tree.planned,
        "branches": [branch.facts() for branch in tree.branches],
    }
    return Draw(
        scores=_scores(tree.branches, policy) if verdict.answer is not None and policy.values else None,
        prefilled=tree.body + tree.read,
        decoded=decoded,
        reason=verdict.reason,
        answer=verdict.answer,
        rationale=None if verdict.best is None else tree.branches[verdict.best].rationale,
        trace=trace,
    )


def _scores(branches: Sequence[Branch], policy: Policy) -> tuple[float, ...]:
    """Log of each option's smoothed share of the weight."""
    found = masses(branches, policy.aggregate)
    mass = np.array([found.get(value, 0.0) for value in policy.values]) + SMOOTHING / len(policy.values)
    return tuple(math.log(share) for share in mass / mass.sum())
