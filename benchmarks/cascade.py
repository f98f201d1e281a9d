"""What does a cascade save, and what does it cost in labels? The votes of `accuracy.py` and `student.py`, replayed.

    python benchmarks/cascade.py --data FOLDER [--work FOLDER]

Run those two first, with the same folders. The protocol is the product's own; only the answers come from the ledger, so
no model is needed. The pilot is drawn by the hash of an item's id: each of the draws puts another word before the ids.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.agent import Recorded, Worker
from limbeck.aggregation.base import tabulate
from limbeck.aggregation.opinion_pool import OpinionPool
from limbeck.committee.cascade import Cascade
from limbeck.ledger import Ledger
from limbeck.pool import Pool
from limbeck.records import Item, Vote
from machine import describe

LABELS = {
    "sst2": ("negative", "positive"),
    "trec": ("abbreviation", "description", "entity", "location", "number", "person"),
}
SETS = {"sst2": ("sst2", "test"), "trec": ("trec", "test"), "sst2-train": ("sst2", "train")}
ORDER = ("sentence", "similarity", "bare", "plain")


class Kept:
    """Votes in memory, as a cascade asks for them."""

    def __init__(self) -> None:
        self.found: dict[str, list[Vote]] = {}

    def has(self, keys: Any) -> set[str]:  # noqa: ARG002 - nothing was answered before
        return set()

    def votes(self, worker: str | None = None, items: Any = None) -> Any:  # noqa: ARG002
        return (vote for item in (self.found if items is None else items) for vote in self.found.get(item, ()))


def replay(votes: Sequence[Vote], items: Sequence[Item], labels: tuple[str, ...], sure: float) -> tuple[Any, float]:
    """The cascade's labels, and the share of tokens that it computed."""
    workers: tuple[Worker, ...] = tuple(Recorded(name, votes, calibration="batch") for name in ORDER)
    kept = Kept()

    def around(worker: Worker) -> AbstractContextManager[None]:  # noqa: ARG001
        return nullcontext()

    for answers in Cascade(workers, labels, OpinionPool(), sure=sure).ask(items, kept=kept, around=around):
        for vote in answers.votes:
            kept.found.setdefault(vote.item, []).append(vote)
    cast = [vote for own in kept.found.values() for vote in own]
    spent = sum(vote.usage.tokens for vote in cast) / sum(vote.usage.tokens for vote in votes)
    return conclude(cast, items, labels), spent


def conclude(votes: Sequence[Vote], items: Sequence[Item], labels: tuple[str, ...]) -> Any:
    ids = [item.id for item in items]
    table = tabulate(votes, labels=labels, items=ids, calibration=dict.fromkeys(ORDER, "batch"))
    return OpinionPool()(table).probabilities.argmax(axis=1)


def measure(name: str, data: Path, work: Path, *, draws: int, sure: float) -> dict[str, Any]:
    folder, part = SETS[name]
    labels = LABELS[folder]
    with Ledger.read(work / name) as ledger:
        votes = list({(vote.worker, vote.item): vote for vote in ledger.votes() if vote.worker in ORDER}.values())
    pool = Pool.read(data / folder / f"{part}.csv", show=("text",), gold="label")
    asked = {vote.item for vote in votes}
    items = [item for item in pool if item.id in asked]
    gold = np.array([labels.index(str(item.gold)) for item in items])
    whole = conclude(votes, items, labels) == gold
    losses, spent = [], []
    for draw in range(draws):
        renamed = [replace(item, id=f"{draw}:{item.id}") for item in items]
        found, share = replay([replace(v, item=f"{draw}:{v.item}") for v in votes], renamed, labels, sure)
        losses.append(100 * (whole.mean() - (found == gold).mean()))
        spent.append(share)
    interval = [float(end) for end in np.quantile(losses, [0.025, 0.975])]
    return {
        "items": len(items),
        "committee": float(whole.mean()),
        "points lost": {"mean": float(np.mean(losses)), "95 % of the draws": interval},
        "tokens saved": 1 - float(np.mean(spent)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/accuracy"))
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    found = {
        name: {
            f"sure {sure}": measure(name, options.data, options.work, draws=options.draws, sure=sure)
            for sure in (0.8, 0.85, 0.9, 0.95)
        }
        for name in SETS
    }
    print(json.dumps({"machine": describe(), "results": found}, indent=1))


if __name__ == "__main__":
    main()
