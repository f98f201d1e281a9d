"""The mean of the workers' probabilities (Stone 1961, The Opinion Pool): who is less sure counts less.

Knows nothing of the workers' quality.
"""

from __future__ import annotations

import numpy as np

from limbeck.aggregation.base import Aggregate, Integers, VoteTable, normalise_rows


class LinearPool:
    """Mean probability as posterior; an item without votes is uniform.

    `Aggregate.weights` is 1 for every worker that voted, else 0. Gold is not used.
    """

    def __call__(self, table: VoteTable, gold: Integers | None = None) -> Aggregate:  # noqa: ARG002
        """Aggregate `table`."""
        voted = np.any(table.choices >= 0, axis=0).astype(np.float64)
        return Aggregate(normalise_rows(np.nan_to_num(table.probabilities).sum(axis=1)), np.atleast_1d(voted))
