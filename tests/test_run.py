"""A whole run with scripted agents: what it leaves in its folder, and that its numbers are those counted by hand."""

from __future__ import annotations

import csv
import json
import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from limbeck.catalog import AGGREGATORS, DIVERSE, NEEDS, SELECTORS, resolve
from limbeck.encoder import Encoder
from limbeck.flows.job import Job, Progress
from limbeck.ledger import Ledger
from limbeck.records import Vote
from toy_encoder import write_toy_encoder
from toy_job import BREAD, LABELS, WEATHER, Shell, digest, execute, toy_rows, write_csv, write_toy

# What the issue wants in metrics.json at least; {} stands for each agent.
WANTED = {
    "agents.{}": ("accuracy", "items_per_second", "tokens"),
    "committee": ("accuracy", "macro_f1", "ece", "coverage", "effective_votes", "both_wrong_agreement"),
    "student": ("accuracy", "macro_f1", "ece", "items_per_second", "bytes"),
    "resources": ("wall_s", "cpu_s", "peak_rss_bytes", "energy_j", "energy_method", "phases", "tokens"),
}
# Null in these is a word that is not there, not a number that could not be had.
WORDS = {"gold", "model", "warning", "energy_scope", "prompt_example"}


def nulls_without_reason(value: Any, path: str = "") -> list[str]:
    if isinstance(value, list):
        return [found for i, one in enumerate(value) for found in nulls_without_reason(one, f"{path}[{i}]")]
    if not isinstance(value, dict) or path == ".task":
        return []
    found = []
    for key, one in value.items():
        if one is None and f"{key}_reason" not in value and key not in WORDS and not key.endswith("interval"):
            found.append(f"{path}.{key}")
        found += nulls_without_reason(one, f"{path}.{key}")
    return found


def check_metrics(metrics: dict[str, Any]) -> None:
    """Every wanted key is there; whatever is null says why; nothing is NaN."""
    assert {"items", "votes"} <= set(metrics)
    for agent in metrics["agents"]:
        for place, keys in WANTED.items():
            block: Any = metrics
            for key in place.format(agent).split("."):
                block = block[key]
            assert set(keys) <= set(block), place
    assert nulls_without_reason(metrics) == []
    json.dumps(metrics, allow_nan=False)


def number_of(text: str) -> int:
    return int(text.removeprefix("film ").split(":")[0])


