"""What a run found, as the values of metrics.json and the rows of test.csv.

Gold is read here and in `evaluate`, and nowhere else. Knows nothing of how parts are made, of run folders or of pages.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.committee.base import calibrations
from limbeck.flows.cleaning import clean_set, noise
from limbeck.flows.disputes import disputes
from limbeck.flows.evaluate import Truth, panel, protocol, score, workers
from limbeck.flows.job import Job
from limbeck.flows.learn import Learned
from limbeck.flows.lesson import Lesson, judge, unflattered
from limbeck.flows.orders import orders_differ
from limbeck.flows.outcomes import COMMITTEE, STUDENT, write_outcomes
from limbeck.flows.several import score_sets
from limbeck.flows.staffing import staffing
from limbeck.flows.verdict import chosen, named, packed
from limbeck.flows.words import estimate
from limbeck.ledger import Ledger
from limbeck.pool import Pool
from limbeck.records import Item

JUDGED = ("accuracy", "macro_f1", "ece", "items_per_second", "agreement_with_committee")


def metrics_of(job: Job, ledger: Ledger, learned: Learned, *, test: Sequence[Item], size: int | None) -> dict[str, Any]:
    """The values of metrics.json, but for what the run cost and what follows from the whole.

    Args:
        job: the parts.
        ledger: of the run.
        learned: where the rounds ended.
        test: items that were asked for evaluation only.
        size: of the student in bytes, or None.
    """
    labels, seed = job.task.labels, job.seed
    votes = [vote for vote in ledger.votes() if not vote.of_person]
    judged = unflattered(learned.lesson, learned.reading)
    if test:
        judged = judge(job, ledger, [item.id for item in test], learned.reading)
    on = "test" if test else "pool"
    pool = job.test if test and job.test else job.pool
    items = [pool[item] for item in judged.table.items]
    truth, cast = Truth.of(items, labels), votes
    if judged.answers is not None:
        truth, cast = Truth.of_answers(items, judged.answers), judged.answers.renamed(votes)
    committee: dict[str, Any] = {"aggregate": job.aggregate}
    if judged.beliefs is not None:
        marginals, cut = judged.beliefs.marginals, judged.beliefs.thresholds
        committee |= score_sets(job.task, marginals, cut, items, on=on, seed=seed)
    else:
        committee |= score(judged.probabilities, truth, job.task, on=on, seed=seed)
    accepted = np.array([label.accepted for label in judged.labels], np.bool_)
    about: dict[str, Any] = {"truth": truth, "task": job.task, "accepted": (job.accept, accepted)}
    alike, warning = panel(judged.alone, judged.probabilities, **about, seed=seed)
    committee |= alike | protocol(job.committee.worth(judged.table, votes, truth.gold, rng=np.random.default_rng(seed)))
    if not judged.labels:
        reasons = [name for name in committee if name.endswith("_reason")]
        committee |= dict.fromkeys(reasons, "the committee labelled none of these items")
    counted = dict(zip(learned.lesson.table.workers, learned.lesson.weights.tolist(), strict=True))
    weights = {worker.name: counted.get(worker.name) for worker in job.committee.workers}
    own = workers(judged.alone, cast, truth, weights=weights, on=on, seed=seed)
    if job.task.pair and job.task.pair.both:
        there = set(judged.table.items)
        asked = [vote for vote in votes if vote.item in there]
        traces = dict(ledger.traces(vote.key for vote in asked))
        for name, method in calibrations(job.committee).items():
            cast = [vote for vote in asked if vote.worker == name]
            share = orders_differ(cast, traces, labels=labels, method=method, seed=seed)
            own[name] |= estimate("orders_differ", share)
    if judged.answers is None:
        pace = {name: block["seconds"] / block["votes"] for name, block in own.items() if block["votes"]}
        committee |= staffing(judged.alone, job.aggregator, truth.gold, seconds=pace, seed=seed)
    else:
        committee |= {"plan": None, "plan_reason": "it is made for one label of a list only"}
    told = job.facts["agents"]
    return {
        "schema": 1,
        "limbeck": job.facts["reproduce"]["versions"]["limbeck"],
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "task": {
            "name": job.task.name,
            "instructions": job.task.instructions,
            "labels": dict(zip(labels, job.task.descriptions, strict=True)),
            "show": list(job.task.show),
            "kind": job.task.kind,
        },
        "data": _data(job, truncated=len({v.item for v in votes if "truncated" in v.flags})),
        "ended": learned.ended,
        "items": len(learned.lesson.labels),
        "votes": len(votes),
        "agents": {name: told.get(name, {}) | block for name, block in own.items()},
        "committee": committee | {"warning": warning},
        "gold": learned.gold,
        "student": _student(job, learned, judged, size=size),
        "clean_set": clean_set(job, learned.lesson, learned.prepared),
        "learning_curve": [
            {"round": entry.number, "strategy": entry.strategy} | dict(entry.facts or {}) for entry in ledger.rounds()
        ],
        "disagreements": disputes(judged, truth.items, votes) if judged.labels else [],
        "reproduce": job.facts["reproduce"],
    }


def leave_outcomes(job: Job, ledger: Ledger, learned: Learned, folder: Path) -> None:
    """Leave what was said of each test item in the run folder."""
    items = list(job.test or ())
    judged = judge(job, ledger, [item.id for item in items], learned.reading)
    said: dict[str, dict[str, tuple[str, float]]] = {STUDENT: {}, COMMITTEE: {}}
    said[COMMITTEE] = {one.item: (one.label, one.confidence) for one in judged.labels if one.label is not None}
    if learned.student is not None and job.test is not None:
        opinion = learned.student.predict_proba(job.test.texts())
        cut = None if learned.lesson.beliefs is None else learned.lesson.beliefs.thresholds
        given = named(job.task, opinion, cut)
        said[STUDENT] = dict(zip([item.id for item in items], given, strict=True))
    gold = [item.gold if item.gold is not None and job.task.knows(item.gold) else None for item in items]
    write_outcomes(folder, [item.id for item in items], gold, said=said)


def _data(job: Job, *, truncated: int) -> dict[str, Any]:
    shown = [job.pool[i] for i in range(min(3, len(job.pool)))]
    gold = [*job.pool.gold(), *(job.test.gold() if job.test else ())]
    return dict(job.facts["data"]) | {
        "pool_items": len(job.pool),
        "rows": job.pool.notes["rows"],
        "duplicates": job.pool.notes["duplicates"],
        "empty": job.pool.notes["empty"],
        "test_items": len(job.test) if job.test else 0,
        "test_in_pool": _shared(job.pool, job.test) if job.test else 0,
        "gold_unknown": sum(one is not None and not job.task.knows(one) for one in gold),
        "truncated": truncated,
        "example_items": [{"text": "\n".join(item.fields.values()), "gold": item.gold} for item in shown],
    }


def _shared(pool: Pool, test: Pool, step: int = 10_000) -> int:
    """How many test texts are in the pool as well; the pool's texts are looked at piece by piece."""
    held_out = set(test.texts())
    pieces = (range(start, min(start + step, len(pool))) for start in range(0, len(pool), step))
    return sum(text in held_out for piece in pieces for text in pool.texts(piece))


