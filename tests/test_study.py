"""A study from two runs to its last judgement: what is drawn, what is frozen, what is kept, and what is refused."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limbeck.errors import ConfigError, DataError, RunError
from limbeck.study import Design, Desk, Study, close, freeze, new, plan
from limbeck.study import design as designs
from limbeck.study.schedule import Question, schedule
from limbeck.study.units import collect
from toy_study import LONG, SHORT, agree, begin, judge, write_run, write_runs


def drawn(**told: Any) -> tuple[Design, list[Question]]:
    design = designs.draft("toy", "rationales", told.pop("method", "pairs"), raters=5, margin=0.1, seed=0)
    design = Design.model_validate(design.model_dump() | told)
    return design, schedule(design, [f"u{i}" for i in range(31)], np.random.default_rng(7))


def test_every_unit_goes_to_exactly_so_many_raters_and_raters_share_alike() -> None:
    _, questions = drawn(overlap=3, repeats=2)
    items = [one for one in questions if one.role == "item"]
    assert set(Counter(one.unit for one in items).values()) == {3}
    assert all(len({one.rater for one in items if one.unit == f"u{i}"}) == 3 for i in range(31))
    loads = Counter(one.rater for one in items)
    assert len(loads) == 5
    assert max(loads.values()) - min(loads.values()) <= 1
    assert Counter(one.rater for one in questions if one.role == "repeat") == dict.fromkeys(loads, 2)


def test_sides_are_balanced_for_every_rater() -> None:
    _, questions = drawn(overlap=3)
    for rater in {one.rater for one in questions}:
        sides = Counter(one.shows for one in questions if one.rater == rater and one.role == "item")
        assert abs(sides["ab"] - sides["ba"]) <= 1


def test_the_halves_of_a_session_show_one_output_each() -> None:
    _, questions = drawn(overlap=5, method="scale")
    own = [one for one in questions if one.rater == "rater-1" and one.role == "item"]
    half = len(own) // 2
    for part in (own[:half], own[half:]):
        assert len({one.unit for one in part}) == half == 31
        sides = Counter(one.shows for one in part)
        assert abs(sides["a"] - sides["b"]) <= 1


def test_ids_are_unique_and_places_have_no_gap() -> None:
    _, questions = drawn(overlap=2)
    assert len({one.id for one in questions}) == len(questions)
    for rater in {one.rater for one in questions}:
        assert [one.place for one in questions if one.rater == rater] == list(
            range(sum(one.rater == rater for one in questions))
        )


def test_the_seed_decides_the_order() -> None:
    assert drawn()[1] == drawn()[1]


def test_units_of_each_kind(tmp_path: Path) -> None:
    runs = write_runs(tmp_path)
    rng = np.random.default_rng(0)
    rationales = {unit.context: unit for unit in collect(*runs, "rationales", n=None, rng=rng)}
    assert rationales["film 3"].first == f"{SHORT} 3\n\nAnswer: sunny"
    assert rationales["film 4"].second == f"{LONG} 4\n\nAnswer: sunny"
    labels = {unit.context: (unit.first, unit.second) for unit in collect(*runs, "labels", n=None, rng=rng)}
    assert (labels["film 4"], labels["film 2"]) == (("rainy", "sunny"), ("rainy", "rainy"))
    examples = collect(*runs, "examples", n=None, rng=rng)
    # The first run has six of each label, the second three rainy and nine sunny: 3 + 6 pairs.
    assert Counter(unit.group for unit in examples) == {"rainy": 3, "sunny": 6}
    assert len(collect(*runs, "labels", n=5, rng=rng)) == 5
    empty = write_run(tmp_path / "empty", SHORT, accepted=False)
    with pytest.raises(DataError, match="no examples in common"):
        collect(empty, runs[1], "examples", n=None, rng=rng)


def test_a_study_outlives_its_runs(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    for name in ("small", "large"):
        (tmp_path / name / "ledger.sqlite").unlink()
    judge(folder, lambda *_: 2)
    assert close(folder)["answered"] == close_of(folder)


def close_of(folder: Path) -> int:
    with Study.read(folder) as study:
        return len(study.questions())


def test_the_plan_tells_power_and_minutes(tmp_path: Path) -> None:
    new(tmp_path / "study", write_runs(tmp_path), kind="rationales", method="scale", margin=0.1, raters=4)
    found = plan(tmp_path / "study")
    assert (found["items"], found["items_needed"], found["frozen"]) == (12, 568, False)
    # 12 items, two outputs each, 3 repeats and 4 checks, 20 seconds a page.
    assert found["pages_per_rater"] == 31
    assert found["minutes_per_rater"] == pytest.approx(31 / 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("overlap: 9", "overlap: 9 raters an item"),
        ("margin: -1", "margin: Input should be greater than 0"),
        ("colour: red", "colour: Extra inputs"),
        ("criteria: []", "criteria: Tuple should have at least 1"),
    ],
)
def test_a_design_that_cannot_be_is_refused_by_key(tmp_path: Path, change: str, message: str) -> None:
    new(tmp_path / "study", write_runs(tmp_path), kind="labels", method="acceptable")
    path = tmp_path / "study" / "design.yaml"
    key = change.partition(":")[0]
    path.write_text(
        "\n".join(line for line in path.read_text().splitlines() if not line.startswith(f"{key}:")) + f"\n{change}\n"
        if key != "criteria"
        else "name: x\nkind: labels\nmethod: acceptable\nraters: 1\noverlap: 1\nmargin: 1\nspread: 0.2\nconsent: x\n"
        + change
    )
    with pytest.raises(ConfigError, match=message):
        freeze(tmp_path / "study")


def test_nothing_can_be_changed_after_freezing(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    with pytest.raises(RunError, match="this study is frozen"):
        freeze(folder)
    with closing(sqlite3.connect(folder / "study.sqlite")) as connection:
        connection.execute("UPDATE units SET first = 'better' WHERE id = 'u0001'")
        connection.commit()
    with Study.open(folder) as study, pytest.raises(RunError, match="changed after freezing"):
        Desk(study)
    with pytest.raises(RunError, match="changed after freezing"):
        close(folder)


def test_the_history_takes_no_change(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    judge(folder, lambda *_: 0, most=1)
    with closing(sqlite3.connect(folder / "study.sqlite")) as connection:
        for sql in ("UPDATE judgements SET answers = '{}'", "DELETE FROM judgements"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(sql)


def test_foreign_newer_missing_and_busy_studies_are_told_apart(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    with Study.open(folder), pytest.raises(RunError, match="another program is writing this study"):
        Study.open(folder)
    with pytest.raises(RunError, match="there is a study here already"):
        new(folder, (tmp_path / "small", tmp_path / "large"), kind="labels", method="scale")
    with closing(sqlite3.connect(folder / "study.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(RunError, match="written by a newer limbeck"):
        Study.open(folder)
    with pytest.raises(RunError, match="there is no study here"):
        Study.open(tmp_path / "nowhere")
    (tmp_path / "study.sqlite").write_bytes(b"")
    with pytest.raises(RunError, match="no study of limbeck"):
        Study.read(tmp_path)


def test_a_draft_cannot_be_judged(tmp_path: Path) -> None:
    new(tmp_path / "study", write_runs(tmp_path), kind="labels", method="pairs")
    with Study.open(tmp_path / "study") as study, pytest.raises(RunError, match="not frozen yet"):
        Desk(study)


def test_sending_twice_is_sending_once_and_the_last_word_counts(tmp_path: Path) -> None:
    folder = begin(tmp_path, method="pairs", change={"checks": ()})
    with Study.open(folder) as study:
        desk = Desk(study)
        page = agree(desk, "rater-1")["question"]["id"]
        first = {"id": "a", "kind": "answer", "question": page, "answers": {"preference": 0}, "seconds": 3}
        once = desk.take("rater-1", first)
        assert desk.take("rater-1", first) == once
        desk.take("rater-1", first | {"id": "b", "answers": {"preference": 2}})
        assert study.current()[page].answers == {"preference": 2}
        undone = desk.take("rater-1", {"id": "c", "kind": "undo", "question": page})
        assert undone["question"]["id"] == page
        assert undone["progress"]["done"] == 0
        assert page not in study.current()
        assert [one.id for one in study.history()] == ["consent-rater-1", "a", "b", "c"]
        with pytest.raises(DataError, match="nothing to take back"):
            desk.take("rater-1", {"id": "d", "kind": "undo", "question": page})
        with pytest.raises(DataError, match="somebody else"):
            desk.take("rater-2", {"id": "a", "kind": "consent"})


def test_a_new_desk_stands_where_the_old_one_stood(tmp_path: Path) -> None:
    folder = begin(tmp_path, method="pairs")
    judge(folder, lambda *_: 1, most=5)
    with Study.open(folder) as study:
        before = Desk(study).state("rater-1")
        assert before["progress"]["done"] == 3
    with Study.open(folder) as study:
        assert Desk(study).state("rater-1") == before


MESSAGES: dict[str, dict[str, Any]] = {
    "id": {"id": "A b", "kind": "consent"},
    "kind": {"id": "a", "kind": "own"},
    "no such question": {"id": "a", "kind": "answer", "question": "b"},
    "Every question": {"kind": "answer", "answers": {}},
    "one of its answers": {"kind": "answer", "answers": {"preference": 3}},
    "whole numbers": {"kind": "answer", "answers": {"preference": True}},
    "Say in a word": {"kind": "skip", "reason": "  "},
}


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_without_sense_are_refused_and_not_kept(tmp_path: Path, message: str) -> None:
    folder = begin(tmp_path, method="pairs")
    with Study.open(folder) as study:
        desk = Desk(study)
        page = agree(desk, "rater-1")["question"]["id"]
        with pytest.raises(DataError, match=message):
            desk.take("rater-1", {"id": "x", "question": page, **MESSAGES[message]})
        assert len(list(study.history())) == 1


def test_nobody_answers_another_raters_page_or_without_consent(tmp_path: Path) -> None:
    folder = begin(tmp_path, method="pairs")
    with Study.open(folder) as study:
        desk = Desk(study)
        page = agree(desk, "rater-1")["question"]["id"]
        entry = {"id": "x", "kind": "answer", "question": page, "answers": {"preference": 0}}
        with pytest.raises(DataError, match="no such question on this link"):
            desk.take("rater-2", entry)
        own = next(one.id for one in study.questions("rater-2"))
        with pytest.raises(DataError, match="Agree to take part first"):
            desk.take("rater-2", entry | {"question": own})


def test_training_tells_what_was_expected(tmp_path: Path) -> None:
    check = {"role": "training", "texts": ("a", "b"), "right": {"preference": (1,)}, "note": "b is right"}
    folder = begin(tmp_path, method="pairs", change={"checks": (check,)})
    with Study.open(folder) as study:
        desk = Desk(study)
        state = agree(desk, "rater-1")
        assert (state["stage"], state["question"]["texts"]) == ("training", ["a", "b"])
        entry = {"id": "x", "kind": "answer", "question": state["question"]["id"], "answers": {"preference": 0}}
        found = desk.take("rater-1", entry)
        assert found["feedback"] == {"right": False, "expected": {"preference": ["the second"]}, "note": "b is right"}
        assert found["stage"] == "items"


def test_comments_may_hold_anything(tmp_path: Path) -> None:
    folder = begin(tmp_path, method="pairs", change={"checks": ()})
    with Study.open(folder) as study:
        desk = Desk(study)
        page = agree(desk, "rater-1")["question"]["id"]
        comment = "<script>alert(1)</script>\u202e\x00\ud800" + "x" * 5000
        entry = {"id": "x", "kind": "skip", "question": page, "reason": "=1+1", "comment": comment}
        desk.take("rater-1", entry)
        kept = study.current()[page]
        assert kept.comment is not None
        assert kept.comment.startswith("<script>alert(1)</script>\u202e\x00?xxx")
        assert len(kept.comment) == 4000


def test_a_closed_study_takes_nothing(tmp_path: Path) -> None:
    folder = begin(tmp_path, method="pairs")
    assert close(folder)["answered"] == 0
    with pytest.raises(RunError, match="this study is closed"):
        close(folder)
    with Study.open(folder) as study:
        desk = Desk(study)
        assert desk.state("rater-1")["stage"] == "closed"
        with pytest.raises(DataError, match="closed"):
            desk.take("rater-1", {"id": "x", "kind": "consent"})
