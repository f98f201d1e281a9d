"""run: annotate → learn → distill → evaluate; what is done already is not done again.

Leaves in the run folder: the ledger, the labels (CSV), the student, the metrics (JSON), a copy of the task file,
and which models and data sets were used (JSON). Knows nothing of how parts are made, or of pages.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.committee.base import calibrations
from limbeck.errors import RunError
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.calibrate import READ, UNSEEN, USED, stale, token, unseen
from limbeck.flows.cleaning import KEY as CLEAN_KEY
from limbeck.flows.cleaning import clean_set, noise, probabilities
from limbeck.flows.disputes import disputes
from limbeck.flows.evaluate import Truth, panel, protocol, score, workers
from limbeck.flows.export import write_labels
from limbeck.flows.job import Job, Notify, Progress, silent
from limbeck.flows.learn import Learned, learn
from limbeck.flows.lesson import Lesson, judge, unflattered
from limbeck.flows.outcomes import COMMITTEE, write_outcomes
from limbeck.flows.staffing import staffing
from limbeck.flows.summary import sentence, warnings
from limbeck.ledger import Ledger
from limbeck.meter import Meter, combine
from limbeck.pool import Pool
from limbeck.records import Item
from limbeck.students.base import Student

METRICS, STUDENT, TASK, LOCK = "metrics.json", "student", "task.yaml", "assets.lock.json"
AUDIT, GOLD, BIAS, SLICES = "audit.json", "gold.json", "bias.json", "slices.json"
JUDGED = ("accuracy", "macro_f1", "ece", "items_per_second", "agreement_with_committee")
STATE, FINGERPRINT, TEST, FACTS = "state", "fingerprint", "test", "facts"


def finished(folder: Path, fingerprint: str) -> bool:
    """Whether the run in `folder` is done; a folder without a run is not.

    Raises:
        RunError: when the folder holds a run of another task file.
    """
    if not (folder / "ledger.sqlite").exists():
        return False
    Ledger.bring_forward(folder)
    with Ledger.read(folder) as view:
        _same_task(folder, view.meta(FINGERPRINT), fingerprint)
        return view.meta(STATE) == "finished" and (folder / METRICS).exists() and not stale(view)


def reopen(folder: Path) -> None:
    """Take a run for unfinished again, so that what a repair could not save is asked anew."""
    with Ledger.open(folder) as ledger:
        ledger.set_meta(STATE, "repaired")


def run(job: Job, folder: Path, *, meter: Meter, fingerprint: str, notify: Notify = silent) -> dict[str, Any]:
    """Do what is left to do in the run folder.

    Args:
        job: the parts.
        folder: of the run; made if it is not there.
        meter: running.
        fingerprint: hash of the task file, so that a folder is never continued with another one.
        notify: is told of progress.

    Returns:
        The metrics, as written to metrics.json.

    Raises:
        RunError: when the folder belongs to another task or other data, is in use, or cannot be written.
    """
    with Ledger.open(folder) as ledger:
        _same_task(folder, ledger.meta(FINGERPRINT), fingerprint)
        with meter.phase("read"):
            data = job.pool.digest + (job.test.digest if job.test else "")
        _same_data(folder, ledger.meta("data"), data)
        for key, value in ((FINGERPRINT, fingerprint), ("data", data), (FACTS, job.facts), (STATE, "running")):
            ledger.set_meta(key, value)
        if (text := job.facts["reproduce"]["task_file"]) is not None:
            write_whole(folder / TASK, text)
        write_whole(folder / LOCK, json.dumps(job.facts["reproduce"]["assets"], indent=1) + "\n")
        try:
            return _run(job, folder, ledger=ledger, meter=meter, notify=notify)
        finally:
            ledger.add_phases(meter.drain())


def _run(job: Job, folder: Path, *, ledger: Ledger, meter: Meter, notify: Notify) -> dict[str, Any]:
    purse = Purse(job.budget, ledger, meter)
    learned = learn(job, ledger=ledger, meter=meter, notify=notify, purse=purse)
    stopped = learned.stopped
    with meter.phase("learn", model="student"):
        ledger.replace_labels(learned.lesson.labels)
        ledger.set_meta(CLEAN_KEY, probabilities(learned.lesson, learned.prepared))
        # An audit or slices of earlier labels say nothing of these.
        for earlier in (AUDIT, SLICES):
            (folder / earlier).unlink(missing_ok=True)
        ledger.set_meta(UNSEEN, unseen(learned.reading))
        ledger.set_meta(READ, token(ledger))
        write_labels(folder, ledger, job.task, calibrations(job.committee), prior=job.prior)
        size = _keep(learned.student, folder / STUDENT, job)
    test = list(job.test) if job.test else []
    if test:
        ledger.set_meta(TEST, [item.id for item in test])
        ledger.add_items(test)
        stopped = stopped or annotate(
            job.committee,
            test,
            ledger=ledger,
            meter=meter,
            notify=notify,
            purse=purse,
            phase="evaluate",
            earlier=[label.item for label in learned.lesson.labels],
        )
    notify(Progress("report", 0, 1))
    with meter.phase("evaluate"):
        metrics = _metrics(job, ledger, learned, test=test, size=size)
        if test:
            _outcomes(job, ledger, learned, folder)
    ledger.add_phases(meter.drain())
    ledger.set_meta(USED, token(ledger))
    (folder / GOLD).unlink(missing_ok=True)
    if learned.reading is not None:
        write_whole(folder / GOLD, json.dumps(metrics["gold"], indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    metrics["resources"] = combine(ledger.phases())
    metrics["warnings"] = warnings(metrics, stopped=stopped)
    metrics["sentence"] = sentence(metrics)
    write_whole(folder / METRICS, json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    ledger.set_meta(STATE, "finished")
    notify(Progress("report", 1, 1))
    return metrics


def _metrics(job: Job, ledger: Ledger, learned: Learned, *, test: Sequence[Item], size: int | None) -> dict[str, Any]:
    labels, seed = job.task.labels, job.seed
    votes = [vote for vote in ledger.votes() if not vote.of_person]
    judged = unflattered(learned.lesson, learned.reading)
    if test:
        judged = judge(job, ledger, [item.id for item in test], learned.reading)
    on = "test" if test else "pool"
    pool = job.test if test and job.test else job.pool
    truth = Truth.of([pool[item] for item in judged.table.items], labels)
    committee = {"aggregate": job.aggregate} | score(judged.probabilities, truth, labels, on=on, seed=seed)
    accepted = np.array([label.accepted for label in judged.labels], np.bool_)
    alike, warning = panel(judged.alone, judged.probabilities, truth, accepted=(job.accept, accepted), seed=seed)
    committee |= alike | protocol(job.committee.worth(judged.table, votes, truth.gold, rng=np.random.default_rng(seed)))
    if not judged.labels:
        reasons = [name for name in committee if name.endswith("_reason")]
        committee |= dict.fromkeys(reasons, "the committee labelled none of these items")
    counted = dict(zip(learned.lesson.table.workers, learned.lesson.weights.tolist(), strict=True))
    weights = {worker.name: counted.get(worker.name) for worker in job.committee.workers}
    own = workers(judged.alone, votes, truth, weights=weights, on=on, seed=seed)
    pace = {name: block["seconds"] / block["votes"] for name, block in own.items() if block["votes"]}
    committee |= staffing(judged.alone, job.aggregator, truth.gold, seconds=pace, seed=seed)
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


def _outcomes(job: Job, ledger: Ledger, learned: Learned, folder: Path) -> None:
    """Leave what was said of each test item in the run folder."""
    items = list(job.test or ())
    judged = judge(job, ledger, [item.id for item in items], learned.reading)
    said = {STUDENT: {}, COMMITTEE: dict(zip(judged.table.items, judged.probabilities, strict=True))}
    if learned.student is not None and job.test is not None:
        opinion = learned.student.predict_proba(job.test.texts())
        said[STUDENT] = dict(zip([item.id for item in items], opinion, strict=True))
    gold = [item.gold if item.gold in job.task.labels else None for item in items]
    write_outcomes(folder, [item.id for item in items], gold, labels=job.task.labels, opinions=said)


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
        "gold_unknown": sum(one is not None and one not in job.task.labels for one in gold),
        "truncated": truncated,
        "example_items": [{"text": "\n".join(item.fields.values()), "gold": item.gold} for item in shown],
    }


def _shared(pool: Pool, test: Pool, step: int = 10_000) -> int:
    """How many test texts are in the pool as well; the pool's texts are looked at piece by piece."""
    held_out = set(test.texts())
    pieces = (range(start, min(start + step, len(pool))) for start in range(0, len(pool), step))
    return sum(text in held_out for piece in pieces for text in pool.texts(piece))


