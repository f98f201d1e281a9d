"""What does a student lose that only the committee taught? SST-2: 3,000 training sentences, 1,821 test sentences.

    python benchmarks/student.py --data FOLDER [--work FOLDER]

Beside it stand the same student taught with the gold labels of the same sentences, and the committee itself on the
test sentences. Votes are kept in the work folder: run again to score them anew, or to go on after an interruption.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from accuracy import measure
from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop
from limbeck.evaluation import accuracy, compare
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.job import silent
from limbeck.flows.learn import conclude, gold_indices, teach
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.task import parse_task
from machine import describe
from tasks import task_text


def lesson(data: Path, work: Path) -> dict[str, Any]:
    """Teach with the committee's labels and with gold; score both on the test set."""
    text = task_text("sst2", data / "sst2" / "train.csv", test=data / "sst2" / "test.csv")
    text = text.replace("  gold: label\n", "  gold: label\n  limit: 3000\n")
    file = parse_task(text, source=str(data / "task.yaml"), names=NAMES)
    with Meter() as meter, Ledger.open(work / "sst2-train") as ledger:
        job = Workshop(file, Store(), meter, say=print).job()
        items = list(job.pool)
        annotate(
            job.committee, items, ledger=ledger, meter=meter, notify=silent, purse=Purse(job.budget, ledger, meter)
        )
        taught = conclude(job, ledger, [item.id for item in items])
    assert job.test is not None
    rng = np.random.default_rng(0)
    truth, test = gold_indices(job, job.pool.gold()), gold_indices(job, job.test.gold())
    by_committee, reason = teach(job, taught, None)
    assert by_committee is not None, reason
    by_gold = job.teach(None).fit(job.pool.texts(), np.eye(2)[truth], labels=job.task.labels, rng=rng)
    opinions = {
        name: one.predict_proba(job.test.texts()).argmax(axis=1)
        for name, one in (("taught by the committee", by_committee), ("taught by gold", by_gold))
    }
    found: dict[str, Any] = {
        name: {"accuracy": (own := accuracy(test, opinion, rng=rng)).value, "interval": own.interval}
        for name, opinion in opinions.items()
    }
    loss = compare(test, opinions["taught by gold"], opinions["taught by the committee"], rng=rng).difference
    teacher = accuracy(truth, taught.probabilities.argmax(axis=1), rng=rng)
    return found | {
        "loss against gold": {
            "points": 100 * (loss.value or 0.0),
            "interval": loss.interval and [100 * end for end in loss.interval],
        },
        "committee on the 3,000 it labelled": {"accuracy": teacher.value, "interval": teacher.interval},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/accuracy"))
    options = parser.parse_args()
    data = options.data.resolve()
    found = lesson(data, options.work)
    found["committee on the test set"] = measure("sst2", data, options.work)["committee opinion-pool"]
    print(json.dumps({"machine": describe(), "results": found}, indent=1, default=float))


if __name__ == "__main__":
    main()
