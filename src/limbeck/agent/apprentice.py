"""The run's own student as a worker: it votes from the second round on, and never on an item that it learned from.

What it says of an item it was not taught is a prediction and no echo: the votes of a round are cast before anybody
learns from that round. Its errors are not independent of those who taught it all the same.
Knows nothing of rounds, or of how a student is made.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import numpy as np

from limbeck.agent.base import Batch, Question, abstain
from limbeck.agent.classifier import LEAST, Classifier, shown
from limbeck.ledger import vote_key
from limbeck.records import Item, Usage, Vote
from limbeck.task import Task

ROWS = 256
UNTAUGHT, TAUGHT_IT = "it has learned nothing yet", "it learned from this item"


class Apprentice:
    """Votes as the last student would, and abstains while there is none.

    Args:
        name: the worker's name.
        task: what is asked.
    """

    calibration, model = "none", "student"

    def __init__(self, name: str, task: Task) -> None:
        self.name, self._task = name, task
        self._student: Classifier | None = None
        self._taught: frozenset[str] = frozenset()
        self._stamp = ""

    def learn(self, student: Classifier | None, taught: Sequence[str]) -> None:
        """From now on, be this student, which learned from the items of these ids."""
        self._student, self._taught = student, frozenset(taught)
        self._stamp = hashlib.sha256("\n".join(taught).encode("utf-8", "surrogatepass")).hexdigest()

    def plan(self, items: Sequence[Item]) -> list[Batch]:
        """Batches in the order of the items."""
        asked = [
            Question(vote_key(worker=self.name, item=item.id, text=shown(self._task, item), taught=self._stamp), item)
            for item in items
        ]
        return [tuple(asked[i : i + ROWS]) for i in range(0, len(asked), ROWS)]

    def answer(self, batch: Batch) -> list[Vote]:
        """Scores are log-probabilities."""
        if self._student is None:
            return [abstain(question, self.name, UNTAUGHT) for question in batch]
        begun = time.perf_counter()
        known = self._student.predict_proba([shown(self._task, question.item) for question in batch])
        scores = np.log(np.maximum(known, LEAST))
        spent = Usage(seconds=(time.perf_counter() - begun) / len(batch))
        return [
            abstain(question, self.name, TAUGHT_IT, usage=spent)
            if question.item.id in self._taught
            else Vote(
                key=question.key,
                item=question.item.id,
                worker=self.name,
                label=self._task.labels[int(row.argmax())],
                scores=tuple(row.tolist()),
                flags=question.flags,
                usage=spent,
            )
            for question, row in zip(batch, scores, strict=True)
        ]
