"""Which human labels an audit may rest on, how their items were chosen, and what therefore cannot be concluded.

Knows nothing of the statistics that follow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.errors import RunError
from limbeck.evaluation.intervals import Floats, Integers
from limbeck.flows.answers import Answer, Settled, answers_of_file, read_answers, settle
from limbeck.flows.sample import Drawn, draws
from limbeck.ledger import LedgerView
from limbeck.records import Label

UNKNOWN = (
    "nobody knows how the items with human labels were chosen. If they were drawn at random, say --random; "
    "`limbeck gold` draws them so"
)
# A gap this many standard errors wide comes by chance once in a thousand random samples.
STRANGE = 3.3


@dataclass(frozen=True, slots=True)
class Basis:
    """Human labels that an audit may use.

    Attributes:
        gold: item → label, of the items used.
        rows: their positions among the labelled items, shape [n].
        chances: chance with which each was drawn, shape [n]; None = equal.
        equal: whether the chances were equal.
        refused: why nothing may be concluded for the other items, or None.
        answers: all single answers, also on items that are not used.
        counted: whether the items carry counts of people's choices.
        facts: where the labels come from, as JSON values.
        notes: what a reader must know.
    """

    gold: Mapping[str, str]
    rows: Integers
    chances: Floats | None
    equal: bool
    refused: str | None
    answers: tuple[Answer, ...]
    counted: bool
    facts: Mapping[str, Any]
    notes: tuple[str, ...]


def basis(
    view: LedgerView, given: Sequence[Label], names: Sequence[str], *, file: Path | None, at_random: bool
) -> Basis:
    """The human labels of a run: of a file, else people's answers, else the gold column.

    Raises:
        RunError: there is none.
        DataError: see `answers_of_file`.
    """
    place = {label.item: row for row, label in enumerate(given)}
    source, answers, settled, counted, unknown = _found(view, list(place), names, file)
    gold = {item: label for item, label in settled.labels.items() if item in place and label in names}
    if not gold:
        raise RunError(
            f"{view.path.parent}: no labelled item has a human label",
            hint="limbeck gold asks for some; --labels reads them from a table.",
        )
    notes = _told(settled, unknown, outside=sum(item not in place for item in settled.labels))
    # A sample of other labels than these (a run that was repaired) has other chances.
    known = [one for one in draws(view) if one.of == len(given) and one.by_chance]
    sample = () if at_random or source != "answers" else _sample(known, gold)
    if sample:
        odds = {item: chance for one in sample for item, chance in zip(one.items, one.odds, strict=True)}
        if left := len(gold) - sum(item in odds for item in gold):
            notes.append(f"{left:,} answered items are not of the sample that is used, and are left out.")
        gold = {item: label for item, label in gold.items() if item in odds}
    equal = all(one.equal for one in sample)
    everything = len(gold) == len(given)
    refused = None if sample or at_random or everything else UNKNOWN
    rows = np.array([place[item] for item in gold], np.int64)
    if at_random and not everything:
        notes += _strange(np.array([one.confidence for one in given]), rows)
    return Basis(
        gold=gold,
        rows=rows,
        chances=None if equal else _odds(sample[0], gold),
        equal=equal,
        refused=refused,
        answers=answers,
        counted=counted,
        facts={
            "source": source,
            "answered": len(gold),
            "of": len(given),
            "chosen": _how(sample, at_random=at_random, everything=everything),
            "people": dict(settled.people),
            "skipped": len(settled.skipped),
            "disagreed": {item: dict(counts) for item, counts in settled.disagreed.items()},
        },
        notes=tuple(notes),
    )


def _found(
    view: LedgerView, ids: Sequence[str], names: Sequence[str], file: Path | None
) -> tuple[str, tuple[Answer, ...], Settled, bool, int]:
    """Source, single answers, what they settle, whether counts of people are there, labels that are none."""
    items = list(view.items(ids))
    counted = any(item.people for item in items)
    answers = tuple(read_answers(view) if file is None else answers_of_file(file, names))
    if file is not None or any(one.label is not None for one in answers):
        return "file" if file else "answers", answers, settle(answers), counted, 0
    column = {item.id: item.gold for item in items if item.gold is not None}
    known = {item: label for item, label in column.items() if label in names}
    return "gold column", (), Settled(known, {}, (), {}), counted, len(column) - len(known)


def _sample(known: Sequence[Drawn], gold: Mapping[str, str]) -> tuple[Drawn, ...]:
    """The samples to use: those of equal chances, which together are one too, or the one by doubt if more of it is
    answered."""
    equal = tuple(one for one in known if one.equal)
    doubtful = tuple(one for one in known if not one.equal)
    counts = [len({item for one in group for item in one.items} & gold.keys()) for group in (equal, doubtful)]
    if not any(counts):
        return ()
    return equal if counts[0] >= counts[1] else doubtful


def _odds(sample: Drawn, gold: Mapping[str, str]) -> Floats:
    """Chances of the answered items: of being drawn, and of being among those answered so far."""
    odds = dict(zip(sample.items, sample.odds, strict=True))
    return np.array([odds[item] for item in gold]) * (len(gold) / len(sample.items))


def _how(sample: Sequence[Drawn], *, at_random: bool, everything: bool) -> str:
    if everything:
        return "all"
    if sample:
        return " and ".join(dict.fromkeys(one.choose for one in sample))
    return "at random, as was stated" if at_random else "unknown"


def _told(settled: Settled, unknown: int, *, outside: int) -> list[str]:
    notes = []
    if settled.disagreed:
        split = sum(item not in settled.labels for item in settled.disagreed)
        notes.append(
            f"People disagree on {len(settled.disagreed):,} items; on {split:,} of them no label has more votes than "
            "any other, and they count as without gold."
        )
    if settled.skipped:
        notes.append(
            f"{len(settled.skipped):,} items were only skipped. If these are the hard ones, the truth is worse."
        )
    if unknown:
        notes.append(f"{unknown:,} gold labels are none of the task's labels and are left out.")
    if outside:
        notes.append(f"{outside:,} human labels are of items that the committee did not label, and are left out.")
    return notes


def _strange(sure: Floats, rows: Integers) -> list[str]:
    """A warning where the answered items are not like a random sample in the committee's confidence."""
    n, size = len(rows), len(sure)
    spread = float(sure.std(ddof=1)) * math.sqrt((1 - n / size) / n) if size > 1 else 0.0
    gap = float(sure[rows].mean() - sure.mean())
    if spread <= 0 or abs(gap) < STRANGE * spread:
        return []
    return [
        f"The items with human labels do not look like a random sample: the committee is {sure[rows].mean():.1%} sure "
        f"of them and {sure.mean():.1%} of all. If they were picked, nothing here holds."
    ]
