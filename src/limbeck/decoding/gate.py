"""A choice of decoder for each item: label scoring where its margin is clear, a costlier decoder where it is not.

Knows nothing of what the two decoders do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from limbeck.decoding.base import Decoder, Draw
from limbeck.engines.base import Engine, Remote


@dataclass(frozen=True, slots=True)
class Gate:
    """Scores first, and writes only where the scores leave a doubt.

    Attributes:
        first: gives a score for every option.
        then: asked about the items on which `first` is not clear.
        margin: how far the likeliest option's share of the probability must exceed the second's, 0 to 1.
    """

    first: Decoder
    then: Decoder
    margin: float = 0.8

    @property
    def identity(self) -> str:
        """Both decoders and the margin."""
        return f"gate:{self.margin:g}:{self.first.identity}:{self.then.identity}"

    @property
    def reach(self) -> int:
        """Tokens that the longer of the two may add."""
        return max(self.first.reach, self.then.reach)

    @property
    def width(self) -> int:
        """Rows of the wider of the two."""
        return max(self.first.width, self.then.width)

    def __call__(self, engine: Engine | Remote, bodies: Sequence[Sequence[int]]) -> list[Draw]:
        """Answer each prompt by the first decoder or by the second; see `Decoder.__call__`."""
        start = engine.snapshot()
        quick = self.first(engine, bodies)
        margins = [_margin(draw) for draw in quick]
        doubtful = [i for i, margin in enumerate(margins) if margin is None or margin < self.margin]
        found = [self._told(draw, margin, took="first") for draw, margin in zip(quick, margins, strict=True)]
        if doubtful:
            engine.restore(start)
            for i, draw in zip(doubtful, self.then(engine, [bodies[i] for i in doubtful]), strict=True):
                both = replace(
                    draw, prefilled=draw.prefilled + quick[i].prefilled, decoded=draw.decoded + quick[i].decoded
                )
                found[i] = self._told(both, margins[i], took="then")
        return found

    def _told(self, draw: Draw, margin: float | None, *, took: str) -> Draw:
        gate = {"margin": margin, "needed": self.margin, "took": took}
        return replace(draw, trace={**(draw.trace or {}), "gate": gate})


def _margin(draw: Draw) -> float | None:
    """Share of the likeliest option minus that of the second; None without scores."""
    if draw.scores is None:
        return None
    shares = np.exp(np.array(draw.scores) - max(draw.scores))
    first, second = np.sort(shares / shares.sum())[::-1][:2]
    return float(first - second)
