"""How fast and how patiently a server is asked: adaptive concurrency, and waits before another attempt.

Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np


@dataclass(frozen=True, slots=True)
class Patience:
    """What a server may take and how often it is asked again.

    Attributes:
        timeout: seconds for one answer, from sending the question to its last byte.
        concurrency: questions under way at most.
        tries: attempts at one question at most; of them time-outs and broken connections at most `stalls`.
        budget: failed attempts in a row, over all questions, without one answer in between.
        base: seconds of the first wait at most; doubled with each attempt.
        longest: seconds of a wait that is chosen here at most.
        obeyed: seconds of a wait that a server asks for at most; one that asks for more has failed.
    """

    timeout: float = 120.0
    concurrency: int = 8
    tries: int = 8
    stalls: int = 3
    budget: int = 32
    base: float = 0.5
    longest: float = 30.0
    obeyed: float = 300.0

    def wait(self, attempt: int, asked: float | None, rng: np.random.Generator) -> float:
        """Seconds before attempt `attempt` + 1, counted from 1: full jitter, on top of what the server asked for.

        Source: Brooker, Exponential backoff and jitter, 2015.
        """
        ceiling = min(self.longest, self.base * 2.0 ** (attempt - 1))
        return (asked or 0.0) + float(rng.uniform(0, ceiling))


@dataclass(slots=True)
class Pace:
    """How many questions may be under way: one more after a round of answers, half as many at overload.

    Source: Chiu & Jain, Analysis of the increase and decrease algorithms for congestion avoidance, 1989.

    Attributes:
        most: the upper bound.
        limit: the bound now, at least 1.
        cuts: how often it was halved.
        failed: failed attempts in a row.
    """

    most: int
    limit: float = field(default=0.0)
    cuts: int = 0
    failed: int = 0

    def __post_init__(self) -> None:
        self.limit = self.limit or float(min(4, self.most))

    def answered(self) -> None:
        """A question was answered."""
        self.failed = 0
        self.limit = min(float(self.most), self.limit + 1 / self.limit)

    def overloaded(self, since: int) -> None:
        """A question was turned away or timed out that began after `since` cuts; a round of them is one overload."""
        if since == self.cuts:
            self.cuts += 1
            self.limit = max(1.0, self.limit / 2)


class Gate:
    """Lets no more questions through than the pace allows; belongs to one event loop."""

    def __init__(self, pace: Pace) -> None:
        self._pace, self._inside, self._changed = pace, 0, asyncio.Condition()

    async def __aenter__(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._inside < int(self._pace.limit))
            self._inside += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with self._changed:
            self._inside -= 1
            self._changed.notify_all()
