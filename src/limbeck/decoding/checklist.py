"""Several labels for one text: how likely each name is as an answer, or a yes-or-no question about each.

For the questions the text is read once, and every question is a branch behind it.

Knows nothing of labels' names or of calibration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from limbeck.decoding.base import Draw
from limbeck.decoding.choice import Choice
from limbeck.engines.base import Engine, Remote


class Relative:
    """Names of labels as answers: the score of each is its log-probability relative to the mean of all.

    Args:
        choice: scores the names.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self.identity, self.reach, self.width = f"relative:{choice.identity}", choice.reach, choice.width

    def __call__(self, engine: Engine | Remote, bodies: Sequence[Sequence[int]]) -> list[Draw]:
        """One score for each name, in nats; see `Decoder.__call__`."""
        draws = self._choice(engine, bodies)
        return [
            draw if draw.scores is None else replace(draw, scores=tuple(np.subtract(draw.scores, np.mean(draw.scores))))
            for draw in draws
        ]


class Checklist:
    """The log-odds of yes for each question.

    Args:
        questions: tokens of each question, from the end of the text to where the answer begins; none of them empty.
        answer: scores two options, yes and no.
    """

    def __init__(self, questions: Sequence[Sequence[int]], answer: Choice) -> None:
        self._questions, self._answer = [list(question) for question in questions], answer
        asked = hashlib.sha256(repr(self._questions).encode()).hexdigest()[:16]
        self.identity = f"checklist:{asked}:{answer.identity}"

    @property
    def reach(self) -> int:
        """Tokens of the longest question and its answer."""
        return max(map(len, self._questions)) + self._answer.reach

    @property
    def width(self) -> int:
        """One row for each question."""
        return len(self._questions)

    def __call__(self, engine: Engine | Remote, bodies: Sequence[Sequence[int]]) -> list[Draw]:
        """One score for each question, log P(yes) − log P(no) in nats; see `Decoder.__call__`."""
        rows = [question for _ in bodies for question in self._questions]
        owners = [i for i in range(len(bodies)) for _ in self._questions]
        if isinstance(engine, Remote):  # a server keeps what it has read by itself
            draws = self._answer.after(engine, [[*bodies[i], *row] for i, row in zip(owners, rows, strict=True)])
        else:
            engine.extend(bodies, [0] * len(bodies))
            draws = self._answer.after(engine, rows, owners)
        found = []
        for start, body in zip(range(0, len(draws), self.width), bodies, strict=True):
            own = draws[start : start + self.width]
            tokens = sum(draw.prefilled for draw in own) + (0 if isinstance(engine, Remote) else len(body))
            reason = next((draw.reason for draw in own if draw.scores is None), None)
            pairs = np.array([draw.scores for draw in own if draw.scores is not None], np.float64)
            odds = None if reason else tuple((pairs[:, 0] - pairs[:, 1]).tolist())
            found.append(Draw(odds, tokens, reason=reason))
        return found
