"""The laws of every engine, kept by the one that ships without a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from limbeck.engines.base import HOLE, Message
from limbeck.engines.scripted import ANSWER, TURN, VOCABULARY, ByteText, Line, ScriptedEngine
from limbeck.errors import EngineError


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine([Line("good", "yes", 2.0), Line("", "no", 0.5)], context=30)


def test_a_line_speaks_byte_after_byte(engine: ScriptedEngine) -> None:
    logits = engine.extend([list(b"good:")], [0])
    assert logits.shape == (1, VOCABULARY)
    # "yes" and " yes" may begin (2.0 each), "no" and " no" too (0.5 each).
    assert logits[0, ord("y")] == 2.0
    assert logits[0, ord(" ")] == 2.5
    assert logits[0, ord("n")] == 0.5
    after = engine.extend([list(b"y"), list(b"ye")], [0, 0])
    assert after[0, ord("e")] == 2.0
    assert after[1, ord("s")] == 2.0


def test_parents_fork_reorder_and_drop_rows(engine: ScriptedEngine) -> None:
    engine.extend([list(b"good"), list(b"bad")], [0, 0])
    forked = engine.extend([[33], [34], [35]], [1, 0, 1])
    engine.reset()
    for row, text in zip(forked, (b"bad!", b'good"', b"bad#"), strict=True):
        engine.reset()
        assert np.array_equal(engine.extend([list(text)], [0])[0], row)


def test_snapshots_bring_back_the_rows(engine: ScriptedEngine) -> None:
    engine.extend([list(b"good")], [0])
    state = engine.snapshot()
    first = engine.extend([[1], [2]], [0, 0])
    engine.restore(state)
    assert np.array_equal(engine.extend([[1], [2]], [0, 0]), first)


@pytest.mark.parametrize(
    ("rows", "parents", "what"),
    [
        ([[]], [0], "without tokens"),
        ([], [], "without tokens"),
        ([[1]], [1], "does not exist"),
        ([[1] * 31], [0], "31"),
    ],
)
def test_calls_out_of_order_are_refused(
    engine: ScriptedEngine, rows: list[list[int]], parents: list[int], what: str
) -> None:
    with pytest.raises(EngineError, match=what):
        engine.extend(rows, parents)


def test_text_never_makes_control_tokens() -> None:
    tokens = ByteText().encode("é\x00\udc80 漢")
    assert max(tokens) < TURN
    assert ByteText().decode([TURN, *tokens, ANSWER]) == "é\x00? 漢"


def test_a_conversation_is_framed_around_the_hole() -> None:
    before, after = ByteText().frame([Message("user", f"a{HOLE}b"), Message("assistant", "c")])
    assert (before, after) == ([TURN, 97], [98, TURN, 99, ANSWER])
    with pytest.raises(EngineError, match="no place"):
        ByteText().frame([Message("user", "a")])


def test_scripts_are_read_from_json(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text('[{"when": "good", "say": "yes"}]')
    loaded = ScriptedEngine.load(path)
    assert loaded.identity == ScriptedEngine([Line("good", "yes")]).identity
    assert loaded.identity != ScriptedEngine([Line("good", "no")]).identity
    for broken in ("{", '[{"when": 1}]', '[{"when": "a", "say": "b", "weight": "x"}]', '{"a": 1}'):
        path.write_text(broken)
        with pytest.raises(EngineError, match="not a script"):
            ScriptedEngine.load(path)
    with pytest.raises(EngineError, match="not a script"):
        ScriptedEngine.load(tmp_path / "missing.json")
