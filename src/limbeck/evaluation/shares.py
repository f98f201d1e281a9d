"""Shares: an interval for one, and a test for two.

Knows nothing of labels, workers or of what is counted.
"""

from __future__ import annotations

import math

from limbeck.errors import DataError
from limbeck.evaluation.intervals import Estimate, undefined

Z = 1.959963984540054  # 97.5 % of the standard normal


def wilson(hits: int, n: int) -> Estimate:
    """A share with its 95 % interval (Wilson 1927), which is never empty and never leaves 0 to 1.

    Raises:
        DataError: more hits than trials, or a negative number.
    """
    if not 0 <= hits <= n:
        raise DataError(f"{hits} of {n} is no share.", hint="Count hits among the trials.")
    if not n:
        return undefined("no items")
    share, stretch = hits / n, 1 + Z**2 / n
    middle = (share + Z**2 / (2 * n)) / stretch
    half = Z / stretch * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return Estimate(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)), n)


def fisher(hits: int, n: int, other_hits: int, other_n: int) -> float:
    """Two-sided p-value of Fisher's exact test that two shares are the same: as likely tables or less likely ones."""
    total, found = n + other_n, hits + other_hits
    low, high = max(0, found - other_n), min(found, n)
    logs = [_choose(found, i) + _choose(total - found, n - i) - _choose(total, n) for i in range(low, high + 1)]
    here = logs[hits - low]
    # As likely up to rounding counts as as likely.
    return min(1.0, math.fsum(math.exp(log) for log in logs if log <= here + 1e-7))


def _choose(n: int, k: int) -> float:
    """Logarithm of the binomial coefficient."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
