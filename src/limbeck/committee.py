"""Who is asked what: the protocol between workers, and what happens when one of them fails.

Protocol `vote`: every worker answers every item, independently. Knows nothing of rounds, ledgers' files or of any
concrete worker.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from limbeck.agent import Batch, Question, Worker
from limbeck.errors import ConfigError, EngineError, RunError
from limbeck.records import Item, Vote

# A worker may fail on single items; beyond this share, after a fair trial, it is the worker that is broken.
TOLERATED, TRIAL = 0.2, 20

Answered = Callable[[Collection[str]], set[str]]
Around = Callable[[Worker], AbstractContextManager[None]]
Allowed = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Committee:
    """Several workers and the protocol between them.

    Attributes:
        workers: with different names, at least one.
        protocol: vote.

    Raises:
        ConfigError: when two workers have the same name, or there is none.
    """

    workers: tuple[Worker, ...]
    protocol: str = "vote"

    def __post_init__(self) -> None:
        names = [worker.name for worker in self.workers]
        if not names or len(set(names)) < len(names):
            raise ConfigError(
                f"a committee needs workers with different names, and these are: {', '.join(names) or 'nobody'}",
                hint="Give each agent a name of its own.",
            )

    @property
    def calibration(self) -> dict[str, str]:
        """How each worker's scores are to be calibrated, for `aggregation.tabulate`."""
        return {worker.name: worker.calibration for worker in self.workers}

    def ask(
        self, items: Sequence[Item], *, answered: Answered, around: Around, allowed: Allowed = lambda: True
    ) -> Iterator[Answers]:
        """All answers that are still missing, batch by batch; worker after worker, so that one model stays warm.

        Args:
            items: whom to ask about; the batch plan depends on all of them.
            answered: which of some keys have a vote already. A batch with a missing vote is computed whole, so that
                its votes are those of an uninterrupted run, and only the missing ones are given.
            around: entered while a worker computes, for a meter.
            allowed: whether a batch may be computed, asked before each; the first "no" ends the asking.

        Raises:
            RunError: when a worker fails on more than a fifth of its items.
        """
        for worker in self.workers:
            tally = _Tally()
            with around(worker):
                plan = worker.plan(items)
            for batch in plan:
                keys = [question.key for question in batch]
                done = answered(keys)
                if len(done) == len(set(keys)):
                    yield Answers(worker, (), len(batch))
                    continue
                if not allowed():
                    return
                with around(worker):
                    votes = _answer(worker, batch)
                tally.count(worker.name, votes)
                yield Answers(worker, tuple(vote for vote in votes if vote.key not in done), len(done))


@dataclass(frozen=True, slots=True)
class Answers:
    """One batch's new votes, and how many of its votes were there already."""

    worker: Worker
    votes: tuple[Vote, ...]
    known: int


@dataclass(slots=True)
class _Tally:
    answers: int = 0
    failures: list[str] = field(default_factory=list)

    def count(self, name: str, votes: Sequence[Vote]) -> None:
        self.answers += len(votes)
        self.failures += [vote.reason or "no reason" for vote in votes if vote.label is None]
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
