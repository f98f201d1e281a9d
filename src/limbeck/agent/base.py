"""What every automatic worker is: it plans its questions in batches, and answers a batch with votes.

Beside that, what workers with a prompt share: cutting a text to the room there is, and batches of like length.
Knows nothing of ledgers' files, rounds or of any single worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from limbeck.agent.remark import Remark
from limbeck.decoding.base import BRANCHES, plan_batches
from limbeck.engines.base import Tokenizer
from limbeck.records import ABSTAINED, Item, Usage, Vote, set_name
from limbeck.task import Task, render_item

# No tokenizer makes more than one token of a byte, and few texts have more than this many bytes to a token.
BYTES_PER_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Question:
    """One item, ready to be asked.

    Attributes:
        key: the key of the vote that answers it.
        item: the item.
        tokens: what the engine reads for it after the shared prefix; empty for workers without an engine.
        flags: what a reader of the vote must know, such as "truncated".
        parts: the questions that it consists of, where one answer is made of several.
    """

    key: str
    item: Item
    tokens: tuple[int, ...] = ()
    flags: tuple[str, ...] = ()
    parts: tuple[Question, ...] = ()


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


def said(task: Task, scores: Sequence[float]) -> str:
    """The label that raw scores mean: the highest, or the set of those above even odds."""
    if task.several is not None:
        return set_name(task.labels, (one > 0 for one in scores))
    return task.labels[max(range(len(scores)), key=lambda place: scores[place])]


@runtime_checkable
class Listener(Worker, Protocol):
    """A worker that can be shown what others answered."""

    def informed(self, remarks: Mapping[str, Remark]) -> Worker:
        """The same worker, shown a remark behind the text of each item that has one here (by the item's id)."""
        ...


def packed(state: npt.ArrayLike | None) -> bytes | None:
    """A state as `Vote.state`: little-endian float16, what is too large for it cut to its largest number."""
    if state is None:
        return None
    largest = float(np.finfo(np.float16).max)
    return np.clip(np.asarray(state, np.float32), -largest, largest).astype("<f2").tobytes()


def abstain(question: Question, worker: str, reason: str, *, usage: Usage | None = None) -> Vote:
    """A vote without a label by a worker that has nothing to say; a missing vote, and no failure."""
    flags = (*question.flags, ABSTAINED)
    return Vote(question.key, question.item.id, worker, None, reason=reason, flags=flags, usage=usage or Usage())


def batches(questions: Sequence[Question], width: int = 1, *, branches: int = BRANCHES) -> list[Batch]:
    """Batches of like length, the longest first; see `plan_batches`."""
    asked = sorted(questions, key=lambda question: question.item.id)
    planned = plan_batches([len(question.tokens) for question in asked], width, branches=branches)
    return [tuple(asked[i] for i in batch) for batch in planned]


def fit(tokenizer: Tokenizer, text: str, room: int, policy: str) -> tuple[list[int], tuple[str, ...]]:
    """A text's tokens, cut to the room there is, and what a reader of the vote must know.

    Args:
        tokenizer: text → tokens.
        text: of any length; a huge one is cut before it is tokenised.
        room: tokens at most.
        policy: which part is kept: head, tail or middle (both ends).
    """
    kept, cut = _cut(text, room * BYTES_PER_TOKEN, policy)
    tokens, cut_again = _cut(tokenizer.encode(kept), room, policy)
    return tokens, ("truncated",) if cut or cut_again else ()


def shown(
    tokenizer: Tokenizer, task: Task, item: Item, *, lead: str, room: int, policy: str
) -> tuple[list[int], tuple[str, ...]]:
    """An item's tokens behind `lead`, cut to the room there is; of a pair both texts keep an equal part of it."""
    tokens, flags = fit(tokenizer, lead + render_item(task, item), room, policy)
    if not flags or task.pair is None:
        return tokens, flags
    bare = replace(item, fields=dict.fromkeys(item.fields, "…"))
    each = max(1, (room - len(tokenizer.encode(lead + render_item(task, bare)))) // 2)
    kept = {name: tokenizer.decode(fit(tokenizer, text, each, policy)[0]) for name, text in item.fields.items()}
    return fit(tokenizer, lead + render_item(task, replace(item, fields=kept)), room, policy)[0], flags


Piece = TypeVar("Piece", str, list[int])


def _cut(whole: Piece, room: int, policy: str) -> tuple[Piece, bool]:
    """At most `room` characters or tokens: the first, the last, or both ends; whether anything was left out."""
    if len(whole) <= room:
        return whole, False
    if policy == "head":
        return whole[:room], True
    if policy == "tail":
        return whole[-room:], True
    front = (room + 1) // 2
    return whole[:front] + whole[len(whole) - (room - front) :], True
