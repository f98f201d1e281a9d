"""How often the order of two texts decides what a worker says about them.

Knows nothing of how the worker was asked, beyond the trace that its votes keep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from limbeck.aggregation.base import tabulate
from limbeck.evaluation import Estimate
from limbeck.evaluation.intervals import mean_estimate
from limbeck.records import Vote


def orders_differ(
    votes: Sequence[Vote], traces: Mapping[str, Mapping[str, Any]], *, labels: Sequence[str], method: str, seed: int
) -> Estimate:
    """Share of the pairs to which one worker gives other labels in the two orders, each calibrated for itself.

    A worker that always says the same word is led by nothing before its scores are calibrated, and may be after.

    Args:
        votes: of one worker on different items.
        traces: key of a vote → its trace.
        labels: of the task.
        method: how the worker's scores are calibrated.
        seed: of the bootstrap.
    """
    answers = [(vote, traces.get(vote.key, {}).get("orders", ())) for vote in votes]
    whole = [(vote, two) for vote, two in answers if len(two) == 2 and all(one["scores"] for one in two)]
    tables = [
        tabulate(
            [replace(vote, scores=tuple(two[order]["scores"])) for vote, two in whole],
            labels=labels,
            items=[vote.item for vote, _ in whole],
            calibration={vote.worker: method for vote, _ in whole},
        )
        for order in (0, 1)
    ]
    rng = np.random.default_rng((seed, 7_000_000))
    if not whole:
        return mean_estimate(np.zeros(0), rng=rng, reason="no pair was answered in both orders")
    return mean_estimate((tables[0].choices != tables[1].choices).mean(axis=1), rng=rng)
