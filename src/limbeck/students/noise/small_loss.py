"""Small-loss filtering: labels that surprise those who were not taught them are probably wrong.

Knows nothing of how the surprise came about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from limbeck.students.noise.base import Given, losses_of
from limbeck.students.noise.mixture import lower_share
from limbeck.students.softmax import Lesson


@dataclass(frozen=True, slots=True)
class SmallLoss:
    """Each row weighs as much as it probably belongs to the small losses.

    The papers take the losses of a network that has not yet learned the wrong labels by heart; here they are those of
    students that never saw the row.

    Attributes:
        mixture: `beta` (Arazo et al., ICML 2019, arXiv 1904.11238) or `gaussian` (DivideMix, ICLR 2020,
            arXiv 2002.07394).
    """

    mixture: Literal["beta", "gaussian"] = "beta"

    def __call__(self, given: Given, *, rng: np.random.Generator) -> Lesson:  # noqa: ARG002
        """The lesson with weights times the probability of being clean."""
        clean = lower_share(losses_of(given.choices, given.opinions), kind=self.mixture)
        return given.taught(given.lesson.targets, given.lesson.weights * clean)
