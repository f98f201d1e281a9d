"""bias: the same agents asked otherwise, about the same items. What changes though the texts do not, the prompt did.

Knows nothing of prompts, files or of any concrete worker.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.agent import Worker
from limbeck.aggregation.base import tabulate
from limbeck.committee.base import interview
from limbeck.evaluation.intervals import mean_estimate
from limbeck.evaluation.shares import wilson
from limbeck.flows.job import Notify, Progress, silent
from limbeck.flows.words import estimate
from limbeck.records import Item, Vote

Floats = npt.NDArray[np.float64]
# A label's mean probability that moves by less than five points is no matter, however surely it moves.
SMALL = 0.05
ASKED = "as asked"


@dataclass(frozen=True, slots=True)
class Variant:
    """One agent asked in one way.

    Attributes:
        agent: the agent's name.
        change: what is otherwise than in the task file, or `ASKED`.
        against: the change that it is compared with.
        worker: who is asked.
        labels: the task's labels in the order in which this worker has them.
    """

    agent: str
    change: str
    against: str
    worker: Worker
    labels: tuple[str, ...]


class _Nothing:
    """No vote was kept: everything is asked."""

    def has(self, keys: Collection[str]) -> set[str]:  # noqa: ARG002 - the ledger's signature
        return set()

    def votes(self, worker: str | None = None, items: Iterable[str] | None = None) -> Iterator[Vote]:  # noqa: ARG002
        return iter(())


def bias(
    variants: Sequence[Variant],
    items: Sequence[Item],
    *,
    labels: Sequence[str],
    skipped: Mapping[str, str],
    seed: int,
    notify: Notify = silent,
) -> dict[str, Any]:
    """Ask every variant about every item and compare.

    Args:
        variants: of all agents; for each agent one that is `ASKED`.
        items: at least two.
        labels: of the task, in its order.
        skipped: agent → why it is not measured, or how not.
        seed: of the bootstrap.
        notify: is told how far it is.

    Returns:
        What `bias.json` holds.

    Raises:
        RunError: when a worker fails on more than a fifth of the items.
    """
    found: dict[tuple[str, str], tuple[Floats, Floats]] = {}
    for done, one in enumerate(variants):
        notify(Progress("bias", done, len(variants)))
        found[one.agent, one.change] = _opinion(one, items, labels)
    notify(Progress("bias", len(variants), len(variants)))
    rng = np.random.default_rng((seed, 8_000_000))
    measured = [
        {"agent": one.agent, "change": one.change, "against": one.against}
        | _compared(found[one.agent, one.against], found[one.agent, one.change], labels, rng=rng)
        for one in variants
        if one.change != ASKED
    ]
    return {"items": len(items), "small": SMALL, "measured": measured, "skipped": dict(skipped)}


def _opinion(one: Variant, items: Sequence[Item], labels: Sequence[str]) -> tuple[Floats, Floats]:
    """Probabilities as the model gave them and as calibrated, shape [items, K] each; NaN where there is no answer."""
    asking = interview(one.worker, items, kept=_Nothing(), around=_unmetered, allowed=lambda: True)
    votes = [vote for answers in asking for vote in answers.votes]
    order = [one.labels.index(label) for label in labels]
    ids = [item.id for item in items]
    raw, calibrated = (
        tabulate(votes, labels=one.labels, items=ids, calibration={one.worker.name: how}).probabilities[:, 0, order]
        for how in ("none", one.worker.calibration)
    )
    return raw, calibrated


def _unmetered(worker: Worker) -> AbstractContextManager[None]:  # noqa: ARG001 - a meter would want it
    return nullcontext()


def _compared(
    before: tuple[Floats, Floats], after: tuple[Floats, Floats], labels: Sequence[str], *, rng: np.random.Generator
) -> dict[str, Any]:
    """How many answers changed, and how far each label's mean probability moved."""
    both = np.isfinite(before[0][:, 0]) & np.isfinite(after[0][:, 0])
    (raw_before, was), (raw_after, now) = ((raw[both], calibrated[both]) for raw, calibrated in (before, after))
    changed = was.argmax(axis=1) != now.argmax(axis=1)
    block: dict[str, Any] = {"n": int(both.sum())}
    block |= estimate("changed", wilson(int(changed.sum()), len(changed)))
    shifts = []
    for k, label in enumerate(labels):
        raw = mean_estimate(raw_after[:, k] - raw_before[:, k], rng=rng)
        left = mean_estimate(now[:, k] - was[:, k], rng=rng)
        row = {"label": label} | estimate("shift", raw) | estimate("calibrated", left)
        shifts.append(row | {"flag": _matters(row, "shift"), "remains": _matters(row, "calibrated")})
    return block | {
        "shifts": shifts,
        "flag": any(row["flag"] for row in shifts),
        "remains": any(row["remains"] for row in shifts),
    }


def _matters(row: Mapping[str, Any], name: str) -> bool:
    """Whether a shift is surely not zero, and not small."""
    interval = row[f"{name}_interval"]
    if interval is None:  # all items moved alike
        return row[name] is not None and abs(row[name]) >= SMALL
    return bool((interval[0] > 0 or interval[1] < 0) and abs(row[name]) >= SMALL)