def _keep(student: Student | None, folder: Path, job: Job) -> int | None:
    """Save the student; its size in bytes."""
    if student is None:
        return None
    student.save(folder, card=job.facts["card"])
    return sum(file.stat().st_size for file in folder.iterdir())


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
    block |= score(opinion, Truth.of(list(job.test), job.task.labels), job.task.labels, on="test", seed=job.seed)
    if not judged.labels:
        return block | _absent("agreement_with_committee", reason="the committee labelled none of these items")
    rows = [job.test.index(item) for item in judged.table.items]
    same = opinion[rows].argmax(axis=1) == judged.probabilities.argmax(axis=1)
    return block | {"agreement_with_committee": float(same.mean())}


def _absent(*names: str, reason: str) -> dict[str, Any]:
    return dict.fromkeys(names) | {f"{name}_reason": reason for name in names}


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there whole or as it was before.

    Raises:
        RunError: when it cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise RunError(f"{path}: cannot be written: {error.strerror}", hint="Check the free space.") from error


def _same_task(folder: Path, there: str | None, here: str) -> None:
    if there not in (None, here):
        raise RunError(
            f"{folder}: this run was made with another task file (labels, prompts, data or budget differ)",
            hint="Use `--run` with a new folder, or restore the task file; RUN/task.yaml is the one it was made with.",
        )


def _same_data(folder: Path, there: str | None, here: str) -> None:
    if there not in (None, here):
        raise RunError(
            f"{folder}: the data changed since this run began", hint="Use `--run` with a new folder for the new data."
        )
