"""export: the labels of a run as CSV, JSONL or Parquet. CSV is safe to open in a spreadsheet; the others are exact.

Knows nothing of models or of how the labels came about.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.aggregation.base import tabulate
from limbeck.aggregation.units import tabulate_units
from limbeck.errors import RunError
from limbeck.flows.cleaning import KEY as CLEAN
from limbeck.flows.cleaning import read_clean
from limbeck.flows.verdict import on_scale
from limbeck.ledger import LedgerView
from limbeck.records import AND, Item, Label
from limbeck.task import Task

FORMATS = ("csv", "jsonl", "parquet")
LABELS, QUEUE = "labels", "queue"
# A cell that begins so is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_ROWS = 10_000


def write_labels(
    folder: Path,
    view: LedgerView,
    task: Task,
    calibration: Mapping[str, str],
    *,
    prior: Sequence[float] | None = None,
    kind: str = "csv",
) -> Path:
    """Write the labels table into the run folder.

    Columns: id, text, label, the expected value where the labels are a scale, confidence, accepted, the probability
    that the label is right (`clean`), the probability of each label (`p:LABEL`), and each worker's calibrated vote
    (`vote:WORKER`), in the order of the items asked.

    Args:
        folder: of the run.
        view: of its ledger.
        task: gives the labels and the fields shown.
        calibration: of each worker.
        prior: as the run used it.
        kind: csv, jsonl or parquet.

    Raises:
        RunError: when the file cannot be written; an earlier one stays as it was.
    """
    return write_rows(folder / f"{LABELS}.{kind}", _rows(view, task, calibration, prior), kind)


def write_queue(folder: Path, view: LedgerView, task: Task, *, kind: str = "csv") -> Path:
    """Write the labels that were not accepted and wait for people, the least sure first.

    Columns: id, text, label, confidence, how (what decided the label: the aggregator, the judge, "vetoed", …).

    Raises:
        RunError: when the file cannot be written; an earlier one stays as it was.
    """
    return write_rows(folder / f"{QUEUE}.{kind}", _waiting(view, task), kind)


def waiting(labels: Iterable[Label]) -> list[Label]:
    """The labels that are left to people: those not accepted, the least sure first."""
    return sorted((label for label in labels if not label.accepted), key=lambda label: (label.confidence, label.item))


def _waiting(view: LedgerView, task: Task) -> Iterator[dict[str, Any]]:
    queue = waiting(view.labels())
    texts = {item.id: text_of(item, task.show) for item in view.items([label.item for label in queue])}
    for one in queue:
        told = {"label": one.label, "confidence": one.confidence, "how": one.how}
        yield {"id": one.item, "text": texts.get(one.item, "")} | told


def write_rows(path: Path, rows: Iterator[dict[str, Any]], kind: str) -> Path:
    """Write rows with the same keys as csv, jsonl or parquet.

    Raises:
        RunError: when the file cannot be written; an earlier one stays as it was.
    """
    with whole(path) as partial:
        {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[kind](partial, rows)
    return path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A place to write to, which takes the place of `path` when the block ends well.

    Raises:
        RunError: when it cannot be written; an earlier file stays as it was.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise RunError(f"{path}: cannot be written: {error.strerror or error}", hint="Check the free space.") from error


def _rows(
    view: LedgerView, task: Task, calibration: Mapping[str, str], prior: Sequence[float] | None
) -> Iterator[dict[str, Any]]:
    labels, clean = {label.item: label for label in view.labels()}, read_clean(view)
    ids = list(labels)
    if task.open is not None:
        yield from _answers(view, task, labels)
        return
    if task.several is not None:
        yield from _sets(view, task, calibration, labels)
        return
    table = tabulate(view.votes(items=ids), labels=task.labels, items=ids, calibration=calibration, prior=prior)
    place = {item: row for row, item in enumerate(table.items)}
    said = on_scale(task, np.array([label.probabilities for label in labels.values()]))
    for item in view.items(ids):
        label, row = labels[item.id], place[item.id]
        yield {
            "id": item.id,
            "text": text_of(item, task.show),
            "label": label.label,
            **({} if said is None else {"expected": float(said[row])}),
            "confidence": label.confidence,
            "accepted": label.accepted,
            CLEAN: clean.get(item.id),
            **{f"p:{name}": share for name, share in zip(task.labels, label.probabilities, strict=True)},
            **{
                f"vote:{worker}": table.labels[choice] if choice >= 0 else None
                for worker, choice in zip(table.workers, table.choices[row].tolist(), strict=True)
            },
        }


def _answers(view: LedgerView, task: Task, labels: Mapping[str, Label]) -> Iterator[dict[str, Any]]:
    """Rows of an open question, whose answers are no columns."""
    said = {(vote.item, vote.worker): vote.label for vote in view.votes(items=labels)}
    workers = sorted({worker for _, worker in said})
    for item in view.items(labels):
        label = labels[item.id]
        yield {
            "id": item.id,
            "text": text_of(item, task.show),
            "label": label.label,
            "confidence": label.confidence,
            "accepted": label.accepted,
            **{f"vote:{worker}": said.get((item.id, worker)) for worker in workers},
        }


def _sets(
    view: LedgerView, task: Task, calibration: Mapping[str, str], labels: Mapping[str, Label]
) -> Iterator[dict[str, Any]]:
    """Rows of several labels: the set, each label by itself, and each worker's set after calibration."""
    assert task.several is not None
    votes, several = [vote for vote in view.votes(items=labels) if not vote.of_person], task.several
    told: dict[str, Any] = {
        "labels": task.labels,
        "shares": several.shares,
        "cut": several.cut,
        "relative": several.relative,
    }
    units = tabulate_units(votes, items=list(labels), calibration=calibration, **told)
    said = {(vote.item, vote.worker): vote.label for vote in units.sets()}
    for item in view.items(labels):
        label = labels[item.id]
        given = set((label.label or "").split(AND))
        yield {
            "id": item.id,
            "text": text_of(item, task.show),
            "label": label.label,
            "confidence": label.confidence,
            "accepted": label.accepted,
            **{f"is:{name}": name in given for name in task.labels},
            **{f"p:{name}": share for name, share in zip(task.labels, label.probabilities, strict=True)},
            **{f"vote:{worker}": said.get((item.id, worker)) for worker in units.tables[0].workers},
        }


