"""How right are small models on each kind of task, with no gold label used?

    python benchmarks/kinds.py --data FOLDER [--model FILE.gguf] [--kinds ordinal …] [--work FOLDER]

Votes are kept in the work folder: run again to score them anew, or to go on after an interruption.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from limbeck.agent.prompt import COMMITTEE, OPEN_COMMITTEE, PAIR_COMMITTEE, SEVERAL_COMMITTEE
from limbeck.aggregation.base import tabulate
from limbeck.aggregation.units import tabulate_units
from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop
from limbeck.committee.base import calibrations
from limbeck.evaluation import accuracy, mean_absolute_error, point, quadratic_kappa, rank_agreement
from limbeck.evaluation.intervals import Booleans, mean_estimate
from limbeck.evaluation.raters import krippendorff_alpha
from limbeck.evaluation.sets import hamming_loss, macro_f1_of_sets, micro_f1
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.evaluate import Truth
from limbeck.flows.job import Job, silent
from limbeck.flows.lesson import conclude
from limbeck.flows.orders import orders_differ
from limbeck.flows.several import applies_of
from limbeck.flows.verdict import chosen, on_scale
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.task import parse_task
from machine import describe

ITEMS = 200
EXAMPLES = Path(__file__).parents[1] / "examples"


def asked(text: str, source: Path, work: Path, score: Callable[[Job, Ledger], dict[str, Any]]) -> dict[str, Any]:
    """Ask every agent of a task file about every text of its pool, and score the answers."""
    file = parse_task(text, source=str(source), names=NAMES)
    with Meter() as meter, Ledger.open(work) as ledger:
        job = Workshop(file, Store(), meter, say=print).job()
        begun = time.perf_counter()
        purse = Purse(job.budget, ledger, meter)
        annotate(job.committee, list(job.pool), ledger=ledger, meter=meter, notify=silent, purse=purse)
        return {"items": len(job.pool), "seconds": round(time.perf_counter() - begun, 1)} | score(job, ledger)


def on_a_scale(job: Job, ledger: Ledger) -> dict[str, Any]:
    """The committee and each of its members by every point of the posterior."""
    assert job.task.scale is not None
    values = np.array(job.task.scale.values)
    judged = conclude(job, ledger, list(job.pool.ids))
    truth = Truth.of([job.pool[one] for one in judged.table.items], job.task.labels)
    opinions = {name: judged.table.probabilities[:, i] for i, name in enumerate(judged.table.workers)}
    found: dict[str, Any] = {
        "alpha": told(krippendorff_alpha(judged.table.choices, len(values), level="ordinal", rng=rng()))
    }
    for name, opinion in (opinions | {"committee": judged.probabilities}).items():
        said = on_scale(job.task, opinion)
        assert said is not None
        found[name] = {"spearman": told(rank_agreement(truth.gold, said, rng=rng()))}
        for how in ("mode", "median", "mean"):
            given = point(opinion, values, how)
            found[name][how] = {
                "accuracy": told(accuracy(truth.gold, given, rng=rng())),
                "mean absolute error": told(mean_absolute_error(truth.gold, given, values, rng=rng())),
                "quadratic kappa": told(quadratic_kappa(truth.gold, given, values, rng=rng())),
            }
    return found


def of_pairs(job: Job, ledger: Ledger) -> dict[str, Any]:
    """Each agent in the order given, in the other one, and by both, beside how often the order decides."""
    labels, items = job.task.labels, list(job.pool.ids)
    judged = conclude(job, ledger, items)
    gold = Truth.of([job.pool[one] for one in judged.table.items], labels).gold
    found: dict[str, Any] = {"committee": told(accuracy(gold, judged.probabilities.argmax(axis=1), rng=rng()))}
    for worker in job.committee.workers:
        votes = {vote.key: vote for vote in ledger.votes(worker=worker.name)}
        traces = dict(ledger.traces(votes))
        ways = {"given": 0, "turned": 1}
        one = {
            name: [replace(vote, scores=tuple(traces[key]["orders"][way]["scores"])) for key, vote in votes.items()]
            for name, way in ways.items()
        } | {"both": list(votes.values())}
        differ = orders_differ(list(votes.values()), traces, labels=labels, method=worker.calibration, seed=0)
        found[worker.name] = {"orders differ": told(differ)}
        for name, cast in one.items():
            for method in ("none", "batch"):
                table = tabulate(cast, labels=labels, items=judged.table.items, calibration={worker.name: method})
                found[worker.name][f"{name}, calibration {method}"] = told(
                    accuracy(gold, table.choices[:, 0], rng=rng())
                )
    return found


def of_answers(job: Job, ledger: Ledger) -> dict[str, Any]:
    """Exact match, how many were answered, and what accepting the surer half is worth."""
    judged = conclude(job, ledger, list(job.pool.ids))
    items = [job.pool[one] for one in judged.table.items]
    assert judged.answers is not None
    gold = Truth.of_answers(items, judged.answers).gold
    given = chosen(job.task, judged.probabilities)
    sure = np.array([label.confidence for label in judged.labels])
    surest = np.argsort(-sure, kind="stable")[: len(sure) // 2]
    right = (gold == given).sum() / len(job.pool)
    return {
        "right of all": round(float(right), 3),
        "answered": len(judged.labels),
        "right of answered": told(accuracy(gold, given, rng=rng())),
        "right of the surer half": told(accuracy(gold[surest], given[surest], rng=rng())),
    }


def of_sets(job: Job, ledger: Ledger) -> dict[str, Any]:
    """Each agent and the committee, by both ways to find thresholds, labels compared within a text and not."""
    assert job.task.several is not None
    items = list(job.pool.ids)
    wanted, known = applies_of(job.task, job.pool.gold())
    wanted, methods = wanted[known], calibrations(job.committee)
    votes = [vote for vote in ledger.votes(items=items) if vote.worker in methods]
    everything = told(micro_f1(wanted, np.ones_like(wanted), rng=rng()))
    found: dict[str, Any] = {"labels per text": float(wanted.sum(axis=1).mean()), "micro-F1 of every label": everything}
    for cut, relative in (("prior", True), ("prior", False), ("f1", True), ("f1", False)):
        settings: dict[str, Any] = {"shares": job.task.several.shares, "cut": cut, "relative": relative}
        for who in (*([name] for name in methods), list(methods)):
            own = [vote for vote in votes if vote.worker in who]
            units = tabulate_units(own, labels=job.task.labels, items=items, calibration=methods, **settings)
            marginals, _ = units.aggregate(job.aggregator)
            given = (marginals >= units.thresholds(marginals))[known]
            name = who[0] if len(who) == 1 else "committee"
            found[f"{name}, {cut}, {'relative' if relative else 'each text as it is'}"] = scored(wanted, given)
    return found


def scored(wanted: Booleans, given: Booleans) -> dict[str, str]:
    """The measures of sets of labels."""
    return {
        "whole sets": told(mean_estimate((wanted == given).all(axis=1).astype(np.float64), rng=rng())),
        "micro-F1": told(micro_f1(wanted, given, rng=rng())),
        "macro-F1": told(macro_f1_of_sets(wanted, given, rng=rng())),
        "Hamming loss": told(hamming_loss(wanted, given, rng=rng())),
    }


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def told(found: Any) -> str:
    """A value and its interval."""
    ends = "" if found.interval is None else f" ({found.interval[0]:.3f} to {found.interval[1]:.3f})"
    return f"{found.reason}" if found.value is None else f"{found.value:.3f}{ends}"


def ordinal(_: Path, work: Path, model: str | None) -> dict[str, Any]:
    """The ratings of film reviews in five steps."""
    text = (EXAMPLES / "ratings.yaml").read_text(encoding="utf-8")
    text = text.replace("test: {items: 200}", "").replace("limit: 1000", f"limit: {ITEMS}")
    return asked(text + agents(model), EXAMPLES / "ratings.yaml", work, on_a_scale)


def pair(data: Path, work: Path, model: str | None) -> dict[str, Any]:
    """Does the second text follow from the first? RTE (Dagan et al. 2006), the first 200 pairs."""
    source = work.parent / "rte.csv"
    source.parent.mkdir(parents=True, exist_ok=True)
    with (data / "rte-crowd" / "texts.tsv").open(encoding="utf-8", newline="") as read:
        rows = list(csv.DictReader(read, delimiter="\t", quoting=csv.QUOTE_NONE))[:ITEMS]
    with source.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["passage", "claim", "label"])
        writer.writerows([row["text"], row["hypothesis"], {"TRUE": "yes", "FALSE": "no"}[row["value"]]] for row in rows)
    return asked(RTE + agents(model, PAIR_COMMITTEE), source, work, of_pairs)


RTE = """\
task:
  kind: {pair: {first: passage, second: claim}}
  instructions: Decide whether the claim follows from the passage.
  labels: {'yes': the claim follows from the passage, 'no': the claim does not follow from the passage}
  aspect: answer
