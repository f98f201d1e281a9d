"""How much a critic's scores of "yes" and "no" speak against what it checked, its liking for one word taken out.

Knows nothing of workers, items or protocols.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from limbeck.aggregation.base import Booleans, Floats, Integers

LABELS = ("yes", "no")
# A label's own shift needs so many checks; the others share one.
ENOUGH = 30
# A hair above one half, so that rounding speaks against nothing either.
EVEN = 0.5 + 1e-9
# No shift is larger than so many nats.
FARTHEST = 60.0


def doubts(scores: Floats, about: Integers, confidence: Floats, *, shift: bool = True) -> Floats:
    """Probability of "no" for each check, shape [n].

    The scores' difference is shifted so that the mean probability of "yes" is the mean confidence of the labels that
    were checked, and at least one half: a critic that says the same of everything speaks against nothing.

    Args:
        scores: log-probabilities of "yes" and "no", shape [n, 2].
        about: index of the label that each check is about, shape [n].
        confidence: of that label before the check, 0 to 1, shape [n].
        shift: whether to shift at all.
    """
    with np.errstate(invalid="ignore"):  # both impossible: no difference
        margin = np.clip(np.nan_to_num(scores[:, 0] - scores[:, 1]), -FARTHEST / 2, FARTHEST / 2)
    if shift:
        often = [label for label in np.unique(about) if (about == label).sum() >= ENOUGH]
        groups: list[Booleans] = [about == label for label in often]
        groups.append(~np.isin(about, often))
        for group in groups:
            if group.any():
                margin[group] -= _liking(margin[group], max(EVEN, float(confidence[group].mean())))
    return np.asarray(expit(-margin))


def _liking(margin: Floats, target: float) -> float:
    """The shift with which the mean probability of "yes" is the target."""
    target = min(target, 1 - 1e-6)
    return float(brentq(lambda shift: float(expit(margin - shift).mean()) - target, -FARTHEST, FARTHEST))