def _student(job: Job, learned: Learned, judged: Lesson, *, size: int | None) -> dict[str, Any]:
    """The student on all test items, also on those that the committee was not asked about."""
    if learned.student is None:
        return {"taught_by": 0} | _absent("kind", "bytes", *JUDGED, reason=learned.reason or "nothing was learned")
    taught = int(np.sum([label.confidence >= job.min_confidence for label in learned.lesson.labels]))
    block = {"kind": job.facts["student"], "taught_by": taught, "bytes": size} | {"noise": noise(learned.prepared)}
    if job.test is None:
        reason = "there is no test set: on texts it learned from a student cannot be judged"
        return block | {"on": "pool"} | _absent(*JUDGED, reason=reason)
    texts = job.test.texts()
    begun = time.perf_counter()
    opinion = learned.student.predict_proba(texts)
    block["items_per_second"] = len(texts) / (time.perf_counter() - begun)
    if learned.lesson.beliefs is not None:
        cut = learned.lesson.beliefs.thresholds
        block |= score_sets(job.task, opinion, cut, list(job.test), on="test", seed=job.seed)
    else:
        block |= score(opinion, Truth.of(list(job.test), job.task.labels), job.task, on="test", seed=job.seed)
    if not judged.labels:
        return block | _absent("agreement_with_committee", reason="the committee labelled none of these items")
    rows = [job.test.index(item) for item in judged.table.items]
    if judged.beliefs is not None and learned.lesson.beliefs is not None:
        theirs = judged.beliefs.marginals >= judged.beliefs.thresholds
        same = packed(opinion[rows] >= learned.lesson.beliefs.thresholds) == packed(theirs)
    else:
        same = chosen(job.task, opinion[rows]) == chosen(job.task, judged.probabilities)
    return block | {"agreement_with_committee": float(same.mean())}


def _absent(*names: str, reason: str) -> dict[str, Any]:
    return dict.fromkeys(names) | {f"{name}_reason": reason for name in names}
