"""A worker without a language model: how near an item's text is to each label's description in the encoder's space.

Its errors are unlike a language model's, which is what a committee needs. Knows nothing of prompts or tokens.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from limbeck.agent.base import Batch, Question, packed
from limbeck.encoder import Encoder
from limbeck.ledger import vote_key
from limbeck.records import Item, Usage, Vote
from limbeck.task import Task, render_item

# Cosines of sentence encoders differ by hundredths where language models differ by nats; 20 is the usual scale of
# contrastive training (Reimers & Gurevych 2019; the encoder's own training used it).
SCALE = 20.0
ROWS = 256


class SimilarityAgent:
    """Votes for the label whose description is nearest.

    Args:
        name: the worker's name.
        task: what is asked.
        encoder: text → unit vectors.
        model: the encoder's name.
        calibration: none or batch.
        states: whether votes carry the text's vector.
    """

    def __init__(
        self,
        name: str,
        task: Task,
        encoder: Encoder,
        *,
        model: str,
        calibration: str = "batch",
        states: bool = False,
    ) -> None:
        self.name, self._task, self._encoder, self._states = name, task, encoder, states
        self.model, self.calibration = model, calibration
        self._anchors = [
            f"{label}: {about}" if about else f"{task.aspect}: {label}"
            for label, about in zip(task.labels, task.descriptions, strict=True)
        ]

    def plan(self, items: Sequence[Item]) -> list[Batch]:
        """Batches in the order of the items."""
        parts = {"encoder": self._encoder.identity, "anchors": self._anchors, "scale": SCALE}
        asked = [
            Question(vote_key(worker=self.name, item=item.id, text=render_item(self._task, item), **parts), item)
            for item in items
        ]
        return [tuple(asked[i : i + ROWS]) for i in range(0, len(asked), ROWS)]

    def answer(self, batch: Batch) -> list[Vote]:
        """Scores are scaled cosines as log-probabilities up to a constant."""
        begun = time.perf_counter()
        anchors = self._encoder.encode(self._anchors)
        vectors = self._encoder.encode([render_item(self._task, question.item) for question in batch])
        scores = SCALE * (vectors @ anchors.T).astype(float)
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
                state=packed(vector) if self._states else None,
            )
            for question, row, vector in zip(batch, scores, vectors, strict=True)
        ]
