"""Votes with free answers as a table: the answers that an item got are its labels, and the last column is none of them.

So every aggregator that learns nothing of single labels serves open questions too. Knows nothing of what an answer is,
beyond that equal ones are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from limbeck.aggregation.base import Integers, VoteTable
from limbeck.records import Vote

ELSE = "none of these"


@dataclass(frozen=True, slots=True)
class Answers:
    """What the workers answered.

    Attributes:
        table: its labels are "answer 1", "answer 2", … and `ELSE`; what they stand for hangs on the item.
        said: the answers of each item, in the order of the columns, which is that of the workers' names.
    """

    table: VoteTable
    said: tuple[tuple[str, ...], ...]

    def columns(self, told: Sequence[str | None]) -> Integers:
        """Column of one answer for each item; `ELSE` for one that nobody gave, -1 for None; shape [I]."""
        last = len(self.table.labels) - 1
        found = [
            -1 if one is None else said.index(one) if one in said else last
            for one, said in zip(told, self.said, strict=True)
        ]
        return np.array(found, np.int64)

    def renamed(self, votes: Iterable[Vote]) -> list[Vote]:
        """The votes on these items with the columns' names for answers."""
        rows = dict(zip(self.table.items, self.said, strict=True))
        return [
            replace(vote, label=self.table.labels[rows[vote.item].index(vote.label)])
            if vote.label is not None and vote.item in rows and vote.label in rows[vote.item]
            else vote
            for vote in votes
        ]


def tabulate_answers(votes: Iterable[Vote], *, items: Sequence[str]) -> Answers:
    """Votes → one table. A worker gives its answer the share of its own weight that stands behind it (the only entry of
    its scores, a logarithm), and the rest to `ELSE`; without scores it is sure.

    The last vote of a worker on an item counts. Workers are sorted by name, so the order of the votes does not matter.

    Args:
        votes: the records; those on other items are left out.
        items: ids of the rows.
    """
    row_of = {item: row for row, item in enumerate(items)}
    last = {(vote.item, vote.worker): vote for vote in votes if vote.item in row_of}
    workers = sorted({worker for _, worker in last})
    said = tuple(_said(last, item, workers) for item in items)
    width = max(1, *(len(own) for own in said)) if said else 1
    choices = np.full((len(items), len(workers)), -1, np.int64)
    probabilities = np.full((*choices.shape, width + 1), np.nan)
    for (item, worker), vote in last.items():
        if vote.label is not None:
            row, column = row_of[item], workers.index(worker)
            sure = 1.0 if vote.scores is None else float(np.exp(vote.scores[0]))
            choices[row, column] = said[row].index(vote.label)
            probabilities[row, column] = 0.0
            probabilities[row, column, [choices[row, column], width]] = sure, 1 - sure
    labels = (*(f"answer {place}" for place in range(1, width + 1)), ELSE)
    return Answers(VoteTable(tuple(items), tuple(workers), labels, choices, probabilities), said)


def _said(last: Mapping[tuple[str, str], Vote], item: str, workers: Sequence[str]) -> tuple[str, ...]:
    votes = (last.get((item, worker)) for worker in workers)
    return tuple(dict.fromkeys(vote.label for vote in votes if vote is not None and vote.label is not None))
