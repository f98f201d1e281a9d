"""An existing classifier as a worker: its probabilities, under the task's labels, are its vote.

Knows nothing of what kind of classifier it is or of where it lies.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from limbeck.agent.base import Batch, Question
from limbeck.errors import ConfigError
from limbeck.ledger import vote_key
from limbeck.records import Item, Usage, Vote
from limbeck.task import Task

ROWS = 256
# A share of zero becomes this: one worker alone must not veto a label.
LEAST = 1e-6


class Classifier(Protocol):
    """Anything that gives texts the probability of each of its labels."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels, in the order of the probabilities."""
        ...

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Probabilities, shape [texts, labels]; each row sums to 1."""
        ...


class ClassifierAgent:
    """Votes for the likeliest label. It reads the shown fields as a student does: one below the other.

    Args:
        name: the worker's name.
        task: what is asked.
        classifier: who knows.
        identity: hash of its files.
        model: what the report calls it.
        label_map: its label → the task's, where they differ; several may become one.
        calibration: none or batch.

    Raises:
        ConfigError: when one of its labels is none of the task's, or it knows nothing of one of the task's.
    """

    def __init__(
        self,
        name: str,
        task: Task,
        *,
        classifier: Classifier,
        identity: str,
        model: str,
        label_map: Mapping[str, str],
        calibration: str = "none",
    ) -> None:
        self.name, self._task, self.model, self.calibration = name, task, model, calibration
        self._classifier, self._identity = classifier, identity
        self._named = _named(name, classifier.labels, label_map, task.labels)
        self._sums = np.array([[one == label for label in task.labels] for one in self._named], np.float64)

    def plan(self, items: Sequence[Item]) -> list[Batch]:
        """Batches in the order of the items."""
        parts = {"classifier": self._identity, "named": self._named, "labels": self._task.labels}
        asked = [
            Question(vote_key(worker=self.name, item=item.id, text=shown(self._task, item), **parts), item)
            for item in items
        ]
        return [tuple(asked[i : i + ROWS]) for i in range(0, len(asked), ROWS)]

    def answer(self, batch: Batch) -> list[Vote]:
        """Scores are log-probabilities."""
        begun = time.perf_counter()
        known = self._classifier.predict_proba([shown(self._task, question.item) for question in batch])
        scores = np.log(np.maximum(known @ self._sums, LEAST))
        spent = Usage(seconds=(time.perf_counter() - begun) / len(batch))
        return [
            Vote(
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


def shown(task: Task, item: Item) -> str:
    """The text that a classifier reads: the shown fields that are not empty, one below the other."""
    return "\n".join(text for name in task.show if (text := item.fields.get(name)))


def _named(name: str, own: Sequence[str], given: Mapping[str, str], labels: Sequence[str]) -> list[str]:
    """Each of the classifier's labels as one of the task's."""
    strange = [label for label in given if label not in own]
    named = [given.get(label, label) for label in own]
    lost = [label for label, known in zip(own, named, strict=True) if known not in labels]
    lacking = [label for label in labels if label not in named]
    if strange:
        problem = f"has no label {strange[0]!r}, which label_map names"
    elif lost:
        problem = f"has the label {lost[0]!r}, which the task has not"
    elif lacking:
        problem = f"knows nothing of the label {lacking[0]!r}"
    else:
        return named
    raise ConfigError(
        f"agent {name}: the classifier {problem}; its labels are {', '.join(own)}",
        hint=f"Give each of them one of the task's labels in label_map: {', '.join(labels)}.",
    )
