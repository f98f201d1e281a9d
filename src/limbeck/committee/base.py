"""What every protocol is: workers that are asked about items in some order; and what happens when one of them fails.

Knows nothing of rounds, ledgers' files or of any concrete worker or protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from limbeck.agent import Batch, Question, Worker
from limbeck.aggregation.base import Aggregate, Booleans, Floats, Integers, VoteTable
from limbeck.committee.worth import Worth
from limbeck.errors import ConfigError, EngineError, RunError
from limbeck.records import Item, Vote

# A worker may fail on single items; beyond this share, after a fair trial, it is the worker that is broken.
TOLERATED, TRIAL = 0.2, 20

Around = Callable[[Worker], AbstractContextManager[None]]
Allowed = Callable[[], bool]
Mark = Callable[[Vote], Vote]


class Kept(Protocol):
    """The votes that were kept so far: a run's ledger, or a view of it."""

    def has(self, keys: Collection[str]) -> set[str]:
        """Those of the keys whose vote was kept."""
        ...

    def votes(self, worker: str | None = None, items: Iterable[str] | None = None) -> Iterator[Vote]:
        """Votes in the order they were cast, of one worker or on some items only."""
        ...


@dataclass(frozen=True, slots=True)
class Answers:
    """One batch's new votes, and how many of its votes were there already or need not be cast."""

    worker: Worker
    votes: tuple[Vote, ...]
    known: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What a protocol makes of the aggregated votes.

    Attributes:
        probabilities: posterior over labels, shape [I, K].
        how: what decided each item where it was not the aggregator, by row.
        people: which items are left to people, whatever the posterior says, shape [I].
    """

    probabilities: Floats
    how: Mapping[int, str]
    people: Booleans


class Committee(Protocol):
    """Several workers and the protocol between them."""

    @property
    def workers(self) -> tuple[Worker, ...]:
        """All workers, with different names; at least one."""
        ...

    @property
    def voters(self) -> tuple[Worker, ...]:
        """Those whose votes are aggregated; the others judge them."""
        ...

    @property
    def fewest(self) -> tuple[float, ...]:
        """The share of the items that each worker is asked about at least."""
        ...

    @property
    def most(self) -> tuple[float, ...]:
        """How often each worker is asked at most, as a share of the items."""
        ...

    def ask(
        self,
        items: Sequence[Item],
        *,
        kept: Kept,
        around: Around,
        allowed: Allowed = lambda: True,
        earlier: Sequence[str] = (),
    ) -> Iterator[Answers]:
        """All answers that are still missing, batch by batch. What was given must be kept before the next is asked for.

        Args:
            items: whom to ask about; the batch plan depends on all of them.
            kept: the votes so far. A batch with a missing vote is computed whole, so that its votes are those of an
                uninterrupted run, and only the missing ones are given.
            around: entered while a worker computes, for a meter.
            allowed: whether a batch may be computed, asked before each; the first "no" ends the asking.
            earlier: ids of the items that this committee was asked about before.

        Raises:
            RunError: when a worker fails on more than a fifth of its items.
        """
        ...

    def settle(self, table: VoteTable, found: Aggregate, votes: Sequence[Vote]) -> Settled:
        """What follows from the aggregated votes.

        Args:
            table: the voters' votes.
            found: the same aggregated.
            votes: all votes on the table's items, also those that are not tabulated.
        """
        ...

    def worth(
        self, table: VoteTable, votes: Sequence[Vote], gold: Integers, *, rng: np.random.Generator
    ) -> Worth | None:
        """What the protocol gained; None where asking everybody about everything is what it does.

        Args:
            table: the votes on the items that are judged.
            votes: all votes of the run.
            gold: index of each of the table's items' gold label, -1 where unknown, shape [I].
            rng: source of the bootstrap.
        """
        ...


def calibrations(committee: Committee) -> dict[str, str]:
    """How each worker's scores are to be calibrated, for `aggregation.tabulate`."""
    return {worker.name: worker.calibration for worker in committee.workers}


def check_names(workers: Sequence[Worker]) -> None:
    """Refuse workers that cannot be told apart.

    Raises:
        ConfigError: when two workers have the same name, or there is none.
    """
    names = [worker.name for worker in workers]
    if not names or len(set(names)) < len(names):
        raise ConfigError(
            f"a committee needs workers with different names, and these are: {', '.join(names) or 'nobody'}",
            hint="Give each agent a name of its own.",
        )


def as_aggregated(found: Aggregate) -> Settled:
    """The aggregated votes as they are."""
    return Settled(found.probabilities, {}, np.zeros(len(found.probabilities), np.bool_))


def interview(
    worker: Worker,
    items: Sequence[Item],
    *,
    kept: Kept,
    around: Around,
    allowed: Allowed,
    mark: Mark = lambda vote: vote,
) -> Generator[Answers, None, bool]:
    """One worker's missing answers, each vote passed through `mark`; returns whether all of them were allowed.

    Raises:
        RunError: when the worker fails on more than a fifth of the items.
    """
    with around(worker):
        plan = worker.plan(items)
    return (yield from carry_out(worker, plan, kept=kept, around=around, allowed=allowed, mark=mark))


def carry_out(
    worker: Worker,
    plan: Sequence[Batch],
    *,
    kept: Kept,
    around: Around,
    allowed: Allowed,
    mark: Mark = lambda vote: vote,
) -> Generator[Answers, None, bool]:
    """The same for questions that were planned before."""
    tally = _Tally()
    for batch in plan:
        keys = [question.key for question in batch]
        done = kept.has(keys)
        if len(done) == len(set(keys)):
            yield Answers(worker, (), len(batch))
            continue
        if not allowed():
            return False
        with around(worker):
            votes = _answer(worker, batch)
        tally.count(worker.name, votes)
        yield Answers(worker, tuple(mark(vote) for vote in votes if vote.key not in done), len(done))
    return True


@dataclass(slots=True)
class _Tally:
    answers: int = 0
    failures: list[str] = field(default_factory=list)

    def count(self, name: str, votes: Sequence[Vote]) -> None:
        self.answers += len(votes)
        self.failures += [vote.reason or "no reason" for vote in votes if vote.failed]
        if self.answers >= TRIAL and len(self.failures) > TOLERATED * self.answers:
            raise RunError(
                f"agent {name} failed on {len(self.failures)} of {self.answers} items; the last reason: "
                f"{self.failures[-1]}",
                hint="Votes so far are kept. Mend or remove this agent, then run again.",
            )


def _answer(worker: Worker, batch: Batch) -> list[Vote]:
    """The batch's votes; when it fails as a whole, each item alone, and a vote without a label where that fails."""
    try:
        return worker.answer(batch)
    except EngineError:
        return [_answer_alone(worker, question) for question in batch]


def _answer_alone(worker: Worker, question: Question) -> Vote:
    try:
        (vote,) = worker.answer((question,))
    except EngineError as error:
        return Vote(question.key, question.item.id, worker.name, None, reason=error.message, flags=question.flags)
    return vote
