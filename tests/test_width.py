"""The width of a batch: the narrowest that is nearly the fastest, measured once for each machine and model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from limbeck.decoding.base import BRANCHES, plan_batches
from limbeck.engines.scripted import Line, ScriptedEngine
from limbeck.engines.width import CANDIDATES, measure, narrowest, remembered
from stories import Stories


def test_the_narrowest_that_is_nearly_the_fastest() -> None:
    assert narrowest({16: 50.0, 32: 89.0, 64: 91.0, 96: 100.0, 128: 99.0}) == 64
    assert narrowest({16: 100.0, 32: 80.0}) == 16


def test_every_width_is_measured_and_the_engine_left_empty() -> None:
    engine = Stories({})
    assert set(measure(engine)) == set(CANDIDATES)
    assert {rows for rows in engine.rows_read if rows > 1} == set(CANDIDATES)
    assert engine.snapshot() == [()]


def test_it_is_measured_once_for_each_model(tmp_path: Path) -> None:
    path = tmp_path / "home" / "width.json"
    engine = Stories({})
    rows = remembered(engine, path)
    assert rows in CANDIDATES
    engine.rows_read.clear()
    assert remembered(engine, path) == rows
    assert engine.rows_read == []
    remembered(ScriptedEngine([Line("a", "b")]), path)
    assert len(json.loads(path.read_text())) == 2


@pytest.mark.parametrize("content", ["", "[]", '{"x": "y"}', "\0"])
def test_a_damaged_file_only_costs_the_measurement(tmp_path: Path, content: str) -> None:
    path = tmp_path / "width.json"
    path.write_text(content)
    assert remembered(Stories({}), path) in CANDIDATES


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert remembered(Stories({}), tmp_path / "file" / "width.json") in CANDIDATES


def test_a_context_too_short_to_measure_in() -> None:
    assert remembered(Stories({}, context=20), Path("nowhere") / "width.json") == CANDIDATES[0]


def test_batches_of_branches() -> None:
    assert [len(batch) for batch in plan_batches([10] * 25, 10)] == [BRANCHES // 10] * 2 + [5]
    assert [len(batch) for batch in plan_batches([10] * 5, 10, branches=30)] == [3, 2]
    assert [len(batch) for batch in plan_batches([10] * 3, 200)] == [1, 1, 1]
    assert plan_batches([3, 9, 5], 1) == [[1, 2, 0]]
    assert plan_batches([], 1) == []
