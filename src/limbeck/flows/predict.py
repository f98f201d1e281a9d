"""predict: a student labels new texts, with no language model. Knows nothing of committees or ledgers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from limbeck.errors import DataError
from limbeck.flows.export import safe_cell
from limbeck.pool import columns, read_rows
from limbeck.students.base import Student

ROWS = 4096


def predict(student: Student, source: Path, out: TextIO, *, show: Sequence[str]) -> int:
    """Write one CSV line for each row of `source`: its row, the label, the confidence and each label's probability.

    Args:
        student: who predicts.
        source: what `read_rows` can read.
        out: where the lines go.
        show: the columns the student was taught with.

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
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([safe_cell(name) for name in ("text", "label", "confidence", *(f"p:{x}" for x in student.labels))])
    count, texts = 0, list[str]()
    for row in read_rows(source, only=tuple(show)):
        texts.append("\n".join(text for name in show if (text := row.fields.get(name))))
        if len(texts) == ROWS:
            count += _write(student, texts, writer)
            texts = []
    return count + _write(student, texts, writer)


def _write(student: Student, texts: Sequence[str], writer: Any) -> int:
    if texts:
        opinion = student.predict_proba(texts)
        for text, row in zip(texts, opinion.tolist(), strict=True):
            best = max(range(len(row)), key=row.__getitem__)
            shares = [f"{share:.6f}" for share in row]
            writer.writerow([safe_cell(text), safe_cell(student.labels[best]), shares[best], *shares])
    return len(texts)
