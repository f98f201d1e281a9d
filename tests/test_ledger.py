"""The ledger: what goes in comes out bit for bit, once, in order, and by the words of the house."""

from __future__ import annotations

import json
import math
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.errors import RunError
from limbeck.ledger import Ledger, Round, file, vote_key
from limbeck.ledger.rows import is_sound, item_row, label_row, to_item, to_label, to_vote, vote_row
from limbeck.records import Item, Label, Usage, Vote

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
FLOAT = st.floats(width=64)
VOTES = st.builds(
    Vote,
    key=TEXT,
    item=TEXT,
    worker=TEXT,
    label=st.none() | TEXT,
    reason=st.none() | TEXT,
    scores=st.none() | st.tuples() | st.tuples(FLOAT, FLOAT, FLOAT),
    baseline=st.none() | st.tuples(FLOAT, FLOAT),
    rationale=st.none() | TEXT,
    flags=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    usage=st.builds(
        Usage, *[st.integers(0, 2**40)] * 3, seconds=st.floats(0, 1e9, allow_nan=False, allow_infinity=False)
    ),
)


def vote(number: int, worker: str = "chat", item: str | None = None, label: str = "good") -> Vote:
    return Vote(vote_key(n=number, w=worker), item or f"i{number}", worker, label, scores=(-0.1 * number, -1 / 3))


def bits(values: tuple[float, ...] | None) -> bytes | None:
    return None if values is None else struct.pack(f"<{len(values)}d", *values)


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(file.SCHEMA)
        yield connection


@given(one=VOTES)
@settings(deadline=None, max_examples=50)
def test_every_bit_of_a_vote_survives_sqlite(database: sqlite3.Connection, one: Vote) -> None:
    row = vote_row(one, "2026-01-01T00:00:00Z")
    database.execute("DELETE FROM votes")
    database.execute(f"INSERT INTO votes VALUES ({','.join('?' * len(row))})", row)
    back_row = database.execute("SELECT * FROM votes").fetchone()
    back = to_vote(back_row[:-1])
    assert is_sound(back_row)
    assert bits(back.scores) == bits(one.scores)
    assert bits(back.baseline) == bits(one.baseline)
    for name in ("key", "item", "worker", "label", "reason", "rationale", "flags", "usage"):
        assert getattr(back, name) == getattr(one, name)


@given(
    st.builds(
        Item,
        id=TEXT,
        fields=st.dictionaries(TEXT, st.text(st.characters(), max_size=20), max_size=3),
        gold=st.none() | TEXT,
        people=st.none() | st.dictionaries(TEXT, st.integers(0, 99), max_size=3),
        count=st.integers(1, 99),
    )
)
@settings(deadline=None, max_examples=50)
def test_items_survive_with_lone_surrogates_and_field_order(item: Item) -> None:
    back = to_item(item_row(item)[:-1])
    assert back == item
    assert list(back.fields) == list(item.fields)


def test_labels_survive_and_numpy_numbers_do_no_harm() -> None:
    label = Label("i", None, (0.1, 0.2, 0.7), 0.7, False, "no votes")
    assert to_label(label_row(label)[:-1]) == label
    row = label_row(Label("i", "a", tuple(np.array([0.25, 0.75])), np.float64(0.75), True, "majority"))
    assert is_sound(row)
    assert type(row[3]) is float
    counted = Vote("k", "i", str(np.str_("w")), "a", usage=Usage(int(np.int64(3)), seconds=float(np.float32(0.5))))
    assert is_sound(vote_row(counted, "now"))


def test_a_checksum_sees_every_change() -> None:
    row = vote_row(vote(1), "now")
    for place, value in enumerate(row[:-1]):
        other = (value or b"") + b"x" if isinstance(value, bytes) else "changed" if value is None else None
        assert not is_sound((*row[:place], other, *row[place + 1 :]))