def text_of(item: Item, show: Sequence[str]) -> str:
    """The shown fields, one below the other."""
    return "\n".join(text for name in show if (text := item.fields.get(name)))


def safe_cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets an apostrophe in front, which spreadsheets hide."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _csv(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = None
        for row in rows:
            if writer is None:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow([safe_cell(name) for name in row])
            writer.writerow([_cell(value) for value in row.values()])
        if writer is None:
            csv.writer(file, lineterminator="\n").writerow(["id", "text", "label", "confidence", "accepted"])


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6f}"
    return safe_cell(value)


def _jsonl(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _parquet(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    batch: list[dict[str, Any]] = []
    writer: Any = None
    try:
        for row in rows:
            batch.append(row)
            if len(batch) == _ROWS:
                writer = _flush(path, writer, batch)
        writer = _flush(path, writer, batch)
    finally:
        if writer is not None:
            writer.close()


def _flush(path: Path, writer: Any, batch: list[dict[str, Any]]) -> Any:
    if writer is None:
        first = batch[0] if batch else {"id": "", "text": "", "label": "", "confidence": 0.0, "accepted": False}
        kinds: dict[type, Any] = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
        fields = [(name, kinds.get(type(value), pa.string())) for name, value in first.items()]
        schema = pa.schema([(name, pa.float64() if name == CLEAN else kind) for name, kind in fields])
        writer = pq.ParquetWriter(path, schema)
    writer.write_table(pa.Table.from_pylist(batch, schema=writer.schema))
    batch.clear()
    return writer
