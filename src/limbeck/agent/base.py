"""What every automatic worker is: it plans its questions in batches, and answers a batch with votes.

Knows nothing of ledgers' files, rounds or of any single worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from limbeck.records import Item, Vote


@dataclass(frozen=True, slots=True)
class Question:
    """One item, ready to be asked.

    Attributes:
        key: the key of the vote that answers it.
        item: the item.
        tokens: what the engine reads for it after the shared prefix; empty for workers without an engine.
        flags: what a reader of the vote must know, such as "truncated".
    """

    key: str
    item: Item
    tokens: tuple[int, ...] = ()
    flags: tuple[str, ...] = ()


Batch = tuple[Question, ...]


class Worker(Protocol):
    """One annotator."""

    @property
    def name(self) -> str:
        """The worker's name, unique in its committee."""
        ...

    @property
    def calibration(self) -> str:
        """How its scores are to be calibrated: none, batch, contextual or pmi."""
        ...

    @property
    def model(self) -> str:
        """Name of the model it uses, for the meter and the report."""
        ...

    def plan(self, items: Sequence[Item]) -> list[Batch]:
        """Cut items into batches.

        The plan depends on the items and the worker alone, so that a resumed run computes the very same batches:
        rounding differs with a batch's shape.
        """
        ...

    def answer(self, batch: Batch) -> list[Vote]:
        """One vote for each question, in order.

        Raises:
            EngineError: when the engine cannot answer this batch.
        """
        ...
