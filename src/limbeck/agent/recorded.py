"""A worker that says again what it said in an earlier run: another protocol can be tried on its votes without a model.

Knows nothing of ledgers' files or of how the votes were made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from limbeck.agent.base import Batch, Question
from limbeck.aggregation.base import PILOT
from limbeck.errors import EngineError
from limbeck.records import Item, Vote

SIZE = 32


class Recorded:
    """One annotator made of its votes.

    Args:
        name: the worker whose votes are said again.
        votes: of a run; those of other workers are passed over.
        calibration: how its scores are to be calibrated.
        model: the model's name.
    """

    def __init__(self, name: str, votes: Iterable[Vote], *, calibration: str = "none", model: str = "") -> None:
        self.name, self.calibration, self.model = name, calibration, model
        self._votes = {vote.item: vote for vote in votes if vote.worker == name}

    def plan(self, items: Sequence[Item]) -> list[Batch]:
        """Batches in the order given."""
        asked = [Question((vote := self._of(item.id)).key, item, flags=_own_flags(vote)) for item in items]
        return [tuple(asked[start : start + SIZE]) for start in range(0, len(asked), SIZE)]

    def answer(self, batch: Batch) -> list[Vote]:
        """The votes of that time, as if they had just been cast: what a protocol noted in them is gone."""
        return [replace(self._of(question.item.id), flags=question.flags, trace=None) for question in batch]

    def _of(self, item: str) -> Vote:
        if item not in self._votes:
            raise EngineError(f"{self.name} was never asked about item {item}", hint="Replay a run of protocol vote.")
        return self._votes[item]


def _own_flags(vote: Vote) -> tuple[str, ...]:
    """The flags of a vote but for the protocol's own."""
    return tuple(flag for flag in vote.flags if flag != PILOT)
