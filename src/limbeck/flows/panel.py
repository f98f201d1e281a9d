"""A committee's opinion of texts that are all meant to have one label, calibrated by pool texts and not by themselves.

Batch calibration takes out what all texts of a batch have in common; of generated texts that would be the label itself.
So each worker's bias is measured once on the anchors, and votes on new texts are calibrated by it. Knows nothing of
how the texts came about, or of any concrete worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from limbeck.aggregation.base import Aggregator, Floats, VoteTable, tabulate
from limbeck.aggregation.calibration import bias, log_softmax
from limbeck.ledger import LedgerView
from limbeck.records import Vote

BATCH, CONTEXTUAL = "batch", "contextual"


class Panel:
    """Opinions of new texts.

    Args:
        calibration: whose votes count → how each worker's scores are to be calibrated.
        aggregator: votes → labels.
        labels: of the task.
        ledger: holds the votes.
        anchors: ids of pool items with votes.
    """

    def __init__(
        self,
        calibration: Mapping[str, str],
        aggregator: Aggregator,
        *,
        labels: Sequence[str],
        ledger: LedgerView,
        anchors: Sequence[str],
    ) -> None:
        self._aggregator, self._labels, self._ledger, self._anchors = aggregator, labels, ledger, list(anchors)
        self._calibration = dict(calibration)
        votes = self._votes(self._anchors)
        self._bias = {worker: _bias(votes, worker) for worker, how in self._calibration.items() if how == BATCH}
        self._known = [self._rebased(vote) for vote in votes]

    def anchors(self) -> Floats:
        """Posterior of each anchor, shape [anchors, K]."""
        return self._aggregator(self._table([], [])).probabilities

    def opinion(self, items: Sequence[str]) -> Floats:
        """Posterior of each item, shape [items, K]; uniform where nobody voted.

        The anchors stand in the same table, so that few texts of one label do not decide how much a worker counts.
        """
        votes = [self._rebased(vote) for vote in self._votes(items)]
        return self._aggregator(self._table(items, votes)).probabilities[len(self._anchors) :]

    def _table(self, items: Sequence[str], votes: Sequence[Vote]) -> VoteTable:
        methods = {worker: CONTEXTUAL if how == BATCH else how for worker, how in self._calibration.items()}
        rows = [*self._anchors, *items]
        return tabulate([*self._known, *votes], labels=self._labels, items=rows, calibration=methods)

    def _votes(self, items: Sequence[str]) -> list[Vote]:
        return [vote for vote in self._ledger.votes(items=items) if vote.worker in self._calibration]

    def _rebased(self, vote: Vote) -> Vote:
        return replace(vote, baseline=self._bias[vote.worker]) if vote.worker in self._bias else vote


def _bias(votes: Sequence[Vote], worker: str) -> tuple[float, ...] | None:
    """What batch calibration over these votes would subtract from the worker's log-probabilities."""
    scores = [vote.scores for vote in votes if vote.worker == worker and vote.scores is not None]
    return tuple(bias(log_softmax(np.array(scores, np.float64))).tolist()) if scores else None
