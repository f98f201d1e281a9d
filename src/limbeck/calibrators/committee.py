"""The committee as it is without gold, for comparison and as what the others start from.

Knows nothing of states or of the other calibrators.
"""

from __future__ import annotations

from dataclasses import dataclass

from limbeck.aggregation.base import Aggregator, Floats, Integers
from limbeck.calibrators.base import Calibrated, Material


@dataclass(frozen=True, slots=True)
class AsVoted:
    """Looks at no gold.

    Attributes:
        aggregator: votes → labels, as the run uses it.
    """

    aggregator: Aggregator

    def __call__(self, material: Material, gold: Integers) -> Calibrated:  # noqa: ARG002 - by design
        """The aggregator's posterior; see `Calibrator.__call__`."""
        return self._read

    def _read(self, material: Material, rows: Integers) -> Floats:
        return self.aggregator(material.table).probabilities[rows]
