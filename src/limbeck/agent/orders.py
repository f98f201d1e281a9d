"""A worker that is asked about pairs in both orders: what it says only because of the order cancels out.

The log-probabilities of both answers are averaged; where the texts' changing places changes labels, the second answer
is read accordingly (as in Wang et al. 2024, Large Language Models are not Fair Evaluators, arXiv 2305.17926). Both
answers stay in the vote's trace. Knows nothing of prompts, engines or of any concrete worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.agent.base import Batch, Question
from limbeck.ledger import vote_key
from limbeck.records import Item, Vote
from limbeck.task import Task, turned

# Flags of votes whose two answers are different labels, or of which one order alone has an answer.
DIFFER, ALONE = "orders differ", "one order only"

Floats = npt.NDArray[np.float64]


class BothOrders:
    """One annotator, asked twice.

    Args:
        worker: who is asked; any worker that scores labels.
        task: about pairs.
    """

    def __init__(self, worker: Any, task: Task) -> None:
        assert task.pair is not None
        self._worker, self._task = worker, task
        self._places = list(task.pair.swap or range(len(task.labels)))
        self.name: str = worker.name
        self.calibration: str = worker.calibration
        self.model: str = worker.model
        self.style: str = worker.style

    def example(self, item: Item) -> str:
        """The whole prompt for an item in the order given."""
        prompt: str = self._worker.example(item)
        return prompt

    def plan(self, items: Sequence[Item]) -> list[Batch]:
        """The worker's own batches, each question with its twin in the other order."""
        twins = {
            question.item.id: question
            for batch in self._worker.plan([turned(self._task, item) for item in items])
            for question in batch
        }
        return [
            tuple(self._joined(question, twins[question.item.id]) for question in batch)
            for batch in self._worker.plan(items)
        ]

    def answer(self, batch: Batch) -> list[Vote]:
        """One vote for each pair, made of both answers."""
        asked = [self._worker.answer(tuple(question.parts[order] for question in batch)) for order in (0, 1)]
        return [self._vote(*found) for found in zip(batch, *asked, strict=True)]

    def _joined(self, given: Question, other: Question) -> Question:
        key = vote_key(worker=self.name, item=given.item.id, given=given.key, other=other.key, places=self._places)
        flags = tuple(dict.fromkeys((*given.flags, *other.flags)))
        return Question(key, given.item, given.tokens, flags, (given, other))

    def _vote(self, question: Question, given: Vote, other: Vote) -> Vote:
        read = self._read(other)
        answers = [vote for vote in (given, read) if vote.scores is not None]
        scores = [_normalised(vote.scores) for vote in answers if vote.scores is not None]
        baselines = [_normalised(vote.baseline) for vote in answers if vote.baseline is not None]
        mean: Floats | None = np.mean(scores, axis=0) if scores else None
        label = None if mean is None else self._task.labels[int(mean.argmax())]
        flags = (DIFFER,) if len(answers) == 2 and given.label != read.label else (ALONE,) if len(answers) == 1 else ()
        reasons = [vote.rationale for vote in answers if vote.label == label and vote.rationale is not None]
        return Vote(
            key=question.key,
            item=question.item.id,
            worker=self.name,
            label=label,
            reason=given.reason if mean is None else None,
            scores=None if mean is None else tuple(mean.tolist()),
            baseline=tuple(np.mean(baselines, axis=0).tolist()) if baselines else None,
            rationale=reasons[0] if reasons else None,
            trace={"orders": [_told(given), _told(read)]},
            flags=(*question.flags, *flags),
            usage=given.usage + other.usage,
        )

    def _read(self, vote: Vote) -> Vote:
        """The answer to the other order in the labels of the order given."""
        labels, places = self._task.labels, self._places
        return replace(
            vote,
            label=None if vote.label is None else labels[places[labels.index(vote.label)]],
            scores=None if vote.scores is None else tuple(vote.scores[place] for place in places),
            baseline=None if vote.baseline is None else tuple(vote.baseline[place] for place in places),
        )


def _normalised(scores: Sequence[float]) -> Floats:
    logs = np.array(scores, np.float64)
    return np.asarray(logs - np.logaddexp.reduce(logs))


def _told(vote: Vote) -> dict[str, Any]:
    facts: dict[str, Any] = {"label": vote.label, "scores": None if vote.scores is None else list(vote.scores)}
    return facts | ({} if vote.trace is None else {"trace": dict(vote.trace)})
