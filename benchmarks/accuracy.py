"""How right are agents and committee with no gold label used? SST-2 (1,821 test sentences) and TREC (500).

    python benchmarks/accuracy.py --data FOLDER [--sets sst2 trec] [--work FOLDER]

Votes are kept in the work folder: run again to score them anew, or to go on after an interruption.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from limbeck.aggregation.base import tabulate
from limbeck.assets.store import Store
from limbeck.catalog import AGGREGATORS, NAMES, Workshop, resolve
from limbeck.committee.base import calibrations
from limbeck.evaluation import accuracy, diagnose
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.job import Job, silent
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.task import parse_task
from machine import describe
from tasks import TASKS, task_text


def measure(name: str, data: Path, work: Path, *, extra: str = "") -> dict[str, object]:
    """Label one test set with the default committee and score agents and aggregators."""
    file = parse_task(
        task_text(name, data / name / "test.csv", extra=extra), source=str(data / "task.yaml"), names=NAMES
    )
    begun = time.perf_counter()
    with Meter() as meter, Ledger.open(work / name) as ledger:
        job = Workshop(file, Store(), meter, say=print).job()
        items = list(job.pool)
        annotate(
            job.committee, items, ledger=ledger, meter=meter, notify=silent, purse=Purse(job.budget, ledger, meter)
        )
        return score(job, ledger) | {"seconds": time.perf_counter() - begun}


def score(job: Job, ledger: Ledger) -> dict[str, object]:
    """Accuracy of each agent, raw and calibrated, and of each aggregator."""
    labels, rng = job.task.labels, np.random.default_rng(0)
    names = {worker.name for worker in job.committee.workers}
    votes = [vote for vote in ledger.votes() if vote.worker in names]
    ids = list(job.pool.ids)
    gold = np.array([labels.index(str(one)) for one in job.pool.gold()], np.int64)
    raw = tabulate(votes, labels=labels, items=ids)
    table = tabulate(votes, labels=labels, items=ids, calibration=calibrations(job.committee))
    found: dict[str, object] = {"items": len(ids)}
    for column, worker in enumerate(table.workers):
        own = accuracy(gold, table.choices[:, column], rng=rng)
        before = accuracy(gold, raw.choices[:, column], rng=rng)
        found[f"agent {worker}"] = {"raw": before.value, "calibrated": own.value, "interval": own.interval}
    for name, reference in AGGREGATORS.items():
        result = resolve(reference)()(table)
        own = accuracy(gold, result.probabilities.argmax(axis=1), rng=rng)
        weights = {w: round(float(x), 3) for w, x in zip(table.workers, result.weights, strict=True)}
        found[f"committee {name}"] = {"accuracy": own.value, "interval": own.interval, "weights": weights}
    panel = diagnose(table.choices, len(labels), rng=rng, gold=gold)
    found["effective votes"] = panel.effective_votes.value
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["sst2", "trec"], choices=list(TASKS))
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/accuracy"))
    options = parser.parse_args()
    results = {name: measure(name, options.data.resolve(), options.work) for name in options.sets}
    print(json.dumps({"machine": describe(), "results": results}, indent=1, default=float))


if __name__ == "__main__":
    main()
