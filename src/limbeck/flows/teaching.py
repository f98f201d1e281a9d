"""From labels to students: the rounds' student, the one that is kept, and how well students do without being taught.

Knows nothing of rounds, or of any concrete student.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from limbeck.errors import StudentError
from limbeck.flows.job import Job
from limbeck.flows.lesson import Lesson
from limbeck.flows.verdict import chosen
from limbeck.records import BETWEEN
from limbeck.students.base import Student, Teacher

NO_STUDENT = "no student answers an open question; the accepted answers are there to fine-tune a model with"
FOLDS = 5  # of the first round's items, each held out once


def teach(job: Job, lesson: Lesson, earlier: Student | None) -> tuple[Student | None, str]:
    """A round's student, taught by the labels so far, or None and why not."""
    if job.teach is None:
        return None, NO_STUDENT
    return distil(job, lesson, job.teach(getattr(earlier, "tuning", None)))


def distil(job: Job, lesson: Lesson, teacher: Teacher) -> tuple[Student | None, str]:
    """What this teacher makes of the labels, or None and why not.

    A label weighs as much as its confidence exceeds chance: what was a toss-up teaches nothing, a certainty counts 1.
    """
    if lesson.beliefs is not None:
        return _each_label(job, lesson, teacher)
    sure = np.array([label.confidence for label in lesson.labels])
    rows = np.flatnonzero(sure >= job.min_confidence) if len(sure) else np.zeros(0, np.int64)
    texts = job.pool.texts([job.pool.index(lesson.labels[i].item) for i in rows])
    chance = 1 / len(job.task.labels)
    targets, weights = lesson.probabilities[rows], np.maximum(sure[rows] - chance, 0) / (1 - chance)
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
