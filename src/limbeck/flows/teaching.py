"""From labels to students: the rounds' student, the one that is kept, and how well students do without being taught.

Knows nothing of rounds, or of any concrete student.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from limbeck.errors import StudentError
from limbeck.flows.answers import read_gold
from limbeck.flows.job import Job
from limbeck.flows.lesson import Lesson
from limbeck.flows.verdict import chosen
from limbeck.ledger import LedgerView
from limbeck.records import BETWEEN
from limbeck.students.base import Floats, Reasoner, Recalling, Student, Teacher
from limbeck.students.robust import Prepared

# What was learned from, the student, and why there is none.
Taught = tuple[Prepared, Student | None, str]
NO_STUDENT = "no student answers an open question; the accepted answers are there to fine-tune a model with"
FOLDS = 5  # of the first round's items, each held out once


def teach(job: Job, lesson: Lesson, earlier: Student | None) -> tuple[Student | None, str]:
    """A round's student, taught by the labels so far, or None and why not."""
    if job.teach is None:
        return None, NO_STUDENT
    return distil(job, lesson, job.teach(getattr(earlier, "tuning", None)))


def prepare(job: Job, lesson: Lesson, *, gold: Mapping[str, str] | None = None) -> Prepared:
    """What the student that is kept should learn of the labels, and which of them are probably right.

    Args:
        job: the parts.
        lesson: the labels.
        gold: item → label that people gave, where they were asked.
    """
    if job.task.open is not None or lesson.beliefs is not None:  # a strategy compares one label of each text
        return Prepared(lesson.probabilities, np.ones(len(lesson.labels)), None, "soft")
    place = {label: i for i, label in enumerate(job.task.labels)}
    said = np.array([place.get((gold or {}).get(label.item, ""), -1) for label in lesson.labels], np.int64)
    texts = job.pool.texts([job.pool.index(label.item) for label in lesson.labels])
    rng = np.random.default_rng((job.seed, 9_000_000))
    return job.robust(texts, lesson.probabilities, weigh(job, lesson), gold=said, rng=rng)


def finish(job: Job, ledger: LedgerView, lesson: Lesson) -> Taught:
    """All labels made ready, and the rounds' last student, taught by them, or None and why not."""
    prepared = prepare(job, lesson, gold=read_gold(ledger))
    if job.teach is None:
        return prepared, None, NO_STUDENT
    return prepared, *distil(job, lesson, job.teach(None), prepared)


def informed(job: Job, ledger: LedgerView, lesson: Lesson, teacher: Teacher) -> Teacher:
    """The teacher with what votes left behind, as far as it can use it: rationales, or hidden states."""
    if isinstance(teacher, Recalling):
        items = [label.item for label in lesson.labels]
        texts = dict(zip(items, job.pool.texts([job.pool.index(item) for item in items]), strict=True))
        keys = {vote.key: vote.item for vote in ledger.votes(teacher.agent, items=items)}
        return teacher.recalling({texts[keys[key]]: state for key, state in ledger.states(keys)})
    if isinstance(teacher, Reasoner):
        given = {label.item: label.label for label in lesson.labels}
        reasons = {
            vote.item: vote.rationale
            for vote in ledger.votes()
            if vote.rationale and vote.label is not None and given.get(vote.item) == vote.label
        }
        told = job.pool.texts([job.pool.index(item) for item in reasons])
        return teacher.with_rationales(dict(zip(told, reasons.values(), strict=True)))
    return teacher


def weigh(job: Job, lesson: Lesson) -> Floats:
    """How much each label teaches, shape [labels]: as much as its confidence exceeds chance.

    What was a toss-up teaches nothing, a certainty counts 1. What is below the task's threshold counts 0.
    """
    sure, chance = np.array([label.confidence for label in lesson.labels]), 1 / len(job.task.labels)
    weights: Floats = np.where(sure >= job.min_confidence, np.maximum(sure - chance, 0) / (1 - chance), 0.0)
    return weights


def distil(job: Job, lesson: Lesson, teacher: Teacher, prepared: Prepared | None = None) -> tuple[Student | None, str]:
    """What this teacher makes of the labels, as they are or as they were prepared, or None and why not."""
    if lesson.beliefs is not None:
        return _each_label(job, lesson, teacher)
    targets = prepared.targets if prepared else lesson.probabilities
    weights = prepared.weights if prepared else weigh(job, lesson)
    rows = np.flatnonzero(weights > 0)
    texts = job.pool.texts([job.pool.index(lesson.labels[i].item) for i in rows])
    targets, weights = targets[rows], weights[rows]
    if job.task.pair and job.task.pair.swap:
        # What the texts' changing places does to the label is known, so every pair teaches in both orders.
        texts += [BETWEEN.join(text.split(BETWEEN, 1)[::-1]) for text in texts]
        targets = np.vstack([targets, targets[:, list(job.task.pair.swap)]])
        weights = np.tile(weights / 2, 2)
    try:
        student = teacher.fit(
            texts,
            targets,
            labels=job.task.labels,
            weights=weights,
            rng=np.random.default_rng((job.seed, 1_000_000)),
        )
    except StudentError as error:
        return None, error.message
    return student, ""


def _each_label(job: Job, lesson: Lesson, teacher: Teacher) -> tuple[Student | None, str]:
    """The same for several labels: what is learned is the probability of each, and all texts weigh the same."""
    assert lesson.beliefs is not None
    texts = job.pool.texts([job.pool.index(label.item) for label in lesson.labels])
    rng = np.random.default_rng((job.seed, 1_000_000))
    try:
        return teacher.fit(texts, lesson.beliefs.marginals, labels=job.task.labels, rng=rng), ""
    except StudentError as error:
        return None, error.message


def performance(job: Job, lesson: Lesson, student: Student | None, *, first: Collection[str]) -> float | None:
    """Share of the first round's labels that students give without having learned from them; None: no student can.

    These items are those that were not chosen for being hard. The committee's labels stand for the truth: gold, where
    there is any, must not decide how much is asked.
    """
    rows = np.array([i for i, label in enumerate(lesson.labels) if label.item in first], dtype=np.int64)
    folds = np.random.default_rng((job.seed, 5_000_000)).permutation(len(rows)) % FOLDS
    right = 0
    for fold in range(min(FOLDS, len(rows))):
        held = rows[folds == fold]
        kept = np.setdiff1d(np.arange(len(lesson.labels)), held)
        labels = tuple(lesson.labels[i] for i in kept)
        other, _ = teach(job, replace(lesson, labels=labels, probabilities=lesson.probabilities[kept]), student)
        if student is None or other is None:
            return None
        texts = job.pool.texts([job.pool.index(lesson.labels[i].item) for i in held])
        right += int(
            (chosen(job.task, other.predict_proba(texts)) == chosen(job.task, lesson.probabilities[held])).sum()
        )
    return right / len(rows) if len(rows) else None
