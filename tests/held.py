"""Votes kept in memory, for tests of what is asked and what is not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from limbeck.committee import Answers
from limbeck.records import Vote


class Held:
    """What a ledger holds, without a file."""

    def __init__(self, votes: Iterable[Vote] = ()) -> None:
        self._votes = {vote.key: vote for vote in votes}

    def has(self, keys: Collection[str]) -> set[str]:
        return set(keys) & set(self._votes)

    def votes(self, worker: str | None = None, items: Iterable[str] | None = None) -> Iterator[Vote]:
        wanted = None if items is None else set(items)
        for vote in self._votes.values():
            if worker in (None, vote.worker) and (wanted is None or vote.item in wanted):
                yield vote

    def keep(self, answers: Iterable[Answers]) -> list[Answers]:
        """Keep every batch before the next is asked for, as a run does."""
        seen = []
        for one in answers:
            self._votes |= {vote.key: vote for vote in one.votes}
            seen.append(one)
        return seen
