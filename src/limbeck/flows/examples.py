"""examples: the accepted synthetic texts of a folder as JSONL, CSV or Parquet, ready to be read as a pool or to teach.

Knows nothing of how they came about.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.agent.author import AUTHOR
from limbeck.errors import ConfigError, RunError
from limbeck.flows.export import safe_cell
from limbeck.ledger import Ledger, LedgerView

SUFFIXES = (".jsonl", ".csv", ".parquet")


def write_examples(folder: Path, target: Path) -> int:
    """Write id, the text under its column's name, label, confidence, attributes and ids of the seeds; in order.

    CSV is safe to open in a spreadsheet; attributes and seeds are JSON there.

    Args:
        folder: of the ledger.
        target: its suffix says the form.

    Returns:
        How many examples were written.

    Raises:
        ConfigError: for another suffix.
        RunError: when the file cannot be written; an earlier one stays as it was.
    """
    check_target(target)
    with Ledger.read(folder) as view:
        rows = list(_rows(view))
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist([_flat(row) for row in rows]), partial)
        else:
            with partial.open("w", encoding="utf-8", newline="") as file:
                _csv(file, rows) if target.suffix == ".csv" else file.writelines(
                    json.dumps(row, ensure_ascii=False) + "\n" for row in rows
                )
        partial.replace(target)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise RunError(f"{target}: cannot be written: {error.strerror or error}", hint="Check the folder.") from error
    return len(rows)


def check_target(target: Path) -> None:
    """Refuse a file name whose form is not known, before anything is computed."""
    if target.suffix not in SUFFIXES:
        raise ConfigError(f"{target}: the form is not known", hint=f"End the name in {', '.join(SUFFIXES)}.")


def _rows(view: LedgerView) -> Iterator[dict[str, Any]]:
    taken = {label.item: label for label in view.labels() if label.accepted}
    votes = {vote.item: vote for vote in reversed(list(view.votes(AUTHOR))) if vote.item in taken}
    traces = dict(view.traces(vote.key for vote in votes.values()))
    for item in view.items(taken):
        label, trace = taken[item.id], traces[votes[item.id].key]
        told = {"label": label.label, "confidence": label.confidence}
        yield {"id": item.id, **item.fields, **told, "attributes": trace["attributes"], "seeds": trace["seeds"]}


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in row.items()}


def _csv(file: Any, rows: list[dict[str, Any]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    if rows:
        writer.writerow([safe_cell(name) for name in rows[0]])
    writer.writerows([safe_cell(value) for value in _flat(row).values()] for row in rows)
