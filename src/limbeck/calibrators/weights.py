"""How much each worker's opinion counts, how sure it may sound, and how frequent each label is, learned from gold.

Knows nothing of states or of the other calibrators.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limbeck.aggregation.base import Aggregator, Floats, Integers
from limbeck.calibrators.base import Calibrated, Material, beliefs, known, opinions
from limbeck.calibrators.mending import Mending, mend
from limbeck.calibrators.regression import Around, Correction, regress


@dataclass(frozen=True, slots=True)
class Weights:
    """Posterior ∝ committee ^ (1 + s) · Π_w p_w ^ t_w · e ^ b_k: a temperature, worker weights and label biases.

    Fitted by likelihood under Gaussian priors around the committee without gold. Workers that gold shows to be no
    better than chance are dropped first, and those that take one label for another are renamed (see `mend`).

    Attributes:
        aggregator: votes → labels, as the run uses it.
        factors: precision of the prior of s and of each t.
        intercept: precision of the prior of each b.
    """

    aggregator: Aggregator
    factors: float = 4.0
    intercept: float = 2.0

    def __call__(self, material: Material, gold: Integers) -> Calibrated:
        """Learn s, t and b; see `Calibrator.__call__`."""
        mending = mend(material.table, gold)
        rows = np.flatnonzero(known(gold))
        around = _around(self.aggregator, mending, material)
        learned = regress(around.rows(rows), gold[rows], intercept=self.intercept, factors=self.factors)
        return Weighed(self.aggregator, mending, learned)


@dataclass(frozen=True, slots=True)
class Weighed:
    """What `Weights` learned."""

    aggregator: Aggregator
    mending: Mending
    learned: Correction

    def __call__(self, material: Material, rows: Integers) -> Floats:
        """Posterior over labels, shape [rows, K]."""
        return self.learned(_around(self.aggregator, self.mending, material).rows(rows))


def _around(aggregator: Aggregator, mending: Mending, material: Material) -> Around:
    table = mending(material.table)
    scores = beliefs(aggregator, table)
    shared = np.concatenate([scores[:, None], opinions(table)], axis=1)
    return Around(scores, shared, np.zeros((len(scores), 0)))
