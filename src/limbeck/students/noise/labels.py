"""The labels as they are: soft, or only the likeliest one.

Knows nothing of second opinions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limbeck.students.noise.base import Given, one_hot
from limbeck.students.softmax import Lesson


@dataclass(frozen=True, slots=True)
class Soft:
    """Probabilities as targets: a doubtful label teaches its doubt (Hinton, Vinyals & Dean 2015)."""

    def __call__(self, given: Given, *, rng: np.random.Generator) -> Lesson:  # noqa: ARG002
        """The lesson as it is."""
        return given.lesson


@dataclass(frozen=True, slots=True)
class Hard:
    """The likeliest label as if it were certain; what doubt there was is left to the weight."""

    def __call__(self, given: Given, *, rng: np.random.Generator) -> Lesson:  # noqa: ARG002
        """The lesson with one-hot targets."""
        return given.taught(one_hot(given.choices, given.lesson.targets.shape[1]))