def said_by(worker: str, text: str) -> str:
    """What an agent must answer, read off the text."""
    words = WEATHER if worker == "weather" else BREAD
    return LABELS[words[1] in text]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 60 texts, 15 of them held out."""
    home = tmp_path_factory.mktemp("toy")
    execute(write_toy(home), home / "run")
    return home / "run"


@pytest.fixture
def metrics(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return found


def votes(folder: Path) -> list[tuple[str, Vote]]:
    with Ledger.read(folder) as view:
        texts = {item.id: item.fields["text"] for item in view.items()}
        return [(texts[vote.item], vote) for vote in view.votes()]


def labels(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_is_in_the_folder(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    written = {"labels.csv", "test.csv", "metrics.json", "student", "task.yaml", "assets.lock.json"}
    assert names == written | {"ledger.sqlite", "run.lock", "run.pid"}
    assert (folder / "task.yaml").read_text() == (folder.parent / "task.yaml").read_text()


def test_metrics_have_every_key_and_every_null_its_reason(metrics: dict[str, Any]) -> None:
    check_metrics(metrics)
    assert (metrics["items"], metrics["votes"]) == (45, 120)
    assert metrics["data"]["pool_items"] == 45
    assert metrics["data"]["test_items"] == 15
    assert metrics["resources"]["tokens"]["prefilled"] > 0
    assert {one["name"] for one in metrics["resources"]["phases"]} >= {"read", "select", "annotate", "learn"}
    assert metrics["student"]["bytes"] > 1000


def test_every_vote_is_what_the_script_says(folder: Path) -> None:
    found = votes(folder)
    assert len(found) == 120
    assert all(vote.label == said_by(vote.worker, text) for text, vote in found)


def test_accuracies_are_those_counted_by_hand(folder: Path, metrics: dict[str, Any]) -> None:
    truth = {row["text"]: row["label"] for row in toy_rows()}
    shown = {row["text"] for row in labels(folder)}
    held_out = [text for text in truth if text not in shown]
    assert len(held_out) == 15
    for worker in ("weather", "bread"):
        right = sum(said_by(worker, text) == truth[text] for text in held_out)
        assert metrics["agents"][worker]["accuracy_raw"] == pytest.approx(right / 15)
    assert metrics["committee"]["on"] == metrics["student"]["on"] == "test"
    assert sum(map(sum, metrics["committee"]["confusion"])) == 15


def test_labels_have_the_promised_columns(folder: Path) -> None:
    rows = labels(folder)
    assert list(rows[0]) == [
        *("id", "text", "label", "confidence", "accepted", "clean"),
        *("p:negative", "p:positive", "vote:bread", "vote:weather"),
    ]
    assert len(rows) == len({row["id"] for row in rows}) == 45
    for row in rows:
        shares = {label: float(row[f"p:{label}"]) for label in LABELS}
        assert sum(shares.values()) == pytest.approx(1, abs=2e-6)
        assert float(row["confidence"]) == pytest.approx(max(shares.values()))
        assert shares[row["label"]] == max(shares.values())
        assert row["accepted"] == "true"
        if row["vote:weather"] == row["vote:bread"]:
            assert row["label"] == row["vote:weather"] == said_by("weather", row["text"])


def test_one_point_of_the_learning_curve_for_each_round(tmp_path: Path) -> None:
    points = execute(write_toy(tmp_path, selection={"rounds": 4, "start": 0.1}), tmp_path / "run")["learning_curve"]
    assert [point["round"] for point in points] == [0, 1, 2, 3]
    assert [point["strategy"] for point in points] == ["random", "margin", "margin", "margin"]
    assert [point["labelled"] for point in points] == [4, 18, 32, 45]
    assert all(point["tokens"] > 0 and point["seconds"] > 0 for point in points)


def test_same_seed_same_tables_and_another_seed_another_selection(folder: Path, tmp_path: Path) -> None:
    execute(write_toy(tmp_path / "same"), tmp_path / "same" / "run")
    assert digest(tmp_path / "same" / "run") == digest(folder)
    assert (tmp_path / "same" / "run" / "labels.csv").read_bytes() == (folder / "labels.csv").read_bytes()
    test = str(write_csv(tmp_path / "test.csv", toy_rows(10)))
    for seed in (0, 1):
        execute(write_toy(tmp_path / str(seed), data={"seed": seed, "test": test}), tmp_path / str(seed) / "run")
    selected = []
    for seed in (0, 1):
        with Ledger.read(tmp_path / str(seed) / "run") as view:
            selected.append(set(view.rounds()[0].selected))
    assert selected[0] != selected[1]


@pytest.mark.parametrize("strategy", sorted(SELECTORS))
def test_every_strategy_by_name(strategy: str, tmp_path: Path) -> None:
    rows = [{**row, "text": f"{row['text']} {('red', 'blue', 'good')[i % 3]}"} for i, row in enumerate(toy_rows(40))]

    def diverse(job: Job) -> Job:
        encoder = Encoder(write_toy_encoder(tmp_path / "encoder"), identity="toy")
        selector = (strategy, resolve(SELECTORS[strategy])())
        schedule = replace(job.schedule, selector=selector, needs=NEEDS[strategy])
        return replace(job, encoder=encoder, schedule=schedule)

    named = "random" if strategy in DIVERSE else strategy
    asked = {"kind": "ordinal" if strategy == "variance" else "label"}
    selection = {"strategy": named, "rounds": 3}
    task = write_toy(tmp_path, rows, task=asked, selection=selection, data={"test": {"items": 10}})
    found = execute(task, tmp_path / "run", change=diverse if strategy in DIVERSE else lambda job: job)
    assert [point["strategy"] for point in found["learning_curve"]] == ["random", strategy, strategy]
    assert found["items"] == 30


@pytest.mark.parametrize("name", sorted(AGGREGATORS))
def test_every_aggregator_by_name(name: str, tmp_path: Path) -> None:
    execute(write_toy(tmp_path, committee={"aggregate": name}), tmp_path / "run")
    with Ledger.read(tmp_path / "run") as view:
        assert {label.how for label in view.labels()} == {name}
    for row in labels(tmp_path / "run"):
        if said_by("weather", row["text"]) == said_by("bread", row["text"]):
            assert row["label"] == said_by("bread", row["text"])


def test_disagreement_falls_back_while_no_worker_can_teach(tmp_path: Path) -> None:
    """Each worker knows one label only, more or less surely: neither can teach a student, both together can."""
    agents: list[dict[str, Any]] = []
    for label, foreign in zip(LABELS, ("rainy", "sunny"), strict=True):
        script = [{"when": "", "say": label, "weight": 2.5}, {"when": foreign, "say": label, "weight": -0.8}]
        tmp_path.joinpath(f"{label}.json").write_text(json.dumps(script))
        common = {"engine": "scripted", "decode": {"choice": {"calibration": "none"}}}
        agents.append({"name": label, "model": f"{label}.json", **common})
    chosen: dict[str, Any] = {"selection": {"strategy": "disagreement"}}
    found = execute(write_toy(tmp_path, agents=agents, **chosen), tmp_path / "run")
    assert found["student"]["kind"] == "linear"
    assert [point["strategy"] for point in found["learning_curve"]] == ["random", "random"]


def test_only_confident_labels_are_accepted(tmp_path: Path) -> None:
    found = execute(write_toy(tmp_path, committee={"accept": 0.9}), tmp_path / "run")
    rows = labels(tmp_path / "run")
    assert {row["accepted"] for row in rows} == {"true", "false"}
    assert all((row["accepted"] == "true") == (float(row["confidence"]) >= 0.9) for row in rows)
    assert 0 < found["committee"]["coverage"] < 1


def test_agreement_with_people(tmp_path: Path) -> None:
    rows = [{**row, "people": json.dumps({row["label"]: 3, "unsure": 1})} for row in toy_rows()]
    found = execute(write_toy(tmp_path, rows, data={"people": "people"}), tmp_path / "run")
    for block in ("committee", "student"):
        assert found[block]["people"]["raters_per_item"] == 4
        assert 0 <= found[block]["people"]["distance"] <= 1
    check_metrics(found)


def test_progress_is_told_in_order(tmp_path: Path) -> None:
    seen: list[Progress] = []
    execute(write_toy(tmp_path), tmp_path / "run", notify=seen.append)
    phases = list(dict.fromkeys(at.phase for at in seen))
    assert phases == ["annotate", "learn", "evaluate", "report"]
    assert all(0 <= at.done <= at.total for at in seen)
    assert (seen[-1].done, seen[-1].total) == (1, 1)
    assert not any(math.isnan(at.done) for at in seen)


def test_through_the_command_line_there_is_a_report_and_again_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    shell, task, run = Shell(monkeypatch, capsys), write_toy(tmp_path), tmp_path / "run"
    code, out, _ = shell("run", task, "--run", run)
    assert code == 0
    assert "Two agents labelled 45 texts" in out
    assert "<html" in (run / "report.html").read_text(encoding="utf-8")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in run.rglob("*") if path.is_file()}
    code, out, _ = shell("run", task, "--run", run)
    assert (code, "is finished" in out) == (0, True)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before} == before
    assert {path for path in run.rglob("*") if path.is_file()} == set(before)
    (run / "report.html").unlink()
    assert shell("run", task, "--run", run)[0] == 0
    assert (run / "report.html").read_bytes() == before[run / "report.html"][1]
    with closing(sqlite3.connect(run / "ledger.sqlite")) as old:  # as limbeck 0.1 wrote it
        old.executescript("DROP TABLE traces; DROP TABLE states;")
        old.execute("PRAGMA user_version = 1")
    code, out, _ = shell("run", task, "--run", run)
    assert (code, "is finished" in out) == (0, True)
    assert (run / "ledger.sqlite.schema1").exists()
