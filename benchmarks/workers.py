"""What does a worker that is no language model add to three prompts of one model, and what does `refine: mixture` add?

    python benchmarks/workers.py --data FOLDER [--sets sst2 trec] [--work FOLDER] [--out FILE]

No gold label is used but to score. The votes are those of benchmarks/accuracy.py: with the same work folder no prompt
is asked again. Beside sst2 and trec the folder may hold agnews, subj and custrev (test.csv with text and label).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from limbeck.agent.prompt import COMMITTEE
from limbeck.aggregation.base import VoteTable, tabulate
from limbeck.aggregation.mixture import Mixture
from limbeck.aggregation.opinion_pool import OpinionPool
from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop, build_encoder
from limbeck.committee.base import calibrations
from limbeck.evaluation import accuracy, calibration_error, compare, diagnose
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.job import Job, silent
from limbeck.flows.lesson import gold_indices
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.task import parse_task
from machine import describe
from tasks import RULES, TASKS, task_text

Floats = npt.NDArray[np.float64]
PROMPTS = ("bare", "plain", "sentence")
FOLDS = 5


def voted(name: str, data: Path, work: Path) -> tuple[Job, VoteTable]:
    """The job of one set, and all votes on its test items."""
    agents: list[dict[str, Any]] = [*COMMITTEE]
    if name in RULES:
        agents.append({"name": "rules", "functions": RULES[name]})
    text = task_text(name, data / name / "test.csv", extra=yaml.safe_dump({"agents": agents}))
    file = parse_task(text, source=str(data / "task.yaml"), names=NAMES)
    with Meter() as meter, Ledger.open(work / name) as ledger:
        job = Workshop(file, Store(), meter, say=print).job()
        items = list(job.pool)
        purse = Purse(job.budget, ledger, meter)
        annotate(job.committee, items, ledger=ledger, meter=meter, notify=silent, purse=purse)
        how = calibrations(job.committee)
        votes = [vote for vote in ledger.votes() if vote.worker in how]
    return job, tabulate(votes, labels=job.task.labels, items=list(job.pool.ids), calibration=how)


def taught(job: Job, texts: list[str], posterior: Floats) -> Floats:
    """What the student says of texts that it did not learn from: each fifth by one taught by the other four."""
    folds = np.random.default_rng(0).permutation(len(texts)) % FOLDS
    chance = 1 / posterior.shape[1]
    found = np.zeros_like(posterior)
    for fold in range(FOLDS):
        kept, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        student = job.teach(None).fit(
            [texts[i] for i in kept],
            posterior[kept],
            labels=job.task.labels,
            weights=np.maximum(posterior[kept].max(axis=1) - chance, 0) / (1 - chance),
            rng=np.random.default_rng(fold),
        )
        found[held] = student.predict_proba([texts[i] for i in held])
    return found


def joined(table: VoteTable, name: str, shares: Floats) -> VoteTable:
    """The table with one more worker."""
    choices = np.column_stack([table.choices, shares.argmax(axis=1)])
    probabilities = np.concatenate([table.probabilities, shares[:, None]], axis=1)
    return VoteTable(table.items, (*table.workers, name), table.labels, choices, probabilities)


def measure(name: str, data: Path, work: Path) -> dict[str, Any]:
    """Every committee on one set, with its labels as they are and refined."""
    job, table = voted(name, data, work)
    texts, gold = job.pool.texts(), gold_indices(job, job.pool.gold())
    vectors = build_encoder("all-minilm-l6-v2", Store()).encode(texts)
    everybody = np.arange(len(gold))
    committees = {"three prompts": table.part(everybody, PROMPTS)}
    committees["+ similarity"] = table.part(everybody, (*PROMPTS, "similarity"))
    if name in RULES:
        committees["+ rules"] = table.part(everybody, (*PROMPTS, "rules"))
        committees["+ similarity + rules"] = table
    four = committees["+ similarity"]
    committees["+ similarity + student"] = joined(four, "self", taught(job, texts, OpinionPool()(four).probabilities))
    first = OpinionPool()(committees["three prompts"]).probabilities.argmax(axis=1)
    found: dict[str, Any] = {"items": len(gold), "classes": len(job.task.labels), "workers": {}, "committees": {}}
    for column, worker in enumerate(committees["+ similarity + student"].workers):
        found["workers"][worker] = alone(committees["+ similarity + student"], column, gold)
    if name in RULES:
        found["workers"]["rules"] = alone(table, table.workers.index("rules"), gold)
    for told, one in committees.items():
        posterior = OpinionPool()(one).probabilities
        panel = diagnose(one.choices, len(one.labels), rng=np.random.default_rng(0), gold=gold)
        found["committees"][told] = {
            "labels": scored(posterior, gold, first),
            "refined": scored(Mixture()(posterior, vectors), gold, first),
            "error correlation": panel.error_correlation.value,
            "effective votes": panel.effective_votes.value,
        }
    return found


def alone(table: VoteTable, column: int, gold: npt.NDArray[np.int64]) -> dict[str, Any]:
    """How often a worker speaks, and how right it is where it does."""
    spoke = table.choices[:, column] >= 0
    right = accuracy(gold[spoke], table.choices[spoke, column], rng=np.random.default_rng(0))
    return {"speaks on": float(spoke.mean()), "accuracy": right.value, "interval": right.interval}


def scored(posterior: Floats, gold: npt.NDArray[np.int64], first: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy with its interval, points gained over three prompts, and the calibration error."""
    rng = np.random.default_rng(0)
    right = accuracy(gold, posterior.argmax(axis=1), rng=rng)
    gain = compare(gold, posterior.argmax(axis=1), first, rng=rng).difference
    sure = calibration_error(gold, posterior, rng=rng)
    return {
        "accuracy": right.value,
        "interval": right.interval,
        "points gained": gain.value and 100 * gain.value,
        "gain's interval": gain.interval and [100 * end for end in gain.interval],
        "calibration error": sure.value,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["sst2", "trec"], choices=list(TASKS))
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/accuracy"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = {name: measure(name, options.data.resolve(), options.work) for name in options.sets}
    told = json.dumps({"machine": describe(), "results": results}, indent=1, default=float)
    print(told)
    if options.out:
        options.out.write_text(told + "\n")


if __name__ == "__main__":
    main()
