"""Worked examples out of an earlier run: of people, of the committee where it was sure, or confirmed by the student.

Knows nothing of prompts or of which of them are shown.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limbeck.flows.answers import read_gold
from limbeck.ledger import LedgerView
from limbeck.records import Label
from limbeck.students.base import Student
from limbeck.task import Task, render_item

Floats = npt.NDArray[np.float64]
Pairs = list[tuple[str, str]]  # (text, label)
# Of each label's items so many count as confident, the surest first; of each label, or rare ones would have no example.
SUREST = 0.25


def from_people(view: LedgerView, task: Task) -> Pairs:
    """Items that people labelled in the run; those on which they are split are left out."""
    gold = read_gold(view)
    return [(render_item(task, item), gold[item.id]) for item in view.items(gold) if gold[item.id] in task.labels]


def from_committee(view: LedgerView, task: Task) -> Pairs:
    """The quarter of each label's items of which the committee was surest, surest first."""
    return _texts(view, task, _surest(view.labels(), task.labels, SUREST))


def from_student(view: LedgerView, task: Task, student: Student) -> Pairs:
    """The clean set: items whose label the student shares, of the surer half of committee and student for that label.

    The student learned from most of them, so agreeing is easy for it; disagreeing is what tells (small-loss selection).
    """
    half = _surest(view.labels(), task.labels, 0.5)
    pairs = _texts(view, task, half)
    if not pairs:
        return []
    opinion = student.predict_proba([text for text, _ in pairs])
    place = [student.labels.index(label) if label in student.labels else -1 for _, label in pairs]
    kept = [i for i, k in enumerate(place) if k >= 0 and opinion[i].argmax() == k]
    sure = {label: [opinion[i].max() for i in kept if pairs[i][1] == label] for label in task.labels}
    least = {label: float(np.median(found)) for label, found in sure.items() if found}
    return [pairs[i] for i in kept if opinion[i].max() >= least[pairs[i][1]]]


def _surest(labels: Sequence[Label], names: Sequence[str], share: float) -> list[Label]:
    """The surest labels of each name, at least one of each that occurs; surest first."""
    found = []
    for name in names:
        own = sorted((one for one in labels if one.label == name), key=lambda one: (-one.confidence, one.item))
        found += own[: max(1, round(share * len(own)))]
    return sorted(found, key=lambda one: (-one.confidence, one.item))


def _texts(view: LedgerView, task: Task, labels: Sequence[Label]) -> Pairs:
    items = {item.id: item for item in view.items([one.item for one in labels])}
    return [(render_item(task, items[one.item]), str(one.label)) for one in labels]
