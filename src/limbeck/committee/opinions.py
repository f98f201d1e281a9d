"""Who said what about an item, and where the answers differ: what debate, judge and critic show to somebody.

Knows nothing of how answers are shown, or of any protocol.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from limbeck.agent import Said
from limbeck.aggregation.base import ASIDE, Booleans, VoteTable
from limbeck.records import Vote


@dataclass(frozen=True, slots=True)
class Opinion:
    """One worker's label of an item, as calibration left it, and its reason."""

    worker: str
    said: Said


def opinions(table: VoteTable, votes: Iterable[Vote]) -> list[list[Opinion]]:
    """The answers to each item of the table, shuffled by a hash of item and worker: no place is anybody's.

    A reason that argues for another label than the calibrated one is left out.
    """
    last = {(vote.item, vote.worker): vote for vote in votes if ASIDE not in vote.flags}
    found = []
    for item, row in zip(table.items, table.choices.tolist(), strict=True):
        own = []
        for worker, choice in zip(table.workers, row, strict=True):
            if choice >= 0:
                vote, label = last[item, worker], table.labels[choice]
                own.append(Opinion(worker, Said(label, vote.rationale if vote.label == label else None)))
        found.append(sorted(own, key=lambda one: shuffled(item, one.worker)))
    return found


def sides(given: Sequence[Opinion], item: str) -> tuple[Said, ...]:
    """Each label that somebody gave, once, with the first reason for it; shuffled by a hash of item and label."""
    reasons: dict[str, str | None] = {}
    for one in given:
        reasons[one.said.label] = reasons.get(one.said.label) or one.said.reason
    return tuple(Said(label, reasons[label]) for label in sorted(reasons, key=lambda label: shuffled(item, label)))


def split(table: VoteTable) -> Booleans:
    """Where two workers gave different labels, shape [I]."""
    chosen = table.choices
    high = chosen.max(axis=1, initial=-1)
    low = np.where(chosen >= 0, chosen, high[:, None]).min(axis=1, initial=len(table.labels))
    return np.asarray((high >= 0) & (low < high))


def given(table: VoteTable) -> Booleans:
    """Which labels somebody gave to each item, shape [I, K]."""
    return np.stack([(table.choices == label).any(axis=1) for label in range(len(table.labels))], axis=1)


def shuffled(item: str, name: str) -> bytes:
    """Where a name stands among others for this item: by chance, and always the same."""
    return hashlib.blake2b(f"{item}\0{name}".encode(), digest_size=8).digest()
