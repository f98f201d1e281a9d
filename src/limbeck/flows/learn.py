"""learn: rounds of active learning. Each round selects, annotates, aggregates and teaches a student.

The rounds' student is quick; where another kind is to be kept, it is taught once, by the labels of all rounds.
What a round asks is written down before the first question, so that a killed run goes on with the same items.
Knows nothing of any concrete selector, aggregator or student.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.aggregation.base import VoteTable, tabulate
from limbeck.committee.base import calibrations
from limbeck.errors import StudentError
from limbeck.evaluation import accuracy
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.job import Job, Notify, Progress
from limbeck.flows.words import estimate
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.records import Label
from limbeck.selection.base import Evidence, Selector
from limbeck.students.base import Student, Teacher

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
    """

    table: VoteTable
    probabilities: Floats
    weights: Floats
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Learned:
    """Where the rounds ended: the last student (None with a reason), its lesson, and why asking stopped early."""

    student: Student | None
    reason: str | None
    lesson: Lesson
    stopped: str | None


def conclude(job: Job, ledger: Ledger, items: Sequence[str]) -> Lesson:
    """Aggregate the committee's votes on some items, not those of people; items without any vote are left out."""
    votes = [vote for vote in ledger.votes(items=items) if not vote.of_person]
    voted = {vote.item for vote in votes if vote.label is not None}
    rows = [item for item in items if item in voted]
    table = tabulate(
        votes, labels=job.task.labels, items=rows, calibration=calibrations(job.committee), prior=job.prior
    )
    found = job.aggregator(table)
    best = found.probabilities.argmax(axis=1)
    sure = found.probabilities[np.arange(len(rows)), best]
    labels = tuple(
        Label(
            item=item,
            label=job.task.labels[winner],
            probabilities=tuple(row.tolist()),
            confidence=float(confidence),
            accepted=bool(confidence >= job.accept),
            how=job.aggregate,
        )
        for item, winner, row, confidence in zip(rows, best, found.probabilities, sure, strict=True)
    )
    return Lesson(table, found.probabilities, found.weights, labels)


def learn(job: Job, *, ledger: Ledger, meter: Meter, notify: Notify, purse: Purse) -> Learned:
    """Run all rounds, going on where the ledger ends.

    Raises:
        RunError: when a worker keeps failing or the ledger cannot be written.
    """
    budget = min(job.budget.items or len(job.pool), len(job.pool))
    recorded = {entry.number: entry for entry in ledger.rounds()}
    asked: list[str] = []
    student: Student | None = None
    reason, stopped, before = "no round was run", None, None
    lesson = conclude(job, ledger, [])
    sizes = job.schedule.sizes(budget)
    for number, size in enumerate(sizes):
        begun = time.perf_counter()
        if number in recorded:
            name, selected = recorded[number].strategy, list(recorded[number].selected)
        else:
            with meter.phase("select"):
                evidence = gather(job, lesson, asked, student)
                name, selector = ready_selector(job, evidence)
                selected = selector(evidence, size, np.random.default_rng((job.seed, number)))
        ledger.start_round(number, strategy=name, selected=selected)
        items = [job.pool[one] for one in selected]
        ledger.add_items(items)
        stopped = annotate(job.committee, items, ledger=ledger, meter=meter, notify=notify, purse=purse, earlier=asked)
        if number + 1 < len(sizes) and number + 1 not in recorded:
            stopped = stopped or purse.empty()
        asked += selected
        with meter.phase("learn", model="student"):
            lesson = conclude(job, ledger, asked)
            # In between, the first round's settings will do; the student that stays is tuned on all labels.
            last = bool(stopped) or number == len(sizes) - 1
            student, reason = teach(job, lesson, None if last else student)
        facts, before = curve_point(job, lesson, student, selected=set(selected), before=before)
        if number not in recorded or recorded[number].facts is None:
            tokens = sum(vote.usage.tokens for vote in ledger.votes(items=selected))
            ledger.finish_round(number, facts | {"seconds": time.perf_counter() - begun, "tokens": tokens})
        notify(Progress("learn", number + 1, len(sizes)))
        if stopped:
            break
    if job.distil is not None:
        notify(Progress("distil", 0, 1))
        with meter.phase("learn", model="student"):
            student, reason = distil(job, lesson, job.distil)
        notify(Progress("distil", 1, 1))
    return Learned(student, None if student else reason, lesson, stopped)


def teach(job: Job, lesson: Lesson, earlier: Student | None) -> tuple[Student | None, str]:
    """A round's student, taught by the labels so far, or None and why not."""
    return distil(job, lesson, job.teach(getattr(earlier, "tuning", None)))


