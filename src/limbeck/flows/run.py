"""run: annotate → learn → distill → evaluate; what is done already is not done again.

Leaves in the run folder: the ledger, the labels (CSV), the student, the metrics (JSON), a copy of the task file,
and which models and data sets were used (JSON). Knows nothing of how parts are made, or of pages.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from limbeck.committee.base import calibrations
from limbeck.errors import RunError
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.calibrate import READ, UNSEEN, USED, stale, token, unseen
from limbeck.flows.cleaning import KEY as CLEAN_KEY
from limbeck.flows.cleaning import probabilities
from limbeck.flows.export import write_labels
from limbeck.flows.job import Job, Notify, Progress, silent
from limbeck.flows.learn import learn
from limbeck.flows.metrics import leave_outcomes, metrics_of
from limbeck.flows.summary import sentence, warnings
from limbeck.flows.tuning import write_tuning
from limbeck.ledger import Ledger
from limbeck.meter import Meter, combine
from limbeck.students.base import Student

METRICS, STUDENT, TASK, LOCK = "metrics.json", "student", "task.yaml", "assets.lock.json"
AUDIT, GOLD, BIAS, SLICES = "audit.json", "gold.json", "bias.json", "slices.json"
STATE, FINGERPRINT, TEST, FACTS = "state", "fingerprint", "test", "facts"
THRESHOLDS = "thresholds"


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
        if learned.lesson.beliefs is not None:
            ledger.set_meta(THRESHOLDS, learned.lesson.beliefs.thresholds.tolist())
        if job.task.open is not None:
            write_tuning(folder, ledger, job.task)
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
        metrics = metrics_of(job, ledger, learned, test=test, size=size)
        if test:
            leave_outcomes(job, ledger, learned, folder)
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


def _keep(student: Student | None, folder: Path, job: Job) -> int | None:
    """Save the student; its size in bytes."""
    if student is None:
        return None
    student.save(folder, card=job.facts["card"])
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


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
