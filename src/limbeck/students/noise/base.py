"""What a noise-robust strategy is: something that turns labels, some of them wrong, into what a student should learn.

Every strategy sees the same: the labels with their weights, and what students that were not taught on a text say of it.
Knows nothing of texts, of any kind of student or of any single strategy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from limbeck.students.softmax import Floats, Lesson, Places, Tuning, cool, cross_validate, left_out

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
FLOOR = 1e-6  # of a probability, before its logarithm is taken


@dataclass(frozen=True, slots=True)
class Given:
    """Labels, and second opinions on them.

    Attributes:
        lesson: features, labels as probabilities and weights.
        folds: the fold that each row was left out in, shape [N].
        tuning: strength and temperature of the students asked.
        opinions: what a student that was not taught on a row says of it, cooled to the labels, shape [N, K].
        gold: what people say of a row, shape [N]; -1 where nobody was asked.
    """

    lesson: Lesson
    folds: Places
    tuning: Tuning
    opinions: Floats
    gold: Places

    @property
    def choices(self) -> Places:
        """The likeliest label of each row, shape [N]."""
        return np.asarray(self.lesson.targets.argmax(axis=1))

    def taught(self, targets: Floats, weights: Floats | None = None) -> Lesson:
        """The lesson with other targets and, where given, other weights."""
        return replace(self.lesson, targets=targets, weights=self.lesson.weights if weights is None else weights)


class Strategy(Protocol):
    """One way to learn from labels that are partly wrong; hyper-parameters go to the constructor."""

    def __call__(self, given: Given, *, rng: np.random.Generator) -> Lesson:
        """The same rows with the targets and weights to learn; a weight of 0 leaves a row out."""
        ...


def second_opinions(
    lesson: Lesson, folds: Places, *, tuning: Tuning | None = None, gold: Places | None = None
) -> Given:
    """Ask students about the rows they were not taught on.

    Args:
        lesson: all rows, weights > 0.
        folds: the fold that each row is left out in, shape [N].
        tuning: of the students; None: found by cross-validation on the same folds.
        gold: what people say of a row, shape [N], or -1; None: nobody was asked.
    """
    if tuning is None:
        strength, logits = cross_validate(lesson, folds, strengths=STRENGTHS)
        tuning = Tuning(strength, cool(logits, lesson))
    else:
        logits = left_out(lesson, folds, strength=tuning.strength)
    opinions = np.asarray(softmax(logits / tuning.temperature, axis=1))
    return Given(lesson, folds, tuning, opinions, np.full(len(folds), -1) if gold is None else gold)


def pool(first: Floats, second: Floats) -> Floats:
    """Geometric mean of two opinions, shape [N, K]; rows sum to 1 (Genest & Zidek 1986)."""
    joined: Floats = softmax((np.log(first + FLOOR) + np.log(second + FLOOR)) / 2, axis=1)
    return joined


def one_hot(choices: npt.NDArray[np.int64], labels: int) -> Floats:
    """Certainty of one label each, shape [N, labels]."""
    return np.asarray(np.eye(labels)[choices])


def losses_of(choices: Places, opinions: Floats) -> Floats:
    """Each row's surprise: minus the logarithm of what the opinion gives to the label chosen, shape [N], in nats."""
    found: Floats = -np.log(opinions[np.arange(len(choices)), choices] + FLOOR)
    return found
