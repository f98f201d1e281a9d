"""predict: a student labels new texts, with no language model. Knows nothing of committees or ledgers."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from limbeck.errors import DataError
from limbeck.flows.export import safe_cell
from limbeck.flows.verdict import named, on_scale
from limbeck.pool import columns, glued, read_rows
from limbeck.students.base import Student
from limbeck.task import Task

ROWS = 4096
# Text, label, and the numbers of the row.
Answer = tuple[str, str, list[float]]


def predict(
    student: Student,
    source: Path,
    out: TextIO,
    *,
    task: Task,
    as_json: bool = False,
    thresholds: Sequence[float] | None = None,
) -> int:
    """Write each row's text, label, confidence and probability of each label (`p:LABEL`), in the order of the source.

    Between these stands the expected value (`expected`) where the labels are a scale.

    Args:
        student: who predicts.
        source: what `read_rows` can read.
        out: where it goes.
        task: what the student was taught, of which columns.
        as_json: as one JSON array, exact; else as CSV that is safe to open in a spreadsheet.
        thresholds: from which probability each of several labels is given; None where a text has one label.

    Returns:
        How many rows were labelled.

    Raises:
        DataError: when the source cannot be read or lacks a column.
    """
    there = columns(source)
    missing = [name for name in task.show if name not in there]
    if missing:
        raise DataError(
            f"{source}: there is no column {missing[0]!r}",
            hint=f"The student reads {', '.join(task.show)}; the columns here are {', '.join(there)}.",
        )
    scale = [] if task.scale is None else ["expected"]
    names = ["text", "label", "confidence", *scale, *(f"p:{label}" for label in student.labels)]
    rows = _labelled(student, source, task, thresholds)
    return _write_json(names, rows, out) if as_json else _write_csv(names, rows, out)


def _labelled(student: Student, source: Path, task: Task, cut: Sequence[float] | None) -> Iterator[Answer]:
    texts: list[str] = []
    for row in read_rows(source, only=task.show):
        texts.append(glued([row.fields.get(name) for name in task.show], task.glue))
        if len(texts) == ROWS:
            yield from _opinions(student, texts, task, cut)
            texts = []
    yield from _opinions(student, texts, task, cut)


def _opinions(student: Student, texts: Sequence[str], task: Task, cut: Sequence[float] | None) -> Iterator[Answer]:
    if texts:
        opinion = student.predict_proba(texts)
        said = on_scale(task, opinion)
        scale = np.empty((len(texts), 0)) if said is None else said[:, None]
        told = np.hstack([scale, opinion]).tolist()
        for text, (label, sure), numbers in zip(
            texts, named(task, opinion, None if cut is None else np.array(cut)), told, strict=True
        ):
            yield text, label, [sure, *numbers]


def _write_csv(names: Sequence[str], rows: Iterator[Answer], out: TextIO) -> int:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([safe_cell(name) for name in names])
    count = 0
    for text, label, numbers in rows:
        writer.writerow([safe_cell(text), safe_cell(label), *(f"{one:.6f}" for one in numbers)])
        count += 1
    return count


def _write_json(names: Sequence[str], rows: Iterator[Answer], out: TextIO) -> int:
    count = 0
    for text, label, numbers in rows:
        out.write(",\n" if count else "[\n")
        out.write(json.dumps(dict(zip(names, (text, label, *numbers), strict=True)), ensure_ascii=False))
        count += 1
    out.write("\n]\n" if count else "[]\n")
    return count
