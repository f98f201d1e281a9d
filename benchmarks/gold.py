"""What do a few gold labels buy? The default committee's votes and hidden states, calibrated on draws of gold.

    python benchmarks/gold.py --data FOLDER [--sets trec sst2 …] [--work FOLDER] [--draws 10] [--out FILE]

Votes and states are kept in the work folder: run again to score them anew, or to go on after an interruption. Gold is
drawn as `limbeck gold` draws it (stratified); right is counted on the items that were not drawn.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.aggregation.base import VoteTable
from limbeck.aggregation.opinion_pool import OpinionPool
from limbeck.assets.store import Store
from limbeck.calibrators.base import Material
from limbeck.calibrators.candidates import candidates
from limbeck.calibrators.features import matrix
from limbeck.calibrators.regression import Around, regress
from limbeck.calibrators.selection import choose
from limbeck.catalog import NAMES, Workshop
from limbeck.evaluation import chances, draw, spread
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.calibrate import Terms, material_of, votes_table
from limbeck.flows.job import silent
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.task import parse_task
from machine import describe
from tasks import task_text

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
SIZES = (20, 50, 100, 200)
SETS = {
    "trec": ("trec/test.csv", None),
    "sst2": ("sst2/test.csv", 1000),
    "movie-reviews": (None, 800),
    "tweets": (None, 800),
    "product-reviews": (None, 800),
}
OPINION = """
task:
  name: {name}
  instructions: Decide whether the {noun} is negative or positive.
  labels:
    negative: the writer is displeased
    positive: the writer is pleased
  noun: {noun}
  aspect: sentiment
data: {{pool: {name}, limit: {limit}}}
"""
NOUNS = {"movie-reviews": "movie review", "tweets": "tweet", "product-reviews": "product review"}


def task_of(name: str, data: Path) -> str:
    """The task file of a set."""
    file, limit = SETS[name]
    if file is None:
        return OPINION.format(name=name, noun=NOUNS[name], limit=limit)
    return task_text(name, data / file) + (f"  limit: {limit}\n" if limit else "")


def stored(name: str, data: Path, work: Path) -> tuple[Material, Integers]:
    """Votes and states of the default committee on a set, asked where they are missing, and the true labels."""
    file = parse_task(task_of(name, data), source=str(data / "task.yaml"), names=NAMES)
    with Meter() as meter, Ledger.open(work / name) as ledger:
        job = Workshop(file, Store(), meter, say=print).job()
        items = [item for item in job.pool if item.gold in job.task.labels]
        purse = Purse(job.budget, ledger, meter)
        annotate(job.committee, items, ledger=ledger, meter=meter, notify=silent, purse=purse)
        table = votes_table(ledger, [item.id for item in items], Terms.of(job))
        material, _ = material_of(ledger, table)
    return material, np.array([job.task.labels.index(str(item.gold)) for item in items], np.int64)


def drawn(posterior: Floats, n: int, rng: np.random.Generator) -> Integers:
    """Items as `limbeck gold` draws them."""
    return draw(chances(np.ones(len(posterior)), n), spread(posterior, rng), rng)


def head_alone(worker: str) -> Callable[[Material, Integers], Floats]:
    """A linear head on one agent's states that knows nothing of any score."""

    def fitted(material: Material, gold: Integers) -> Floats:
        alone = Material(material.table, {worker: material.states[worker]})
        n, k = len(gold), len(material.table.labels)
        blank = np.zeros((n, k))
        around = Around(blank, blank[:, None], matrix(alone, np.arange(n), scores=0.0, states=10.0))
        rows = np.flatnonzero(gold >= 0)
        return regress(around.rows(rows), gold[rows], intercept=2.0, factors=4.0)(around)

    return fitted


def interval(right: Floats, rng: np.random.Generator) -> list[float]:
    """95 % bootstrap interval of the mean over draws and items, both drawn again; NaN where an item was gold."""
    draws, items = right.shape
    means = [np.nanmean(right[rng.integers(0, draws, draws)][:, rng.integers(0, items, items)]) for _ in range(1000)]
    return [float(end) for end in np.quantile(means, [0.025, 0.975])]


def measure(material: Material, truth: Integers, *, draws: int) -> dict[str, Any]:
    """Right with n gold labels, of what was chosen and of every candidate, on the items that were not drawn."""
    table: VoteTable = material.table
    base, every = OpinionPool()(table).probabilities, np.arange(len(truth))
    found: dict[str, Any] = {"items": len(truth), "no gold": float((base.argmax(axis=1) == truth).mean())}
    alone = {f"head of {worker} alone": head_alone(worker) for worker in ("plain", "similarity")}
    for n in SIZES:
        right: dict[str, list[Floats]] = {}
        used, seconds = Counter[str](), 0.0
        for seed in range(draws):
            rng = np.random.default_rng((seed, n))
            gold = np.full(len(truth), -1)
            rows = drawn(base, n, rng)
            gold[rows] = truth[rows]
            begun = time.perf_counter()
            tried = candidates(OpinionPool(), states=bool(material.states))
            chosen = choose(tried, material, gold, rng=rng)
            seconds += time.perf_counter() - begun
            used[chosen.name] += 1
            opinions = {"chosen": chosen.calibrated(material, every)}
            opinions |= {name: one(material, gold)(material, every) for name, one in tried.items()}
            opinions |= {name: one(material, gold) for name, one in alone.items()}
            for name, opinion in opinions.items():
                hits = np.where(gold >= 0, np.nan, opinion.argmax(axis=1) == truth)
                right.setdefault(name, []).append(hits)
        rng = np.random.default_rng(0)
        gains = np.array(right["chosen"]) - np.array(right["committee"])
        found[f"{n} gold"] = {
            name: {"right": float(np.nanmean(rows)), "interval": interval(np.array(rows), rng)}
            for name, rows in right.items()
        } | {
            "gain over no gold": {"mean": float(np.nanmean(gains)), "interval": interval(gains, rng)},
            "used": dict(used),
            "seconds per choice": seconds / draws,
        }
        print(n, found[f"{n} gold"]["chosen"], found[f"{n} gold"]["gain over no gold"], dict(used), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/gold"))
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = {}
    for name in options.sets:
        print(name, flush=True)
        results[name] = measure(*stored(name, options.data.resolve(), options.work), draws=options.draws)
        report = json.dumps({"machine": describe(), "draws": options.draws, "results": results}, indent=1)
        if options.out:
            options.out.write_text(report + "\n", encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
