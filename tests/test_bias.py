"""Bias by permuting, and slices: agents whose preference is known by hand, and parts that are worse by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.errors import DataError
from limbeck.evaluation.shares import fisher, wilson
from limbeck.flows.bias import SMALL
from limbeck.flows.run import BIAS
from toy_job import LABELS, Shell, execute, toy_rows, write_toy


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    return Shell(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (29, 29, 0.8830, 1.0)],
)
def test_wilson_as_published(hits: int, n: int, low: float, high: float) -> None:
    """Newcombe 1998, Statistics in Medicine 17, table I, method 3."""
    found = wilson(hits, n)
    assert found.interval == pytest.approx((low, high), abs=6e-5)
    assert found.value == hits / n


@given(st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_in_its_interval(pair: tuple[int, int]) -> None:
    found = wilson(*pair)
    if pair[1] == 0:
        assert found.value is None
        return
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_more_hits_than_trials_are_refused() -> None:
    with pytest.raises(DataError, match="3 of 2 is no share"):
        wilson(3, 2)


@settings(deadline=None)  # SciPy is loaded in the first example
@given(st.integers(1, 25), st.integers(1, 25), st.data())
def test_fishers_test_as_scipy_has_it(n: int, other: int, data: st.DataObject) -> None:
    stats = pytest.importorskip("scipy.stats")
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, other))
    assert fisher(a, n, b, other) == pytest.approx(stats.fisher_exact([[a, n - a], [b, other - b]]).pvalue, abs=1e-6)


def lines(*pairs: tuple[str, str], weight: float = 3) -> str:
    return json.dumps([{"when": when, "say": say, "weight": weight} for when, say in pairs])


def measured(found: dict[str, Any], agent: str) -> dict[str, dict[str, Any]]:
    return {one["change"]: one for one in found["measured"] if one["agent"] == agent}


def test_an_agent_that_likes_what_is_listed_last_is_flagged_and_one_that_reads_is_not(
    tmp_path: Path, shell: Shell
) -> None:
    """`last` says the label that its prompt names last; `deaf` says positive, whatever the words; `fair` reads."""
    model = {"engine": "scripted", "style": "plain", "wording": "{labels}? {text}", "cue": "Label:"}
    agents = [
        {"name": "last", "model": "last.json", **model},
        {"name": "fair", "model": "weather.json", **model},
        {"name": "unlisted", "model": "weather.json", "engine": "scripted", "style": "plain", "wording": "{text}"},
        {"name": "rules", "functions": {"keywords": {"negative": "rainy"}}},
    ]
    task = write_toy(tmp_path, agents=agents)
    (tmp_path / "last.json").write_text(lines(("or negative?", "negative"), ("or positive?", "positive")))
    assert shell("run", task, "--run", tmp_path / "run", "--quiet")[0] == 0
    code, out, err = shell("bias", task, "--items", 40, "--run", tmp_path / "run", "--json")
    assert code == 0, err
    found = json.loads(out)
    turned = measured(found, "last")["labels in reversed order"]
    assert turned["changed"] == 1.0
    shift = {row["label"]: row for row in turned["shifts"]}
    assert shift["negative"]["shift"] > SMALL
    assert shift["positive"]["shift"] == pytest.approx(-shift["negative"]["shift"])
    assert shift["negative"]["flag"]
    assert turned["flag"]
    read = measured(found, "fair")["labels in reversed order"]
    assert (read["changed"], read["flag"], read["remains"]) == (0.0, False, False)
    assert set(measured(found, "last")) >= {
        "labels in reversed order",
        "letters for labels",
        "letters the other way round",
    }
    assert measured(found, "last")["letters the other way round"]["against"] == "letters for labels"
    assert found["skipped"]["rules"] == "reads no prompt"
    assert "order of labels is not tried" in found["skipped"]["unlisted"]
    assert json.loads((tmp_path / "run" / BIAS).read_text())["items"] == 40
    page = (tmp_path / "run" / "report.html").read_text()
    assert "What the prompts prefer" in page
    code, out, _ = shell("bias", task, "--items", 10)
    assert code == 0
    assert "last, labels in reversed order: answers changed, after calibration: 100 %" in out


def sliced(tmp_path: Path, shell: Shell) -> dict[str, Any]:
    rows = [row | {"source": ("news", "forum")[i < 100]} for i, row in enumerate(toy_rows(200))]
    for row in rows[:100]:  # the agents read the same words, and the truth of the forum is the other way round
        row["label"] = LABELS[1 - LABELS.index(row["label"])]
    task = write_toy(tmp_path, rows, data={"test": None})
    execute(task, tmp_path / "run")
    told = shell("report", tmp_path / "run", "--slice", "source", "--data", tmp_path / "pool.csv")
    assert told[0] == 0, told[2]
    found: dict[str, Any] = json.loads((tmp_path / "run" / "slices.json").read_text())
    return found


def test_a_part_whose_labels_are_worse_is_flagged(tmp_path: Path, shell: Shell) -> None:
    (column,) = sliced(tmp_path, shell)["columns"]
    rows = {(row["slice"], row["measure"], row["label"]): row for row in column["rows"]}
    assert (column["column"], column["n"], column["tests"]) == ("source", 200, 8)
    news, forum = rows["news", "accuracy", None], rows["forum", "accuracy", None]
    assert news["flag"]
    assert forum["flag"]
    assert news["share"] == forum["rest"] > 0.7 > forum["share"] == news["rest"]
    assert not rows["news", "disagreement", None]["flag"], "the agents differ on as many texts in both"
    assert not rows["news", "label", "positive"]["flag"]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "By <code>source</code>: 2 of 8 comparisons" in page


def test_slices_need_the_data_and_its_column(tmp_path: Path, shell: Shell) -> None:
    task = write_toy(tmp_path)
    execute(task, tmp_path / "run")
    assert shell("report", tmp_path / "run", "--slice", "source")[0] == 2
    code, _, err = shell("report", tmp_path / "run", "--slice", "source", "--data", tmp_path / "pool.csv")
    assert code == 2
    assert "source" in err
    other = write_toy(tmp_path / "other", [{"text": "something else", "label": "positive", "source": "x"}] * 2)
    assert yaml.safe_load(other.read_text())
    code, _, err = shell("report", tmp_path / "run", "--slice", "source", "--data", tmp_path / "other" / "pool.csv")
    assert code == 2
    assert "none of the run's texts" in err
