"""Which tokens may be drawn at all: truncations of one next-token distribution, each on its own.

Every function takes the logits of one row, shape [tokens], at the temperature that is meant, and gives a mask of the
same shape. Logits of −∞ stand for tokens that are out already. Of equal tokens at the edge the lower number is kept.
Knows nothing of models, paths or random numbers.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from limbeck.engines.base import Floats, Integers

Mask = npt.NDArray[np.bool_]
# exp of less than this is 0 in single precision.
LOWEST = -104.0
# So many are sorted at once.
FEW = 1024


def top_k(logits: Floats, k: int) -> Mask:
    """The k likeliest tokens (Fan et al. 2018, arXiv 1805.04833)."""
    if k >= logits.size:
        return np.ones(logits.size, np.bool_)
    at = logits.size - k
    return _down_to(logits, np.partition(logits, at)[at], k)


def top_p(logits: Floats, p: float) -> Mask:
    """The nucleus: the fewest tokens whose probabilities sum to at least p (Holtzman et al. 2020, arXiv 1904.09751)."""
    shares = weights(logits)
    mass = p * float(shares.sum(dtype=np.float64))
    falling = np.sort(logits[_worthy(shares, p)])[::-1]
    count = _reaching(weights(falling), mass)
    return _down_to(logits, falling[count - 1], count)


def min_p(logits: Floats, p: float) -> Mask:
    """Tokens at least p times as probable as the likeliest (Nguyen et al. 2024, arXiv 2407.01082)."""
    kept: Mask = logits >= logits.max() + np.float32(math.log(p))
    return kept


def typical_p(logits: Floats, p: float) -> Mask:
    """Tokens whose surprisal is nearest to the entropy, until they sum to p (Meister et al. 2023, arXiv 2202.00666).

    The only truncation that may leave out the likeliest token: one much less surprising than the rest.
    """
    shares = weights(logits)
    total = float(shares.sum(dtype=np.float64))
    surprisals = np.float32(math.log(total)) - np.maximum(logits - logits.max(), np.float32(LOWEST))
    middle = entropy(logits)
    # Rarer tokens than this weigh less than 1 − p, all together.
    rare = math.log(logits.size / max(1.0 - p, 1e-12)) - middle
    return _nearest(np.abs(surprisals - np.float32(middle)), shares, p * total, np.float32(rare))


def top_n_sigma(logits: Floats, n: float) -> Mask:
    """Logits within n standard deviations of the highest (Tang et al. 2024, arXiv 2411.07641).

    The same at every temperature. Tokens that are out already do not count for the deviation.
    """
    inside = logits if np.isfinite(logits.min()) else logits[np.isfinite(logits)]
    kept: Mask = logits >= logits.max() - np.float32(n) * inside.std()
    return kept


def weights(logits: Floats) -> Floats:
    """Probabilities up to their common factor: the likeliest token weighs 1."""
    found: Floats = np.exp(logits - logits.max())
    return found


def entropy(logits: Floats) -> float:
    """Entropy of the distribution, in nats."""
    shifted = np.maximum(logits - logits.max(), np.float32(LOWEST))
    shares = np.exp(shifted)
    total = float(shares.sum(dtype=np.float64))
    return max(0.0, math.log(total) - float(np.dot(shares, shifted)) / total)


def entropy_temperature(logits: Floats, temperature: float, theta: float) -> float:
    """Colder where the model is sure: T₀ · 0.8^(θ / entropy) (EDT, Zhang et al. 2024, arXiv 2403.14541).

    The entropy is that of the given logits, in nats; at an entropy of 0 the temperature is 0.
    """
    nats = entropy(logits)
    return temperature * 0.8 ** (theta / nats) if nats > 0 else 0.0


def _nearest(distances: Floats, shares: Floats, mass: float, pivot: np.float32) -> Mask:
    """The least distances whose shares reach a mass: parts are told apart, and only a last small one is sorted.

    `pivot` guesses the distance from which on tokens are far; it changes the time only.
    """
    kept = np.zeros(distances.size, np.bool_)
    places = np.arange(distances.size)
    while places.size > FEW:
        closer = distances < pivot
        part = np.flatnonzero(closer)
        if 0 < part.size < places.size:
            inside = float(shares[part].sum(dtype=np.float64))
            if inside < mass:
                kept[places[part]] = True
                mass -= inside
                part = np.flatnonzero(~closer)
            places, distances, shares = places[part], distances[part], shares[part]
        elif pivot == distances.mean():
            break
        pivot = distances.mean()
    order = np.argsort(distances, kind="stable")
    kept[places[order[: _reaching(shares[order], mass)]]] = True
    return kept


def _worthy(shares: Floats, p: float) -> Integers:
    """Places of the tokens that a mass of p can need: all others together weigh less than 1 − p.

    So a whole vocabulary need not be sorted.
    """
    bound = (1.0 - p) * float(shares.sum(dtype=np.float64)) / shares.size
    return np.flatnonzero(shares >= np.float32(bound))


def _reaching(falling: Floats, mass: float) -> int:
    """How many of the first weights are needed to reach a mass; all, where rounding keeps them below it."""
    return min(falling.size, int(np.searchsorted(falling.cumsum(dtype=np.float64), mass)) + 1)


def _down_to(logits: Floats, lowest: np.float32, count: int) -> Mask:
    """The `count` highest logits, of which `lowest` is the last."""
    kept: Mask = logits > lowest
    kept[np.flatnonzero(logits == lowest)[: count - int(np.count_nonzero(kept))]] = True
    return kept