def test_keys_depend_on_content_and_on_no_order() -> None:
    assert vote_key(a=1, b=[1.5, "x"]) == vote_key(b=[1.5, "x"], a=1)
    # sha256 of the seven bytes {"a":1} and nothing else, worked out with another program
    assert vote_key(a=1) == "015abd7f5cc57a2dd94b7590f04ad808"
    assert len({vote_key(a=1), vote_key(a=2), vote_key(b=1), vote_key(a="1"), vote_key(a=None)}) == 5
    for bad in (math.nan, object(), b"bytes"):
        with pytest.raises(RunError, match="cannot be stored as JSON"):
            vote_key(a=bad)


def test_a_vote_is_written_once(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        assert ledger.append([vote(1), vote(2)]) == 2
        assert ledger.append([vote(2), vote(3), vote(3)]) == 1
        assert ledger.append([]) == 0
        assert ledger.append([vote(1, label="good")]) == 0
        assert ledger.count() == 3
    with Ledger.open(tmp_path) as ledger:
        assert ledger.append([vote(1), vote(2), vote(3)]) == 0
        assert ledger.was_clean
        assert ledger.journal == "wal"
        assert list(ledger.votes()) == [vote(1), vote(2), vote(3)]


def test_reading_by_worker_by_item_and_by_key(tmp_path: Path) -> None:
    many = [vote(n, worker) for n in range(2500) for worker in ("chat", "plain")]
    with Ledger.open(tmp_path) as ledger:
        ledger.append(many)
        ledger.append([vote(9000, "late", item="i7")])
        assert list(ledger.votes("plain")) == [one for one in many if one.worker == "plain"]
        assert list(ledger.votes()) == [*many, vote(9000, "late", item="i7")]
        assert [one.worker for one in ledger.votes(items=["i7"])] == ["chat", "plain", "late"]
        wanted = [f"i{n}" for n in range(2000, -1, -1)]
        assert {one.item for one in ledger.votes("chat", items=wanted)} == set(wanted)
        assert list(ledger.votes("nobody")) == []
        assert list(ledger.votes(items=[])) == []
        assert (ledger.count(), ledger.count("late"), ledger.count("nobody")) == (5001, 1, 0)
        keys = {one.key for one in many[:1200]}
        assert ledger.has([*keys, "absent"]) == keys


def test_long_tables_are_read_through_their_indexes(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        seen: list[str] = []
        ledger._connection.set_trace_callback(seen.append)
        list(ledger.votes("chat"))
        list(ledger.votes("chat", items=["a", "b"]))
        ledger.has(["k"])
        ledger._connection.set_trace_callback(None)
        plans = [
            " ".join(row[3] for row in ledger._connection.execute("EXPLAIN QUERY PLAN " + sql))
            for sql in seen
            if sql.startswith("SELECT")
        ]
    assert len(plans) == 3
    assert "votes_by_worker" in plans[0]
    assert "votes_by_item" in plans[1]
    assert "autoindex_votes" in plans[2]
    assert not any("SCAN votes" in plan for plan in plans)


def test_rounds_are_continued_never_replaced(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.start_round(0, strategy="random", selected=["b", "a"])
        ledger.start_round(0, strategy="random", selected=["b", "a"])
        with pytest.raises(RunError, match="round 0 was started before"):
            ledger.start_round(0, strategy="random", selected=["a", "b"])
        ledger.finish_round(0, {"accuracy": 0.1 + 0.2})
        ledger.start_round(1, strategy="margin", selected=[])
        with pytest.raises(RunError, match="round 7 was never started"):
            ledger.finish_round(7, {})
        assert ledger.rounds() == [
            Round(0, "random", ("b", "a"), {"accuracy": 0.1 + 0.2}),
            Round(1, "margin", (), None),
        ]
        ledger.check()


def test_labels_are_replaced_as_a_whole(tmp_path: Path) -> None:
    first = [Label(item, "x", (0.5, 0.5), 0.5, True, "majority") for item in "cab"]
    with Ledger.open(tmp_path) as ledger:
        ledger.replace_labels(first)
        with pytest.raises(RunError):
            ledger.replace_labels([first[0], first[0]])
        with pytest.raises(RunError, match="confidence nan"):
            ledger.replace_labels([Label("z", "x", (1.0,), math.nan, True, "majority")])
        assert ledger.labels() == first
        ledger.replace_labels(first[:1])
        assert ledger.labels() == first[:1]


def test_items_phases_and_meta(tmp_path: Path) -> None:
    items = [Item(f"i{n}", {"text": f"T{n}\x00\ud800"}, "good", {"good": 2}, 3) for n in range(3)]
    with Ledger.open(tmp_path) as ledger:
        assert ledger.add_items(items[:2]) == 2
        assert ledger.add_items(items) == 1
        ledger.add_phases([{"name": "annotate", "wall_s": 1.25}])
        ledger.set_meta("state", "running")
        ledger.set_meta("state", {"done": True})
    with Ledger.open(tmp_path) as ledger:
        ledger.add_phases([{"name": "annotate", "wall_s": 0.5}])
    with Ledger.read(tmp_path) as view:
        assert list(view.items()) == items
        assert list(view.items(["i2"])) == items[2:]
        assert [phase["wall_s"] for phase in view.phases()] == [1.25, 0.5]
        assert view.meta("state") == {"done": True}
        assert view.meta("absent") is None
        assert view.meta("absent", 3) == 3


def test_digest_knows_answers_and_not_their_cost(tmp_path: Path) -> None:
    def run(name: str, votes: list[Vote], selected: list[str], how: str = "majority") -> str:
        with Ledger.open(tmp_path / name) as ledger:
            for one in votes:
                ledger.append([one])
            ledger.start_round(0, strategy="random", selected=selected)
            ledger.replace_labels([Label("i1", "good", (1.0,), 1.0, True, how)])
            ledger.set_meta("note", name)
            ledger.add_phases([{"name": name}])
            return ledger.digest()

    votes = [vote(n) for n in range(5)]
    same = run("a", votes, ["i1", "i2"])
    dear = Vote(votes[0].key, "i0", "chat", "good", scores=votes[0].scores, usage=Usage(9, 9, 9, 9.0))
    assert run("b", [*votes[1:], dear], ["i1", "i2"]) == same
    other = Vote(votes[0].key, "i0", "chat", "good", scores=(math.nextafter(-0.0, 1), -1 / 3))
    differing = {
        run("c", [*votes[1:], other], ["i1", "i2"]),
        run("d", votes[1:], ["i1", "i2"]),
        run("e", votes, ["i2", "i1"]),
        run("f", votes, ["i1", "i2"], how="weighted"),
    }
    assert len(differing | {same}) == 5


def test_values_that_cannot_be_kept_are_refused_and_nothing_of_the_batch_stays(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        with pytest.raises(RunError, match="half a character"):
            ledger.append([vote(1), Vote("k", "i", "w", "\ud800")])
        with pytest.raises(RunError, match="not a finite number"):
            ledger.append([vote(1), Vote("k", "i", "w", "a", usage=Usage(seconds=math.nan))])
        with pytest.raises(RunError, match="JSON"):
            ledger.add_phases([{"seconds": math.inf}])
        assert ledger.count() == 0
        assert ledger.append([vote(1)]) == 1
    with pytest.raises(RunError):
        ledger.append([vote(2)])


def test_a_reader_sees_what_was_acknowledged_and_cannot_write(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.append([vote(1)])
        with Ledger.read(tmp_path) as view:
            assert view.count() == 1
            ledger.append([vote(2)])
            assert [one.item for one in view.votes()] == ["i1", "i2"]
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                view._connection.execute("DELETE FROM votes")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger.sqlite", "run.lock", "run.pid"]


def test_a_reader_that_stays_does_not_keep_the_writer_from_closing(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    ledger.append([vote(1)])
    with Ledger.read(tmp_path) as view:
        reading = view._connection.execute("SELECT * FROM votes")
        reading.fetchone()
        ledger.close()
        ledger.close()
        assert view.count() == 1
    with Ledger.open(tmp_path) as again:
        assert again.was_clean
        assert again.count() == 1


def test_the_stored_json_is_plain(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.set_meta("task", {"b": 1, "a": "é"})
        (text,) = ledger._connection.execute("SELECT value FROM meta WHERE key = 'task'").fetchone()
    assert json.loads(text) == {"b": 1, "a": "é"}
