"""gold: ask people about a sample of the labelled items, and keep what they answer as votes in the run's ledger.

Knows nothing of keys and screens, of how the sample was drawn, or of what gold is used for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from limbeck.errors import ConfigError, DataError
from limbeck.flows.answers import SKIPPED, TAKEN_BACK, Answer, read_answers
from limbeck.flows.export import text_of
from limbeck.flows.sample import Drawn, labelled
from limbeck.ledger import Ledger, LedgerView, vote_key
from limbeck.records import PERSON, Item, Usage, Vote

LONGEST_NAME = 64


class Move(Enum):
    """What a person may do instead of naming a label; no label can be mistaken for it."""

    UNDO = "undo"
    SKIP = "skip"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to a person.

    Attributes:
        item: what is asked.
        number: from 1.
        total: how many are asked.
    """

    item: Item
    number: int
    total: int


# A person at a screen: a question → a label of the task, or a move.
Person = Callable[[Asked], str | Move]


def ask(ledger: Ledger, sample: Drawn, person: Person, *, name: str) -> int:
    """Ask a person what they have not answered yet; each answer is durable before the next question comes.

    `undo` goes back to the question before, whatever it was answered in this sitting; `quit` ends the sitting.

    Returns:
        How many labels this person gave in this sitting, those taken back not counted.
    """
    worker = worker_of(name)
    done = {answer.item for answer in read_answers(ledger) if PERSON + answer.person == worker}
    items = {item.id: item for item in ledger.items(sample.items)}
    todo = [one for one in sample.items if one not in done and one in items]
    given: dict[str, str | None] = {}
    numbers = _Numbers(ledger, worker)
    at = 0
    while at < len(todo):
        item = todo[at]
        begun = time.perf_counter()
        move = person(Asked(items[item], at + 1, len(todo)))
        seconds = time.perf_counter() - begun
        if move is Move.QUIT:
            break
        if move is Move.UNDO:
            at = max(at - 1, 0)
            if todo[at] in given:
                ledger.append([numbers.vote(todo[at], None, reason=TAKEN_BACK, seconds=seconds)])
                given.pop(todo[at])
            continue
        label = None if isinstance(move, Move) else move
        ledger.append([numbers.vote(item, label, reason=None if label else SKIPPED, seconds=seconds)])
        given[item] = label
        at += 1
    return sum(label is not None for label in given.values())


def keep(ledger: Ledger, answers: Iterable[Answer]) -> int:
    """Keep answers that were given elsewhere; what a person answered alike before is not kept twice.

    Args:
        ledger: of a finished run.
        answers: see `answers_of_file`.

    Returns:
        How many were new.

    Raises:
        DataError: an answer to an item that the committee did not label; nothing is kept then.
    """
    answers = list(answers)
    known = {label.item for label in labelled(ledger)}
    strange = [answer.item for answer in answers if answer.item not in known]
    if strange:
        raise DataError(
            f"{len(strange)} of {len(answers)} answers are to items that have no label in this run: {strange[0]!r}, …",
            hint="The ids are those of labels.csv, or of the sheet that `limbeck gold --sheet` writes.",
        )
    before = {(one.item, one.person): one.label for one in read_answers(ledger)}
    counters: dict[str, _Numbers] = {}
    votes = []
    for answer in answers:
        worker = worker_of(answer.person)
        if before.get((answer.item, worker.removeprefix(PERSON))) != answer.label:
            numbers = counters.setdefault(worker, _Numbers(ledger, worker))
            votes.append(numbers.vote(answer.item, answer.label))
    ledger.append(votes)
    return len(votes)


def progress(view: LedgerView, sample: Drawn) -> dict[str, Any]:
    """How far the asking is, as JSON values."""
    own = set(sample.items)
    answers = [answer for answer in read_answers(view) if answer.item in own]
    given = {answer.item for answer in answers if answer.label is not None}
    skipped = {answer.item for answer in answers} - given
    return {
        "choose": sample.choose,
        "drawn": len(sample.items),
        "of": sample.of,
        "answered": len(given),
        "skipped": len(skipped),
        "left": len(sample.items) - len(given | skipped),
        "people": len({answer.person for answer in answers}),
    }


def sheet(view: LedgerView, sample: Drawn, *, show: Sequence[str]) -> list[dict[str, str]]:
    """The sample as rows to be filled in elsewhere: id, text and an empty label. No label of the committee is told."""
    texts = {item.id: text_of(item, show) for item in view.items(sample.items)}
    return [{"id": item, "text": texts[item], "label": ""} for item in sample.items if item in texts]


def worker_of(name: str) -> str:
    """The worker that a person is.

    Raises:
        ConfigError: an empty name, one that is too long, or one with signs that cannot be printed.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ConfigError(
            f"{name[:LONGEST_NAME]!r} is no name for a person",
            hint=f"Give 1 to {LONGEST_NAME} signs on one line: --person anna",
        )
    return PERSON + name


class _Numbers:
    """A person's votes, each with a key of its own, so that a change of mind is kept beside what it changes."""

    def __init__(self, view: LedgerView, worker: str) -> None:
        self._worker, self._count = worker, view.count(worker)

    def vote(self, item: str, label: str | None, *, reason: str | None = None, seconds: float = 0.0) -> Vote:
        self._count += 1
        # With the label in the key an answer cannot hide behind another one, even where a repair lost votes before it.
        key = vote_key(worker=self._worker, item=item, number=self._count, label=label)
        reason = reason if label is None else None
        return Vote(key, item, self._worker, label, reason=reason, usage=Usage(seconds=seconds))
