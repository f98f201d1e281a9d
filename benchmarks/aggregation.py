"""Which aggregator makes the best labels of the same votes: ours, crowd-kit's or CROWDLAB?

    python benchmarks/aggregation.py --data FOLDER [--work FOLDER] [--sets NAME …] [--out FILE]

Votes: `rte-crowd` (8,000 answers of 164 people about 800 pairs of texts, Snow et al. 2008) and the calibrated votes of
the default committee that `accuracy.py` and `student.py` left in the work folder; run these two first. Gold labels of
0, 20 and 50 random items are given to every method that can use them, and accuracy is counted on all other items:
mean over the draws, with the 95 % interval of that mean. Peers: `pip install crowd-kit cleanlab 'scikit-learn<1.6'`.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.aggregation.base import VoteTable, tabulate
from limbeck.assets.store import Store
from limbeck.catalog import AGGREGATORS, build_encoder, resolve
from limbeck.ledger import Ledger
from limbeck.pool import Pool
from machine import describe

LABELS = {
    "sst2": ("negative", "positive"),
    "trec": ("abbreviation", "description", "entity", "location", "number", "person"),
}
STORED = {
    "sst2 test": ("sst2", "test", "sst2"),
    "trec test": ("trec", "test", "trec"),
    "sst2 train": ("sst2", "train", "sst2-train"),
    "trec train": ("trec", "train", "trec-train"),
}
CROWD = "rte-crowd"
GOLD = (0, 20, 50)
OURS = tuple(AGGREGATORS)


@dataclass(frozen=True, slots=True)
class Votes:
    """One set: its votes, the truth, shape [items], and the texts."""

    table: VoteTable
    gold: Any
    texts: list[str]


def crowd(data: Path) -> Votes:
    """The published answers of people."""
    rows = list(csv.DictReader((data / CROWD / "votes.tsv").open(encoding="utf-8"), delimiter="\t"))
    texts = csv.DictReader((data / CROWD / "texts.tsv").open(encoding="utf-8"), delimiter="\t")
    text = {row["id"]: f"{row['text']} {row['hypothesis']}" for row in texts}
    gold = {row["orig_id"]: int(row["gold"]) for row in rows}
    items, workers = sorted(gold), sorted({row["!amt_worker_ids"] for row in rows})
    choices = np.full((len(items), len(workers)), -1)
    place, column = ({name: i for i, name in enumerate(names)} for names in (items, workers))
    for row in rows:
        choices[place[row["orig_id"]], column[row["!amt_worker_ids"]]] = int(row["response"])
    shares = np.full((*choices.shape, 2), np.nan)
    shares[choices >= 0] = np.eye(2)[choices[choices >= 0]]
    table = VoteTable(tuple(items), tuple(workers), ("0", "1"), choices, shares)
    return Votes(table, np.array([gold[item] for item in items]), [text[item] for item in items])


def stored(name: str, data: Path, work: Path) -> Votes:
    """The committee's answers, calibrated as in a run."""
    folder, part, votes_of = STORED[name]
    pool = Pool.read(data / folder / f"{part}.csv", show=("text",), gold="label")
    with Ledger.read(work / votes_of) as ledger:
        votes = list(ledger.votes())
    asked = {vote.item for vote in votes}
    items = [item for item in pool if item.id in asked]
    methods = dict.fromkeys({vote.worker for vote in votes}, "batch")
    table = tabulate(votes, labels=LABELS[folder], items=[item.id for item in items], calibration=methods)
    gold = np.array([LABELS[folder].index(str(item.gold)) for item in items])
    return Votes(table, gold, [item.fields["text"] for item in items])


Method = Callable[[Any], Any]
"""Known gold, shape [items], -1 where there is none → each item's label."""


def own(votes: Votes, name: str) -> Method:
    aggregator = resolve(AGGREGATORS[name])()
    return lambda known: aggregator(votes.table, known if (known >= 0).any() else None).probabilities.argmax(axis=1)


