"""Damaged, foreign, older and newer ledgers: told apart, never overwritten, repaired as far as they can be read."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from limbeck.errors import RunError
from limbeck.ledger import Ledger, LedgerView, file, repair, vote_key
from limbeck.records import Item, Label, Vote

SIZE = 16  # votes of a batch


def batch(number: int) -> list[Vote]:
    return [
        Vote(vote_key(n=number, i=i), f"i{i}", f"b{number}", "good", scores=(number / 7, -1.5)) for i in range(SIZE)
    ]


def filled(folder: Path, batches: int = 12) -> LedgerView:
    """A closed ledger with something in every table."""
    with Ledger.open(folder) as ledger:
        for number in range(batches):
            ledger.append(batch(number))
        ledger.add_items([Item(f"i{i}", {"text": "some text " * 9}, "good") for i in range(SIZE)])
        ledger.start_round(0, strategy="random", selected=[f"i{i}" for i in range(SIZE)])
        ledger.replace_labels([Label(f"i{i}", "good", (1.0, 0.0), 1.0, True, "majority") for i in range(SIZE)])
        ledger.add_phases([{"name": "annotate", "wall_s": 1.0}])
    return Ledger.read(folder)


def everything(view: LedgerView) -> list[object]:
    return [view.digest(), list(view.votes()), list(view.items()), view.rounds(), view.labels(), view.phases()]


@pytest.mark.parametrize(
    ("content", "match"),
    [(b"", "the file is empty"), (b"id,text\n1,hello\n" * 99, "not a database"), (b"SQLite format 3\x00", "damaged")],
)
def test_foreign_files_are_refused_and_left_as_they_are(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / file.NAME
    path.write_bytes(content)
    for attempt in (Ledger.open, Ledger.read, repair):
        with pytest.raises(RunError, match=match):
            attempt(tmp_path)
    assert path.read_bytes() == content


def test_another_programs_database_and_a_newer_schema_are_refused(tmp_path: Path) -> None:
    path = tmp_path / file.NAME
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE votes (key)")
    before = path.read_bytes()
    for attempt in (Ledger.open, Ledger.read, repair):
        with pytest.raises(RunError, match="not a ledger of limbeck"):
            attempt(tmp_path)
    assert path.read_bytes() == before
    filled(tmp_path / "newer").close()
    with closing(sqlite3.connect(tmp_path / "newer" / file.NAME)) as future:
        future.execute(f"PRAGMA user_version = {file.VERSION + 1}")
    for attempt in (Ledger.open, Ledger.read):
        with pytest.raises(RunError, match="written by a newer limbeck"):
            attempt(tmp_path / "newer")


def test_a_migration_is_whole_or_leaves_all_as_it_was(tmp_path: Path) -> None:
    filled(tmp_path).close()
    path, now = tmp_path / file.NAME, file.VERSION
    with closing(file.connect(path, "rw")) as connection:
        with pytest.raises(sqlite3.OperationalError):
            file.migrate(connection, path, target=now + 1, steps={now: "ALTER TABLE nothing ADD COLUMN x;"})
        connection.rollback()
        with pytest.raises(RunError, match=f"no way from schema {now} to {now + 2}"):
            file.migrate(connection, path, target=now + 2, steps={now: "SELECT 1;"})
        assert file.identify(connection, path) == now
        backup = file.migrate(connection, path, target=now + 1, steps={now: "ALTER TABLE votes ADD COLUMN mood TEXT;"})
        assert connection.execute("PRAGMA user_version").fetchone() == (now + 1,)
        assert connection.execute("SELECT count(*), count(mood) FROM votes").fetchone() == (12 * SIZE, 0)
    assert backup == tmp_path / f"ledger.sqlite.schema{now}"
    with closing(sqlite3.connect(backup)) as old:
        assert old.execute("PRAGMA user_version").fetchone() == (now,)
        assert old.execute("SELECT count(*) FROM votes").fetchone() == (12 * SIZE,)


@pytest.mark.parametrize(("schema", "younger"), [(1, ("traces", "states")), (2, ("states",))])
def test_an_older_ledger_is_brought_forward_with_a_backup(
    tmp_path: Path, schema: int, younger: tuple[str, ...]
) -> None:
    filled(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / file.NAME)) as old:
        for table in younger:
            old.execute(f"DROP TABLE {table}")
        old.execute(f"PRAGMA user_version = {schema}")
    trace = {"why": "all branches", "branches": [{"text": "é"}]}
    extra = Vote(vote_key(n="extra"), "i0", "cot", "good", trace=trace, state=b"\x00\x3c")
    with Ledger.open(tmp_path) as ledger:
        assert ledger.append([extra]) == 1
        assert dict(ledger.traces([extra.key])) == {extra.key: extra.trace}
        assert dict(ledger.states([extra.key])) == {extra.key: extra.state}
        ledger.check()
    assert (tmp_path / f"ledger.sqlite.schema{schema}").exists()


def test_leftovers_of_a_creation_that_died_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite.new").write_bytes(b"half")
    (tmp_path / "ledger.sqlite.new-journal").write_bytes(b"half")
    with Ledger.open(tmp_path) as ledger:
        assert ledger.append(batch(0)) == SIZE


@pytest.mark.parametrize("kind", ["cut", "flip"])
def test_damage_is_told_or_harmless_and_repair_saves_the_rest(tmp_path: Path, kind: str) -> None:
    chance = random.Random(11)
    with filled(tmp_path) as view:
        truth = everything(view)
        votes = set(view.votes())
    whole = (tmp_path / file.NAME).read_bytes()
    told = saved = 0
    for trial in range(40):
        place = tmp_path / f"{kind}{trial}"
        place.mkdir()
        data = bytearray(whole)
        if kind == "cut":
            del data[chance.randrange(1, len(data)) :]
        else:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        (place / file.NAME).write_bytes(data)
        try:
            with Ledger.open(place) as ledger:
                assert everything(ledger) == truth
            continue
        except RunError:
            told += 1
        try:
            report = repair(place)
        except RunError:
            continue
        with Ledger.open(place) as ledger:
            ledger.check()
            there = set(ledger.votes())
            assert there <= votes
            assert len(there) == report.saved["votes"]
            saved += 1
        assert report.kept.exists()
    assert told > 10
    assert saved > told / 2


def test_repair_of_one_flipped_value_loses_one_row(tmp_path: Path) -> None:
    filled(tmp_path).close()
    path = tmp_path / file.NAME
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE votes SET label = 'evil' WHERE rowid = 5")
        connection.commit()
    damaged = path.read_bytes()
    with Ledger.open(tmp_path) as ledger, pytest.raises(RunError, match="row 5 of votes does not fit its checksum"):
        list(ledger.votes())
    report = repair(tmp_path)
    assert (report.saved["votes"], report.broken["votes"]) == (12 * SIZE - 1, 1)
    assert (report.saved["labels"], report.broken["labels"]) == (SIZE, 0)
    assert len(report.kept.read_bytes()) == len(damaged)
    with Ledger.open(tmp_path) as ledger:
        assert ledger.append(batch(0)) == 1
        assert set(ledger.votes()) == {one for number in range(12) for one in batch(number)}
