"""gold: samples that are written down, answers that are durable, and people who disagree or change their minds."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from limbeck.console.asking import KEYS, Screen
from limbeck.errors import ConfigError, DataError, RunError
from limbeck.flows.answers import Answer, answers_of_file, read_answers, read_gold, settle
from limbeck.flows.gold import Asked, Move, ask, keep, progress
from limbeck.flows.run import AUDIT, METRICS, reopen
from limbeck.flows.sample import Choice, drawn, draws, facts_of
from limbeck.ledger import Ledger
from limbeck.records import Item
from toy_job import LABELS, Shell, execute, toy_rows, write_toy

ROWS = 90


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a task file and a finished run of all its 90 texts."""
    home = tmp_path_factory.mktemp("finished")
    execute(write_toy(home, toy_rows(ROWS), data={"test": None, "gold": None}), home / "run")
    return home


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be written to."""
    return Path(shutil.copytree(finished / "run", tmp_path / "run"))


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys)


def playing(*moves: str | Move) -> Callable[[Asked], str | Move]:
    """A person who makes these moves and then quits."""
    rest: Iterator[str | Move] = iter(moves)
    return lambda asked: next(rest, Move.QUIT)


def test_a_sample_is_written_down_and_is_the_same_again(run: Path) -> None:
    with Ledger.open(run) as ledger:
        first = drawn(ledger, 20, choose="random", seed=4)
        assert drawn(ledger, 10, choose="random") == first, "fewer are wanted: what was drawn stays"
        assert len(set(first.items)) == 20
        assert first.odds == (20 / ROWS,) * 20
    with Ledger.read(run) as view:
        assert draws(view) == [first]


@pytest.mark.parametrize("choose", ["random", "stratified"])
def test_a_sample_of_equal_chances_grows(run: Path, choose: Choice) -> None:
    with Ledger.open(run) as ledger:
        small = drawn(ledger, 10, choose=choose)
        large = drawn(ledger, 30, choose=choose)
        assert large.items[:10] == small.items
        assert (len(set(large.items)), large.odds) == (30, (30 / ROWS,) * 30)
        everything = drawn(ledger, 1000, choose=choose)
        assert (len(set(everything.items)), set(everything.odds)) == (ROWS, {1.0})


def test_a_stratified_sample_gives_every_label_its_share(run: Path) -> None:
    with Ledger.open(run) as ledger:
        given = {label.item: label.label for label in ledger.labels()}
        sample = drawn(ledger, 30, choose="stratified")
    for name in LABELS:
        expected = 30 * sum(label == name for label in given.values()) / ROWS
        assert abs(sum(given[item] == name for item in sample.items) - expected) <= 2


def test_a_sample_by_doubt_prefers_doubt_and_cannot_grow(run: Path) -> None:
    with Ledger.open(run) as ledger:
        sure = {label.item: label.confidence for label in ledger.labels()}
        sample = drawn(ledger, 20, choose="uncertain")
        odds = dict(zip(sample.items, sample.odds, strict=True))
        order = sorted(odds, key=lambda item: sure[item])
        assert [odds[item] for item in order] == sorted(odds.values(), reverse=True)
        with pytest.raises(ConfigError, match="cannot grow"):
            drawn(ledger, 21, choose="uncertain")
        drawn(ledger, 5, choose="random")
        assert [one.choose for one in draws(ledger)] == ["uncertain", "random"]


def test_undo_skip_quit_and_going_on(run: Path) -> None:
    no, yes = LABELS
    with Ledger.open(run) as ledger:
        before, seen = ledger.count(), []
        sample = drawn(ledger, 5, choose="random")

        def person(asked: Asked) -> str | Move:
            seen.append((asked.item.id, asked.number, asked.total))
            return moves.pop(0)

        # Undo at the very beginning does nothing; the second answer is taken back and given anew.
        moves: list[str | Move] = [Move.UNDO, no, yes, Move.UNDO, no, Move.SKIP, Move.QUIT]
        assert ask(ledger, sample, person, name="ada") == 2
        one, two, three, four, five = sample.items
        assert [item for item, _, _ in seen] == [one, one, two, three, two, three, four]
        assert seen[-1][1:] == (4, 5)
    with Ledger.open(run) as ledger:
        assert read_answers(ledger) == [Answer(one, "ada", no), Answer(two, "ada", no), Answer(three, "ada", None)]
        assert ledger.count() == before + 5, "a change of mind is kept beside what it changes"
        assert ask(ledger, sample, playing(yes), name="ada") == 1
        assert read_gold(ledger) == {one: no, two: no, four: yes}
        assert progress(ledger, sample) == {
            "choose": "random",
            "drawn": 5,
            "of": ROWS,
            "answered": 3,
            "skipped": 1,
            "left": 1,
            "people": 1,
        }
        # Another person is asked from the beginning.
        assert ask(ledger, sample, playing(yes, yes, yes, yes, yes), name="ben") == 5
        assert settle(read_answers(ledger)).disagreed.keys() == {one, two}
        assert read_gold(ledger) == {three: yes, four: yes, five: yes}


def test_an_answer_is_on_the_disk_before_the_next_question(run: Path) -> None:
    with Ledger.open(run) as ledger:
        sample = drawn(ledger, 3, choose="random")

        def person(asked: Asked) -> str:
            with Ledger.read(run) as view:
                assert len(read_answers(view)) == asked.number - 1
            return LABELS[0]

        assert ask(ledger, sample, person, name="ada") == 3


def test_settling_by_hand() -> None:
    answers = [Answer("a", p, label) for p, label in (("1", "x"), ("2", "x"), ("3", "y"))]
    answers += [Answer("b", "1", "x"), Answer("b", "2", "y"), Answer("c", "1", None), Answer("d", "1", "y")]
    found = settle(answers)
    assert found.labels == {"a": "x", "d": "y"}
    assert found.disagreed == {"a": {"x": 2, "y": 1}, "b": {"x": 1, "y": 1}}
    assert found.skipped == ("c",)
    assert found.people == {"1": 3, "2": 2, "3": 1}


def test_answers_of_people_are_no_votes_of_agents_and_an_audit_of_earlier_labels_goes(
    finished: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(finished, tmp_path / "home"))
    run = home / "run"
    metrics = json.loads((run / METRICS).read_text(encoding="utf-8"))
    with Ledger.open(run) as ledger:
        wrong = {label.item: next(one for one in LABELS if one != label.label) for label in ledger.labels()}
        keep(ledger, [Answer(item, "ada", label) for item, label in wrong.items()])
    (run / AUDIT).write_text("{}")
    reopen(run)
    again = execute(home / "task.yaml", run)
    assert not (run / AUDIT).exists(), "an audit of earlier labels is gone"
    with Ledger.read(run) as view:
        assert {label.item: label.label for label in view.labels()} == wrong, "what a person said stands"
    assert again["agents"].keys() == metrics["agents"].keys()
    for key in ("items", "votes"):
        assert again[key] == metrics[key], key


def test_answers_from_a_table(run: Path, tmp_path: Path) -> None:
    with Ledger.open(run) as ledger:
        a, b, c = drawn(ledger, 3).items
        table = tmp_path / "answers.csv"
        table.write_text(f"id,annotator,label\n{a},ada,negative\n{a},ben,positive\n{b},ada, positive \n{c},ada,\n")
        answers = answers_of_file(table, LABELS)
        assert answers == [Answer(a, "ada", "negative"), Answer(a, "ben", "positive"), Answer(b, "ada", "positive")]
        assert keep(ledger, answers) == 3
        assert keep(ledger, answers) == 0, "the same answers again are no new ones"
        assert keep(ledger, [Answer(b, "ada", "negative")]) == 1
        assert read_gold(ledger) == {b: "negative"}
        with pytest.raises(DataError, match="have no label in this run: 'nobody'"):
            keep(ledger, [Answer(c, "ada", "negative"), Answer("nobody", "ada", "negative")])
        assert read_gold(ledger) == {b: "negative"}, "all or nothing"
    for text, said in (
        ("id,text\n1,x\n", "no column 'label'"),
        ("text,label\nx,negative\n", "no column 'id'"),
        ("id,label\n1,happy\n", "answers.csv:2: 'happy' is no label of the task"),
        ("id,label\n,negative\n", "answers.csv:2: a label without an id"),
    ):
        table.write_text(text)
        with pytest.raises(DataError, match=said):
            answers_of_file(table, LABELS)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 65])
def test_a_person_needs_a_name(run: Path, name: str) -> None:
    with Ledger.open(run) as ledger, pytest.raises(ConfigError, match="is no name for a person"):
        ask(ledger, drawn(ledger, 1), playing(), name=name)


def test_only_a_finished_run_is_asked_about(run: Path) -> None:
    reopen(run)
    with Ledger.read(run) as view, pytest.raises(RunError, match="is not finished"):
        facts_of(view)


def test_the_screen_takes_keys_and_hides_what_the_committee_thinks(capsys: pytest.CaptureFixture[str]) -> None:
    keys = iter("x2qUs")
    screen = Screen("Which?", {"bad": None, "good": "liked"}, ("text",), key=lambda: next(keys))
    item = Item("i", {"text": "fine \x1b[31mfilm", "secret": "hidden"}, gold="bad")
    assert [screen(Asked(item, 1, 2)) for _ in range(4)] == ["good", Move.QUIT, Move.UNDO, Move.SKIP]
    said = capsys.readouterr().err
    assert "that is none of the choices" in said
    assert "good  liked" in said
    assert "1 of 2" in said
    assert "\x1b[31m" not in said
    assert "hidden" not in said


def test_many_labels_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    labels = dict.fromkeys([f"label-{i}" for i in range(len(KEYS))] + ["odd"])
    lines = iter(["label", "3", "od", "s"])
    screen = Screen("Which?", labels, ("text",), line=lambda: next(lines))
    asked = Asked(Item("i", {"text": "a"}), 1, 1)
    assert [screen(asked) for _ in range(3)] == ["label-2", "odd", Move.SKIP]
    assert capsys.readouterr().err.count("none of the choices") == 1


def test_a_sheet_goes_out_and_comes_back(run: Path, shell: Shell, tmp_path: Path) -> None:
    assert shell("gold", run, "--n", 12, "--sheet", "sheet.csv")[0] == 0
    with (tmp_path / "sheet.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert {row["label"] for row in rows} == {""}
    with (tmp_path / "back.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ("id", "gold"), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row | {"gold": "positive"} for row in rows[:9])
    code, out, _ = shell("gold", run, "--n", 12, "--from", "back.csv", "--column", "gold", "--person", "ada", "--json")
    found = json.loads(out)
    assert (code, found["answered"], found["left"], found["people"]) == (0, 9, 3, 1)
    with Ledger.read(run) as view:
        assert {answer.person for answer in read_answers(view)} == {"ada"}
    code, _, err = shell("gold", run)
    assert (code, "there is no terminal to ask at" in err) == (2, True)
    assert shell("gold", tmp_path / "none")[2].startswith(f"{tmp_path / 'none'}: there is no run here")


def test_at_a_real_terminal(run: Path) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "limbeck", "gold", str(run), "--n", "4", "--person", "ada"],
        env=os.environ | {"TERM": "dumb"},
        encoding="utf-8",
        timeout=30,
    )
    for number, key in enumerate("12s", 1):
        child.expect(f"{number} of 4")
        child.expect("q quit")
        child.send(key)
    child.expect("4 of 4")
    child.send("q")
    child.expect("answered: 2")
    child.expect(pexpect.EOF)
    with Ledger.read(run) as view:
        assert len(draws(view)) == 1
        assert [answer.label for answer in read_answers(view)] == [*LABELS, None]
