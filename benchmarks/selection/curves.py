"""How much does a strategy gain? Area under the learning curve, 50 + 9 × 50 labels, on SST-2 and TREC.

    python benchmarks/selection/curves.py --data FOLDER [--votes FOLDER] [--set trec] [--seeds 5] [--out FILE]

Everybody gets the same vectors (all-MiniLM-L6-v2), the same first 50 texts of a seed, drawn by lot, and the same
classifier (scikit-learn's logistic regression); TypiClust, ProbCover and k-means choose their first 50 themselves. The
pool is 3,000 texts of the training file. `--votes` is the ledger that `benchmarks/student.py` leaves: with it the
labels of SST-2 are the committee's, else gold; those of TREC are gold. The area is the mean accuracy on the test file
over the ten points, in percent. Differences to `random` and to the best peer are paired over seeds, with a 95 %
interval of Student's t. Set OPENBLAS_NUM_THREADS=1: on products this small, threads wait for each other.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t
from sklearn.linear_model import LogisticRegression

from ours import OURS, choose, evidence
from peers import PEERS

HERE = Path(__file__).parent
POOL, STEP, POINTS = 3_000, 50, 10
COLD = ("k-means", "typiclust", "probcover")
LEFT_OUT = ("small-text GreedyCoreset",)  # CoreSet again, at 50 seconds of processor time a choice


def read(data: Path, name: str) -> tuple[list[str], list[str]]:
    """Texts and labels of a file."""
    with (data / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def encoded(texts: list[str]) -> Any:
    from limbeck.assets.store import Store
    from limbeck.catalog import build_encoder

    return build_encoder("all-minilm-l6-v2", Store()).encode(texts)


def committee(data: Path, votes: Path) -> tuple[list[str], Any, list[str]]:
    """Texts that the committee labelled, its beliefs about them, and the labels' names."""
    sys.path.insert(0, str(HERE.parent))
    from limbeck.assets.store import Store
    from limbeck.catalog import NAMES, Workshop
    from limbeck.flows.lesson import conclude
    from limbeck.ledger import Ledger
    from limbeck.meter import Meter
    from limbeck.task import parse_task
    from tasks import task_text

    text = task_text("sst2", data / "sst2" / "train.csv").replace(
        "  gold: label\n", f"  gold: label\n  limit: {POOL}\n"
    )
    file = parse_task(text, source=str(data / "task.yaml"), names=NAMES)
    with Meter() as meter, Ledger.open(votes) as ledger:
        job = Workshop(file, Store(), meter).job()
        lesson = conclude(job, ledger, list(job.pool.ids))
        texts = job.pool.texts([job.pool.index(item) for item in lesson.table.items])
    return texts, lesson.probabilities, list(job.task.labels)


def curve(name: str, vectors: Any, given: Any, sure: Any, test: tuple[Any, Any], seed: int) -> list[float]:
    """Accuracy on the test file after each of the ten choices."""
    labels = np.full(len(vectors), -1)
    first = np.random.default_rng(seed).permutation(len(vectors))[:STEP]
    np.random.seed(seed)  # noqa: NPY002  small-text draws from the global generator
    classes = sure.shape[1]
    if name in COLD:
        first = choose(name, evidence(vectors, labels, classes, sure=sure), None, STEP, seed)
    labels[first] = given[first]
    points = []
    for number in range(POINTS):
        known = labels >= 0
        model = LogisticRegression(C=10, max_iter=500).fit(vectors[known], labels[known])
        points.append(float((model.predict(test[0]) == test[1]).mean()))
        if number + 1 == POINTS:
            break
        whole = _Whole(model, classes)
        if name in OURS:
            new = choose(name, evidence(vectors, labels, classes, sure=sure), whole, STEP, seed * 100 + number)
        else:
            new = PEERS[name](vectors, labels, whole, STEP, seed * 100 + number)
        assert len(set(new.tolist())) == STEP
        assert (labels[new] < 0).all()
        labels[new] = given[new]
    return points


class _Whole:
    """A classifier that has an opinion of every label, also of those that it has not met."""

    def __init__(self, model: Any, classes: int) -> None:
        self._model, self.classes_ = model, np.arange(classes)

    def predict(self, X: Any) -> Any:
        return self._model.predict(X)

    def predict_proba(self, X: Any) -> Any:
        found = np.zeros((len(X), len(self.classes_)))
        found[:, self._model.classes_] = self._model.predict_proba(X)
        return found


def interval(differences: Any) -> list[float]:
    """95 % interval of a mean."""
    half = t.ppf(0.975, len(differences) - 1) * differences.std(ddof=1) / len(differences) ** 0.5
    return [float(differences.mean() - half), float(differences.mean() + half)]


def summary(areas: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Each strategy's area, and its paired differences to `random` and to the best peer."""
    known = {name: 100 * np.array(found) for name, found in areas.items()}
    peer = max((name for name in known if name in PEERS), key=lambda name: known[name].mean(), default=None)
    rows = []
    for name, found in sorted(known.items(), key=lambda one: -one[1].mean()):
        row: dict[str, Any] = {"name": name, "area": float(found.mean()), "interval": interval(found)}
        for other in {"random", peer} - {name, None}:
            gain = found - known[other]
            row[f"over {other}"] = {"points": float(gain.mean()), "interval": interval(gain)}
        rows.append(row)
    return rows


def sets(data: Path, wanted: list[str], votes: Path | None) -> dict[str, tuple[Any, Any, Any, Any]]:
    """Name → vectors, given labels, beliefs behind them, and the test's vectors and gold."""
    found = {}
    for name in wanted:
        if name == "sst2" and votes is not None:
            texts, sure, names = committee(data, votes)
            given, title = sure.argmax(axis=1), "SST-2, committee labels"
        else:
            texts, gold = read(data, f"{name}/train")
            chosen = np.random.default_rng(0).permutation(len(texts))[:POOL]
            names = sorted(set(gold))
            texts, given = [texts[i] for i in chosen], np.array([names.index(gold[i]) for i in chosen])
            sure, title = np.eye(len(names))[given], f"{'SST-2' if name == 'sst2' else 'TREC'}, gold labels"
        test_texts, test_gold = read(data, f"{name}/test")
        truth = np.array([names.index(one) for one in test_gold])
        found[title] = (encoded(texts), given, sure, (encoded(test_texts), truth))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--votes", type=Path)
    parser.add_argument("--set", action="append", choices=("sst2", "trec"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "curves.json")
    options = parser.parse_args()
    sys.path.insert(0, str(HERE.parent))
    from machine import describe

    found: dict[str, Any] = {"machine": describe(), "sets": {}}
    all_sets = sets(options.data.resolve(), options.set or ["sst2", "trec"], options.votes)
    names = [*OURS, *(name for name in PEERS if name not in LEFT_OUT)]
    for title, (vectors, given, sure, test) in all_sets.items():
        curves: dict[str, list[list[float]]] = {name: [] for name in names}
        for seed in range(options.seeds):
            for name in names:
                begun = time.process_time()
                curves[name].append(curve(name, vectors, given, sure, test, seed))
                print(
                    title,
                    seed,
                    name,
                    f"{np.mean(curves[name][-1]):.4f} {time.process_time() - begun:.1f} s",
                    flush=True,
                )
            areas = {name: [float(np.mean(points)) for points in own] for name, own in curves.items()}
            if seed:
                found["sets"][title] = {"seeds": seed + 1, "table": summary(areas), "curves": curves}
                options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
