"""The ledger under fire: kills, full disks, torn logs, two writers, folders that cannot be written."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import pytest

from limbeck.errors import RunError
from limbeck.ledger import Ledger, file, repair, vote_key
from limbeck.records import Vote

SIZE = 16  # votes of a batch
ROOM = """
import os, sys
from limbeck.errors import RunError
from limbeck.ledger import Ledger, vote_key
from limbeck.records import Vote
folder = sys.argv[1]
def batch(n):
    return [Vote(vote_key(n=n, i=i), f"i{i}", f"b{n}", "good", scores=(n / 7, -1.5)) for i in range(16)]
"""
# One fresh process for each line it is sent: forked, so that the libraries are loaded once.
APPENDER = (
    ROOM
    + """
def say(*words):  # in one piece: a print that is not buffered can be killed between its words
    os.write(1, (" ".join(map(str, words)) + chr(10)).encode())
while sys.stdin.readline():
    if child := os.fork():
        os.waitpid(child, 0)
        say("dead")
        continue
    with Ledger.open(folder) as ledger:
        n = ledger.count() // 16
        say("open", os.getpid())
        while True:
            assert ledger.append(batch(n)) == 16
            say("ack", n)
            n += 1
"""
)
HOLDER = ROOM + "\nledger = Ledger.open(folder); ledger.append(batch(0)); print('open', flush=True); sys.stdin.read()\n"
FILLER = (
    ROOM
    + """
