"""Two runs of one pool as ledgers, and raters who judge what comes of them by a rule.

The first system reasons shortly on every item, the second at length; both label every item, and differ on each fourth.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from limbeck.ledger import Ledger
from limbeck.records import Item, Label, Vote
from limbeck.study import Design, Desk, Study, freeze, new
from limbeck.study import design as designs

SHORT, LONG = "it rains in film", "one may well say that it rains in film"
# Rater, context, texts as shown → criterion → answer; None skips.
Rule = Callable[[str, str, tuple[str, ...]], int | None]


def write_run(folder: Path, words: str, *, n: int = 12, accepted: bool = True) -> Path:
    with Ledger.open(folder) as ledger:
        ledger.add_items([Item(f"item{i}", {"text": f"film {i}"}) for i in range(n)])
        labels = ["sunny" if i % 2 or (words is LONG and i % 4 == 0) else "rainy" for i in range(n)]
        ledger.append(
            [Vote(f"vote{i}", f"item{i}", "writer", label, rationale=f"{words} {i}") for i, label in enumerate(labels)]
        )
        ledger.replace_labels(
            [Label(f"item{i}", label, (0.5, 0.5), 0.5, accepted, "toy") for i, label in enumerate(labels)]
        )
        ledger.set_meta("facts", {"show": ["text"]})
    return folder


def write_runs(folder: Path, *, n: int = 12) -> tuple[Path, Path]:
    return write_run(folder / "small", SHORT, n=n), write_run(folder / "large", LONG, n=n)


def begin(folder: Path, *, n: int = 12, change: dict[str, Any] | None = None, **told: Any) -> Path:
    """A frozen study; `change` is laid over its design first."""
    study = folder / "study"
    design = new(study, write_runs(folder, n=n), **{"kind": "rationales", "method": "scale", **told})
    if change:
        designs.write(Design.model_validate(design.model_dump() | change), study)
    freeze(study)
    return study


def agree(desk: Desk, rater: str) -> dict[str, Any]:
    return desk.take(rater, {"id": f"consent-{rater}", "kind": "consent"})


def judge(folder: Path, rule: Rule, *, raters: tuple[str, ...] | None = None, most: int | None = None) -> None:
    """Every rater judges all pages (or `most` of them) by the rule, the same for all criteria."""
    with Study.open(folder) as study:
        desk = Desk(study)
        names = [one["name"] for one in desk.about()["criteria"]]
        for rater in raters or desk.raters:
            state, count = agree(desk, rater), 0
            while state["stage"] in ("training", "items") and count != most:
                page, count = state["question"], count + 1
                value = rule(rater, page["context"], tuple(page["texts"]))
                entry = {"id": f"{rater}-{count}", "question": page["id"], "seconds": 4}
                if value is None:
                    state = desk.take(rater, entry | {"kind": "skip", "reason": "torn"})
                else:
                    state = desk.take(rater, entry | {"kind": "answer", "answers": dict.fromkeys(names, value)})
