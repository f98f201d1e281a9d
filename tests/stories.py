"""An engine that knows whole continuations by heart, so that every branch and every margin can be counted by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from limbeck.engines.base import Floats
from limbeck.engines.scripted import STOP, VOCABULARY, ScriptedEngine


class Stories(ScriptedEngine):
    """Scores bytes by stories: beginning of a text → the ways to go on, each with a weight in nats.

    The next byte of every story that what was said so far begins gets its weight; all other bytes weigh nothing.
    """

    def __init__(self, stories: Mapping[str, Mapping[str, float]], *, context: int = 4096) -> None:
        super().__init__([], context=context)
        self.stories = stories
        self.rows_read: list[int] = []

    def extend(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> Floats:
        self.rows_read.append(len(rows))
        return super().extend(rows, parents)

    def _scores(self, row: tuple[int, ...]) -> Floats:
        read = bytes(token for token in row if token < 256)
        scores = np.zeros(VOCABULARY, np.float32)
        begun = [start for start in self.stories if read.startswith(start.encode())]
        if begun:
            start = max(begun, key=len)
            said = read[len(start.encode()) :]
            for story, weight in self.stories[start].items():
                if story.encode().startswith(said):
                    rest = story.encode()[len(said) :]
                    place = rest[0] if rest else STOP
                    scores[place] = weight if math.isnan(weight) else max(scores[place], weight)
        return scores


def margin(weight: float, *others: float) -> float:
    """p(likeliest) − p(second) where one story goes on alone, or beside others of these weights."""
    total = math.exp(weight) + sum(map(math.exp, others)) + VOCABULARY - 1 - len(others)
    return (math.exp(weight) - math.exp(max(others, default=0.0))) / total
