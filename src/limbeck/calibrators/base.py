"""What every calibrator is: something that learns from a few gold labels how to read the votes of a committee.

Knows nothing of texts, models, files or of any single calibrator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from limbeck.aggregation.base import Aggregator, Booleans, Floats, Integers, VoteTable

Halves = npt.NDArray[np.float16]

# A probability of zero becomes this: what seemed impossible may be true.
LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Material:
    """What is known of some items without gold.

    Attributes:
        table: the votes, I items and W workers.
        states: worker → what its model made of each item, scaled (see `features.Scale`), shape [I, width]; zeros where
            there is nothing. Workers without any state are absent.
    """

    table: VoteTable
    states: Mapping[str, Halves] = field(default_factory=dict)

    def part(self, rows: Integers) -> Material:
        """Of some items only."""
        return Material(self.table.part(rows), {worker: own[rows] for worker, own in self.states.items()})

    def of(self, table: VoteTable) -> Material:
        """The same with other votes on the same items; states of workers that are not in them are left out."""
        return Material(table, {worker: own for worker, own in self.states.items() if worker in table.workers})


# What calibration found: (material, rows) → posterior over labels of these of its items, shape [rows, K].
Calibrated = Callable[[Material, Integers], Floats]


class Calibrator(Protocol):
    """One way to learn from gold. Hyper-parameters go to the constructor; nothing is left on `self`."""

    def __call__(self, material: Material, gold: Integers) -> Calibrated:
        """Learn how to read votes and states.

        Args:
            material: of all items; those without gold may be looked at too.
            gold: index of each item's gold label, -1 where unknown, shape [I].
        """
        ...


def beliefs(aggregator: Aggregator, table: VoteTable) -> Floats:
    """Log-probabilities of the committee without gold, shape [I, K]."""
    return np.asarray(np.log(np.maximum(aggregator(table).probabilities, LEAST)))


def opinions(table: VoteTable) -> Floats:
    """Each worker's log-probabilities less their mean, shape [I, W, K]; 0 where it gave no label."""
    voted = (table.choices >= 0)[:, :, None]
    logs = np.log(np.maximum(np.where(voted, table.probabilities, 1.0), LEAST))
    return np.asarray(logs - logs.mean(axis=2, keepdims=True))


def known(gold: Integers) -> Booleans:
    """Which items have gold."""
    return np.asarray(gold >= 0)
