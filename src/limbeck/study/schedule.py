"""Who judges what, when, and on which side: drawn once by the seed, balanced, and stored before the first question.

Knows nothing of texts or answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limbeck.study.design import Design

ITEM, REPEAT = "item", "repeat"


@dataclass(frozen=True, slots=True)
class Question:
    """One page of one rater.

    Attributes:
        id: 16 hex digits, drawn; they tell nothing.
        rater: rater-1, rater-2, …
        place: in the rater's order, from 0.
        role: item, repeat, training, gold or attention.
        unit: id of the unit, or of the check.
        shows: which outputs, in the order on the page: a, b, ab or ba; empty for a check.
    """

    id: str
    rater: str
    place: int
    role: str
    unit: str
    shows: str


Slot = tuple[str, str, str]


def schedule(design: Design, units: Sequence[str], rng: np.random.Generator) -> list[Question]:
    """All pages of all raters.

    Each unit goes to exactly `overlap` raters, and raters have equally many units, but for one. On pairs each side is
    first equally often for every rater. On single outputs one half of a rater's session shows one output of each unit,
    the other half the other; which comes first is balanced, so neither memory nor fatigue favours a system.
    """
    given = _assign(design, units, rng)
    found: list[Question] = []
    for number, own in enumerate(given, 1):
        slots = _spaced(design, own, rng)
        training = [("training", f"check-{i}", "") for i, one in enumerate(design.checks) if one.role == "training"]
        found += [
            Question(rng.bytes(8).hex(), f"rater-{number}", place, *slot)
            for place, slot in enumerate([*training, *slots])
        ]
    return found


def _assign(design: Design, units: Sequence[str], rng: np.random.Generator) -> list[list[str]]:
    """Units of each rater: always to those who have fewest, by chance among equals."""
    load = np.zeros(design.raters)
    given: list[list[str]] = [[] for _ in range(design.raters)]
    for place in rng.permutation(len(units)).tolist():
        chosen = np.lexsort((rng.random(design.raters), load))[: design.overlap]
        load[chosen] += 1
        for rater in chosen.tolist():
            given[rater].append(units[place])
    return given


def _spaced(design: Design, own: Sequence[str], rng: np.random.Generator) -> list[Slot]:
    """A rater's items in their order, repeats in the second half, checks in between."""
    turned = rng.permutation(np.arange(len(own)) % 2) if len(own) else np.zeros(0, np.int64)
    if design.method == "pairs":
        slots = [(ITEM, unit, "ba" if turn else "ab") for unit, turn in zip(own, turned.tolist(), strict=True)]
        slots = _shuffled(slots, rng)
    else:
        halves = [
            [(ITEM, unit, "ab"[turn ^ half]) for unit, turn in zip(own, turned.tolist(), strict=True)]
            for half in (0, 1)
        ]
        slots = [slot for half in halves for slot in _shuffled(half, rng)]
    early = slots[: len(slots) // 2]
    chosen = rng.permutation(len(early))[: design.repeats]
    for row in chosen.tolist():
        _insert(slots, (REPEAT, *early[row][1:]), len(slots) // 2 + 1, rng)
    for number, check in enumerate(design.checks):
        if check.role != "training":
            _insert(slots, (check.role, f"check-{number}", ""), 0, rng)
    return slots


def _insert(slots: list[Slot], slot: Slot, least: int, rng: np.random.Generator) -> None:
    slots.insert(int(rng.integers(min(least, len(slots)), len(slots) + 1)), slot)


def _shuffled(slots: Sequence[Slot], rng: np.random.Generator) -> list[Slot]:
    return [slots[row] for row in rng.permutation(len(slots)).tolist()]
