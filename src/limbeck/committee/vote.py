"""Protocol `vote`: every worker answers every item, independently of the others.

Knows nothing of rounds, ledgers' files or of any concrete worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from limbeck.agent import Worker
from limbeck.aggregation.base import Aggregate, Integers, VoteTable
from limbeck.committee.base import (
    Allowed,
    Answers,
    Around,
    Kept,
    Settled,
    as_aggregated,
    check_names,
    interview,
)
from limbeck.records import Item, Vote


@dataclass(frozen=True, slots=True)
class Voting:
    """Everybody is asked about everything, worker after worker, so that one model stays warm.

    Attributes:
        workers: with different names, at least one.

    Raises:
        ConfigError: when two workers have the same name, or there is none.
    """

    workers: tuple[Worker, ...]

    def __post_init__(self) -> None:
        check_names(self.workers)

    @property
    def voters(self) -> tuple[Worker, ...]:
        """All of them."""
        return self.workers

    @property
    def fewest(self) -> tuple[float, ...]:
        """All items, for each worker."""
        return (1.0,) * len(self.workers)

    @property
    def most(self) -> tuple[float, ...]:
        """The same."""
        return self.fewest

    def ask(
        self,
        items: Sequence[Item],
        *,
        kept: Kept,
        around: Around,
        allowed: Allowed = lambda: True,
        earlier: Sequence[str] = (),  # noqa: ARG002 - changes nothing here
    ) -> Iterator[Answers]:
        """All answers that are still missing; see `Committee.ask`."""
        for worker in self.workers:
            if not (yield from interview(worker, items, kept=kept, around=around, allowed=allowed)):
                return

    def settle(self, table: VoteTable, found: Aggregate, votes: Sequence[Vote]) -> Settled:  # noqa: ARG002
        """The aggregated votes as they are."""
        return as_aggregated(found)

    def worth(self, table: VoteTable, votes: Sequence[Vote], gold: Integers, *, rng: np.random.Generator) -> None:
        """Nothing: this is what the other protocols are compared with."""
