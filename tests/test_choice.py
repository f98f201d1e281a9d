"""Label scoring against truths worked out by hand and against scoring every option on its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.decoding.choice import Choice
from limbeck.engines.base import Floats
from limbeck.engines.scripted import STOP, VOCABULARY, Line, ScriptedEngine

ENGINE = ScriptedEngine([])


class CountingEngine(ScriptedEngine):
    """A scripted engine that remembers how many rows each call had."""

    def __init__(self, lines: Sequence[Line]) -> None:
        super().__init__(lines)
        self.calls: list[int] = []

    def extend(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> Floats:
        self.calls.append(len(rows))
        return super().extend(rows, parents)


def text(*options: str) -> list[list[int]]:
    return [list(option.encode()) for option in options]


def scores(choice: Choice, engine: ScriptedEngine, *prompts: str) -> list[tuple[float, ...]]:
    engine.reset()
    found = [draw.scores for draw in choice(engine, text(*prompts))]
    return [row for row in found if row is not None]


def alone(engine: ScriptedEngine, prompt: str, option: Sequence[int]) -> float:
    """The sum of log-probabilities of an option's tokens, one call for each token."""
    engine.reset()
    total, last = 0.0, engine.extend(text(prompt), [0])
    for token in option:
        logits = last[0].astype(np.float64)
        total += logits[token] - np.log(np.exp(logits).sum())
        last = engine.extend([[token]], [0])
    return float(total)


def test_one_byte_options_by_hand() -> None:
    # After "x", "a" and " a" may begin: both bytes weigh 2, the other 257 weigh 1.
    engine = ScriptedEngine([Line("x", "a", float(np.log(2)))])
    (row,) = scores(Choice(text("a", "b")), engine, "x")
    assert row == pytest.approx([np.log(2 / (VOCABULARY + 2)), np.log(1 / (VOCABULARY + 2))], abs=1e-6)


def test_options_of_several_tokens_are_products() -> None:
    engine = ScriptedEngine([])
    (row,) = scores(Choice(text("ab", "acd", "b")), engine, "?")
    assert row == pytest.approx([-2 * np.log(VOCABULARY), -3 * np.log(VOCABULARY), -np.log(VOCABULARY)], rel=1e-6)


def test_one_call_per_depth_and_shared_tokens_computed_once() -> None:
    engine = CountingEngine([])
    draws = Choice(text("positive", "possible", "no"))(engine, text("one", "two", "three"))
    # Root, then p+n, then po+(no ends), ... : the nodes that still lead somewhere, times three prompts.
    assert engine.calls == [3, 6, 3, 3, 6, 6, 6, 6]
    assert [draw.prefilled for draw in draws] == [3 + 12, 3 + 12, 5 + 12]


def test_an_option_that_begins_another_is_closed() -> None:
    # Unclosed, "good" would also get the mass of "good enough".
    engine = ScriptedEngine([Line("x", "good enough", 9.0)])
    (row,) = scores(Choice(text("good", "good enough"), end=frozenset({STOP})), engine, "x")
    assert row[1] > row[0] + 5
    assert row[0] == pytest.approx(alone(engine, "x", [*b"good", STOP]), abs=1e-4)
    assert row[1] == pytest.approx(alone(engine, "x", [*b"good enough", STOP]), abs=1e-4)


def test_several_ends_add_up() -> None:
    (row,) = scores(Choice(text("a", "ab"), end=frozenset({STOP, 0})), ENGINE, "x")
    assert row[0] == pytest.approx(np.log(2) - 2 * np.log(VOCABULARY), rel=1e-6)


def test_a_prefix_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="no token ends an answer"):
        Choice(text("a", "ab"))


@pytest.mark.parametrize("options", [("", "a"), ("a", "a")])
def test_empty_and_doubled_options_are_refused(options: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="must be different"):
        Choice(text(*options))


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), float("-inf")])
def test_scores_that_are_no_numbers_give_a_reason(weight: float) -> None:
    engine = ScriptedEngine([Line("bad", "a", weight), Line("bad", "b", weight)])
    fine, broken = Choice(text("a", "b"))(engine, text("good", "bad"))
    assert fine.scores is not None
    assert broken.scores is None
    assert broken.reason == "the engine gave scores that are not numbers"


@given(
    options=st.lists(st.text("abc", min_size=1, max_size=4), min_size=2, max_size=6, unique=True),
    prompts=st.lists(st.text("xyz", min_size=1, max_size=5), min_size=1, max_size=4),
    say=st.text("abc", min_size=1, max_size=4),
)
def test_equals_scoring_each_option_alone(options: list[str], prompts: list[str], say: str) -> None:
    engine = ScriptedEngine([Line("x", say, 3.0), Line("y", options[0], 1.5)])
    closed = any(a != b and b.startswith(a) for a in options for b in options)
    found = scores(Choice(text(*options), end=frozenset({STOP})), engine, *prompts)
    for prompt, row in zip(prompts, found, strict=True):
        wanted = [alone(engine, prompt, [*option.encode(), *([STOP] if closed else [])]) for option in options]
        assert row == pytest.approx(wanted, abs=1e-3)


def test_identity_names_the_options() -> None:
    same = [Choice(text("a", "b")).identity, Choice(text("a", "b"), end=frozenset({STOP})).identity]
    assert same[0] == same[1]
    assert Choice(text("b", "a")).identity != same[0]
    assert (
        Choice(text("a", "ab"), end=frozenset({STOP})).identity != Choice(text("a", "ab"), end=frozenset({1})).identity
    )
