"""audit: what is concluded from which human labels, and what is refused."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limbeck.errors import ConfigError, RunError
from limbeck.evaluation.powered import prediction_powered
from limbeck.flows.answers import Answer
from limbeck.flows.audit import audit, write_accepted
from limbeck.flows.gold import keep
from limbeck.flows.sample import Choice, Drawn, drawn
from limbeck.ledger import Ledger
from limbeck.records import Label
from limbeck.report import write_report
from toy_job import LABELS, Shell, execute, toy_rows, write_script, write_toy

ROWS = 200
TRUTH = {row["text"]: row["label"] for row in toy_rows(ROWS)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs of the same 200 texts: `plain` knows no gold label, `gold` has them all."""
    home = tmp_path_factory.mktemp("audited")
    for name, column in (("plain", None), ("gold", "label")):
        task = write_toy(home / name, toy_rows(ROWS), data={"test": None, "gold": column})
        # An agent that is none too sure, so that confidences differ.
        write_script(home / name / "bread.json", ("stale", "fresh"), weight=0.7)
        execute(task, home / name / "run")
    return home


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run that knows no gold label."""
    return Path(shutil.copytree(finished / "plain" / "run", tmp_path / "run"))


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys)


def truth_of(run: Path) -> dict[str, str]:
    with Ledger.read(run) as view:
        return {item.id: TRUTH[item.fields["text"]] for item in view.items()}


def labels_of(run: Path) -> list[Label]:
    with Ledger.read(run) as view:
        return view.labels()


def answered(run: Path, n: int, choose: Choice, *, most: int | None = None) -> Drawn:
    """A person who knows the truth answers the first `most` of a sample."""
    truth = truth_of(run)
    with Ledger.open(run) as ledger:
        sample = drawn(ledger, n, choose=choose)
        keep(ledger, [Answer(item, "ada", truth[item]) for item in sample.items[:most]])
    return sample


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_gold_of_every_item_leaves_nothing_to_estimate(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished / "gold" / "run", tmp_path / "run"))
    truth = truth_of(run)
    right = sum(label.label == truth[label.item] for label in labels_of(run))
    found = audit(run)
    assert (found["gold"]["source"], found["gold"]["chosen"], found["gold"]["answered"]) == ("gold column", "all", ROWS)
    own = found["accuracy"]
    assert (own["right"], own["value"], own["value_interval"]) == (right, right / ROWS, [right / ROWS] * 2)
    assert [one["value"] for one in found["classes"]] == [0.5, 0.5]
    assert json.loads((run / "audit.json").read_text(encoding="utf-8")) == found


@pytest.mark.parametrize(("choose", "most"), [("random", None), ("stratified", None), ("uncertain", 40)])
def test_a_sample_speaks_for_all(run: Path, choose: Choice, most: int | None) -> None:
    sample = answered(run, 60, choose, most=most)
    truth, labels = truth_of(run), labels_of(run)
    place = {label.item: row for row, label in enumerate(labels)}
    items = sample.items[:most]
    rows = np.array([place[item] for item in items])
    right = np.array([labels[place[item]].label == truth[item] for item in items], np.float64)
    sure = np.array([label.confidence for label in labels])
    odds = None if choose != "uncertain" else np.array(sample.odds[:most]) * 40 / 60
    expected = prediction_powered(right, rows, sure, chances=odds)
    found = audit(run)
    assert (found["gold"]["source"], found["gold"]["chosen"]) == ("answers", choose)
    assert found["accuracy"]["value"] == pytest.approx(expected.estimate.value)
    assert found["accuracy"]["saved"] == pytest.approx(expected.saved)
    assert expected.alone.interval is not None
    low, high = expected.alone.interval
    assert found["accuracy"]["alone_interval"] == pytest.approx([low, min(1.0, high)])
    shares = [one["value"] for one in found["classes"]]
    assert sum(shares) == pytest.approx(1)
    if choose == "uncertain":
        assert found["accuracy"]["exact_interval"] is None
        assert "equal chances" in found["acceptance"]["threshold_reason"]


def test_equal_chances_are_used_before_doubt_when_more_is_answered(run: Path) -> None:
    answered(run, 30, "uncertain", most=10)
    answered(run, 30, "random")
    found = audit(run)
    assert (found["gold"]["chosen"], found["gold"]["answered"]) == ("random", 30)
    assert any("not of the sample that is used" in note for note in found["notes"])


def test_picked_items_prove_nothing_unless_it_is_stated_that_they_were_drawn(run: Path, tmp_path: Path) -> None:
    truth, labels = truth_of(run), labels_of(run)
    surest = sorted(labels, key=lambda label: -label.confidence)[:60]
    path = table(tmp_path / "picked.csv", [{"id": one.item, "label": truth[one.item]} for one in surest])
    found = audit(run, labels=path)
    right = sum(one.label == truth[one.item] for one in surest)
    assert (found["accuracy"]["answered"], found["accuracy"]["right"]) == (60, right)
    for block in (found["accuracy"], *found["classes"]):
        assert block["value"] is None
        assert "--random" in block["value_reason"]
    assert found["acceptance"]["threshold"] is None
    assert found["gold"]["chosen"] == "unknown"
    stated = audit(run, labels=path, at_random=True)
    assert stated["accuracy"]["value"] is not None
    assert any("do not look like a random sample" in note for note in stated["notes"])
    fair = [{"id": one.item, "label": truth[one.item]} for one in labels[::3]]
    honest = audit(run, labels=table(tmp_path / "fair.csv", fair), at_random=True)
    assert not any("random sample" in note for note in honest["notes"])


def test_accepted_labels_are_written(run: Path, tmp_path: Path) -> None:
    answered(run, 150, "random")
    found = audit(run, error=0.15, risk=0.1)["acceptance"]
    limit = found["threshold"]
    assert limit is not None
    accepted = [label for label in labels_of(run) if label.confidence >= limit]
    assert (found["accepted"], found["share"]) == (len(accepted), len(accepted) / ROWS)
    assert sum(found["by_label"].values()) == len(accepted)
    assert found["bound"] <= 0.15
    path = write_accepted(run, kind="jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert {row["id"] for row in rows} == {label.item for label in accepted}
    assert {row["id"]: row["people"] for row in rows if row["people"]} == found["contradicted"]
    truth = truth_of(run)
    assert all(label == truth[item] for item, label in found["contradicted"].items())
    # A smaller error than the answers can show.
    assert audit(run, error=0.01)["acceptance"]["threshold_reason"].startswith("150 answers are too few")
    with pytest.raises(RunError, match="no label is accepted: 150 answers are too few"):
        write_accepted(run)
    shutil.rmtree(run)
    with pytest.raises(RunError, match=r"audit\.json: cannot be read"):
        write_accepted(run)


def test_three_people_make_the_alternative_annotator_test(run: Path, tmp_path: Path) -> None:
    truth, labels = truth_of(run), labels_of(run)
    rows = [
        {"item": one.item, "annotator": name, "label": truth[one.item]}
        for one in labels[:60]
        for name in ("ada", "ben", "cy")
    ]
    rows[0]["label"] = next(label for label in LABELS if label != rows[0]["label"])
    found = audit(run, labels=table(tmp_path / "people.csv", rows), epsilon=0.2)
    test = found["alternative_annotator"]
    right = sum(one.label == truth[one.item] for one in labels[1:60])
    assert [one["items"] for one in test["people"]] == [60, 60, 60]
    # On the first item Ada errs. Whatever the committee says there, it agrees with the others as well as each person.
    assert test["advantage"] == pytest.approx((right + 1) / 60)
    assert test["passed"] is (test["winning_rate"] >= 0.5)
    assert found["gold"]["disagreed"] == {
        labels[0].item: {label: 1 + (label == truth[labels[0].item]) for label in LABELS}
    }
    assert any("People disagree on 1 items; on 0 of them" in note for note in found["notes"])
    alone = audit(run, labels=table(tmp_path / "one.csv", rows[::3]))["alternative_annotator"]
    assert alone["passed"] is None
    assert alone["passed_reason"] == "it needs the single labels of 3 people, and there are those of 1"


def test_few_wrong_labels_give_the_exact_interval_only(run: Path) -> None:
    truth = truth_of(run)
    with Ledger.open(run) as ledger:
        given = {label.item: label.label for label in ledger.labels()}
        sample = drawn(ledger, 40, choose="random")
        keep(ledger, [Answer(item, "ada", str(given[item])) for item in sample.items if given[item] == truth[item]])
    found = audit(run)
    assert found["accuracy"]["value_interval"] is None
    assert found["accuracy"]["value_interval_reason"].startswith("fewer than 5 answers of either kind")
    assert found["accuracy"]["exact_interval"][1] == 1


@pytest.mark.parametrize("wrong", [{"error": 0.0}, {"risk": 1.0}, {"epsilon": -1.0}])
def test_impossible_promises_are_refused(run: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        audit(run, **wrong)


def test_a_run_without_human_labels(run: Path) -> None:
    with pytest.raises(RunError, match="no labelled item has a human label"):
        audit(run)


def test_the_command_line(run: Path, shell: Shell) -> None:
    answered(run, 150, "random")
    write_report(run)
    code, out, err = shell("audit", run, "--error", "0.15", "--risk", "0.1", "--to", "csv")
    assert (code, err) == (0, "")
    assert "150 of 200 labels have a human label (answers; chosen: random)" in out
    assert "at most 15 % of them wrong, at a risk of 10 %" in out
    assert "of the human labels saved" in out
    assert "alternative-annotator test: none, because it needs the single labels of 3 people" in out
    assert out.splitlines()[-3:] == [str(run / name) for name in ("audit.json", "report.html", "accepted.csv")]
    assert "What a few human labels prove" in (run / "report.html").read_text(encoding="utf-8")
    found = json.loads(shell("audit", run, "--json")[1])
    assert found["files"] == [str(run / "audit.json"), str(run / "report.html")]
    assert shell("audit", run, "--error", "1")[0] == 2
