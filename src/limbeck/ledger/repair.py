"""Saves what can be read of a damaged ledger into a fresh one, and keeps the damaged file.

Knows nothing of what the rows mean: a row is good when it fits its checksum.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from limbeck.errors import RunError
from limbeck.ledger import file
from limbeck.ledger.rows import TABLES, Row, is_sound

# After a place that cannot be read the next one is searched in steps that grow slowly: the first 64 rows one by one,
# then with at most 2 % of the gap overlooked, until a hundred million rows further on.
_PROBES = 1000
_STRIDE = 64
# A row so far beyond its neighbour carries a damaged number.
_LEAP = 10_000
_LOGS = ("-wal", "-journal", "-shm")


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair did.

    Attributes:
        kept: the damaged ledger's new name.
        saved: table → rows copied.
        broken: table → rows met that did not fit their checksum, plus places that could not be read; rows that are
            gone without a trace cannot be counted.
    """

    kept: Path
    saved: Mapping[str, int]
    broken: Mapping[str, int]


def repair(folder: Path | str) -> RepairReport:
    """Copy every readable row of the ledger in `folder` into a fresh ledger; votes that are lost are asked again.

    Raises:
        RunError: when a run is writing there, there is no ledger, it is of another schema, or nothing can be read.
    """
    path = Path(folder) / file.NAME
    if not path.is_file():
        raise RunError(f"{folder}: there is no ledger to repair", hint="check the folder's name")
    fresh, scratch = (path.with_name(path.name + ending) for ending in (".new", ".scratch"))
    with file.lock(path.parent), file.faults(path):
        try:
            found = _read(path, scratch)
        finally:
            _remove(scratch, ("", *_LOGS))
        file.build(fresh)
        with closing(file.connect(fresh, "rw")) as target, file.transaction(target):
            for table, (rows, _) in found.items():
                marks = ", ".join("?" * (len(TABLES[table]) + 1))
                columns = ", ".join((*TABLES[table], "crc"))
                target.executemany(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", rows)
        kept = _exchange(path, fresh)
    saved = {table: len(rows) for table, (rows, _) in found.items()}
    return RepairReport(kept, saved, {table: broken for table, (_, broken) in found.items()})


def _read(path: Path, scratch: Path) -> dict[str, tuple[list[Row], int]]:
    _copy(path, scratch)
    with scratch.open("r+b") as copy:
        start = copy.read(100)
        # SQLite refuses a file that was cut off as a whole; with empty pages in place of the lost ones it reads on.
        whole = int.from_bytes(start[16:18], "big") * int.from_bytes(start[28:32], "big")
        if start.startswith(b"SQLite format 3\0") and whole > scratch.stat().st_size:
            copy.truncate(whole)
    with closing(file.connect(scratch, "rw")) as source:
        if (version := file.identify(source, path)) != file.VERSION:
            raise RunError(f"{path}: schema {version} cannot be repaired by this version (schema {file.VERSION})")
        found = {table: _salvage(source, table) for table in TABLES}
    if not any(rows for rows, _ in found.values()):
        raise RunError(f"{path}: nothing in it can be read", hint="restore a copy, or begin in a new run folder")
    return found


def _salvage(source: sqlite3.Connection, table: str) -> tuple[list[Row], int]:
    columns = ", ".join((*TABLES[table], "crc"))
    sql = f"SELECT rowid, {columns} FROM {table} NOT INDEXED WHERE rowid > ? ORDER BY rowid"
    rows: list[Row] = []
    broken = failures = 0
    last = -1
    while failures < _PROBES:
        try:
            for rowid, *values in source.execute(sql, (last,)):
                if rowid <= last:  # a page that leads back
                    raise sqlite3.DatabaseError
                row = tuple(values)
                if rowid > last + _LEAP or not is_sound(row):
                    broken += 1
                    continue
                broken += failures > 0
                last, failures = rowid, 0
                rows.append(row)
            break
        except (sqlite3.DatabaseError, UnicodeError):
            last += 1 + failures // _STRIDE
            failures += 1
    return rows, broken + (failures > 0)


def _exchange(path: Path, fresh: Path) -> Path:
    # Copies first: at every moment the damaged data is under one name or the other.
    kept = path.with_name(f"ledger.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.sqlite")
    _copy(path, kept)
    _remove(path, _LOGS)
    fresh.replace(path)
    file.sync_folder(path.parent)
    return kept


def _copy(path: Path, target: Path) -> None:
    for ending in ("", *_LOGS):
        part = path.with_name(path.name + ending)
        if part.exists():
            shutil.copy2(part, target.with_name(target.name + ending))


def _remove(path: Path, endings: Sequence[str]) -> None:
    for ending in endings:
        path.with_name(path.name + ending).unlink(missing_ok=True)
