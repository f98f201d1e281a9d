"""The clean set: labels that are probably right, how many there are and how right they really are.

Knows nothing of how the probability came about, or of what the clean set is used for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from limbeck.evaluation import accuracy
from limbeck.flows.job import Job
from limbeck.flows.lesson import Lesson, gold_indices
from limbeck.flows.words import estimate
from limbeck.ledger import LedgerView
from limbeck.students.robust import CLEAN, Prepared

KEY = "clean"  # in the ledger: item → probability that its label is right
DIGITS = 4
TOO_FEW = "there are too few different texts, or only one label, to ask for second opinions"


def probabilities(lesson: Lesson, prepared: Prepared) -> dict[str, float]:
    """Item → probability that its label is right; empty where nobody could tell."""
    if prepared.clean is None:
        return {}
    return {label.item: round(float(p), DIGITS) for label, p in zip(lesson.labels, prepared.clean, strict=True)}


def read_clean(view: LedgerView) -> Mapping[str, float]:
    """Item → probability that its label is right, as a run left it; empty where nobody could tell."""
    return view.meta(KEY) or {}


def clean_set(job: Job, lesson: Lesson, prepared: Prepared) -> dict[str, Any]:
    """Facts about the labels whose probability of being right reaches the threshold."""
    if prepared.clean is None:
        names = ("items", "share", "expected_accuracy", "accuracy")
        return {"threshold": CLEAN} | dict.fromkeys(names) | {f"{name}_reason": TOO_FEW for name in names}
    rows = np.flatnonzero(prepared.clean >= CLEAN)
    block: dict[str, Any] = {"threshold": CLEAN, "items": len(rows), "share": len(rows) / len(prepared.clean)}
    block["expected_accuracy"] = float(prepared.clean[rows].mean()) if len(rows) else None
    if not len(rows):
        block["expected_accuracy_reason"] = "no label reaches the threshold"
    gold = gold_indices(job.task, job.pool.gold([job.pool.index(lesson.labels[i].item) for i in rows]))
    rng = np.random.default_rng((job.seed, 8_000_000))
    return block | estimate("accuracy", accuracy(gold, lesson.probabilities[rows].argmax(axis=1), rng=rng))


def noise(prepared: Prepared) -> dict[str, Any]:
    """How the labels were made ready for the student that is kept."""
    block: dict[str, Any] = {"strategy": prepared.strategy, "left_out": int((prepared.weights <= 0).sum())}
    if prepared.choice is None:
        reason = "the task file names the strategy" if prepared.clean is not None else TOO_FEW
        return block | {"chosen_by": None, "chosen_by_reason": reason}
    choice = prepared.choice
    return block | {"chosen_by": choice.by, "scores": dict(choice.scores), "leads": dict(choice.leads)}
