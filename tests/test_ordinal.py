"""Labels on a scale: the point of a posterior, distances from gold, agreement of workers, and a whole run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from limbeck.errors import ConfigError
from limbeck.evaluation import mean_absolute_error, point, quadratic_kappa, rank_agreement
from limbeck.evaluation.intervals import Floats
from limbeck.report import write_report
from limbeck.selection.base import Evidence
from limbeck.selection.uncertainty import Variance
from limbeck.task import Scale, Task, fingerprint, parse_task
from toy_job import Shell, execute, write_toy

SCALE = np.array([1.0, 2.0, 3.0])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def read(kind: str, labels: str = "[low, middle, high]", rest: str = "") -> Task:
    return Task.of(
        parse_task(f"task: {{labels: {labels}, kind: {kind}}}\ndata: {{pool: a.csv}}\n{rest}", source="t.yaml")
    )


def test_mode_median_and_mean_may_all_differ() -> None:
    posterior = np.array([[0.4, 0.0, 0.25, 0.35]])
    values = np.array([1.0, 2.0, 3.0, 8.0])
    assert [int(point(posterior, values, how)[0]) for how in ("mode", "median", "mean")] == [0, 2, 2]
    assert int(point(np.array([[0.45, 0.1, 0.45]]), SCALE, "mean")[0]) == 1
    assert int(point(np.array([[0.5, 0.0, 0.5]]), SCALE, "median")[0]) == 0


@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_the_median_has_the_least_expected_distance_and_the_mean_the_least_squared(mass: list[float]) -> None:
    posterior = np.array([mass]) / sum(mass)
    for how, power in (("median", 1), ("mean", 2)):
        losses = (posterior @ np.abs(SCALE[:, None] - SCALE) ** power)[0]
        assert losses[point(posterior, SCALE, how)[0]] <= losses.min() + 1e-9


def test_distance_and_kappa_of_four_items_by_hand() -> None:
    gold, said = np.array([0, 1, 2, 2]), np.array([0, 2, 2, 0])
    assert mean_absolute_error(gold, said, SCALE, rng=rng()).value == pytest.approx((0 + 1 + 0 + 2) / 4)
    # Squared distances 0, 1, 0, 4: 5/4. By chance: gold 1, 2, 3, 3 against 1, 3, 3, 1: (21+16+20+20 … )/16.
    pairs = [(a - b) ** 2 for a in (1, 2, 3, 3) for b in (1, 3, 3, 1)]
    wanted = 1 - (5 / 4) / (sum(pairs) / 16)
    assert quadratic_kappa(gold, said, SCALE, rng=rng()).value == pytest.approx(wanted)
    assert quadratic_kappa(gold, gold, SCALE, rng=rng()).value == pytest.approx(1)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=30))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    gold, said = np.array(pairs).T
    found = quadratic_kappa(gold, said, np.arange(4.0), rng=rng())
    if len({*gold.tolist(), *said.tolist()}) == 1:
        assert found.value is None
        assert found.reason == "gold and labels are all the same"
    else:
        wanted = cohen_kappa_score(gold, said, labels=range(4), weights="quadratic")
        assert found.value == pytest.approx(wanted, abs=1e-9)


def test_items_without_gold_do_not_count() -> None:
    gold, said = np.array([-1, 0, 2]), np.array([2, 0, 2])
    assert mean_absolute_error(gold, said, SCALE, rng=rng()).value == 0
    assert rank_agreement(gold, np.array([9.0, 1.0, 2.0]), rng=rng()).value == pytest.approx(1)
    nothing = np.array([-1, -1])
    for found in (quadratic_kappa(nothing, nothing, SCALE, rng=rng()), rank_agreement(nothing, SCALE[:2], rng=rng())):
        assert (found.value, found.reason) == (None, "no item has a gold label")


def test_variance_asks_where_the_ends_are_split_before_neighbours() -> None:
    opinion: Floats = np.array([[0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [1.0, 0.0, 0.0]])
    evidence = Evidence(("near", "far", "sure"), probabilities=opinion, values=SCALE)
    assert Variance()(evidence, 3, rng()) == ["far", "near", "sure"]


def test_labels_that_are_numbers_are_their_own_values() -> None:
    assert read("ordinal", "[-2, 0, 3.5]").scale == Scale((-2.0, 0.0, 3.5))
    assert read("ordinal").scale == Scale((1.0, 2.0, 3.0))
    told = read("{ordinal: {point: mean, values: {low: -1, middle: 0.5, high: 4}}}")
    assert told.scale == Scale((-1.0, 0.5, 4.0), "mean")


def test_a_gold_number_is_its_nearest_label() -> None:
    task = read("{ordinal: {values: {low: -2, middle: 0, high: 2}}}")
    assert [task.gold(one) for one in ("1.2", "-1", "0", "2.9", "3.1", "high", "nan", "?")] == [
        *("high", "low", "middle", "high", "3.1", "high", "nan", "?")
    ]


@pytest.mark.parametrize(
    ("kind", "labels", "rest", "problem"),
    [
        ("ordinal", "[3, 2, 1]", "", "task.labels: the labels of a scale must ascend"),
        ("{ordinal: {values: {low: 1, middle: 2}}}", "[low, middle, high]", "", "values: lacks 'high'"),
        ("{ordinal: {values: {low: 1, midle: 2}}}", "[low, middle]", "", "is no label; did you mean 'middle'?"),
        ("{ordinal: {values: {low: 1, high: 1}}}", "[low, high]", "", "must ascend in the order of the labels"),
        ("{ordinal: {point: best}}", "[low, high]", "", "'best' is unknown; known: mode, median, mean"),
        ("ordinel", "[low, high]", "", "'ordinel' is unknown; did you mean 'ordinal'?"),
        ("{label: {}, ordinal: {}}", "[low, high]", "", "names one kind, not 2"),
        ("label", "[low, high]", "selection: {strategy: variance}", "variance needs labels that are numbers"),
    ],
)
def test_bad_scales_are_refused_when_the_file_is_read(kind: str, labels: str, rest: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=r"t\.yaml:") as caught:
        read(kind, labels, rest)
    assert problem in caught.value.message


def test_the_kind_of_old_files_leaves_their_fingerprint_alone() -> None:
    plain, label, ordinal = (
        parse_task(f"task: {{labels: [a, b]{kind}}}\ndata: {{pool: p.csv}}\n", source="t.yaml")
        for kind in ("", ", kind: label", ", kind: ordinal")
    )
    assert fingerprint(plain) == fingerprint(label) != fingerprint(ordinal)


STARS = ("1", "2", "3")


def stars(folder: Path, **kind: Any) -> Path:
    """Texts of one, two and three stars; the second agent takes every fourth text one star too high."""
    rows = []
    for i in range(48):
        truth = i % 3
        second = min(truth + (i % 4 == 0), 2)
        text = f"dish {i}: {('awful', 'fair', 'superb')[truth]} taste, {('cold', 'warm', 'hot')[second]} plate"
        rows.append({"text": text, "label": f"{truth + 1 + 0.2 * (i % 2):g}"})
    task = write_toy(
        folder,
        rows,
        task={"labels": list(STARS), "kind": {"ordinal": kind}},
        agents=[
            {"name": name, "model": f"{name}.json", "engine": "scripted", "style": "plain"}
            for name in ("taste", "heat")
        ],
        selection={"strategy": "variance", "cold": "random", "rounds": 3},
    )
    for name, words in (("taste", ("awful", "fair", "superb")), ("heat", ("cold", "warm", "hot"))):
        lines = [{"when": word, "say": star, "weight": 2} for word, star in zip(words, STARS, strict=True)]
        (folder / f"{name}.json").write_text(json.dumps(lines))
    return task


def test_a_scale_goes_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    metrics = execute(stars(tmp_path, point="mean"), tmp_path / "run")
    committee, student = metrics["committee"], metrics["student"]
    assert metrics["task"]["kind"] == "ordinal"
    assert metrics["data"]["gold_unknown"] == 0
    assert committee["accuracy"] >= 0.75
    assert committee["mean_absolute_error"] <= 0.25
    assert 0.6 < committee["quadratic_kappa"] <= 1
    assert committee["spearman"] > 0.8
    assert 0.6 < committee["ordinal_alpha"] < 1
    assert student["quadratic_kappa"] > 0.6
    assert f"quadratic kappa {committee['quadratic_kappa']:.2f}" in metrics["sentence"]
    assert {entry["strategy"] for entry in metrics["learning_curve"]} == {"random", "variance"}
    with (tmp_path / "run" / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        expected = sum(float(row[f"p:{star}"]) * int(star) for star in STARS)
        assert float(row["expected"]) == pytest.approx(expected, abs=1e-5)
        assert int(row["label"]) == round(expected)
        assert float(row["confidence"]) == pytest.approx(float(row[f"p:{row['label']}"]), abs=1e-5)
    page = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert all(words in page for words in ("Quadratic kappa", "Mean absolute error", "a scale from low to high"))
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    shell = Shell(monkeypatch, capsys)
    code, out, _ = shell("predict", tmp_path / "run", tmp_path / "pool.csv")
    assert code == 0
    said = list(csv.DictReader(io.StringIO(out)))
    assert all(int(row["label"]) == round(float(row["expected"])) for row in said)
    code, out, _ = shell("export", tmp_path / "run", "--to", "jsonl")
    assert code == 0
    first = json.loads((tmp_path / "run" / "labels.jsonl").read_text().splitlines()[0])
    assert first["expected"] == pytest.approx(float(rows[0]["expected"]), abs=1e-5)
