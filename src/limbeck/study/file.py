"""The SQLite file of a study: how it is made, locked, opened and told from others, and what its faults mean.

Knows nothing of what is judged.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from limbeck.errors import RunError
from limbeck.ledger.file import choose_journal, connect, on_network, sync_folder, transaction

NAME, LOCK = "study.sqlite", "study.lock"
VERSION = 1
APPLICATION = 0x6C6D7374  # "lmst" in the file's header
SCHEMA = f"""
BEGIN;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE units (id TEXT PRIMARY KEY, context TEXT NOT NULL, first TEXT NOT NULL, second TEXT NOT NULL,
  cut TEXT NOT NULL);
CREATE TABLE questions (id TEXT PRIMARY KEY, rater TEXT NOT NULL, place INTEGER NOT NULL, role TEXT NOT NULL,
  unit TEXT NOT NULL, shows TEXT NOT NULL, UNIQUE (rater, place));
CREATE TABLE judgements (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, rater TEXT NOT NULL,
  question TEXT NOT NULL, kind TEXT NOT NULL, answers TEXT, reason TEXT, comment TEXT, seconds REAL NOT NULL,
  created TEXT NOT NULL);
CREATE TABLE links (hash TEXT PRIMARY KEY, rater TEXT NOT NULL, created TEXT NOT NULL);
CREATE TRIGGER history_stays BEFORE UPDATE ON judgements BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
CREATE TRIGGER history_grows BEFORE DELETE ON judgements BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
COMMIT;
"""


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a study for one writer; the system frees it when the holder dies.

    Raises:
        RunError: another program holds it, or the folder cannot be written.
    """
    try:
        held = FileLock(folder / LOCK, timeout=0, thread_local=False)
        held.acquire()
    except Timeout as error:
        raise RunError(
            f"{folder}: another program is writing this study", hint="Stop the server or the command that holds it."
        ) from error
    except (OSError, NotImplementedError) as error:
        raise RunError(f"{folder}: cannot be used for a study ({error})", hint="Choose another folder.") from error
    try:
        yield
    finally:
        held.release()


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turns an error of SQLite into one that says what happened to `path`."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise RunError(f"{path}: a text holds half a character (a lone surrogate)") from error
    except sqlite3.Error as error:
        hint = "What was acknowledged before is kept. Check the disk and the permissions, or restore a copy."
        raise RunError(f"{path}: cannot be read or written ({error})", hint=hint) from error


def build(folder: Path) -> None:
    """A new, empty study file, whole or not at all."""
    fresh = folder / (NAME + ".new")
    fresh.unlink(missing_ok=True)
    with faults(fresh), closing(connect(fresh, "rwc")) as connection:
        connection.executescript(SCHEMA)
    fresh.replace(folder / NAME)
    sync_folder(folder)


def opened(folder: Path, mode: str) -> sqlite3.Connection:
    """A connection to a study of this version, `ro` or `rw`.

    Raises:
        RunError: no study, a foreign or damaged file, or one of a newer version.
    """
    path = folder / NAME
    if not path.is_file():
        raise RunError(f"{folder}: there is no study here ({NAME} is missing)", hint="limbeck study new makes one.")
    with faults(path):
        connection = connect(path, mode)
        try:
            _identify(connection, path)
            if mode == "rw":
                choose_journal(connection, network=on_network(folder))
        except BaseException:
            connection.close()
            raise
    return connection


def _identify(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise RunError(f"{path}: no study of limbeck", hint="Choose another folder.")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise RunError(
            f"{path}: written by a newer limbeck (schema {version}, this one knows {VERSION})",
            hint="Install that version; this one leaves the study as it is.",
        )
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise RunError(f"{path}: damaged ({found})", hint="Restore it from a copy.")


__all__ = ["LOCK", "NAME", "build", "faults", "lock", "opened", "transaction"]