data: {pool: rte.csv, gold: label}
"""


def open_question(data: Path, work: Path, model: str | None) -> dict[str, Any]:
    """One-step word problems (SVAMP, Patel et al. 2021), the first 100, by CoT-decoding."""
    source = work.parent / "svamp.csv"
    rows = json.loads((data / "svamp" / "SVAMP.json").read_text(encoding="utf-8"))[:100]
    with source.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "answer"])
        writer.writerows([f"{row['Body'].strip().rstrip('.')}. {row['Question']}", row["Answer"]] for row in rows)
    return asked(SVAMP + agents(model, OPEN_COMMITTEE), source, work, of_answers)


SVAMP = """\
task: {kind: {open: {answer: number, checker: {range: [0, 1000000]}}}, show: [question]}
data: {pool: svamp.csv, gold: answer}
"""


def several(_: Path, work: Path, model: str | None) -> dict[str, Any]:
    """Sixty messages of customers with up to three of four labels, written for limbeck, asked in both ways."""
    text = (EXAMPLES / "messages.yaml").read_text(encoding="utf-8")
    found = {}
    for ask, usual in (("names", COMMITTEE), ("questions", SEVERAL_COMMITTEE)):
        file = text.replace("{each: 1.3}", f"{{each: 1.3, ask: {ask}}}") + agents(model, usual)
        found[ask] = asked(file, EXAMPLES / "messages.yaml", work.with_name(f"{work.name}-{ask}"), of_sets)
    return found


def agents(model: str | None, usual: Sequence[Mapping[str, str]] = COMMITTEE) -> str:
    """The default committee, or its language models with another model."""
    if model is None:
        return ""
    told: list[dict[str, str]] = [dict(agent) | {"model": model} for agent in usual if "model" in agent]
    return yaml.safe_dump({"agents": told}, sort_keys=False)


KINDS: dict[str, Callable[[Path, Path, str | None], dict[str, Any]]] = {
    "ordinal": ordinal,
    "pair": pair,
    "open": open_question,
    "labels": several,
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--model")
    arguments.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    arguments.add_argument("--work", type=Path, default=Path("runs/kinds"))
    told = arguments.parse_args()
    found = {
        kind: KINDS[kind](told.data, told.work / f"{kind}-{Path(told.model or 'default').stem}", told.model)
        for kind in told.kinds
    }
    print(json.dumps({"machine": describe(), "model": told.model} | found, indent=1, default=str))


if __name__ == "__main__":
    main()
