"""What the votes so far say: the committee's labels, and what they were made of.

Knows nothing of rounds, students or of any concrete aggregator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.aggregation.answers import Answers, tabulate_answers
from limbeck.aggregation.base import ASIDE, VoteTable, round_of, tabulate
from limbeck.committee.base import Kept, calibrations
from limbeck.flows.calibrate import Reading, Terms, relabel, unseen
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
        table: the votes that count.
        alone: the same, each worker's first answer only: what it said before it was shown what others say.
        probabilities: posterior of each item, shape [I, K].
        weights: how much each worker counted, shape [W].
        labels: the same as records.
        counts: id of each item → how many voters answered it, also those that gave no label.
        tokens: computed for all these answers.
        answers: to an open question, or sets of labels, which are what the table's columns stand for; None of another
            kind.
        beliefs: in each of several labels; None of another kind.
    """

    table: VoteTable
    alone: VoteTable
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


def conclude(job: Job, ledger: Kept, items: Sequence[str]) -> Lesson:
    """Aggregate the committee's votes on some items, not those of people; items without any vote are left out."""
    votes = [vote for vote in ledger.votes(items=items) if not vote.of_person]
    voted = {vote.item for vote in votes if vote.label is not None and ASIDE not in vote.flags}
    rows = [item for item in items if item in voted]
    voters = {worker.name for worker in job.committee.voters}
    counts = Counter(item for item, worker in {(vote.item, vote.worker) for vote in votes} if worker in voters)
    told = Told(rows, counts, sum(vote.usage.tokens for vote in votes))
    if job.task.several is not None:
        return _several(job, votes, told)
    if job.task.open is not None:
        return _open(job, votes, told)
    methods, first = calibrations(job.committee), [vote for vote in votes if not round_of(vote)]
    table = tabulate(votes, labels=job.task.labels, items=rows, calibration=methods, prior=job.prior)
    alone = table
    if len(first) < len(votes):
        alone = tabulate(first, labels=job.task.labels, items=rows, calibration=methods, prior=job.prior)
    found = job.aggregator(table)
    if job.refine is not None and rows:
        refiner, encoder = job.refine
        found = replace(found, probabilities=refiner(found.probabilities, encoder.encode(_texts(job, rows))))
    settled = job.committee.settle(table, found, votes)
    best = chosen(job.task, settled.probabilities)
    sure = sureness(settled.probabilities, best)
    labels = tuple(
        Label(
            item=item,
            label=job.task.labels[best[row]],
            probabilities=tuple(settled.probabilities[row].tolist()),
            confidence=float(sure[row]),
            accepted=bool(sure[row] >= job.accept and not settled.people[row]),
            how=settled.how.get(row, job.aggregate),
        )
        for row, item in enumerate(rows)
    )
    return Lesson(table, alone, settled.probabilities, found.weights, labels, counts, told.tokens)


def settled(job: Job, ledger: Ledger, lesson: Lesson, reading: Reading) -> Lesson:
    """The lesson as people's answers teach to read it; what a person said of an item stands."""
    terms = Terms.of(job)
    labels = relabel(lesson.labels, reading.posterior(ledger, lesson.table), reading, terms)
    return replace(lesson, labels=labels, probabilities=np.array([label.probabilities for label in labels]))


def judge(job: Job, ledger: Ledger, items: Sequence[str], reading: Reading | None) -> Lesson:
    """What a run says of items that nobody was asked about: test items."""
    lesson = conclude(job, ledger, items)
    return settled(job, ledger, lesson, reading) if reading is not None and lesson.labels else lesson


def unflattered(lesson: Lesson, reading: Reading | None) -> Lesson:
    """The lesson as it would be if nobody had answered about these very items, to be held against gold."""
    without = unseen(reading)
    rows = [without.get(label.item, label.probabilities) for label in lesson.labels]
    return lesson if not without else replace(lesson, probabilities=np.array(rows))


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of some answers whatever they say: the items, how many answered each, and the tokens in all."""

    rows: Sequence[str]
    counts: Mapping[str, int]
    tokens: int


def _open(job: Job, votes: Sequence[Vote], told: Told) -> Lesson:
    """The same for an open question: the probabilities of a record are those of the item's own answers."""
    answers = tabulate_answers(votes, items=told.rows)
    found = job.aggregator(answers.table)
    best = chosen(job.task, found.probabilities)
    sure = sureness(found.probabilities, best).tolist()
    labels = tuple(
        Label(item, said[winner], tuple(row.tolist()), one, one >= job.accept, job.aggregate)
        for item, said, winner, row, one in zip(told.rows, answers.said, best, found.probabilities, sure, strict=True)
    )
    return Lesson(
        answers.table, answers.table, found.probabilities, found.weights, labels, told.counts, told.tokens, answers
    )


def _several(job: Job, votes: Sequence[Vote], told: Told) -> Lesson:
    """The same where a text may have several labels: the probabilities of a record are those of each label."""
    method = calibrations(job.committee)
    found = believe(job.task, votes, items=told.rows, calibration=method, aggregator=job.aggregator)
    labels = tuple(
        Label(item, said[0], tuple(row.tolist()), sure, sure >= job.accept, job.aggregate)
        for item, said, row, sure in zip(
            told.rows, found.answers.said, found.marginals, found.confidence.tolist(), strict=True
        )
    )
    table = found.answers.table
    about: Any = (told.counts, told.tokens, found.answers, found)
    return Lesson(table, table, found.posterior, found.weights, labels, *about)


def _texts(job: Job, items: Sequence[str]) -> list[str]:
    """Texts of items of the pool and of the test set."""
    found: dict[str, str] = {}
    for pool in (job.pool, job.test) if job.test else (job.pool,):
        there = [item for item in items if item not in found and item in pool]
        found.update(zip(there, pool.texts([pool.index(item) for item in there]), strict=True))
    return [found[item] for item in items]


def gold_indices(task: Task, gold: Sequence[str | None]) -> Integers:
    """Positions of gold labels among the task's labels; -1 where there is none or it is no label of the task."""
    place = {label: i for i, label in enumerate(task.labels)}
    return np.array([place.get(one or "", -1) for one in gold], np.int64)
