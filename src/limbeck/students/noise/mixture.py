"""Two components in one row of numbers: which of the two a number came from, found by expectation maximisation.

Knows nothing of labels or of what the numbers mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import betaln, expit

from limbeck.students.softmax import Floats

STEPS = 100
SETTLED = 1e-6  # the largest change of a responsibility at which the search ends
EDGE = 1e-3  # how near to 0 and 1 a beta distribution is asked for a number
LEAST = 1e-6  # variance; a component of equal numbers would be infinitely dense
Density = Callable[[Floats, float, float], Floats]


def lower_share(values: Floats, *, kind: str = "beta") -> Floats:
    """Probability that each number came from the component with the smaller mean, shape [N].

    Beyond the two means it stays what it is at the mean: else the wider component would claim both ends. Where all
    numbers are equal there is one component, and everything is of it.

    Args:
        values: shape [N].
        kind: `beta` (Arazo et al., Unsupervised label noise modeling and loss correction, ICML 2019, arXiv 1904.11238)
            or `gaussian` (Li, Socher & Hoi, DivideMix, ICLR 2020, arXiv 2002.07394).
    """
    low, high = (float(end) for end in np.quantile(values, [0.01, 0.99])) if len(values) else (0.0, 0.0)
    if high - low < 1e-9:
        return np.ones(len(values))
    scaled = np.clip((values - low) / (high - low), EDGE, 1 - EDGE)
    lower = (scaled <= np.median(scaled)).astype(np.float64)
    if lower.all():  # more than half of the numbers are the largest one
        lower = (scaled < scaled.max()).astype(np.float64)
    for _ in range(STEPS):
        parts = _moments(scaled, lower), _moments(scaled, 1 - lower)
        before, lower = lower, _first(scaled, *parts, share=float(lower.mean()), density=DENSITIES[kind])
        if np.abs(lower - before).max() < SETTLED:
            break
    first, second = sorted(parts)  # by their means
    inside = np.clip(scaled, first[0], second[0])
    share = float(lower.mean()) if parts[0] == first else 1 - float(lower.mean())
    return _first(inside, first, second, share=share, density=DENSITIES[kind])


def _first(
    values: Floats, first: tuple[float, float], second: tuple[float, float], *, share: float, density: Density
) -> Floats:
    """Probability of the first of two components with these moments, of which the first has this share, shape [N]."""
    share = float(np.clip(share, 1e-6, 1 - 1e-6))
    odds = density(values, *first) - density(values, *second) + np.log(share / (1 - share))
    return np.asarray(expit(odds))


def _moments(values: Floats, weights: Floats) -> tuple[float, float]:
    """Weighted mean and variance."""
    total = max(float(weights.sum()), 1e-9)
    mean = float(weights @ values) / total
    return mean, max(LEAST, float(weights @ (values - mean) ** 2) / total)


def _beta(values: Floats, mean: float, variance: float) -> Floats:
    """Logarithm of the density of the beta distribution with these moments."""
    size = max(mean * (1 - mean) / variance - 1, 1e-3)
    first, second = mean * size, (1 - mean) * size
    return np.asarray((first - 1) * np.log(values) + (second - 1) * np.log1p(-values) - betaln(first, second))


def _gaussian(values: Floats, mean: float, variance: float) -> Floats:
    """Logarithm of the normal density, but for a constant."""
    return np.asarray(-0.5 * (np.log(variance) + (values - mean) ** 2 / variance))


DENSITIES: Mapping[str, Density] = {"beta": _beta, "gaussian": _gaussian}
