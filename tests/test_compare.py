"""Runs of several task files side by side: toy runs whose truth is known, and outcomes written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from limbeck.errors import DataError, RunError
from limbeck.flows.compare import Side, compare
from limbeck.flows.compared import latex, markdown, write_comparison
from limbeck.flows.outcomes import read_outcomes, write_outcomes
from limbeck.flows.pareto import pareto
from limbeck.report.comparison import render, write_comparison_page
from toy_job import Shell, write_script, write_toy

LABELS = ("no", "yes")


def write_run(folder: Path, said: list[int], *, student: list[int] | None = None, cpu: float = 10.0) -> Path:
    """A run whose 100 test items are all "yes"; the numbers say which label was given."""
    folder.mkdir(parents=True)
    items = [f"{i:03d}" for i in range(len(said))]
    opinions = {
        "committee": {item: (LABELS[label], 1.0) for item, label in zip(items, said, strict=True)},
        "student": {item: (LABELS[label], 1.0) for item, label in zip(items, student or [], strict=False)},
    }
    write_outcomes(folder, items, ["yes"] * len(items), said=opinions)
    phase = {"name": "annotate", "model": "m", "wall_s": cpu, "cpu_s": cpu, "tokens": 5, "peak_rss_bytes": 100}
    resources: dict[str, Any] = {
        "cpu_s": cpu,
        "wall_s": cpu,
        "peak_rss_bytes": 100,
        "energy_j": None,
        "energy_j_reason": "no counter",
    }
    resources |= {"tokens": {"prefilled": 4, "decoded": 1}, "phases": [phase]}
    metrics = {"resources": resources, "agents": {"a": {"model": "m"}}, "task": {"name": "t"}}
    (folder / "metrics.json").write_text(json.dumps(metrics | {"reproduce": {"machine": {}}}))
    return folder


def some(wrong: int, *, first: int = 0) -> list[int]:
    """100 answers, `wrong` of them wrong from place `first` on."""
    return [0 if first <= i < first + wrong else 1 for i in range(100)]


def test_the_difference_by_hand(tmp_path: Path) -> None:
    small = write_run(tmp_path / "s", some(20), student=some(30), cpu=10)
    large = write_run(tmp_path / "l", some(10), student=some(25), cpu=40)
    found = compare([Side("small", (small,)), Side("large", (large,))], seeds=[0], margin=0.3)
    labels, student = found["pairs"]
    # Ten items more are wrong, all of them right by the large one.
    assert labels["difference"] == pytest.approx(-0.1)
    assert (labels["only_first"], labels["only_second"]) == (0, 10)
    assert labels["mcnemar"] == pytest.approx(2 / 2**10)
    assert labels["not_inferior"] is True
    assert student["difference"] == pytest.approx(-0.05)
    assert found["sides"]["small"]["labels"] == pytest.approx(0.8)
    assert found["sides"]["small"]["energy_j_reason"] == "no counter"
    assert found["front"]["labels"]["cpu_s"] == ["small", "large"]
    assert "is not inferior to large within 30 points (-10.0 points" in found["sentence"]
    assert "0.25× the CPU time" in found["sentence"]


def test_a_narrow_margin_is_not_met(tmp_path: Path) -> None:
    sides = [Side(name, (write_run(tmp_path / name, some(n)),)) for name, n in (("small", 20), ("large", 10))]
    (labels, student) = compare(sides, seeds=[0], margin=0.02)["pairs"]
    assert labels["not_inferior"] is False
    assert student["difference"] is None
    assert student["difference_reason"] == "one side has no such labels"


def test_seeds_are_paired_and_an_item_counts_once(tmp_path: Path) -> None:
    small = tuple(write_run(tmp_path / f"s{seed}", some(10 + seed)) for seed in range(3))
    large = tuple(write_run(tmp_path / f"l{seed}", some(10)) for seed in range(3))
    found = compare([Side("small", small), Side("large", large)], seeds=[0, 1, 2], margin=0.1)
    assert found["items"] == 100
    assert found["pairs"][0]["difference"] == pytest.approx(-0.01)


def test_other_items_or_unfinished_runs_are_refused(tmp_path: Path) -> None:
    whole = write_run(tmp_path / "whole", some(10))
    part = write_run(tmp_path / "part", some(5)[:50])
    with pytest.raises(DataError, match="same items"):
        compare([Side("a", (whole,)), Side("b", (part,))], seeds=[0], margin=0.1)
    with pytest.raises(RunError, match=r"test\.csv"):
        compare([Side("a", (whole,)), Side("b", (tmp_path / "nowhere",))], seeds=[0], margin=0.1)
    with pytest.raises(DataError, match="cannot be compared"):
        compare([Side("a", (whole,))], seeds=[0], margin=0.1)


def test_a_label_that_looks_like_a_formula_comes_back(tmp_path: Path) -> None:
    write_outcomes(tmp_path, ["x"], ["=1+1"], said={"committee": {"x": ("=1+1", 1.0)}, "student": {}})
    assert read_outcomes(tmp_path).said["committee"] == {"x": "=1+1"}
    assert read_outcomes(tmp_path).gold == {"x": "=1+1"}


def test_files_and_page(tmp_path: Path) -> None:
    sides = [Side(name, (write_run(tmp_path / name, some(n)),)) for name, n in (("a_b&c", 20), ("<large>", 10))]
    found = compare(sides, seeds=[0], margin=0.02)
    write_comparison(tmp_path, found)
    assert r"a\_b\&c" in latex(found)
    assert "| <large> | 90.0" in markdown(found)
    page = write_comparison_page(tmp_path).read_text(encoding="utf-8")
    assert "&lt;large&gt;" in page
    assert "<large>" not in page
    assert "svg" in page
    assert "<script" not in page
    with pytest.raises(RunError):
        render({"sides": 3})


def test_the_front() -> None:
    assert pareto([(1, 0.8), (2, 0.9), (3, 0.9), (1, 0.7)]) == [True, True, False, False]


@pytest.fixture(name="shell")
def _shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    return Shell(monkeypatch, capsys)


@pytest.mark.slow
def test_through_the_command_line_and_again(tmp_path: Path, shell: Shell) -> None:
    small, large = write_toy(tmp_path / "toy"), tmp_path / "toy" / "large.yaml"
    large.write_text(small.read_text())
    words = ["compare", small, large, "--seeds", "2", "--margin", "0.1", "--run", tmp_path / "c", "--json"]
    code, out, _ = shell(*words)
    assert code == 0
    found = json.loads(out)
    assert found["reference"] == "large"
    # The same agents on the same texts: no difference on any item, so there is no interval either.
    assert found["pairs"][0]["difference"] == 0
    assert (tmp_path / "c" / "task" / "seed-1" / "metrics.json").exists()
    assert "seed: 1" in (tmp_path / "c" / "task" / "seed-1" / "task.yaml").read_text()
    assert (tmp_path / "c" / "compare.html").exists()


@pytest.mark.slow
def test_a_key_varied(tmp_path: Path, shell: Shell) -> None:
    task = write_toy(tmp_path / "toy")
    write_script(tmp_path / "toy" / "wrong.json", ("sunny", "rainy"))
    vary = ["--vary", "agents.0.model=weather.json,wrong.json"]
    code, out, _ = shell("compare", task, *vary, "--run", tmp_path / "c", "--json")
    assert code == 0
    found = json.loads(out)
    assert set(found["sides"]) == {"task model=weather.json", "task model=wrong.json"}
    assert found["pairs"][0]["difference"] > 0
    assert shell("compare", task, "--vary", "agents.0.model")[0] == 2
    assert shell("compare", task)[0] == 2
    code, _, err = shell("compare", task, "--vary", "agents.7.model=a,b")
    assert code == 2
    assert "agents[7]" in err
