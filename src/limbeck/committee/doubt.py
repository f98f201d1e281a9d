"""How sure a label is of what would come out if everybody were asked, learned from items where everybody was.

Knows nothing of workers, votes or protocols.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from limbeck.aggregation.base import Booleans, Floats

# A confidence is held between this and its complement: its logit must be finite.
EDGE = 1e-6


def certainty(confidence: Floats, settled: Booleans) -> Callable[[Floats], Floats]:
    """A function from confidence to the probability that the label is settled: sigmoid(a + b · logit), b ≥ 0.

    Fitted by likelihood with the smoothed targets of Platt (1999, Advances in Large Margin Classifiers, section 2.1),
    so that a pilot in which everything was settled proves nothing beyond its size.

    Args:
        confidence: of the pilot's labels, 0 to 1, shape [n].
        settled: whether each of them was, shape [n].
    """
    yes = int(settled.sum())
    no = len(settled) - yes
    target = np.where(settled, (yes + 1) / (yes + 2), 1 / (no + 2))
    place = _logit(confidence)

    def loss(both: Floats) -> tuple[float, Floats]:
        score = both[0] + both[1] * place
        slope = expit(score) - target
        value = (np.logaddexp(0, score) - target * score).sum()
        return float(value), np.array([slope.sum(), slope @ place])

    found = minimize(loss, np.array([0.0, 1.0]), jac=True, method="L-BFGS-B", bounds=[(None, None), (0, None)])
    level, slope = found.x
    return lambda other: np.asarray(expit(level + slope * _logit(other)))


def _logit(confidence: Floats) -> Floats:
    return np.asarray(logit(np.clip(confidence, EDGE, 1 - EDGE)))