import resource
with Ledger.open(folder) as ledger:
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    for n in range(1000):
        try:
            ledger.append(batch(n))
        except RunError as error:
            print("refused", n, error, flush=True)
            break
    print("count", ledger.count(), flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
"""
)
NOBODY = (
    ROOM
    + """
os.setgroups([]) if os.getuid() == 0 else None
os.setuid(65534) if os.getuid() == 0 else None
try:
    Ledger.open(folder)
except RunError as error:
    print("refused", error)
with Ledger.read(folder) as view:
    print("count", view.count())
"""
)


def batch(number: int) -> list[Vote]:
    return [
        Vote(vote_key(n=number, i=i), f"i{i}", f"b{number}", "good", scores=(number / 7, -1.5)) for i in range(SIZE)
    ]


@contextmanager
def child(script: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    command = [sys.executable, "-c", script, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def test_twenty_kills_lose_nothing_acknowledged_and_leave_no_half_batch(tmp_path: Path) -> None:
    chance = random.Random(7)
    count = 0
    with child(APPENDER, tmp_path) as (process, lines):
        assert process.stdin is not None
        for _ in range(20):
            process.stdin.write("go\n")
            process.stdin.flush()
            word, pid = lines.readline().split()
            assert word == "open"
            acknowledged = [int(lines.readline().split()[1]) for _ in range(chance.randrange(0, 12))]
            # A random moment inside the next appends, not only right after an acknowledgement.
            time.sleep(chance.random() * 0.01)
            os.kill(int(pid), signal.SIGKILL)
            acknowledged += [int(line.split()[1]) for line in iter(lines.readline, "dead\n")]
            assert acknowledged == list(range(count // SIZE, count // SIZE + len(acknowledged)))
            with Ledger.read(tmp_path) as view:
                added, count = view.count() - count, view.count()
                assert added in (len(acknowledged) * SIZE, (len(acknowledged) + 1) * SIZE)
    with Ledger.open(tmp_path) as ledger:
        assert not ledger.was_clean
        assert list(ledger.votes()) == [one for number in range(count // SIZE) for one in batch(number)]
        ledger.check()
        killed = ledger.digest()
    with Ledger.open(tmp_path / "calm") as calm:
        for number in range(count // SIZE):
            calm.append(batch(number))
        assert calm.digest() == killed


def test_the_second_writer_is_refused_until_the_first_dies(tmp_path: Path) -> None:
    with child(HOLDER, tmp_path) as (process, lines):
        assert lines.readline() == "open\n"
        with pytest.raises(RunError, match=f"another run is writing here .process {process.pid}") as caught:
            Ledger.open(tmp_path)
        assert str(tmp_path) in caught.value.message
        with pytest.raises(RunError, match="another run"):
            repair(tmp_path)
        with Ledger.read(tmp_path) as view:
            assert view.count() == SIZE
        process.send_signal(signal.SIGKILL)
        process.wait()
        with Ledger.open(tmp_path) as ledger:
            assert ledger.count() == SIZE
            with pytest.raises(RunError, match=f"process {os.getpid()}"):
                Ledger.open(tmp_path)


def test_a_full_disk_stops_cleanly_and_the_run_continues_later(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FILLER, tmp_path], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    refused, count = [line for line in done.stdout.splitlines() if line.startswith(("refused", "count"))]
    number = int(refused.split()[1])
    assert number > 5
    assert "the disk is full or does not answer" in refused
    assert "free some space" in done.stdout
    assert count == f"count {number * SIZE}"
    with Ledger.open(tmp_path) as ledger:
        assert list(ledger.votes()) == [one for n in range(number) for one in batch(n)]
        assert ledger.append(batch(number)) == SIZE
        ledger.check()


def test_a_folder_without_write_permission_can_be_read_and_not_opened() -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        with Ledger.open(folder) as ledger:
            ledger.append(batch(0))
        folder.chmod(0o555)
        for part in folder.iterdir():
            part.chmod(0o444)
        done = subprocess.run([sys.executable, "-c", NOBODY, folder], capture_output=True, text=True, check=True)
        assert "cannot be used as a run folder" in done.stdout
        assert f"count {SIZE}" in done.stdout
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_places_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a file")
    for place in (tmp_path / "plain", tmp_path / "plain" / "below", Path("/proc/limbeck")):
        with pytest.raises(RunError, match="cannot be used as a run folder"):
            Ledger.open(place)
        with pytest.raises(RunError, match="there is no run here"):
            Ledger.read(place)
    assert (tmp_path / "plain").read_text() == "a file"


def test_a_ledger_whose_main_file_is_gone_is_not_begun_anew(tmp_path: Path) -> None:
    with child(HOLDER, tmp_path) as (_, lines):
        assert lines.readline() == "open\n"
    (tmp_path / file.NAME).unlink()
    with pytest.raises(RunError, match=r"missing, while its log ledger\.sqlite-wal is still there"):
        Ledger.open(tmp_path)


def test_a_torn_log_keeps_an_unbroken_beginning(tmp_path: Path) -> None:
    with child(HOLDER, tmp_path) as (_, lines):
        assert lines.readline() == "open\n"
    log = tmp_path / "ledger.sqlite-wal"
    data = log.read_bytes()
    for length in (0, 10, 500, len(data) // 2, len(data) - 1):
        log.write_bytes(data[:length])
        with Ledger.read(tmp_path) as view:
            assert list(view.votes()) in ([], batch(0))
    with Ledger.open(tmp_path) as ledger:
        ledger.append(batch(0))
        assert list(ledger.votes()) == batch(0)


def test_where_wal_does_not_work_another_journal_is_used(tmp_path: Path) -> None:
    file.build(tmp_path / file.NAME)
    uri = (tmp_path / file.NAME).as_uri()
    # This way of locking has no shared memory, as network file systems have none.
    with closing(sqlite3.connect(f"{uri}?vfs=unix-dotfile", uri=True, isolation_level=None)) as connection:
        assert file.choose_journal(connection, network=False) == "delete"
        assert connection.execute("PRAGMA synchronous").fetchone() == (3,)
    with closing(file.connect(tmp_path / file.NAME, "rw")) as connection:
        assert file.choose_journal(connection, network=True) == "delete"
        assert file.choose_journal(connection, network=False) == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_network_file_systems_are_known_by_their_mount() -> None:
    mounts = [("/", "ext4"), ("/mnt/team", "nfs4"), ("/mnt/team/fast", "xfs"), ("/mnt/ssh", "fuse.sshfs")]
    expected = {"/mnt/team/run": True, "/mnt/team/fast/run": False, "/mnt/teamwork": False, "/mnt/ssh": True}
    assert {place: file.on_network(Path(place), mounts) for place in expected} == expected
