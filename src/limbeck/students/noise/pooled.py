"""Labels joined with second opinions: a label that the others contradict loses certainty.

Knows nothing of how the second opinions came about.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limbeck.students.noise.base import Given, pool
from limbeck.students.softmax import Lesson


@dataclass(frozen=True, slots=True)
class Pooled:
    """The geometric mean of the label's probabilities and those of students that were not taught on it.

    Label refinement as in DivideMix (Li, Socher & Hoi, ICLR 2020, arXiv 2002.07394), by second opinions of students
    instead of the network's own, and with one half as the weight of each.
    """

    def __call__(self, given: Given, *, rng: np.random.Generator) -> Lesson:  # noqa: ARG002
        """The lesson with pooled targets."""
        return given.taught(pool(given.lesson.targets, given.opinions))
