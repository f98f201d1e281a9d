"""What the votes so far say: the committee's labels, and what they were made of.

Knows nothing of rounds, students or of any concrete aggregator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from limbeck.aggregation.answers import Answers, tabulate_answers
from limbeck.aggregation.base import VoteTable, tabulate
from limbeck.committee.base import calibrations
from limbeck.flows.job import Job
from limbeck.flows.several import Beliefs, believe
from limbeck.flows.verdict import chosen, sureness
from limbeck.ledger import Ledger
from limbeck.records import Label, Vote
from limbeck.task import Task

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the votes so far say.

    Attributes:
        table: the votes.
        probabilities: posterior of each item, shape [I, K].
        weights: how much each worker counted, shape [W].
        labels: the same as records.
        counts: id of each item → how many workers answered it, also those that gave no label.
        tokens: computed for all these answers.
        answers: to an open question, or sets of labels, which are what the table's columns stand for; None of another
            kind.
        beliefs: in each of several labels; None of another kind.
    """

    table: VoteTable
    probabilities: Floats
    weights: Floats
    labels: tuple[Label, ...]
    counts: Mapping[str, int]
    tokens: int
    answers: Answers | None = None
    beliefs: Beliefs | None = None

    def name(self, row: int, column: int) -> str:
        """What a column of the table stands for in one of its rows."""
        return self.table.labels[column] if self.answers is None else self.answers.said[row][column]

    def gold(self, task: Task, told: Sequence[str | None]) -> Integers:
        """Columns of the gold labels of the table's items; -1 where there is none or it is no label of the task."""
        return gold_indices(task, told) if self.answers is None else self.answers.columns(told)


def conclude(job: Job, ledger: Ledger, items: Sequence[str]) -> Lesson:
    """Aggregate the committee's votes on some items, not those of people; items without any vote are left out."""
    votes = [vote for vote in ledger.votes(items=items) if not vote.of_person]
    voted = {vote.item for vote in votes if vote.label is not None}
    rows = [item for item in items if item in voted]
    counts, tokens = Counter(vote.item for vote in votes), sum(vote.usage.tokens for vote in votes)
    if job.task.several is not None:
        return _several(job, votes, rows, counts=counts, tokens=tokens)
    answers = tabulate_answers(votes, items=rows) if job.task.open else None
    table = (
        answers.table
        if answers is not None
        else tabulate(
            votes, labels=job.task.labels, items=rows, calibration=calibrations(job.committee), prior=job.prior
        )
    )
    found = job.aggregator(table)
    best = chosen(job.task, found.probabilities)
    sure = sureness(found.probabilities, best)
    labels = tuple(
        Label(
            item=item,
            label=table.labels[winner] if answers is None else answers.said[place][winner],
            probabilities=tuple(row.tolist()),
            confidence=float(confidence),
            accepted=bool(confidence >= job.accept),
            how=job.aggregate,
        )
        for place, (item, winner, row, confidence) in enumerate(zip(rows, best, found.probabilities, sure, strict=True))
    )
    return Lesson(table, found.probabilities, found.weights, labels, counts, tokens, answers)


def _several(job: Job, votes: Sequence[Vote], rows: Sequence[str], *, counts: Mapping[str, int], tokens: int) -> Lesson:
    """The same where a text may have several labels: the probabilities of a record are those of each label."""
    method = calibrations(job.committee)
    found = believe(job.task, votes, items=rows, calibration=method, aggregator=job.aggregator)
    labels = tuple(
        Label(item, said[0], tuple(row.tolist()), float(sure), bool(sure >= job.accept), job.aggregate)
        for item, said, row, sure in zip(rows, found.answers.said, found.marginals, found.confidence, strict=True)
    )
    return Lesson(
        found.answers.table, found.posterior, found.weights, labels, counts, tokens, found.answers, beliefs=found
    )


def gold_indices(task: Task, gold: Sequence[str | None]) -> Integers:
    """Positions of gold labels among the task's labels; -1 where there is none or it is no label of the task."""
    place = {label: i for i, label in enumerate(task.labels)}
    return np.array([place.get(one or "", -1) for one in gold], np.int64)
