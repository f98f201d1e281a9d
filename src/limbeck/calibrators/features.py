"""Votes and states as features of one size, so that one strength means the same for every model.

Knows nothing of gold or of what is made of the features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limbeck.aggregation.base import Floats, Integers, VoteTable
from limbeck.calibrators.base import Halves, Material, opinions


@dataclass(frozen=True, slots=True)
class Scale:
    """How states of one worker become features: less their mean, each dimension to one size, all of it to size 1.

    Attributes:
        mean: shape [width].
        size: what each dimension is divided by, shape [width]; infinite where it never varies.
    """

    mean: Floats
    size: Floats

    @classmethod
    def of(cls, states: Halves) -> Scale:
        """The scale at which the mean square length of a row is 1; rows of NaN are left out."""
        there = states[np.isfinite(states).all(axis=1)].astype(np.float64)
        if not len(there):
            return cls(np.zeros(states.shape[1]), np.full(states.shape[1], np.inf))
        spread = there.std(axis=0)
        varies = spread > 1e-6 * max(float(spread.max()), 1e-30)
        size = np.where(varies, spread * np.sqrt(max(int(varies.sum()), 1)), np.inf)
        return cls(there.mean(axis=0), size)

    def __call__(self, states: Halves) -> Halves:
        """Features of the same shape; a row of NaN becomes zeros, which say nothing."""
        found = ((states - self.mean) / self.size).astype(np.float16)
        return np.where(np.isfinite(found), found, np.float16(0))


def loudness(table: VoteTable) -> float:
    """The root mean square of all log-probabilities; 1 where there are none."""
    logs = opinions(table)
    return float(np.sqrt((logs**2).mean())) or 1.0 if logs.size else 1.0


def matrix(material: Material, rows: Integers, *, scores: float, states: float) -> Floats:
    """Log-probabilities and states side by side, shape [rows, D].

    Args:
        material: of any items.
        rows: which of them.
        scores: prior variance that all log-probabilities share, less their loudness; 0 leaves them out.
        states: prior variance of each worker's states; 0 leaves them out.
    """
    logs = opinions(material.table.part(rows))
    parts = [np.zeros((len(logs), 0))]
    if scores > 0:
        flat = logs.reshape(len(logs), -1)
        parts.append(flat * np.sqrt(scores / max(flat.shape[1], 1)))
    if states > 0:
        parts += [own[rows] * np.sqrt(states) for own in material.states.values()]
    return np.hstack(parts)
