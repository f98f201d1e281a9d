"""One study on the disk: its frozen part, and the judgements as a history that only grows.

Knows nothing of pages, and nothing of what the judgements add up to.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from limbeck.errors import RunError
from limbeck.study import file
from limbeck.study.design import Design
from limbeck.study.schedule import Question
from limbeck.study.units import Unit

DRAFT, FROZEN, CLOSED = "draft", "frozen", "closed"
ANSWER, SKIP, UNDO, CONSENT = "answer", "skip", "undo", "consent"
_COLUMNS = ("id", "rater", "question", "kind", "answers", "reason", "comment", "seconds", "created")


@dataclass(frozen=True, slots=True)
class Judgement:
    """One entry of the history.

    Attributes:
        id: made by the rater's page, so that sending it twice is the same as once.
        rater: whose it is.
        question: what it is about; empty for consent.
        kind: answer, skip, undo or consent.
        answers: criterion → value, for an answer.
        reason: why it was skipped.
        comment: free text.
        seconds: spent on the page, pauses left out.
        created: UTC, when it was kept.
    """

    id: str
    rater: str
    question: str
    kind: str
    answers: dict[str, int] | None = None
    reason: str | None = None
    comment: str | None = None
    seconds: float = 0.0
    created: str = ""


class Study:
    """A study that is open: by one writer, or by any number of readers. Use it from one thread, in a `with` block."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, stack: ExitStack) -> None:
        self.folder, self._connection, self._stack = folder, connection, stack
        self._path = folder / file.NAME

    @classmethod
    def open(cls, folder: Path) -> Study:
        """Take a study for writing.

        Raises:
            RunError: no study, held by another program, damaged, or of a newer version.
        """
        with ExitStack() as stack:
            if folder.is_dir():
                stack.enter_context(file.lock(folder))
            connection = file.opened(folder, "rw")
            stack.callback(connection.close)
            return cls(folder, connection, stack.pop_all())

    @classmethod
    def read(cls, folder: Path) -> Study:
        """A study for reading, also while it is being judged.

        Raises:
            RunError: see `open`.
        """
        connection = file.opened(folder, "ro")
        stack = ExitStack()
        stack.callback(connection.close)
        return cls(folder, connection, stack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, t: TracebackType | None) -> None:
        self._stack.close()

    @property
    def state(self) -> str:
        """draft, frozen or closed."""
        return str(self.meta("state", DRAFT))

    @property
    def design(self) -> Design:
        """The frozen design.

        Raises:
            RunError: it is not frozen yet.
        """
        if (found := self.meta("design")) is None:
            raise RunError(f"{self.folder}: this study is not frozen yet", hint="limbeck study freeze comes first.")
        return Design.model_validate(found)

    def meta(self, key: str, default: Any = None) -> Any:
        """The value kept under `key`, or `default`."""
        for (value,) in self._rows("SELECT value FROM meta WHERE key = ?", key):
            return json.loads(value)
        return default

    def set_meta(self, **values: Any) -> None:
        """Keep JSON values, replacing what was there."""
        self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", [(k, json.dumps(v)) for k, v in values.items()])

    def fill(self, units: Iterable[Unit] = (), questions: Iterable[Question] = ()) -> None:
        """Add units and questions."""
        self._write("INSERT INTO units VALUES (?, ?, ?, ?, ?)", [astuple(one) for one in units])
        self._write("INSERT INTO questions VALUES (?, ?, ?, ?, ?, ?)", [astuple(one) for one in questions])

    def discard_questions(self) -> None:
        """Forget questions of an attempt to freeze that did not come to its end.

        Raises:
            RunError: the study is frozen.
        """
        if self.state != DRAFT:
            raise RunError(f"{self.folder}: this study is frozen", hint="Begin a new one to change anything.")
        self._write("DELETE FROM questions WHERE ?", [(1,)])

    def units(self) -> list[Unit]:
        """All units, by id."""
        return [Unit(*row) for row in self._rows("SELECT * FROM units ORDER BY id")]

    def questions(self, rater: str | None = None) -> list[Question]:
        """Questions of one rater or of all, in their order."""
        where, args = ("", ()) if rater is None else (" WHERE rater = ?", (rater,))
        return [Question(*row) for row in self._rows(f"SELECT * FROM questions{where} ORDER BY rater, place", *args)]

    def history(self) -> Iterator[Judgement]:
        """Every entry, the oldest first."""
        for row in self._rows(f"SELECT {', '.join(_COLUMNS)} FROM judgements ORDER BY number"):
            told = dict(zip(_COLUMNS, row, strict=True))
            answers = told.pop("answers")
            yield Judgement(**told, answers=None if answers is None else json.loads(answers))

    def current(self) -> dict[str, Judgement]:
        """Question → the judgement that counts: the last one, unless it was taken back."""
        found: dict[str, Judgement] = {}
        for one in self.history():
            if one.kind == UNDO:
                found.pop(one.question, None)
            elif one.kind in (ANSWER, SKIP):
                found[one.question] = one
        return found

    def append(self, *entries: Judgement) -> int:
        """Keep entries, all or none, durable on return; one whose id is there is left as it is. How many were new."""
        created = stamp()
        rows = [
            (
                *(one.id, one.rater, one.question, one.kind),
                None if one.answers is None else json.dumps(one.answers, sort_keys=True),
                *(one.reason, one.comment, one.seconds, created),
            )
            for one in entries
        ]
        marks = ", ".join("?" * len(_COLUMNS))
        sql = f"INSERT INTO judgements ({', '.join(_COLUMNS)}) VALUES ({marks}) ON CONFLICT (id) DO NOTHING"
        return self._write(sql, rows)

    def owner_of(self, entry: str) -> str | None:
        """The rater of the entry with this id, if there is one."""
        return next((row[0] for row in self._rows("SELECT rater FROM judgements WHERE id = ?", entry)), None)

    def add_link(self, token: str, rater: str) -> None:
        """Let a token stand for a rater; only its hash is kept."""
        self._write("INSERT INTO links VALUES (?, ?, ?)", [(_hash(token), rater, stamp())])

    def rater_of(self, token: str) -> str | None:
        """Whose token this is, or None."""
        return next((row[0] for row in self._rows("SELECT rater FROM links WHERE hash = ?", _hash(token))), None)

    def fingerprint(self) -> str:
        """Hash of all that may not change after freezing: design, guidelines, systems, units, questions."""
        kept = [self.meta("design"), self.meta("guidelines"), self.meta("systems")]
        rows = [list(astuple(unit)) for unit in self.units()], [list(astuple(one)) for one in self.questions()]
        body = json.dumps([kept, rows], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(body.encode()).hexdigest()

    def verify(self) -> None:
        """Check that the frozen part is what was frozen.

        Raises:
            RunError: it is not frozen, or was changed since.
        """
        if (frozen := self.meta("hash")) is None:
            raise RunError(f"{self.folder}: this study is not frozen yet", hint="limbeck study freeze comes first.")
        if self.fingerprint() != frozen:
            raise RunError(
                f"{self.folder}: items, order or design were changed after freezing",
                hint="Restore the study from a copy. What was judged cannot be told apart from what was changed.",
            )

    def _rows(self, sql: str, *args: Any) -> list[Any]:
        with file.faults(self._path):
            return self._connection.execute(sql, args).fetchall()

    def _write(self, sql: str, rows: list[tuple[Any, ...]]) -> int:
        with file.faults(self._path), file.transaction(self._connection):
            before = self._connection.total_changes
            self._connection.executemany(sql, rows)
            return self._connection.total_changes - before


def stamp() -> str:
    """Now, in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
