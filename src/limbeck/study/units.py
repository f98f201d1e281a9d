"""The outputs of two runs, side by side: accepted examples of one label, rationales or labels of one item.

Knows nothing of who will judge them. The study keeps its own copy of all texts, so that a run may be deleted later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limbeck.errors import DataError
from limbeck.ledger import Ledger, LedgerView
from limbeck.records import Item
from limbeck.study.design import Kind

FACTS, SYNTHESIS, LEDGER = "facts", "synthesis", "ledger.sqlite"
Output = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Unit:
    """What both systems made of the same thing.

    Attributes:
        id: u0001, u0002, … in an order by chance.
        context: shown above both outputs.
        first: the output of the first system.
        second: of the second.
        group: the label, for cuts.
    """

    id: str
    context: str
    first: str
    second: str
    group: str


def collect(run_a: Path, run_b: Path, kind: Kind, *, n: int | None, rng: np.random.Generator) -> list[Unit]:
    """Units by chance from what both runs have.

    Args:
        run_a: folder of the first run (for examples: the run's, or the folder `synthesis` in it).
        run_b: of the second.
        kind: what is compared.
        n: how many at most; None = all.
        rng: of the draw.

    Raises:
        DataError: the runs have nothing in common.
        RunError: a folder without a run.
    """
    found = _examples(run_a, run_b, rng) if kind == "examples" else _answers(run_a, run_b, kind)
    if not found:
        raise DataError(
            f"{run_a} and {run_b} have no {kind} in common",
            hint="Compare two runs of one pool; rationales need agents that write, examples `limbeck synthesize`.",
        )
    chosen = rng.permutation(len(found))[: n or len(found)]
    return [Unit(f"u{place:04d}", *found[row]) for place, row in enumerate(chosen.tolist(), 1)]


def _examples(run_a: Path, run_b: Path, rng: np.random.Generator) -> list[tuple[str, str, str, str]]:
    """Accepted texts of the same label, paired by chance."""
    sides = [_accepted(run) for run in (run_a, run_b)]
    found = []
    for label in sorted(sides[0].keys() & sides[1].keys()):
        one, two = ([side[label][i] for i in rng.permutation(len(side[label]))] for side in sides)
        found += [(f"Label: {label}", a, b, label) for a, b in zip(one, two, strict=False)]
    return found


def _accepted(run: Path) -> dict[str, list[str]]:
    folder = run / SYNTHESIS if (run / SYNTHESIS / LEDGER).exists() else run
    found: dict[str, list[str]] = {}
    with Ledger.read(folder) as view:
        taken = {label.item: str(label.label) for label in view.labels() if label.accepted}
        for item in view.items(taken):
            found.setdefault(taken[item.id], []).append(_text(item, list(item.fields)))
    return found


def _answers(run_a: Path, run_b: Path, kind: Kind) -> list[tuple[str, str, str, str]]:
    outputs, texts = [], dict[str, str]()
    for run in (run_a, run_b):
        with Ledger.read(run) as view:
            own = _rationales(view) if kind == "rationales" else _labels(view)
            shown = (view.meta(FACTS) or {}).get("show")
            texts |= {item.id: _text(item, shown or list(item.fields)) for item in view.items(own)}
            outputs.append(own)
    one, two = outputs
    return [(texts[item], one[item][0], two[item][0], one[item][1]) for item in one if item in two and item in texts]


def _labels(view: LedgerView) -> dict[str, Output]:
    return {one.item: (one.label, one.label) for one in view.labels() if one.label is not None}


def _rationales(view: LedgerView) -> Mapping[str, Output]:
    """For each item the reasoning of the first worker that ends where the committee does."""
    final = {one.item: one.label for one in view.labels()}
    found: dict[str, Output] = {}
    for vote in view.votes():
        fits = vote.label is not None and final.get(vote.item, vote.label) == vote.label
        if vote.rationale and fits and vote.item not in found:
            found[vote.item] = (f"{vote.rationale.strip()}\n\nAnswer: {vote.label}", str(vote.label))
    return found


def _text(item: Item, shown: list[str]) -> str:
    return "\n".join(text for name in shown if (text := item.fields.get(name)))
