"""When rounds of asking have done their work: rules that look at the learning curve so far.

Knows nothing of selectors, students or files. A rule says why it ends the rounds, or None. A round whose figure is
absent ends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Point:
    """One round as the rules see it.

    Attributes:
        items: labelled so far.
        tokens: computed so far.
        kappa: agreement of this round's student with that of the round before on the same texts; None: unknown.
        performance: share of held-out items that the student gets right, 0 to 1; None: unknown.
    """

    items: int
    tokens: int
    kappa: float | None = None
    performance: float | None = None


class Rule(Protocol):
    """One way to see that more labels would not pay."""

    def __call__(self, curve: Sequence[Point]) -> str | None:
        """Why the rounds end after the last point of the curve, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Stability:
    """Stop when the student's mind is made up: stabilising predictions (Bloodgood & Vijay-Shanker 2009).

    Attributes:
        kappa: least mean of Cohen's kappa between the predictions of consecutive rounds.
        rounds: over so many pairs of rounds.
    """

    kappa: float = 0.99
    rounds: int = 3

    def __call__(self, curve: Sequence[Point]) -> str | None:
        """Why the rounds end, or None."""
        last = [point.kappa for point in curve[-self.rounds :] if point.kappa is not None]
        if len(last) < self.rounds or np.mean(last) < self.kappa:
            return None
        return (
            f"stability: consecutive students agree with a kappa of {np.mean(last):.3f} over {_rounds(self.rounds)} "
            f"(enough is {self.kappa:g})"
        )


@dataclass(frozen=True, slots=True)
class Plateau:
    """Stop when the student gains less than `points` percentage points in so many rounds.

    Attributes:
        points: a gain below it is none.
        rounds: over which the gain is counted.
    """

    points: float = 0.5
    rounds: int = 3

    def __call__(self, curve: Sequence[Point]) -> str | None:
        """Why the rounds end, or None."""
        gained = _gained(curve, self.rounds)
        if gained is None or gained >= self.points:
            return None
        return f"plateau: the student gained {gained:.1f} points in {_rounds(self.rounds)} (enough is {self.points:g})"


@dataclass(frozen=True, slots=True)
class Cost:
    """Stop when a percentage point has become too dear.

    Attributes:
        most: units that a gained point may cost.
        unit: what is counted.
        rounds: over which gain and cost are counted.
    """

    most: float
    unit: Literal["items", "tokens"] = "items"
    rounds: int = 2

    def __call__(self, curve: Sequence[Point]) -> str | None:
        """Why the rounds end, or None."""
        gained = _gained(curve, self.rounds)
        if gained is None:
            return None
        spent = getattr(curve[-1], self.unit) - getattr(curve[-1 - self.rounds], self.unit)
        if spent <= self.most * gained:
            return None
        over = f"in {_rounds(self.rounds)}"
        if gained <= 0:
            return f"cost: {spent:,} {self.unit} gained no point {over}"
        return f"cost: a point cost {spent / gained:,.0f} {self.unit} {over} (at most {self.most:g})"


def kappa(first: Integers, second: Integers) -> float | None:
    """Cohen's kappa of two predictions of the same texts; None where both say one and the same label throughout.

    Source: Cohen (1960). Then agreement by chance is complete, and kappa is not defined.
    """
    values = np.union1d(first, second)
    expected = float(sum((first == value).mean() * (second == value).mean() for value in values))
    if len(values) < 2:
        return None
    return (float((first == second).mean()) - expected) / (1 - expected)


def _gained(curve: Sequence[Point], rounds: int) -> float | None:
    """Percentage points between the last point and that so many rounds before."""
    if len(curve) <= rounds:
        return None
    before, now = curve[-1 - rounds].performance, curve[-1].performance
    return None if before is None or now is None else 100 * (now - before)


def _rounds(count: int) -> str:
    return "one round" if count == 1 else f"{count} rounds"