def distil(job: Job, lesson: Lesson, teacher: Teacher) -> tuple[Student | None, str]:
    """What this teacher makes of the labels, or None and why not.

    A label weighs as much as its confidence exceeds chance: what was a toss-up teaches nothing, a certainty counts 1.
    """
    sure = np.array([label.confidence for label in lesson.labels])
    rows = np.flatnonzero(sure >= job.min_confidence) if len(sure) else np.zeros(0, np.int64)
    texts = job.pool.texts([job.pool.index(lesson.labels[i].item) for i in rows])
    chance = 1 / len(job.task.labels)
    try:
        student = teacher.fit(
            texts,
            lesson.probabilities[rows],
            labels=job.task.labels,
            weights=np.maximum(sure[rows] - chance, 0) / (1 - chance),
            rng=np.random.default_rng((job.seed, 1_000_000)),
        )
    except StudentError as error:
        return None, error.message
    return student, ""


def gather(job: Job, lesson: Lesson, asked: Sequence[str], student: Student | None) -> Evidence:
    """What is known about the items that nobody was asked about."""
    taken = set(asked)
    rows = [i for i, one in enumerate(job.pool.ids) if one not in taken]
    texts = job.pool.texts(rows)
    seen = job.pool.texts([job.pool.index(one) for one in asked])
    return Evidence(
        ids=tuple(np.array(job.pool.ids, dtype=object)[rows]),
        embeddings=job.encoder.encode(texts) if job.encoder else None,
        probabilities=student.predict_proba(texts) if student else None,
        members=_members(job, lesson, texts) if student and job.schedule.selector[0] == "disagreement" else None,
        labelled=job.encoder.encode(seen) if job.encoder else None,
    )


def ready_selector(job: Job, evidence: Evidence) -> tuple[str, Selector]:
    """The schedule's selector; while nobody has the opinions that it needs, the one of the first round."""
    wanted = evidence.members if job.schedule.selector[0] == "disagreement" else evidence.probabilities
    return job.schedule.cold if wanted is None else job.schedule.selector


def _members(job: Job, lesson: Lesson, texts: Sequence[str]) -> Floats | None:
    """Opinions of students that learned from one worker's votes each, shape [M, N, K]."""
    opinions = []
    for column in range(len(lesson.table.workers)):
        rows = np.flatnonzero(lesson.table.choices[:, column] >= 0)
        known = job.pool.texts([job.pool.index(lesson.table.items[i]) for i in rows])
        try:
            member = job.teach(None).fit(
                known,
                lesson.table.probabilities[rows, column],
                labels=job.task.labels,
                rng=np.random.default_rng((job.seed, column)),
            )
        except StudentError:
            continue  # A worker that gave everything one label has no opinion to disagree with.
        opinions.append(member.predict_proba(texts))
    return np.stack(opinions) if opinions else None


def gold_indices(job: Job, gold: Sequence[str | None]) -> Integers:
    """Positions of gold labels among the task's labels; -1 where there is none or it is no label of the task."""
    place = {label: i for i, label in enumerate(job.task.labels)}
    return np.array([place.get(one or "", -1) for one in gold], np.int64)


def curve_point(
    job: Job, lesson: Lesson, student: Student | None, *, selected: set[str], before: Floats | None
) -> tuple[dict[str, Any], Floats | None]:
    """One point of the learning curve, and the student's opinion of the watched texts for the next point."""
    rng = np.random.default_rng((job.seed, 2_000_000))
    watched = job.test.texts() if job.test else job.pool.texts(range(min(500, len(job.pool))))
    opinion = student.predict_proba(watched) if student else None
    facts: dict[str, Any] = {"labelled": len(lesson.labels)}
    if opinion is None:
        facts |= {"accuracy": None, "accuracy_reason": "there is no student yet"}
    elif job.test is None:
        facts |= {"accuracy": None, "accuracy_reason": "there is no test set"}
    else:
        facts |= estimate("accuracy", accuracy(gold_indices(job, job.test.gold()), opinion.argmax(axis=1), rng=rng))
    rows = [i for i, label in enumerate(lesson.labels) if label.item in selected]
    gold = gold_indices(job, job.pool.gold([job.pool.index(lesson.labels[i].item) for i in rows]))
    facts |= estimate("committee_accuracy_selected", accuracy(gold, lesson.probabilities[rows].argmax(axis=1), rng=rng))
    if opinion is not None and before is not None:
        facts["change"] = float((opinion.argmax(axis=1) != before.argmax(axis=1)).mean())
    else:
        facts |= {"change": None, "change_reason": "nothing came before"}
    return facts, opinion