def crowd_kit(votes: Votes) -> Mapping[str, Method]:
    """crowd-kit's methods; only its Dawid–Skene takes gold."""
    import pandas as pd
    from crowdkit.aggregation import GLAD, MACE, DawidSkene, MajorityVote, Wawa

    item, worker = np.nonzero(votes.table.choices >= 0)
    frame = pd.DataFrame({"task": item, "worker": worker, "label": votes.table.choices[item, worker]})

    def found(answers: Any) -> Any:
        return answers.reindex(range(len(votes.gold))).to_numpy()

    def skene(known: Any) -> Any:
        (rows,) = np.nonzero(known >= 0)
        truth = pd.Series(known[rows], index=pd.Index(rows, name="task")) if len(rows) else None
        return found(DawidSkene(n_iter=100).fit_predict(frame, truth))

    return {
        "crowd-kit majority": lambda _: found(MajorityVote().fit_predict(frame)),
        "crowd-kit Wawa": lambda _: found(Wawa().fit_predict(frame)),
        "crowd-kit Dawid–Skene": skene,
        "crowd-kit GLAD": lambda _: found(GLAD(n_iter=50, silent=True).fit_predict(frame)),
        "crowd-kit MACE": lambda _: found(MACE(random_state=0).fit_predict(frame)),
    }


def crowdlab(votes: Votes) -> Method:
    """CROWDLAB (Goh et al. 2022) with out-of-fold logistic regression on MiniLM vectors, taught by the majority."""
    from cleanlab.multiannotator import get_label_quality_multiannotator, get_majority_vote_label
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    vectors = build_encoder("all-minilm-l6-v2", Store()).encode(votes.texts)
    answers = np.where(votes.table.choices >= 0, votes.table.choices, np.nan).astype(float)
    majority = get_majority_vote_label(answers, verbose=False)
    opinion = cross_val_predict(LogisticRegression(max_iter=1000), vectors, majority, method="predict_proba")
    told = get_label_quality_multiannotator(answers, opinion, verbose=False)
    label = told["label_quality"]["consensus_label"].to_numpy()
    return lambda _: label


def measure(votes: Votes, draws: int) -> dict[str, Any]:
    """Accuracy of every method with every number of gold labels."""
    methods = {f"limbeck {name}": own(votes, name) for name in OURS}
    methods |= {**crowd_kit(votes), "CROWDLAB": crowdlab(votes)}
    fixed = {name: method(np.full(len(votes.gold), -1)) for name, method in methods.items()}
    found: dict[str, Any] = {"items": len(votes.gold), "workers": len(votes.table.workers)}
    for number in GOLD:
        scores: dict[str, list[float]] = defaultdict(list)
        for draw in range(draws if number else 1):
            chosen = np.random.default_rng(draw).permutation(len(votes.gold))[:number]
            known = np.full(len(votes.gold), -1)
            known[chosen] = votes.gold[chosen]
            rest = known < 0
            for name, method in methods.items():
                uses = number and (name.startswith("limbeck") or name == "crowd-kit Dawid–Skene")
                labels = method(known) if uses else fixed[name]
                scores[name].append(100 * float((labels == votes.gold)[rest].mean()))
        found[f"{number} gold"] = {name: _mean(values) for name, values in scores.items()}
    return found


def _mean(values: list[float]) -> dict[str, Any]:
    half = 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else None
    middle = float(np.mean(values))
    return {"accuracy": round(middle, 2), "interval": half and [round(middle - half, 2), round(middle + half, 2)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/accuracy"))
    parser.add_argument("--sets", nargs="+", choices=(CROWD, *STORED), default=(CROWD, *STORED))
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "aggregation.json")
    options = parser.parse_args()
    results = {}
    for name in options.sets:
        votes = crowd(options.data) if name == CROWD else stored(name, options.data, options.work)
        results[name] = measure(votes, options.draws)
        print(name, json.dumps(results[name]), flush=True)
    options.out.write_text(json.dumps({"machine": describe(), "results": results}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
