"""From people's answers to better labels, a better student and an audit that does not flatter: the whole way."""

from __future__ import annotations

import csv
import json
from collections.abc import Set
from pathlib import Path

import pytest

from limbeck.catalog import NAMES
from limbeck.flows.answers import Answer
from limbeck.flows.calibrate import blind
from limbeck.flows.gold import keep
from limbeck.flows.run import AUDIT, GOLD, METRICS, finished
from limbeck.ledger import Ledger
from limbeck.report import write_report
from limbeck.task import fingerprint, load_task
from toy_job import LABELS, Shell, execute, toy_rows, write_script, write_toy

ROWS = 200


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    return Shell(monkeypatch, capsys)


def contrary(folder: Path) -> Path:
    """A committee of which one agent is right on 4 of 5 texts, and two take each label for the other."""
    agents = [
        {"name": name, "model": f"{model}.json", "engine": "scripted", "style": style}
        for name, model, style in (
            ("weather", "weather", "chat"),
            ("contrary", "contrary", "plain"),
            ("echo", "contrary", "chat"),
        )
    ]
    task = write_toy(folder, toy_rows(ROWS), agents=agents)
    write_script(folder / "contrary.json", ("stale", "fresh"), LABELS[::-1], weight=2)
    return task


def truth_of(run: Path) -> dict[str, str]:
    """Item → true label; `limbeck gold` is not told."""
    with Ledger.read(run) as view:
        return {item.id: str(item.gold) for item in view.items()}


def labels_of(run: Path) -> dict[str, str | None]:
    with Ledger.read(run) as view:
        return {label.item: label.label for label in view.labels()}


def right(run: Path, *, but: Set[str] = frozenset()) -> float:
    truth = truth_of(run)
    own = [label == truth[item] for item, label in labels_of(run).items() if item not in but]
    return sum(own) / len(own)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def answer(shell: Shell, run: Path, n: int) -> dict[str, object]:
    """Draw n items, have them answered by the truth, and read that back."""
    code, _, err = shell("gold", run, "--n", n, "--sheet", "ask.csv")
    assert code == 0, err
    truth = truth_of(run)
    rows = table(Path("ask.csv"))
    with Path("told.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("id", "label"), *((row["id"], truth[row["id"]]) for row in rows)])
    code, out, err = shell("gold", run, "--n", n, "--from", "told.csv", "--json")
    assert code == 0, err
    found: dict[str, object] = json.loads(out)["gold"]
    return found


def test_gold_puts_an_inverted_agent_right_at_once_and_the_student_at_the_next_run(
    tmp_path: Path, shell: Shell
) -> None:
    task, run = contrary(tmp_path), tmp_path / "run"
    before = execute(task, run)
    stamp = fingerprint(load_task(task, names=NAMES))
    assert right(run) < 0.5
    told = answer(shell, run, 50)
    assert told["used"] != "committee"
    means = {worker["name"]: worker["means"] for worker in told["workers"]}  # type: ignore[attr-defined]
    other = dict(zip(LABELS, LABELS[::-1], strict=True))
    assert means == {"weather": None, "contrary": other, "echo": other}
    assert json.loads((run / GOLD).read_text(encoding="utf-8")) == told
    with Ledger.read(run) as view:
        asked = {vote.item for vote in view.votes() if vote.of_person}
        hows = {label.item: label.how for label in view.labels()}
    assert len(asked) == 50
    assert right(run, but=asked) > 0.8
    assert {how for item, how in hows.items() if item in asked} == {"gold"}
    assert {row["id"]: row["label"] for row in table(run / "labels.csv")} == labels_of(run)
    page = write_report(run).read_text(encoding="utf-8")
    assert f"{told['used']} (used)" in page
    assert "negative means positive, positive means negative" in page
    assert not finished(run, stamp), "the student does not know it yet"
    labels = labels_of(run)
    after = execute(task, run)
    assert labels_of(run) == labels, "the same answers, the same labels"
    assert after["gold"] == told
    assert after["committee"]["accuracy"] > 0.8 > 0.5 > before["committee"]["accuracy"]
    assert after["student"]["accuracy"] > before["student"]["accuracy"] + 0.3
    assert after["votes"] == before["votes"], "nobody was asked anew"
    assert finished(run, stamp)


def test_an_audit_judges_gold_items_by_what_was_found_without_their_answers(tmp_path: Path, shell: Shell) -> None:
    task, run = contrary(tmp_path), tmp_path / "run"
    execute(task, run)
    answer(shell, run, 60)
    assert shell("audit", run)[0] == 0
    audited = json.loads((run / AUDIT).read_text(encoding="utf-8"))
    # With the answers as labels all 60 would be right. On the texts where weather is misled they are not.
    assert 40 < audited["gold"]["answered"] == 60
    assert audited["accuracy"]["right"] < 60
    assert abs(audited["accuracy"]["right"] / 60 - right(run)) < 0.15
    with Ledger.read(run) as view:
        given = view.labels()
        changed = [one for one, other in zip(given, blind(view, given, LABELS), strict=True) if one != other]
    assert {label.how for label in changed} == {"gold"}


def test_with_no_answer_and_with_few_the_labels_are_the_committees(tmp_path: Path, shell: Shell) -> None:
    task, run = write_toy(tmp_path), tmp_path / "run"
    metrics = execute(task, run)
    assert metrics["gold"]["used"] == "committee"
    assert "agree" in metrics["gold"]["why"]
    assert not (run / GOLD).exists()
    with Ledger.read(run) as view:
        before = view.labels()
    told = answer(shell, run, 9)
    assert told["used"] == "committee"
    assert "too few" in str(told["why"])
    with Ledger.read(run) as view:
        after = view.labels()
    assert [label for label in after if label.how != "gold"] == [
        old for old, new in zip(before, after, strict=True) if new.how != "gold"
    ]
    assert sum(label.how == "gold" for label in after) == 9


def test_answers_that_are_taken_back_leave_no_trace_in_the_labels(tmp_path: Path, shell: Shell) -> None:
    task, run = write_toy(tmp_path), tmp_path / "run"
    execute(task, run)
    with Ledger.read(run) as view:
        before = view.labels()
    with Ledger.open(run) as ledger:
        items = [label.item for label in before][:12]
        keep(ledger, [Answer(item, "ada", LABELS[0]) for item in items])
        keep(ledger, [Answer(item, "ben", LABELS[1]) for item in items])
    # Two people who contradict each other everywhere give no gold.
    code, _, err = shell("gold", run, "--json")
    assert code == 0, err
    with Ledger.read(run) as view:
        assert view.labels() == before
    assert json.loads((run / METRICS).read_text(encoding="utf-8"))["gold"]["answers"] == 0


def test_without_a_test_set_answers_do_not_make_the_committee_look_better(tmp_path: Path, shell: Shell) -> None:
    task = write_toy(tmp_path, data={"test": None})
    run = tmp_path / "run"
    before = execute(task, run)
    answer(shell, run, 60)
    after = execute(task, run)
    assert right(run) == 1, "every text was answered"
    assert after["committee"]["n"] == before["committee"]["n"] == 60
    assert after["committee"]["accuracy"] < 0.95
