"""The embedded engine with the real model: batching, forks and snapshots change nothing but rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from limbeck.engines.base import Floats
from limbeck.engines.openvino import OpenVinoEngine
from limbeck.errors import EngineError

pytestmark = pytest.mark.model

TEXTS = (
    "The film was",
    "A long and rather winding road led us down to the harbour, where the boats lay",
    "2 + 2 =",
    "She opened the letter, read it twice, and",
)


def log_softmax(logits: Floats) -> npt.NDArray[np.float64]:
    wide = logits.astype(np.float64)
    peak = wide.max(axis=-1, keepdims=True)
    shifted: npt.NDArray[np.float64] = wide - peak - np.log(np.exp(wide - peak).sum(axis=-1, keepdims=True))
    return shifted


def divergence(truth: Floats, other: Floats) -> float:
    """Mean KL in nats per row."""
    p, q = log_softmax(truth), log_softmax(other)
    return float((np.exp(p) * (p - q)).sum(axis=-1).mean())


@pytest.fixture
def engine(smollm2: OpenVinoEngine) -> OpenVinoEngine:
    smollm2.reset()
    return smollm2


@pytest.fixture
def rows(engine: OpenVinoEngine) -> list[list[int]]:
    return [engine.tokenizer.encode(text) for text in TEXTS]


def one_by_one(engine: OpenVinoEngine, rows: list[list[int]]) -> Floats:
    found = []
    for row in rows:
        engine.reset()
        found.append(engine.extend([row], [0])[0])
    engine.reset()
    return np.stack(found)


def test_a_ragged_batch_equals_one_by_one(engine: OpenVinoEngine, rows: list[list[int]]) -> None:
    truth = one_by_one(engine, rows)
    batch = engine.extend(rows, [0] * len(rows))
    assert batch.shape == (4, 49152)
    assert divergence(truth, batch) < 0.03
    assert (truth.argmax(axis=1) == batch.argmax(axis=1)).all()


def test_a_shared_prefix_equals_the_whole_prompt(engine: OpenVinoEngine, rows: list[list[int]]) -> None:
    prefix = engine.tokenizer.encode("Four sentences, each of which goes on after a while:\n")
    truth = one_by_one(engine, [prefix + row for row in rows])
    engine.extend([prefix], [0])
    assert divergence(truth, engine.extend(rows, [0] * 4)) < 0.03


def test_forks_reorder_and_drop_rows(engine: OpenVinoEngine, rows: list[list[int]]) -> None:
    tails = [engine.tokenizer.encode(text) for text in (" very good, and so", " old", " not")]
    parents = [3, 0, 3]
    truth = one_by_one(engine, [rows[parent] + tail for parent, tail in zip(parents, tails, strict=True)])
    engine.extend(rows, [0] * 4)
    assert divergence(truth, engine.extend(tails, parents)) < 0.03


def test_padding_of_earlier_calls_is_never_seen(engine: OpenVinoEngine, rows: list[list[int]]) -> None:
    # Three steps of ragged rows leave holes everywhere; the row without any must not differ from its neighbours' fate.
    pieces = [[rows[1][i : i + step] for i in range(0, 12, step)] for step in (4, 3, 6)]
    engine.extend([piece[0] for piece in pieces], [0, 0, 0])
    last = engine.extend([piece[1] for piece in pieces], [0, 1, 2])
    assert divergence(one_by_one(engine, [rows[1][:8], rows[1][:6], rows[1][:12]]), last) < 0.03


def test_snapshot_and_restore(engine: OpenVinoEngine, rows: list[list[int]]) -> None:
    engine.extend([rows[1]], [0])
    state = engine.snapshot()
    first = engine.extend([rows[0], rows[2]], [0, 0])
    engine.extend([[5]], [1])
    for _ in range(2):
        engine.restore(state)
        assert np.array_equal(engine.extend([rows[0], rows[2]], [0, 0]), first)


def test_a_restored_prefix_scores_like_a_fresh_one(engine: OpenVinoEngine, rows: list[list[int]]) -> None:
    # A resumed run begins with a fresh prefix where the killed one had a restored one.
    engine.extend([rows[1]], [0])
    state = engine.snapshot()
    fresh = engine.extend([rows[0], rows[2]], [0, 0])
    engine.restore(state)
    assert np.array_equal(engine.extend([rows[0], rows[2]], [0, 0]), fresh)


def test_a_session_that_has_read_nothing_can_be_restored(engine: OpenVinoEngine, rows: list[list[int]]) -> None:
    nothing = engine.snapshot()
    fresh = engine.extend(rows, [0] * 4)
    engine.restore(nothing)
    assert np.array_equal(engine.extend(rows, [0] * 4), fresh)


def test_equal_batches_give_equal_bits(engine: OpenVinoEngine, rows: list[list[int]]) -> None:
    first = engine.extend(rows, [0] * 4)
    engine.reset()
    assert np.array_equal(engine.extend(rows, [0] * 4), first)


def test_calls_out_of_order_are_refused(engine: OpenVinoEngine) -> None:
    for rows, parents, what in (
        ([[]], [0], "without tokens"),
        ([[1]], [1], "does not exist"),
        ([[1], [2]], [0], "does not exist"),
        ([[1] * (engine.context + 1)], [0], "longer than the context"),
    ):
        with pytest.raises(EngineError, match=what):
            engine.extend(rows, parents)
    assert engine.extend([[1]], [0]).shape[0] == 1


def test_a_folder_without_a_model_is_refused(engine: OpenVinoEngine, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot load"):
        OpenVinoEngine(tmp_path, engine.tokenizer, context=10, source="none")
