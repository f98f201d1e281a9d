"""Do worked examples help one prompt of a small model, and which? Examples are training items with their gold label.

    python benchmarks/demonstrations.py --data FOLDER [--sets sst2 trec] [--items 200] [--work FOLDER] [--out FILE]

Votes are kept in the work folder: run again to score them anew, or to go on after an interruption.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from limbeck.aggregation.base import tabulate
from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop
from limbeck.committee.base import calibrations
from limbeck.evaluation import accuracy, compare
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.job import silent
from limbeck.flows.lesson import gold_indices
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.task import parse_task
from machine import describe
from tasks import task_text

NUMBER = 8
CHOICES = ("none", "random", "balanced", "diverse", "nearest")
# Each prompt measured against what it says without a text, as batch calibration takes all prompts of a worker for one.
CONTEXTUAL = "nearest-contextual"


def measure(name: str, data: Path, work: Path, *, items: int, number: int) -> dict[str, Any]:
    """One prompt with each choice of examples, before and after calibration."""
    train = data / name / "train.csv"
    agents = [
        {"name": choose, "model": "smollm2-135m-instruct", "style": "plain"}
        | ({} if choose == "none" else {"examples": {"number": number, "choose": choose, "from": str(train)}})
        for choose in CHOICES
    ]
    told = {"name": CONTEXTUAL, "examples": dict(agents[-1]["examples"])}
    agents.append(agents[-1] | told | {"decode": {"choice": {"calibration": "contextual"}}})
    text = task_text(name, data / name / "test.csv", extra=yaml.safe_dump({"agents": agents}))
    text = text.replace("  gold: label\n", f"  gold: label\n  limit: {items}\n")
    file = parse_task(text, source=str(data / "task.yaml"), names=NAMES)
    with Meter() as meter, Ledger.open(work / f"{name}-{items}-{number}") as ledger:
        job = Workshop(file, Store(), meter, say=print).job()
        purse = Purse(job.budget, ledger, meter)
        annotate(job.committee, list(job.pool), ledger=ledger, meter=meter, notify=silent, purse=purse)
        how = calibrations(job.committee)
        votes = [vote for vote in ledger.votes() if vote.worker in how]
    labels, ids = job.task.labels, list(job.pool.ids)
    gold = gold_indices(job, job.pool.gold())
    raw = tabulate(votes, labels=labels, items=ids)
    table = tabulate(votes, labels=labels, items=ids, calibration=how)
    plain = table.choices[:, table.workers.index("none")]
    found: dict[str, Any] = {"items": len(ids)}
    for choose in (*CHOICES, CONTEXTUAL):
        column, rng = table.workers.index(choose), np.random.default_rng(0)
        own = accuracy(gold, table.choices[:, column], rng=rng)
        gain = compare(gold, table.choices[:, column], plain, rng=rng).difference
        cost = [vote.usage.tokens for vote in votes if vote.worker == choose]
        found[choose] = {
            "before calibration": accuracy(gold, raw.choices[:, column], rng=rng).value,
            "accuracy": own.value,
            "interval": own.interval,
            "points gained": gain.value and 100 * gain.value,
            "gain's interval": gain.interval and [100 * end for end in gain.interval],
            "tokens computed for an item": sum(cost) / len(cost),
            "seconds for an item": sum(vote.usage.seconds for vote in votes if vote.worker == choose) / len(cost),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["sst2", "trec"], choices=["sst2", "trec"])
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--number", type=int, default=NUMBER)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/demonstrations"))
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    data, settings = told.data.resolve(), {"items": told.items, "number": told.number}
    results = {name: measure(name, data, told.work, **settings) for name in told.sets}
    text = json.dumps({"machine": describe(), "examples": told.number, "results": results}, indent=1, default=float)
    print(text)
    if told.out:
        told.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
