"""Runs on data that are not as one would wish: little gold, odd labels, spent budgets, workers that fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from limbeck.errors import ConfigError, DataError, RunError
from limbeck.flows.job import Progress
from limbeck.ledger import Ledger
from limbeck.report import write_report
from test_run import check_metrics, labels, said_by
from toy_job import BREAD, LABELS, WEATHER, digest, execute, toy_rows, write_csv, write_script, write_toy


def finish(task: Path) -> dict[str, Any]:
    """Run, check what every metrics.json must hold, and write the report, which has to bear it."""
    metrics = execute(task, task.parent / "run")
    check_metrics(metrics)
    assert write_report(task.parent / "run").stat().st_size > 1000
    return metrics


def test_no_gold(tmp_path: Path) -> None:
    metrics = finish(write_toy(tmp_path, data={"gold": None}))
    for block in ("committee", "student"):
        assert (metrics[block]["accuracy"], metrics[block]["accuracy_reason"]) == (None, "no item has a gold label")
    assert metrics["agents"]["bread"]["accuracy_raw"] is None
    assert metrics["committee"]["effective_votes_reason"] == "no item has a gold label"
    assert metrics["items"] == 45
    assert any("no item has a gold label" in warning for warning in metrics["warnings"])


def test_no_test_set(tmp_path: Path) -> None:
    metrics = finish(write_toy(tmp_path, data={"test": None}))
    assert (metrics["committee"]["on"], metrics["committee"]["n"], metrics["items"]) == ("pool", 60, 60)
    assert metrics["agents"]["weather"]["accuracy_raw"] == pytest.approx(48 / 60)
    assert metrics["student"]["accuracy"] is None
    assert "no test set" in metrics["student"]["accuracy_reason"]
    assert metrics["student"]["bytes"] > 1000
    assert all(point["accuracy_reason"] for point in metrics["learning_curve"])


def test_a_test_file_with_the_same_ids_for_other_texts(tmp_path: Path) -> None:
    pool = [{"id": str(i), **row} for i, row in enumerate(toy_rows(40))]
    held_out = [{"id": str(i), **row} for i, row in enumerate(reversed(toy_rows(60)[40:]))]
    write_csv(tmp_path / "test.csv", held_out)
    task = write_toy(tmp_path, pool, data={"test": "test.csv", "id": "id"})
    metrics = finish(task)
    assert metrics["data"]["test_in_pool"] == 0
    assert {row["id"]: row["text"] for row in labels(tmp_path / "run")} == {row["id"]: row["text"] for row in pool}
    write_toy(tmp_path / "plain", [{"text": r["text"], "label": r["label"]} for r in pool], data={"test": "test.csv"})
    write_csv(tmp_path / "plain" / "test.csv", held_out)
    same = finish(tmp_path / "plain" / "task.yaml")
    assert same["agents"]["weather"]["accuracy"] == metrics["agents"]["weather"]["accuracy"]
    before = digest(tmp_path / "run")
    execute(task, tmp_path / "run")
    assert digest(tmp_path / "run") == before


def test_test_texts_that_are_in_the_pool_are_told(tmp_path: Path) -> None:
    write_csv(tmp_path / "test.csv", toy_rows(30)[:12])
    metrics = finish(write_toy(tmp_path, toy_rows(30), data={"test": "test.csv"}))
    assert metrics["data"]["test_in_pool"] == 12
    assert any("12 test texts are in the pool as well" in warning for warning in metrics["warnings"])
    assert metrics["votes"] == 60, "nobody is asked the same thing twice"


def test_every_text_gets_the_same_label(tmp_path: Path) -> None:
    write_script(tmp_path / "weather.json", ("zzz", "film"))
    task = write_toy(tmp_path, agents=[{"name": "w", "model": "all.json", "engine": "scripted"}])
    (tmp_path / "all.json").write_text(json.dumps([{"when": "film", "say": "positive", "weight": 12}]))
    task.write_text(task.read_text() + "committee:\n  aggregate: majority\n")
    metrics = finish(task)
    assert metrics["student"]["kind"] is None
    assert "nothing to tell apart" in metrics["student"]["kind_reason"]
    assert metrics["student"]["bytes_reason"] == metrics["student"]["kind_reason"]
    assert {row["label"] for row in labels(tmp_path / "run")} == {"positive"}
    assert [point["strategy"] for point in metrics["learning_curve"]] == ["random", "random"]
    assert not (tmp_path / "run" / "student").exists()


def test_gold_of_one_class(tmp_path: Path) -> None:
    metrics = finish(write_toy(tmp_path, [{**row, "label": "positive"} for row in toy_rows()]))
    negative, positive = metrics["committee"]["per_class"]
    assert (negative["support"], positive["support"]) == (0, 15)
    assert negative["recall"] is None
    assert negative["recall_reason"]


def test_gold_labels_outside_the_label_set(tmp_path: Path) -> None:
    rows = [{**row, "label": "mixed" if i % 3 == 0 else row["label"]} for i, row in enumerate(toy_rows())]
    metrics = finish(write_toy(tmp_path, rows))
    assert metrics["data"]["gold_unknown"] == 20
    assert metrics["committee"]["n"] < 15
    assert sum(map(sum, metrics["committee"]["confusion"])) == metrics["committee"]["n"]
    assert any(warning.startswith("20 gold labels are none of the task's labels") for warning in metrics["warnings"])


@pytest.mark.parametrize(
    "named", [("good", "good enough"), ("good enough", "good"), ("pole", "polite"), ("été", "étage"), ("👍", "👎")]
)
def test_labels_that_begin_alike(named: tuple[str, str], tmp_path: Path) -> None:
    """One is a prefix of the other, they share their first tokens, or their first bytes."""
    rename = dict(zip(LABELS, named, strict=True))
    task = write_toy(
        tmp_path,
        [{**row, "label": rename[row["label"]]} for row in toy_rows(40)],
        task={"labels": list(named)},
    )
    write_script(tmp_path / "weather.json", WEATHER, named, weight=8)
    write_script(tmp_path / "bread.json", BREAD, named, weight=8)
    finish(task)
    with Ledger.read(tmp_path / "run") as view:
        texts = {item.id: item.fields["text"] for item in view.items()}
        for vote in view.votes():
            words = WEATHER if vote.worker == "weather" else BREAD
            assert vote.label == named[words[1] in texts[vote.item]]


@pytest.mark.parametrize("items", [1, 2, 10, 1000])
def test_a_budget_of_items(items: int, tmp_path: Path) -> None:
    metrics = finish(write_toy(tmp_path, budget={"items": items}, selection={"rounds": 3}))
    assert metrics["items"] == min(items, 45) == len(labels(tmp_path / "run"))
    assert metrics["votes"] == 2 * (min(items, 45) + 15)
    assert len(metrics["learning_curve"]) == min(items, 3)


@pytest.mark.parametrize(("tokens", "agents"), [(1, 1), (2500, 2), (4700, 2), (5500, 2)])
def test_a_budget_of_tokens_stops_and_says_so(tokens: int, agents: int, tmp_path: Path) -> None:
    task = write_toy(tmp_path, budget={"tokens": tokens}, selection={"rounds": 4})
    metrics = finish(task)
    spent = sum(agent["tokens"] for agent in metrics["agents"].values())
    assert tokens <= spent <= tokens + 1500, "it stops after the batch with which the budget is spent"
    assert f"Asking stopped early: the budget of {tokens:,} tokens is spent" in metrics["warnings"][0]
    assert set(metrics["agents"]) == {"weather", "bread"}
    assert sum(agent["votes"] > 0 for agent in metrics["agents"].values()) == agents
    assert metrics["student"]["accuracy"] is not None, "the student needs no tokens"

    rounds, again = len(metrics["learning_curve"]), tmp_path / "again"

    def stop_when_spent(at: Progress) -> None:
        if at.phase == "learn" and at.done == rounds:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(task, again, notify=stop_when_spent)
    execute(task, again)
    assert digest(again) == digest(tmp_path / "run"), "a spent budget takes back nothing that was answered"


def test_a_budget_of_seconds_stops_and_says_so(tmp_path: Path) -> None:
    metrics = finish(write_toy(tmp_path, budget={"seconds": 0.001}))
    assert "Asking stopped early: the budget of" in metrics["warnings"][0]
    assert metrics["items"] == 0
    assert metrics["committee"]["accuracy_reason"] == "the committee labelled none of these items"


def test_an_agent_that_fails_on_everything_stops_the_run_and_keeps_its_votes(tmp_path: Path) -> None:
    task = write_toy(tmp_path)
    (tmp_path / "bread.json").write_text('[{"when": "", "say": "positive", "weight": NaN}]')
    for _ in range(2):
        with pytest.raises(RunError, match="agent bread failed"):
            execute(task, tmp_path / "run")
    with Ledger.read(tmp_path / "run") as view:
        assert view.count("weather") > 0
    write_script(tmp_path / "bread.json", BREAD)
    metrics = execute(task, tmp_path / "run")
    rows = labels(tmp_path / "run")
    assert len(rows) == 45
    assert all(row["vote:bread"] == said_by("bread", row["text"]) for row in rows), "the mended agent's answers count"
    assert metrics["agents"]["bread"]["abstained"] == 0


def test_an_agent_that_fails_on_few_items_is_told(tmp_path: Path) -> None:
    task = write_toy(tmp_path)
    lines = json.loads((tmp_path / "bread.json").read_text())
    lines.append({"when": "film 7:", "say": "positive", "weight": float("nan")})
    (tmp_path / "bread.json").write_text(json.dumps(lines))
    metrics = finish(task)
    assert metrics["agents"]["bread"]["abstained"] == 1
    assert "Agent bread gave no label for 1 of 60 items." in metrics["warnings"]


def test_nobody_answers_anything(tmp_path: Path) -> None:
    task = write_toy(tmp_path, toy_rows(12))
    for name in ("weather", "bread"):
        (tmp_path / f"{name}.json").write_text('[{"when": "", "say": "positive", "weight": NaN}]')
    metrics = finish(task)
    assert (metrics["items"], metrics["agents"]["bread"]["abstained"]) == (0, 12)
    assert labels(tmp_path / "run") == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_hardly_any_data(count: int, tmp_path: Path) -> None:
    metrics = finish(write_toy(tmp_path, toy_rows(count), data={"test": None}))
    assert metrics["items"] == count


def test_a_text_of_a_megabyte_is_cut_and_flagged(tmp_path: Path) -> None:
    rows = toy_rows(20)
    rows[3]["text"] += " and so on" * 100_000
    metrics = finish(write_toy(tmp_path, rows, data={"test": None}))
    assert metrics["data"]["truncated"] == 1
    assert any("cut" in warning for warning in metrics["warnings"])
    assert metrics["items"] == 20


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        ({"data": {"gold": "lable"}}, "no column 'lable'; did you mean 'label'"),
        ({"data": {"test": {"share": 0.999}}}, None),
        ({"task": {"labels": ["one"]}}, "at least two labels"),
    ],
)
def test_what_cannot_be_run_says_why(sections: dict[str, Any], problem: str | None, tmp_path: Path) -> None:
    with pytest.raises((DataError, ConfigError), match=problem):
        execute(write_toy(tmp_path, toy_rows(4), **sections), tmp_path / "run")
    assert not (tmp_path / "run").exists()
