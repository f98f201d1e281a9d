"""Protocol `debate`: everybody answers alone; where the answers differ, each sees the others' and answers anew.

Du et al. 2023, Improving Factuality and Reasoning in Language Models through Multiagent Debate, arXiv 2305.14325.
Knows nothing of rounds of selection, ledgers' files or of any concrete worker.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from limbeck.agent import Listener, Remark, Worker
from limbeck.aggregation.base import (
    ASIDE,
    ROUND,
    Aggregate,
    Aggregator,
    Integers,
    VoteTable,
    round_of,
    tabulate,
)
from limbeck.committee.base import (
    Allowed,
    Answers,
    Around,
    Kept,
    Settled,
    as_aggregated,
    calibrations,
    carry_out,
    check_names,
    interview,
)
from limbeck.committee.opinions import Opinion, opinions, split
from limbeck.committee.worth import Outcome, Worth, beside_plain_vote
from limbeck.errors import ConfigError
from limbeck.records import Item, Vote

LEAD = "Other readers answered:"


@dataclass(frozen=True, slots=True)
class Debate:
    """First a plain vote; then at most `rounds` rounds about the items on which the answers differ.

    In a round every worker that can read answers is shown its own last one and those of the others, without names and
    in a shuffled order, and answers again. All answers of a round rest on those of the round before. A worker that
    reads no answers (an encoder, a masked model) keeps its vote, which the others are shown. An item rests when all
    agree, or when nobody changed their mind in its last round: the next one would ask the same again. Each round's
    votes are kept and flagged; the last ones count. A later answer that failed does not count, the one before it does.

    Attributes:
        workers: with different names; at least two that can be shown answers.
        labels: of the task.
        aggregator: votes → labels, as the run uses it.
        prior: expected share of each label, or None for uniform.
        rounds: at most so many after the plain vote.

    Raises:
        ConfigError: when two workers have the same name, or fewer than two can be shown answers.
    """

    workers: tuple[Worker, ...]
    labels: tuple[str, ...]
    aggregator: Aggregator
    prior: Sequence[float] | None = None
    rounds: int = 2

    def __post_init__(self) -> None:
        check_names(self.workers)
        if sum(isinstance(worker, Listener) for worker in self.workers) < 2:
            raise ConfigError(
                "a debate needs at least two agents that can be shown the others' answers",
                hint="Add a language model, or use protocol vote.",
            )

    @property
    def voters(self) -> tuple[Worker, ...]:
        """All of them."""
        return self.workers

    @property
    def fewest(self) -> tuple[float, ...]:
        """All items, for each worker; later rounds come on top."""
        return (1.0,) * len(self.workers)

    @property
    def most(self) -> tuple[float, ...]:
        """As often as there are rounds, for each worker that can be shown answers."""
        return tuple(1.0 + self.rounds * isinstance(worker, Listener) for worker in self.workers)

    def ask(
        self,
        items: Sequence[Item],
        *,
        kept: Kept,
        around: Around,
        allowed: Allowed = lambda: True,
        earlier: Sequence[str] = (),
    ) -> Iterator[Answers]:
        """All answers that are still missing; see `Committee.ask`."""
        for worker in self.workers:
            if not (yield from interview(worker, items, kept=kept, around=around, allowed=allowed)):
                return
        here, names = {item.id: item for item in items}, {worker.name for worker in self.workers}
        before = [vote for vote in kept.votes(items=earlier) if vote.item not in here and vote.worker in names]
        keys = set[str]()
        alive, previous = list(here), dict[str, tuple[int, ...]]()
        for number in range(1, self.rounds + 1):
            with around(self.workers[0]):
                own = (vote for vote in kept.votes(items=list(here)) if vote.worker in names)
                cast = [vote for vote in own if not round_of(vote) or vote.key in keys]
                table = self._table([*before, *cast], [*here])
                now = dict(zip(table.items, map(tuple, table.choices.tolist()), strict=True))
                apart = {item for item, differ in zip(table.items, split(table), strict=True) if differ}
                alive = [item for item in alive if item in apart and now[item] != previous.get(item)]
                heard = dict(zip(table.items, opinions(table, cast), strict=True))
            previous = now
            if not alive:
                return
            for worker in self.workers:
                if not isinstance(worker, Listener):
                    continue
                told = {item: _remark(heard[item], worker.name, number) for item in alive}
                shown = worker.informed(told)
                with around(worker):
                    plan = shown.plan([here[item] for item in alive])
                keys |= {question.key for batch in plan for question in batch}

                def mark(vote: Vote, number: int = number, heard: Mapping[str, list[Opinion]] = heard) -> Vote:
                    return _marked(vote, heard[vote.item], number)

                if not (yield from carry_out(shown, plan, kept=kept, around=around, allowed=allowed, mark=mark)):
                    return

    def _table(self, votes: Sequence[Vote], rows: Collection[str]) -> VoteTable:
        """The votes on some items, calibrated over all of them."""
        every = list(dict.fromkeys([*rows, *(vote.item for vote in votes)]))
        table = tabulate(votes, labels=self.labels, items=every, calibration=calibrations(self), prior=self.prior)
        return table.part(np.arange(len(rows)))

    def settle(self, table: VoteTable, found: Aggregate, votes: Sequence[Vote]) -> Settled:  # noqa: ARG002
        """The aggregated last votes as they are."""
        return as_aggregated(found)

    def worth(self, table: VoteTable, votes: Sequence[Vote], gold: Integers, *, rng: np.random.Generator) -> Worth:
        """What the rounds changed, against the plain vote that the debate began with."""
        first = [vote for vote in votes if not round_of(vote)]
        alone = self._part(first, table)
        own = [vote for vote in votes if vote.item in set(table.items)]
        steps = [("items", len(table.items)), ("split at first", int(split(alone).sum()))]
        for number in range(1, self.rounds + 1):
            asked = {vote.item for vote in own if round_of(vote) == f"{ROUND}{number}"}
            until = [vote for vote in own if int(round_of(vote).removeprefix(ROUND) or 0) <= number]
            left = split(self._part(until, table))
            steps += [
                (f"asked in round {number}", len(asked)),
                (f"still split after round {number}", int(left.sum())),
            ]
        names = tuple(worker.name for worker in self.workers)
        before, after = self.aggregator(alone).probabilities, self.aggregator(table).probabilities
        outcome = Outcome("debate", names, before, after, tuple(steps))
        return beside_plain_vote(outcome, votes, first, gold, rng=rng)

    def _part(self, votes: Sequence[Vote], like: VoteTable) -> VoteTable:
        methods = calibrations(self)
        return tabulate(votes, labels=self.labels, items=like.items, calibration=methods, prior=self.prior)


def _remark(heard: Sequence[Opinion], worker: str, number: int) -> Remark:
    own = next((one.said for one in heard if one.worker == worker), None)
    others = tuple(one.said for one in heard if one.worker != worker)
    return Remark(f"{ROUND}{number}", LEAD, others, own)


def _marked(vote: Vote, heard: Sequence[Opinion], number: int) -> Vote:
    """A later round's vote: flagged, and with what was shown in its trace."""
    shown = {one.worker: one.said.label for one in heard if one.worker != vote.worker}
    trace: dict[str, Any] = {**(vote.trace or {}), "debate": {"round": number, "shown": shown}}
    flags = (*vote.flags, f"{ROUND}{number}", *(() if vote.label is not None else (ASIDE,)))
    return replace(vote, flags=flags, trace=trace)
