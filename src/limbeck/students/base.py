"""What every student is: something that learns from soft labels, predicts without a language model and can be kept.

Knows nothing of agents, ledgers or of any single student.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Student(Protocol):
    """A trained student."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in the order of the probabilities."""
        ...

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Calibrated probabilities, shape [texts, labels]; each row sums to 1."""
        ...

    def save(self, folder: Path) -> None:
        """Write the student as safetensors and JSON with a model card; never a pickle."""
        ...


class Teacher(Protocol):
    """One way to make a student. Hyper-parameters go to the constructor; nothing is left on `self`."""

    def fit(
        self,
        texts: Sequence[str],
        targets: Floats,
        *,
        labels: Sequence[str],
        weights: Floats | None = None,
        rng: np.random.Generator,
    ) -> Student:
        """Learn from soft labels.

        Args:
            texts: training texts, length N.
            targets: probabilities over the labels, shape [N, K], rows sum to 1.
            labels: names of the labels, length K.
            weights: how much each text counts, shape [N], ≥ 0; None = all equal.
            rng: the only source of randomness.

        Raises:
            StudentError: when nothing can be learned (no text, one class only).
        """
        ...
