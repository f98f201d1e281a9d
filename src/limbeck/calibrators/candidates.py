"""What is tried on gold, the simplest first.

Knows nothing of how the choice is made.
"""

from __future__ import annotations

from limbeck.aggregation.base import Aggregator
from limbeck.calibrators.base import Calibrator
from limbeck.calibrators.committee import AsVoted
from limbeck.calibrators.heads import Apart, Both, Joined
from limbeck.calibrators.weights import Weights

COMMITTEE = "committee"


def candidates(aggregator: Aggregator, *, states: bool) -> dict[str, Calibrator]:
    """Name → calibrator, the committee without gold first.

    Args:
        aggregator: votes → labels, as the run uses it.
        states: whether any worker's states were kept.
    """
    found: dict[str, Calibrator] = {
        COMMITTEE: AsVoted(aggregator),
        "weights": Weights(aggregator),
        "scores": Joined(aggregator, states=0.0),
    }
    if states:
        joined, apart = Joined(aggregator), Apart(aggregator)
        found |= {"joined-head": joined, "own-heads": apart, "all-heads": Both((joined, apart))}
    return found
