"""What every aggregator takes and gives: a table of votes in, a posterior per item out.

Knows nothing of engines, agents, files or of any single aggregator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class VoteTable:
    """The votes of some workers on some items as arrays.

    Attributes:
        items: ids of the items, length I.
        workers: names of the workers, length W.
        labels: names of the labels, length K.
        choices: chosen label's index, shape [I, W]; -1 where the worker gave no label.
        probabilities: calibrated probabilities, shape [I, W, K]; each row sums to 1, and is one-hot for a worker that
            gives only labels; NaN where the worker gave no label.
    """

    items: tuple[str, ...]
    workers: tuple[str, ...]
    labels: tuple[str, ...]
    choices: Integers
    probabilities: Floats


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What an aggregator found.

    Attributes:
        probabilities: posterior over labels, shape [I, K]; each row sums to 1; uniform where nobody voted.
        weights: how much each worker counted, shape [W], ≥ 0; how to read it is the aggregator's own statement.
    """

    probabilities: Floats
    weights: Floats


class Aggregator(Protocol):
    """One way to turn votes into labels. Hyper-parameters go to the constructor; nothing is left on `self`."""

    def __call__(self, table: VoteTable, gold: Integers | None = None) -> Aggregate:
        """Aggregate `table`; `gold` ([I], -1 = unknown) clamps or calibrates where the method can use it."""
        ...
