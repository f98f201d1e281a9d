"""What does a student lose that only the committee taught? SST-2: 3,000 training sentences, 1,821 test sentences.

    python benchmarks/student.py --data FOLDER [--work FOLDER] [--set trec] [--kind encoder] [--seeds 0 1 2]

Beside it stand the same student taught with the committee's bare choices and with the gold labels of the same
sentences, and the committee itself on the test sentences. Votes and the students' answers are kept in the work folder:
run again to score them anew, or to go on after an interruption.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accuracy import measure
from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop
from limbeck.evaluation import accuracy, compare
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.job import Job, silent
from limbeck.flows.lesson import Lesson, conclude, gold_indices
from limbeck.flows.teaching import distil
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.task import parse_task
from machine import describe
from tasks import task_text

Floats = npt.NDArray[np.float64]
BY = ("the committee", "its bare choices", "gold")


def prepared(name: str, student: str, data: Path, work: Path, *, texts: int) -> tuple[Job, Lesson]:
    """The job, and what the committee says of its pool."""
    text = task_text(name, data / name / "train.csv", test=data / name / "test.csv")
    text = text.replace("  gold: label\n", f"  gold: label\n  limit: {texts}\n") + f"student: {{{student}}}\n"
    file = parse_task(text, source=str(data / "task.yaml"), names=NAMES)
    with Meter() as meter, Ledger.open(work / f"{name}-train") as ledger:
        job = Workshop(file, Store(), meter, say=print).job()
        items = list(job.pool)
        annotate(
            job.committee, items, ledger=ledger, meter=meter, notify=silent, purse=Purse(job.budget, ledger, meter)
        )
        return job, conclude(job, ledger, [item.id for item in items])


def opinion(by: str, job: Job, taught: Lesson, *, seed: int, kept: Path) -> Floats:
    """What a student taught by `by` says of the test sentences, shape [test, K]."""
    path = kept / f"{by.replace(' ', '-')}-{seed}.npy"
    if path.exists():
        return np.asarray(np.load(path))
    job, begun = replace(job, seed=seed), time.perf_counter()
    teacher = job.distil or job.teach(None)
    if by == "the committee":
        student, reason = distil(job, taught, teacher)
        assert student is not None, reason
    else:
        rows = [job.pool.index(label.item) for label in taught.labels]
        told = taught.probabilities.argmax(axis=1) if by != "gold" else gold_indices(job, job.pool.gold(rows))
        hard = np.eye(len(job.task.labels))[told]
        rng = np.random.default_rng((seed, 1_000_000))
        student = teacher.fit(job.pool.texts(rows), hard, labels=job.task.labels, rng=rng)
    print(f"taught by {by}, seed {seed}: {time.perf_counter() - begun:.0f} s wall", flush=True)
    assert job.test is not None
    found = student.predict_proba(job.test.texts())
    kept.mkdir(parents=True, exist_ok=True)
    student.save(kept / f"{path.stem}.student")
    np.save(path, found)
    return found


def score(truth: npt.NDArray[np.int64], opinions: list[Floats]) -> dict[str, Any]:
    """Accuracy of each seed and their mean, with a 95 % bootstrap interval over sentences and seeds."""
    right = np.array([one.argmax(axis=1) == truth for one in opinions])
    rng = np.random.default_rng(0)
    seeds, texts = right.shape
    drawn = [right[rng.integers(seeds, size=seeds)][:, rng.integers(texts, size=texts)].mean() for _ in range(2000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"accuracy": right.mean(), "interval": (low, high), "seeds": right.mean(axis=1).tolist()}


def lesson(name: str, options: argparse.Namespace, data: Path) -> dict[str, Any]:
    """Teach with each kind of label and each seed; score all on the test set."""
    work, seeds = options.work, options.seeds
    student = f"kind: {options.kind}" + (f", {options.settings}" if options.settings else "")
    job, taught = prepared(name, student, data, work, texts=options.texts)
    assert job.test is not None
    size = "" if options.texts == 3000 else f"-{options.texts}"
    kept = work / f"{name}-{options.kind}{size}-students"
    opinions = {by: [opinion(by, job, taught, seed=seed, kept=kept) for seed in seeds] for by in options.by}
    rng = np.random.default_rng(0)
    rows = [job.pool.index(label.item) for label in taught.labels]
    truth, test = gold_indices(job, job.pool.gold(rows)), gold_indices(job, job.test.gold())
    found: dict[str, Any] = {f"taught by {by}": score(test, those) for by, those in opinions.items()}
    first = {by: np.mean(those, axis=0).argmax(axis=1) for by, those in opinions.items()}
    if {"gold", "the committee"} <= first.keys():
        loss = compare(test, first["gold"], first["the committee"], rng=rng).difference
        found["loss against gold, seeds averaged"] = {
            "points": 100 * (loss.value or 0.0),
            "interval": loss.interval and [100 * end for end in loss.interval],
        }
    teacher = accuracy(truth, taught.probabilities.argmax(axis=1), rng=rng)
    sizes = {
        file.name: file.stat().st_size
        for file in (kept / f"{options.by[0].replace(' ', '-')}-{seeds[0]}.student").iterdir()
    }
    return found | {
        "committee on what it labelled": {"accuracy": teacher.value, "interval": teacher.interval},
        "bytes": sum(sizes.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/accuracy"))
    parser.add_argument("--set", default="sst2", choices=["sst2", "trec"])
    parser.add_argument("--kind", default="linear", choices=["linear", "encoder", "causal"])
    parser.add_argument("--settings", default="", help="further keys of the student, such as `epochs: 2`")
    parser.add_argument("--texts", type=int, default=3000)
    parser.add_argument("--by", nargs="+", default=list(BY), choices=BY)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    data, name = options.data.resolve(), options.set
    found = lesson(name, options, data)
    found["committee on the test set"] = measure(name, data, options.work)["committee opinion-pool"]
    print(json.dumps({"machine": describe(), "results": found}, indent=1, default=float))


if __name__ == "__main__":
    main()
