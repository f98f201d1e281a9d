"""The one writer of a run's ledger: what a call acknowledges is on the disk.

Knows nothing of agents, items' meaning or the trip that a vote made.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from limbeck.errors import RunError
from limbeck.ledger import file
from limbeck.ledger.rows import TABLES, Round, Row, item_row, label_row, round_row, seal, to_json, trace_row, vote_row
from limbeck.ledger.view import LedgerView
from limbeck.records import Item, Label, Vote

_CLEAN = "ledger.clean"


class Ledger(LedgerView):
    """The single writer of one run folder, and a reader of it too. Use it from one thread, in a `with` block.

    Attributes:
        journal: "wal", or "delete" on a network file system or wherever WAL does not work.
        was_clean: whether the last writer closed the ledger in good order (True for a new one).

    Raises:
        RunError: from every method; the message says whether the disk, the file or the value is at fault. What was
            acknowledged before stays.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path, connection)
        self.journal = ""
        self.was_clean = True
        self._stack = ExitStack()

    @classmethod
    def open(cls, folder: Path | str) -> Ledger:
        """Take the folder (created if need be) for writing; an existing ledger is checked and continued.

        Raises:
            RunError: when another writer holds the folder, the ledger is damaged, foreign or newer, or nothing can be
                written there. No existing file is changed then.
        """
        path = Path(folder) / file.NAME
        with ExitStack() as stack:
            stack.enter_context(file.lock(path.parent))
            stack.enter_context(file.faults(path))
            if new := not path.exists():
                file.create(path)
            connection = file.connect(path, "rw")
            stack.callback(connection.close)
            file.identify(connection, path)
            file.quick_check(connection, path)
            file.migrate(connection, path, target=file.VERSION, steps=file.MIGRATIONS)
            ledger = cls(path, connection)
            ledger._begin(new=new)
            ledger._stack = stack.pop_all()
        return ledger

    @staticmethod
    def read(folder: Path | str) -> LedgerView:
        """A read-only view of the run in `folder`, also while it is being written."""
        return LedgerView.of(folder)

    @classmethod
    def bring_forward(cls, folder: Path | str) -> None:
        """Migrate a ledger that an older limbeck wrote, keeping a backup; one of this version is not touched.

        Raises:
            RunError: see `open`.
        """
        path = file.existing(folder)
        with file.faults(path), closing(file.connect(path, "ro")) as connection:
            older = file.identify(connection, path) != file.VERSION
        if older:
            with cls.open(folder):
                pass

    def _begin(self, *, new: bool) -> None:
        self.journal = file.choose_journal(self._connection, network=file.on_network(self.path.parent))
        self.was_clean = new or self.meta(_CLEAN) is True
        self.set_meta(_CLEAN, False)

    def append(self, votes: Sequence[Vote]) -> int:
        """Write a batch of votes, all or none; durable on return. Keys already there are left as they are.

        Returns:
            How many votes were really added.
        """
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        traces = [trace_row(vote.key, vote.trace) for vote in votes if vote.trace is not None]
        states = [seal((str(vote.key), vote.state)) for vote in votes if vote.state is not None]
        rows = [vote_row(vote, created) for vote in votes]
        return self._write(
            (_addition("votes", "key"), rows),
            (_addition("traces", "key"), traces),
            (_addition("states", "key"), states),
        )

    def add_items(self, items: Iterable[Item]) -> int:
        """Keep the items that are asked; those already there are left as they are. Returns how many were added."""
        return self._insert("items", [item_row(item) for item in items], "id")

    def start_round(self, number: int, *, strategy: str, selected: Sequence[str]) -> None:
        """Record what a round will ask. Doing it again with the same content changes nothing.

        Raises:
            RunError: when this round was started before with other items or another strategy.
        """
        entry = Round(number, strategy, tuple(selected))
        if self._insert("rounds", [round_row(entry)], "number") == 0:
            there = self._round(number)
            if (there.strategy, there.selected) != (entry.strategy, entry.selected):
                raise RunError(
                    f"{self.path}: round {number} was started before with other items ({there.strategy})",
                    hint="continue it with the items it has, or use a new run folder",
                )

    def finish_round(self, number: int, facts: Mapping[str, Any]) -> None:
        """Record what was found out in a round; replaces earlier facts.

        Raises:
            RunError: when the round was never started.
        """
        there = self._round(number)
        row = round_row(Round(number, there.strategy, there.selected, facts))
        self._write(("UPDATE rounds SET facts = ?, crc = ? WHERE number = ?", [(row[3], row[4], number)]))

    def replace_labels(self, labels: Iterable[Label]) -> None:
        """Write the final table anew, as a whole: a reader sees the old one or the new one."""
        rows = [label_row(label) for label in labels]
        with file.faults(self.path), file.transaction(self._connection):
            self._connection.execute("DELETE FROM labels")
            self._connection.executemany(_insertion("labels"), rows)

    def add_phases(self, phases: Sequence[Mapping[str, Any]]) -> None:
        """Append metered phases; those of earlier attempts stay, so that a resumed run can sum up."""
        rows = [seal((to_json(dict(phase), what="a metered phase"),)) for phase in phases]
        self._write((_insertion("phases"), rows))

    def set_meta(self, key: str, value: Any) -> None:
        """Keep any JSON value under a key, replacing what was there."""
        row = seal((str(key), to_json(value, what=f"the value of {key!r}")))
        change = " ON CONFLICT (key) DO UPDATE SET value = excluded.value, crc = excluded.crc"
        self._write((_insertion("meta") + change, [row]))

    def checkpoint(self) -> None:
        """Move the write-ahead log into the main file, so that the file alone is the whole ledger."""
        with file.faults(self.path):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close in good order and free the folder. Without readers one plain file remains, which can be copied.

        A full disk here loses nothing: the ledger then stays marked as not cleanly closed, which is the truth.
        """
        with self._stack, suppress(RunError, sqlite3.Error):
            self.set_meta(_CLEAN, True)
            self._connection.execute("PRAGMA busy_timeout = 0")
            self.checkpoint()
            self._connection.execute("PRAGMA journal_mode = DELETE")

    def _round(self, number: int) -> Round:
        for entry in self.rounds():
            if entry.number == number:
                return entry
        raise RunError(f"{self.path}: round {number} was never started", hint="call start_round first")

    def _insert(self, table: str, rows: Sequence[Row], unique: str) -> int:
        return self._write((_addition(table, unique), rows))

    def _write(self, *changes: tuple[str, Sequence[Row]]) -> int:
        """All changes in one transaction; how many rows the first of them changed."""
        if not any(rows for _, rows in changes):
            return 0
        with file.faults(self.path), file.transaction(self._connection):
            counts = [self._connection.total_changes]
            for sql, rows in changes:
                self._connection.executemany(sql, rows)
                counts.append(self._connection.total_changes)
            return counts[1] - counts[0]


def _addition(table: str, unique: str) -> str:
    # Not INSERT OR IGNORE, which would also swallow a missing value.
    return f"{_insertion(table)} ON CONFLICT ({unique}) DO NOTHING"


def _insertion(table: str) -> str:
    columns = (*TABLES[table], "crc")
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
