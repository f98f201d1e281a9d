"""Do audits keep their promises? Replays on stored votes of real committees, where the truth of every item is known.

    python benchmarks/audit.py --data FOLDER [--work FOLDER] [--run RUN ...] [--replays 1000] [--out FILE]

The work folder holds the votes that benchmarks/accuracy.py and benchmarks/student.py left; a RUN is a finished run
whose items have gold. Of each, n items are drawn and "answered" by their gold, again and again. With ppi-python
installed its intervals stand beside ours.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.aggregation.base import tabulate
from limbeck.aggregation.opinion_pool import OpinionPool
from limbeck.evaluation import chances, doubt, draw, spread
from limbeck.evaluation.certificate import certify, clopper_pearson
from limbeck.evaluation.powered import prediction_powered
from limbeck.ledger import Ledger
from limbeck.pool import Pool
from machine import describe

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
SETS = {
    "sst2": ("sst2/test.csv", "sst2"),
    "sst2-train": ("sst2/train.csv", "sst2-train"),
    "trec": ("trec/test.csv", "trec"),
}
SIZES, CHOICES = (50, 100, 200), ("random", "stratified", "uncertain")
PROMISES = ((0.05, 200), (0.05, 400), (0.1, 100), (0.1, 200), (0.1, 400), (0.2, 100), (0.2, 200))
RISK = 0.05


def stored(name: str, data: Path, work: Path) -> tuple[Floats, Integers, list[str]]:
    """Posteriors of the default committee from stored votes, and the gold of the same items."""
    file, folder = SETS[name]
    pool = Pool.read(data / file, show=["text"], gold="label")
    gold = dict(zip(pool.ids, pool.gold(), strict=True))
    with Ledger.read(work / folder) as view:
        votes = list(view.votes())
    ids = list(dict.fromkeys(vote.item for vote in votes))
    labels = sorted({str(gold[item]) for item in ids})
    calibration = dict.fromkeys((vote.worker for vote in votes), "batch")
    # Scores are in the order of the task's labels, which for these two tasks is that of the alphabet.
    table = tabulate(votes, labels=labels, items=ids, calibration=calibration)
    truth = np.array([labels.index(str(gold[item])) for item in ids], np.int64)
    return OpinionPool()(table).probabilities, truth, labels


def finished(folder: Path) -> tuple[Floats, Integers, list[str]]:
    """The labels of a finished run, on the items that have gold."""
    with Ledger.read(folder) as view:
        labels = list(view.meta("facts")["labels"])
        given = {label.item: label.probabilities for label in view.labels()}
        items = [item for item in view.items(given) if item.gold in labels]
    probabilities = np.array([given[item.id] for item in items])
    return probabilities, np.array([labels.index(str(item.gold)) for item in items], np.int64), labels


def sample(probabilities: Floats, n: int, choose: str, rng: np.random.Generator) -> tuple[Integers, Floats | None]:
    """Positions drawn as `limbeck gold` draws them, and their chances where these differ."""
    size = len(probabilities)
    odds = chances(doubt(probabilities) if choose == "uncertain" else np.ones(size), n)
    order = spread(probabilities, rng) if choose == "stratified" else rng.permutation(size)
    rows = draw(odds, order, rng)
    return rows, odds[rows] if choose == "uncertain" else None


def targets(probabilities: Floats, gold: Integers, labels: list[str]) -> Iterator[tuple[str, Floats, Floats]]:
    """Every share that an audit estimates: its truth and its guesses."""
    yield "accuracy", (probabilities.argmax(axis=1) == gold).astype(np.float64), probabilities.max(axis=1)
    for i, label in enumerate(labels):
        yield f"share of {label}", (gold == i).astype(np.float64), probabilities[:, i]


def intervals(probabilities: Floats, gold: Integers, labels: list[str], replays: int) -> list[dict[str, Any]]:
    """Coverage of 95 % intervals, and the human labels they save, for every sample size, choice and share."""
    rng = np.random.default_rng(0)
    told = []
    for n in SIZES:
        if 2 * n > len(gold):
            continue
        for choose in CHOICES:
            drawn = [sample(probabilities, n, choose, rng) for _ in range(replays)]
            for name, truth, guesses in targets(probabilities, gold, labels):
                told.append({"n": n, "choose": choose, "of": name} | replayed(drawn, truth, guesses))
    return told


def replayed(drawn: list[tuple[Integers, Floats | None]], truth: Floats, guesses: Floats) -> dict[str, Any]:
    """One share over many samples, and what covers it: the powered interval, or the exact one where there is none."""
    value = truth.mean()
    hits, alone, either, widths = [], [], [], []
    n = len(drawn[0][0])
    for rows, odds in drawn:
        found = prediction_powered(truth[rows], rows, guesses, chances=odds)
        if found.estimate.interval and found.alone.interval:
            low, high = found.estimate.interval
            hits.append(low <= value <= high)
            alone.append(found.alone.interval[0] <= value <= found.alone.interval[1])
            widths.append(high - low)
            either.append(hits[-1])
        elif odds is None:
            low, high = clopper_pearson(int(truth[rows].sum()), n)
            either.append(low <= value <= high)
    # Beside a plain random sample of the same size, whatever was drawn here: answers alone, with the true variance.
    classical = 2 * 1.96 * np.sqrt(value * (1 - value) * (1 / n - 1 / len(truth)))
    if not widths:
        return {
            "truth": float(value),
            "with_interval": 0.0,
            "coverage_or_exact": float(np.mean(either)) if either else None,
        }
    ratio = float(np.mean(widths) / classical)
    share = n / len(truth)
    return {
        "truth": float(value),
        "with_interval": len(widths) / len(drawn),
        "coverage": float(np.mean(hits)),
        "coverage_alone": float(np.mean(alone)),
        "coverage_or_exact": float(np.mean(either)),
        "width": float(np.mean(widths)),
        "width_ratio_to_random_alone": ratio,
        "human_labels_saved": 1 - 1 / ((1 - share) / ratio**2 + share),
    }


def promises(probabilities: Floats, gold: Integers, replays: int) -> list[dict[str, Any]]:
    """How often the error of accepted labels is held, and how many labels are accepted."""
    rng = np.random.default_rng(1)
    sure, wrong = probabilities.max(axis=1), probabilities.argmax(axis=1) != gold
    falling = np.argsort(-sure)
    running = np.cumsum(wrong[falling]) / np.arange(1, len(sure) + 1)
    told = []
    for error, n in PROMISES:
        if 2 * n > len(gold):
            continue
        best = np.flatnonzero(running <= error)
        for choose in ("random", "stratified"):
            kept, shares = [], []
            for _ in range(replays):
                rows, _ = sample(probabilities, n, choose, rng)
                limit = certify(sure[rows], wrong[rows], sure, error=error, risk=RISK).threshold
                accepted = sure >= limit if limit is not None else np.zeros(len(sure), np.bool_)
                kept.append(not accepted.any() or wrong[accepted].mean() <= error)
                shares.append(accepted.mean())
            told.append(
                {"error": error, "risk": RISK, "n": n, "choose": choose}
                | {"kept": float(np.mean(kept)), "accepted": float(np.mean(shares))}
                | {"accepted_something": float(np.mean(np.array(shares) > 0))}
                | {"best_possible": float((best[-1] + 1) / len(sure)) if len(best) else 0.0}
            )
    return told


def oracle(probabilities: Floats, gold: Integers, replays: int, n: int = 100) -> dict[str, Any] | None:
    """Ours (for the source) and ppi-python's on the same samples: the whole pool is drawn anew each time."""
    if importlib.util.find_spec("ppi_py") is None:
        return None
    ppi = importlib.import_module("ppi_py")
    rng = np.random.default_rng(2)
    truth = (probabilities.argmax(axis=1) == gold).astype(np.float64)
    sure = probabilities.max(axis=1)
    gaps, ratios, hits = [], [], []
    for _ in range(replays):
        pool = rng.integers(len(sure), size=len(sure))
        answers, guesses = truth[pool[:n]], sure[pool]
        ours = prediction_powered(answers, np.arange(n), guesses, beyond=True).estimate
        value = float(np.squeeze(ppi.ppi_mean_pointestimate(answers, guesses[:n], guesses[n:])))
        low, high = (float(np.squeeze(end)) for end in ppi.ppi_mean_ci(answers, guesses[:n], guesses[n:], alpha=0.05))
        if ours.value is None or ours.interval is None:
            continue
        gaps.append(abs(ours.value - value) / (high - low))
        ratios.append((ours.interval[1] - ours.interval[0]) / (high - low))
        mean = truth.mean()
        hits.append((ours.interval[0] <= mean <= ours.interval[1], low <= mean <= high))
    return {
        "n": n,
        "replays": len(gaps),
        "largest_gap_in_widths": float(max(gaps)),
        "mean_gap_in_widths": float(np.mean(gaps)),
        "width_ratio": [float(min(ratios)), float(np.mean(ratios)), float(max(ratios))],
        "coverage": float(np.mean([ours for ours, _ in hits])),
        "coverage_ppi_python": float(np.mean([theirs for _, theirs in hits])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/accuracy"))
    parser.add_argument("--run", type=Path, nargs="*", default=[])
    parser.add_argument("--replays", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sources = {
        name: stored(name, options.data, options.work) for name in SETS if (options.work / SETS[name][1]).exists()
    }
    sources |= {folder.name: finished(folder) for folder in options.run}
    results = {}
    for name, (probabilities, gold, labels) in sources.items():
        results[name] = {
            "items": len(gold),
            "accuracy": float((probabilities.argmax(axis=1) == gold).mean()),
            "intervals": intervals(probabilities, gold, labels, options.replays),
            "acceptance": promises(probabilities, gold, options.replays),
            "ppi_python": oracle(probabilities, gold, options.replays),
        }
        print(name, "done", file=sys.stderr, flush=True)
    text = json.dumps(
        {"machine": describe(), "replays": options.replays, "results": results}, indent=1, allow_nan=False
    )
    if options.out is None:
        print(text)
    else:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
