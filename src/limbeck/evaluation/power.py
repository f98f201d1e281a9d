"""How many items a comparison needs, and what one of a given size can show: non-inferiority of paired judgements.

Knows nothing of items or people; normal approximation throughout (Julious 2004, Statistics in Medicine 23:1921).
"""

from __future__ import annotations

import math
from statistics import NormalDist

from limbeck.errors import DataError

ALPHA, POWER = 0.025, 0.8


def items_needed(sd: float, margin: float, *, expected: float = 0.0, alpha: float = ALPHA, power: float = POWER) -> int:
    """Items for a paired non-inferiority test of means.

    Args:
        sd: standard deviation over items of the difference (mean over the raters of an item).
        margin: largest loss that still counts as not inferior, above 0, in the unit of the scale.
        expected: true difference that is hoped for; 0 when both are equally good.
        alpha: one-sided type-I error.
        power: chance to show non-inferiority if `expected` is true.

    Raises:
        DataError: numbers for which there is no such study.
    """
    _check(sd, margin + expected, alpha)
    if not alpha < power < 1:
        raise DataError(f"A power of {power} cannot be planned.", hint="Give one between alpha and 1, such as 0.8.")
    normal = NormalDist()
    wanted = (normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)) * sd / (margin + expected)
    return max(2, math.ceil(wanted**2))


def discordant_sd(discordance: float, *, expected: float = 0.0) -> float:
    """Standard deviation of a paired difference of yes and no, or of a preference with ties.

    Args:
        discordance: share of items on which the two sides differ (McNemar's discordant pairs), in (0, 1].
        expected: true difference of the shares.

    Raises:
        DataError: a share that cannot be, or a difference larger than it.
    """
    if not (0 < discordance <= 1 and abs(expected) <= discordance):
        raise DataError(
            f"A discordance of {discordance} with a difference of {expected} cannot be.",
            hint="The discordance is a share in (0, 1], and the difference is at most as large.",
        )
    return math.sqrt(discordance - expected**2)


def power_of(n: int, sd: float, margin: float, *, expected: float = 0.0, alpha: float = ALPHA) -> float:
    """Chance that n items show non-inferiority, 0 to 1; arguments as in `items_needed`."""
    _check(sd, margin + expected, alpha)
    normal = NormalDist()
    return normal.cdf((margin + expected) * math.sqrt(n) / sd - normal.inv_cdf(1 - alpha))


def _check(sd: float, room: float, alpha: float) -> None:
    if not (sd > 0 and room > 0 and 0 < alpha < 0.5):
        raise DataError(
            f"No study has a spread of {sd}, {room} between truth and margin, and an alpha of {alpha}.",
            hint="All are above 0, and alpha is below 0.5.",
        )
