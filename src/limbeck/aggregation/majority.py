"""One worker, one vote: the label that most workers chose.

Knows nothing of the workers' quality.
"""

from __future__ import annotations

import numpy as np

from limbeck.aggregation.base import Aggregate, Integers, VoteTable, share_votes


class Majority:
    """Share of votes as posterior; ties as in `share_votes`.

    `Aggregate.weights` is 1 for every worker that voted, else 0. Gold is not used.
    """

    def __call__(self, table: VoteTable, gold: Integers | None = None) -> Aggregate:  # noqa: ARG002
        """Aggregate `table`."""
        voted = np.any(table.choices >= 0, axis=0).astype(np.float64)
        return Aggregate(share_votes(table), np.atleast_1d(voted))
