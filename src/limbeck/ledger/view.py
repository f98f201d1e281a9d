"""What anyone may read of a run while it is written or after: votes, rounds, labels, items, phases.

Knows nothing of writing, and nothing of what the votes mean.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from limbeck.errors import RunError
from limbeck.ledger import file
from limbeck.ledger.rows import TABLES, Round, Row, is_sound, spelling, to_item, to_label, to_round, to_trace, to_vote
from limbeck.records import Item, Label, Vote

PAGE = 2000
CHUNK = 500


class LedgerView:
    """A reader of one run's ledger. Each thread needs a view of its own.

    Long tables are read page by page, so that no reader ever holds up the writer for long; rows appended meanwhile may
    or may not be seen.

    Raises:
        RunError: from every method, when the file is damaged or cannot be read.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def of(cls, folder: Path | str) -> LedgerView:
        """A read-only view of the run in `folder`.

        Raises:
            RunError: when there is no ledger, or it cannot be read.
        """
        path = file.existing(folder)
        with file.faults(path):
            connection = file.connect(path, "ro")
            try:
                version = file.identify(connection, path)
                if version != file.VERSION:
                    hint = "open it once for writing (`limbeck run`), which brings it forward and keeps a backup"
                    raise RunError(f"{path}: written by an older limbeck (schema {version})", hint=hint)
            except BaseException:
                connection.close()
                raise
        return LedgerView(path, connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def meta(self, key: str, default: Any = None) -> Any:
        """The value kept under `key`, or `default`."""
        for _, value in self._rows("meta", where="key = ?", args=(key,)):
            return json.loads(value)
        return default

    def votes(self, worker: str | None = None, items: Iterable[str] | None = None) -> Iterator[Vote]:
        """Votes in the order they were cast, of one worker or on some items only.

        Traces and states are given by `traces` and `states`.

        With `items`, votes come in groups of up to 500 items in the order of `items`, each group in the order cast.
        """
        if items is None:
            where, args = ("worker = ?", (worker,)) if worker is not None else ("1", ())
            yield from map(to_vote, self._rows("votes", where=where, args=args))
            return
        for chunk in _chunks(items):
            where = f"item IN ({_marks(chunk)})" + ("" if worker is None else " AND +worker = ?")
            yield from map(to_vote, self._chunk("votes", where, (*chunk, *(() if worker is None else (worker,)))))

    def traces(self, keys: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Key and trace of those of the votes that have one, in groups of up to 500 keys."""
        for chunk in _chunks(keys):
            yield from map(to_trace, self._chunk("traces", f"key IN ({_marks(chunk)})", chunk))

    def states(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Key and state of those of the votes that have one (`Vote.state`), in groups of up to 500 keys."""
        for chunk in _chunks(keys):
            yield from self._chunk("states", f"key IN ({_marks(chunk)})", chunk)

    def has(self, keys: Collection[str]) -> set[str]:
        """Those of the keys whose vote is in the ledger."""
        found: set[str] = set()
        for chunk in _chunks(keys):
            with file.faults(self.path):
                rows = self._connection.execute(f"SELECT key FROM votes WHERE key IN ({_marks(chunk)})", chunk)
                found.update(key for (key,) in rows)
        return found

    def count(self, worker: str | None = None) -> int:
        """How many votes there are, of one worker or of all."""
        sql = "SELECT count(*) FROM votes" + ("" if worker is None else " WHERE worker = ?")
        with file.faults(self.path):
            return int(self._connection.execute(sql, () if worker is None else (worker,)).fetchone()[0])

    def tokens(self) -> int:
        """Tokens computed for all votes, reused ones not counted."""
        with file.faults(self.path):
            return int(self._connection.execute("SELECT total(prefilled + decoded) FROM votes").fetchone()[0])

    def rounds(self) -> list[Round]:
        """All rounds, by number."""
        return [to_round(row) for row in self._rows("rounds")]

    def labels(self) -> list[Label]:
        """The final table, in the order it was written: all from one moment."""
        return [to_label(row) for row in self._chunk("labels", "1", ())]

    def items(self, ids: Iterable[str] | None = None) -> Iterator[Item]:
        """The items that were asked, in the order they were added; with `ids`, in groups as `votes` does."""
        if ids is None:
            yield from map(to_item, self._rows("items"))
            return
        for chunk in _chunks(ids):
            yield from map(to_item, self._chunk("items", f"id IN ({_marks(chunk)})", chunk))

    def phases(self) -> list[dict[str, Any]]:
        """Metered phases of all attempts at this run, oldest first."""
        return [json.loads(body) for (body,) in self._rows("phases")]

    def check(self) -> None:
        """Walk every page, index and row of the file; raises a RunError at the first damage."""
        with file.faults(self.path):
            found = self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise file.damaged(self.path, " ".join(str(found).split()))
        for table in TABLES:
            for _ in self._rows(table):
                pass

    def digest(self) -> str:
        """Hash of what was asked and answered: votes, rounds and labels, in the order of their keys.

        Two runs with equal digests ended with the same tables. What answers cost, and when they came, does not count:
        a run that was killed pays twice for some of them.
        """
        state = hashlib.sha256()
        for table, by, kept in (
            ("votes", "key", 9),
            ("traces", "key", 2),
            ("states", "key", 2),
            ("rounds", "number", 3),
            ("labels", "item", 6),
        ):
            state.update(f"{table}\n".encode())
            for row in self._rows(table, by=by):
                state.update(spelling(row[:kept]) + b"\n")
        return state.hexdigest()

    def _rows(self, table: str, *, where: str = "1", args: Row = (), by: str = "rowid") -> Iterator[Row]:
        columns = ", ".join(TABLES[table])
        last: Any = -1 if by in ("rowid", "number") else ""
        sql = f"SELECT {by}, {columns}, crc FROM {table} WHERE {where} AND {by} > ? ORDER BY {by} LIMIT {PAGE}"
        while True:
            with file.faults(self.path):
                page = self._connection.execute(sql, (*args, last)).fetchall()
            yield from self._sound(table, page)
            if len(page) < PAGE:
                return
            last = page[-1][0]

    def _chunk(self, table: str, where: str, args: Sequence[Any]) -> Iterator[Row]:
        # The plus keeps SQLite from walking the whole table by rowid instead of using the index of `where`.
        columns = ", ".join(TABLES[table])
        sql = f"SELECT rowid, {columns}, crc FROM {table} WHERE {where} ORDER BY +rowid"
        with file.faults(self.path):
            page = self._connection.execute(sql, args).fetchall()
        return self._sound(table, page)

    def _sound(self, table: str, page: list[Row]) -> Iterator[Row]:
        for row in page:
            if not is_sound(row[1:]):
                raise file.damaged(self.path, f"row {row[0]} of {table} does not fit its checksum")
            yield row[1:-1]


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))
