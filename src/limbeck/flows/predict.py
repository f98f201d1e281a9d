"""predict: a student labels new texts, with no language model. Knows nothing of committees or ledgers."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from limbeck.errors import DataError
from limbeck.flows.export import safe_cell
from limbeck.pool import columns, read_rows
from limbeck.students.base import Student

ROWS = 4096


def predict(student: Student, source: Path, out: TextIO, *, show: Sequence[str], as_json: bool = False) -> int:
    """Write each row's text, label, confidence and probability of each label (`p:LABEL`), in the order of the source.

    Args:
        student: who predicts.
        source: what `read_rows` can read.
        out: where it goes.
        show: the columns the student was taught with.
        as_json: as one JSON array, exact; else as CSV that is safe to open in a spreadsheet.

    Returns:
        How many rows were labelled.

    Raises:
        DataError: when the source cannot be read or lacks a column.
    """
    there = columns(source)
    missing = [name for name in show if name not in there]
    if missing:
        raise DataError(
            f"{source}: there is no column {missing[0]!r}",
            hint=f"The student reads {', '.join(show)}; the columns here are {', '.join(there)}.",
        )
    names = ["text", "label", "confidence", *(f"p:{label}" for label in student.labels)]
    rows = _labelled(student, source, show)
    return _write_json(names, rows, out) if as_json else _write_csv(names, rows, out)


def _labelled(student: Student, source: Path, show: Sequence[str]) -> Iterator[tuple[str, str, list[float]]]:
    texts: list[str] = []
    for row in read_rows(source, only=tuple(show)):
        texts.append("\n".join(text for name in show if (text := row.fields.get(name))))
        if len(texts) == ROWS:
            yield from _opinions(student, texts)
            texts = []
    yield from _opinions(student, texts)


def _opinions(student: Student, texts: Sequence[str]) -> Iterator[tuple[str, str, list[float]]]:
    if texts:
        opinion = student.predict_proba(texts)
        best = opinion.argmax(axis=1).tolist()
        for text, winner, shares in zip(texts, best, opinion.tolist(), strict=True):
            yield text, student.labels[winner], shares


def _write_csv(names: Sequence[str], rows: Iterator[tuple[str, str, list[float]]], out: TextIO) -> int:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([safe_cell(name) for name in names])
    count = 0
    for text, label, shares in rows:
        numbers = [f"{share:.6f}" for share in (max(shares), *shares)]
        writer.writerow([safe_cell(text), safe_cell(label), *numbers])
        count += 1
    return count


def _write_json(names: Sequence[str], rows: Iterator[tuple[str, str, list[float]]], out: TextIO) -> int:
    count = 0
    for text, label, shares in rows:
        out.write(",\n" if count else "[\n")
        out.write(json.dumps(dict(zip(names, (text, label, max(shares), *shares), strict=True)), ensure_ascii=False))
        count += 1
    out.write("\n]\n" if count else "[]\n")
    return count
