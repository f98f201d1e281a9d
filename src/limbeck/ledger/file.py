"""The file of a ledger: how it is created, locked, opened, checked and migrated, and what its faults mean.

Knows nothing of votes, or of any other record in it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from limbeck.errors import RunError

NAME = "ledger.sqlite"
VERSION = 3
APPLICATION = 0x6C6D626B  # "lmbk" in the file's header: tells a ledger from any other SQLite file
_TRACES = "CREATE TABLE traces (key TEXT NOT NULL UNIQUE, body BLOB NOT NULL, crc INTEGER NOT NULL);"
_STATES = "CREATE TABLE states (key TEXT NOT NULL UNIQUE, body BLOB NOT NULL, crc INTEGER NOT NULL);"
MIGRATIONS: Mapping[int, str] = {1: _TRACES, 2: _STATES}  # version → the SQL that makes it the next one

SCHEMA = f"""
BEGIN;
CREATE TABLE meta (key TEXT NOT NULL UNIQUE, value TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE items (id TEXT NOT NULL UNIQUE, fields TEXT NOT NULL, gold TEXT, people TEXT, count INTEGER NOT NULL,
  crc INTEGER NOT NULL);
CREATE TABLE votes (key TEXT NOT NULL UNIQUE, item TEXT NOT NULL, worker TEXT NOT NULL, label TEXT, reason TEXT,
  scores BLOB, baseline BLOB, rationale TEXT, flags TEXT NOT NULL, prefilled INTEGER NOT NULL,
  decoded INTEGER NOT NULL, reused INTEGER NOT NULL, seconds REAL NOT NULL, created TEXT NOT NULL,
  crc INTEGER NOT NULL);
{_TRACES}
{_STATES}
CREATE INDEX votes_by_worker ON votes (worker);
CREATE INDEX votes_by_item ON votes (item);
CREATE TABLE rounds (number INTEGER PRIMARY KEY, strategy TEXT NOT NULL, selected TEXT NOT NULL, facts TEXT,
  crc INTEGER NOT NULL);
CREATE TABLE labels (item TEXT NOT NULL UNIQUE, label TEXT, probabilities BLOB NOT NULL, confidence REAL NOT NULL,
  accepted INTEGER NOT NULL, how TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE phases (body TEXT NOT NULL, crc INTEGER NOT NULL);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
COMMIT;
"""

_NETWORK = {"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "gpfs"}
_REPAIR = "`limbeck doctor --repair {}` copies what can be read into a fresh ledger and keeps this file"
_TORN = (522, 2826)  # SQLITE_IOERR_SHORT_READ and SQLITE_IOERR_CORRUPTFS: told as damage, not as a full disk


def existing(folder: Path | str) -> Path:
    """The path of the ledger in `folder`; raises a RunError when there is none."""
    path = Path(folder) / NAME
    if not path.is_file():
        raise RunError(f"{folder}: there is no run here ({NAME} is missing)", hint="check the folder's name")
    return path


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turns every error of SQLite into a RunError that says what happened to `path` and what to do."""
    try:
        yield
    except (sqlite3.Error, UnicodeError) as error:
        raise _explained(path, error) from error


def _explained(path: Path, error: sqlite3.Error | UnicodeError) -> RunError:
    code = getattr(error, "sqlite_errorcode", 0)
    kind = sqlite3.SQLITE_CORRUPT if code in _TORN else code & 0xFF
    if isinstance(error, UnicodeEncodeError):
        return RunError(f"{path}: a text holds half a character (a lone surrogate): {error.reason}")
    if kind in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        hint = "all that was acknowledged is safe; free some space, then start the same command again"
        return RunError(f"{path}: the disk is full or does not answer ({error})", hint=hint)
    if kind in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        hint = "make the folder and its files writable, or copy the run to a place where you may write"
        return RunError(f"{path}: may not be written or opened ({error})", hint=hint)
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return RunError(f"{path}: another program holds it ({error})", hint="close that program, then try again")
    return damaged(path, str(error))


def damaged(path: Path, what: str) -> RunError:
    """The error for a ledger whose content cannot be trusted."""
    return RunError(f"{path}: damaged or not a ledger ({what})", hint=_REPAIR.format(path.parent))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing: what is written inside is durable when the block ends, or was never there."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold the folder (created if need be) for one writer; the system frees it when the holder dies.

    Raises:
        RunError: when another writer holds it, or the folder cannot be written.
    """
    holder = folder / "run.pid"
    hint = "choose a folder on a disk where you may write"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = FileLock(folder / "run.lock", timeout=0, thread_local=False)
        held.acquire()
    except Timeout as error:
        who = holder.read_text(encoding="ascii").strip() if holder.exists() else "unknown"
        raise RunError(
            f"{folder}: another run is writing here (process {who})", hint="wait until it ends, or stop it"
        ) from error
    except (OSError, NotImplementedError) as error:
        raise RunError(f"{folder}: cannot be used as a run folder ({error})", hint=hint) from error
    try:
        holder.write_text(f"{os.getpid()}\n", encoding="ascii")
        yield
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({error})", hint=hint) from error
    finally:
        held.release()


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection in the mode `ro`, `rw` or `rwc` that commits nothing on its own."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=30, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA cache_size = -65536")  # 64 MiB at most: keys arrive in random order
    return connection


def build(path: Path) -> None:
    """Write an empty ledger at `path`, replacing what an attempt that died may have left there."""
    for leftover in (path, path.with_name(path.name + "-journal")):
        leftover.unlink(missing_ok=True)
    with closing(connect(path, "rwc")) as connection:
        connection.executescript(SCHEMA)


def create(path: Path) -> None:
    """A new ledger at `path`, whole or not at all: a file that is there was finished.

    Raises:
        RunError: when the main file is gone and its log is still there, or nothing can be written.
    """
    for log in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-journal")):
        if log.exists() and log.stat().st_size:
            raise RunError(
                f"{path}: missing, while its log {log.name} is still there",
                hint=f"put {path.name} back beside it, or move the log away to begin anew",
            )
    fresh = path.with_name(path.name + ".new")
    build(fresh)
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in the folder durable (Windows has no such call and needs none)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def identify(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version of a ledger.

    Raises:
        RunError: for a file that is no ledger, or was written by a newer limbeck.
    """
    if path.stat().st_size == 0:  # SQLite takes an empty file for a new database; ours are never empty
        raise damaged(path, "the file is empty")
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise RunError(f"{path}: an SQLite file, but not a ledger of limbeck", hint="choose another run folder")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise RunError(
            f"{path}: written by a newer limbeck (schema {version}, this one knows {VERSION})",
            hint="install that version, for example with `pip install --upgrade limbeck`",
        )
    return version


def quick_check(connection: sqlite3.Connection, path: Path) -> None:
    """Walk all pages of the file; raises a RunError at the first one that makes no sense."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise damaged(path, " ".join(str(found).split()))


def migrate(connection: sqlite3.Connection, path: Path, *, target: int, steps: Mapping[int, str]) -> Path | None:
    """Bring an older ledger forward in one transaction; returns the backup made first, or None if none was needed.

    Raises:
        RunError: when no way leads from its version to `target`.
    """
    version = start = identify(connection, path)
    if version == target:
        return None
    script = []
    while version != target:
        if version not in steps:
            raise damaged(path, f"there is no way from schema {start} to {target}")
        script.append(steps[version])
        version += 1
    backup = path.with_name(f"{path.name}.schema{start}")
    backup.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(backup),))
    connection.executescript("\n".join(["BEGIN IMMEDIATE;", *script, f"PRAGMA user_version = {target};", "COMMIT;"]))
    return backup


def choose_journal(connection: sqlite3.Connection, *, network: bool) -> str:
    """Set and return the journal mode: "wal" where it works, else "delete", each one durable at every commit."""
    mode = "delete"
    if not network:
        try:
            mode = str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
    if mode != "wal":
        mode = str(connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0])
    # EXTRA also syncs the folder after the rollback journal is removed; without it a power cut may undo a commit.
    connection.execute(f"PRAGMA synchronous = {'FULL' if mode == 'wal' else 'EXTRA'}")
    return mode


def on_network(folder: Path, mounts: Sequence[tuple[str, str]] | None = None) -> bool:
    """Whether the folder lies on a network file system, where WAL's shared memory does not work.

    Args:
        folder: any folder.
        mounts: (mount point, file system) pairs; this machine's when None.
    """
    if mounts is None:
        mounts = [(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)]
    folder = folder.resolve()
    above = [(len(point), kind.lower()) for point, kind in mounts if folder.is_relative_to(point)]
    kind = max(above, default=(0, ""))[1]
    return kind in _NETWORK or kind.startswith(("fuse.sshfs", "fuse.gluster", "fuse.ceph", "fuse.s3", "fuse.rclone"))
