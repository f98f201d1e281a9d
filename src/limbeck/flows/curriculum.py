"""What a student learns from in the loop: the committee's labels, synthetic examples, and what it may leave out.

Also how students do on texts that they were not taught. Knows nothing of steps, votes or of any concrete student.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.errors import StudentError
from limbeck.flows.job import Job
from limbeck.flows.lesson import Lesson
from limbeck.flows.teaching import weigh
from limbeck.students.base import Student, Teacher, folds_of

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

FOLDS, INNER = 5, 3
CLEAN = 0.8  # mean of the committee's and the student's probability from which a label that both give is clean


@dataclass(frozen=True, slots=True)
class Curriculum:
    """What a student learns from.

    Attributes:
        texts: real ones, length N.
        targets: the committee's posterior of each, shape [N, K].
        weights: how much each counts, shape [N].
        made: synthetic texts, length M; they are never judged.
        made_targets: the committee's posterior of each, shape [M, K].
        agreed: leave out the labels that a student which was not taught them contradicts.
    """

    texts: tuple[str, ...]
    targets: Floats
    weights: Floats
    made: tuple[str, ...]
    made_targets: Floats
    agreed: bool = False

    def part(self, rows: Integers) -> Curriculum:
        """Some of the real texts, and all synthetic ones."""
        texts = tuple(self.texts[row] for row in rows.tolist())
        return replace(self, texts=texts, targets=self.targets[rows], weights=self.weights[rows])


def curriculum(job: Job, lesson: Lesson, made: tuple[str, ...], made_targets: Floats, *, agreed: bool) -> Curriculum:
    """The labels of a lesson, weighed as those of a run are, and synthetic texts."""
    texts = job.pool.texts([job.pool.index(label.item) for label in lesson.labels])
    return Curriculum(tuple(texts), lesson.probabilities, weigh(job, lesson), made, made_targets, agreed)


def surplus(targets: Floats) -> Floats:
    """How far each text's confidence exceeds chance, 0 to 1, shape [N]."""
    chance = 1 / targets.shape[1]
    return np.asarray(np.maximum(targets.max(axis=1) - chance, 0) / (1 - chance), np.float64)


def taught(job: Job, course: Curriculum, teacher: Teacher, tuning: Any) -> Student:
    """The student that a teacher makes of a curriculum.

    Args:
        job: the parts.
        course: what is learned.
        teacher: of that student.
        tuning: of the quick students that say which labels are contradicted.

    Raises:
        StudentError: when nothing can be learned.
    """
    weights = course.weights
    if course.agreed:
        opinion = second_opinions(job, replace(course, agreed=False), tuning, folds=INNER)
        weights = np.where(opinion.argmax(axis=1) == course.targets.argmax(axis=1), weights, 0.0)
    return teacher.fit(
        [*course.texts, *course.made],
        np.concatenate([course.targets, course.made_targets]),
        labels=job.task.labels,
        weights=np.concatenate([weights, surplus(course.made_targets)]),
        rng=np.random.default_rng((job.seed, 1_000_000)),
    )


def quick(job: Job, tuning: Any = None) -> Teacher:
    """The teacher of the quick students.

    Raises:
        StudentError: where the task has none.
    """
    if job.teach is None:
        raise StudentError("no student answers an open question")
    return job.teach(tuning)


def second_opinions(job: Job, course: Curriculum, tuning: Any, *, folds: int = FOLDS) -> Floats:
    """What quick students say of the real texts, each of those that it was not taught, shape [N, K].

    Raises:
        StudentError: when a part of the texts teaches nothing.
    """
    places = folds_of(course.texts, folds, rng=np.random.default_rng((job.seed, 9_000_000)))
    opinion = np.empty_like(course.targets)
    for fold in np.unique(places):
        held = np.flatnonzero(places == fold)
        student = taught(job, course.part(np.flatnonzero(places != fold)), quick(job, tuning), tuning)
        opinion[held] = student.predict_proba([course.texts[row] for row in held.tolist()])
    return opinion


def clean(targets: Floats, opinion: Floats) -> Booleans:
    """Which labels both the committee and a student that was not taught them give, surely on average, shape [N]."""
    same = targets.argmax(axis=1) == opinion.argmax(axis=1)
    return np.asarray(same & ((targets + opinion).max(axis=1) / 2 >= CLEAN), np.bool_)


def doubt(targets: Floats, opinion: Floats) -> Floats:
    """1 − margin of the committee's and the student's mean: high where either is unsure or both differ, shape [N]."""
    ranked = np.sort((targets + opinion) / 2, axis=1)
    return np.asarray(1 - (ranked[:, -1] - ranked[:, -2]), np.float64)
