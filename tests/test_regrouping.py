"""Weights in larger groups stand for nearly the same numbers, and the engine computes in groups of that size."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from limbeck.engines import regrouping
from limbeck.engines.openvino import OpenVinoEngine
from limbeck.engines.regrouping import GROUP, group_of, is_small, regroup, spread


def grouped(folder: Path, inputs: int, *, seed: int = 0) -> tuple[Path, np.ndarray]:
    """A model of one product with weights in groups of 32 and zero points, as the GGUF reader saves it."""
    rng = np.random.default_rng(seed)
    whole = rng.integers(0, 256, (8, inputs // 32, 32)).astype(np.uint8)
    zero = np.full((8, inputs // 32, 1), 128, np.uint8)
    scale = (rng.random((8, inputs // 32, 1)) / 100).astype(np.float16)
    scale[3] = 0  # a row of nothing
    floats = ops.subtract(ops.convert(ops.constant(whole), "f16"), ops.convert(ops.constant(zero), "f16"))
    product = ops.multiply(floats, ops.constant(scale))
    flat = ops.convert(ops.reshape(product, ops.constant(np.array([8, inputs])), special_zero=False), "f32")
    source = ops.parameter([-1, inputs], np.float32, name="x")
    model = ov.Model([ops.matmul(source, flat, transpose_a=False, transpose_b=True)], [source])
    path = folder / "openvino_model.xml"
    ov.save_model(model, path, compress_to_fp16=False)
    return path, ((whole.astype(np.float32) - 128) * scale).reshape(8, inputs)


def products(path: Path, rows: np.ndarray) -> np.ndarray:
    compiled = ov.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found: np.ndarray = compiled([rows])[0]
    return found


@pytest.fixture(autouse=True)
def _all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regrouping, "SMALL", 1)


def test_a_regrouped_product_is_nearly_the_same(tmp_path: Path) -> None:
    path, weights = grouped(tmp_path, 128)
    rows = np.random.default_rng(1).standard_normal((5, 128)).astype(np.float32)
    assert group_of(ov.Core().read_model(path)) == 32
    assert regroup(path)
    assert group_of(ov.Core().read_model(path)) == GROUP
    truth = rows @ weights.T
    assert np.abs(products(path, rows) - truth).max() < 0.02 * np.abs(truth).max()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["openvino_model.bin", "openvino_model.xml"]


def test_a_matrix_that_cannot_be_cut_so_is_left_alone(tmp_path: Path) -> None:
    path, _ = grouped(tmp_path, 96)
    before = path.read_bytes()
    assert not regroup(path)
    assert path.read_bytes() == before


def test_a_small_model_is_left_alone_and_can_be_spread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regrouping, "SMALL", 10_000)
    path, weights = grouped(tmp_path, 128)
    assert not regroup(path)
    model = ov.Core().read_model(path)
    assert is_small(model)
    spread(model)
    assert not is_small(model)
    assert group_of(model) is None
    rows = np.eye(128, dtype=np.float32)
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert np.abs(compiled([rows])[0] - weights.T).max() < 1e-6


def test_regrouping_twice_changes_nothing_but_rounding(tmp_path: Path) -> None:
    path, _ = grouped(tmp_path, 128)
    regroup(path)
    rows = np.eye(128, dtype=np.float32)
    once = products(path, rows)
    (tmp_path / "again").mkdir()
    for name in ("openvino_model.xml", "openvino_model.bin"):
        shutil.copy(tmp_path / name, tmp_path / "again")
    regroup(tmp_path / "again" / "openvino_model.xml")
    assert np.abs(products(tmp_path / "again" / "openvino_model.xml", rows) - once).max() < 1e-3


@pytest.mark.model
def test_the_built_in_model_is_small(smollm2: OpenVinoEngine) -> None:
    assert ":bf16:" in smollm2.identity or ":group-32:" in smollm2.identity
