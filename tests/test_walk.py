"""Answers of any shape, and scores that are walked from lists of the likeliest tokens."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.engines.answers import read
from limbeck.engines.walk import walk
from limbeck.errors import EngineError

NAMES = st.sampled_from(
    [
        "choices",
        "text",
        "message",
        "content",
        "logprobs",
        "tokens",
        "token_logprobs",
        "top_logprobs",
        "token",
        "logprob",
        "bytes",
        "finish_reason",
        "a",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just(-1.0),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
CHOICE = st.fixed_dictionaries(
    {"text": st.text(max_size=3)}, optional={"logprobs": ANYTHING, "finish_reason": ANYTHING}
)


@settings(max_examples=300, deadline=None)
@given(ANYTHING | st.fixed_dictionaries({"choices": st.lists(ANYTHING | CHOICE, max_size=2)}))
def test_any_json_is_an_answer_or_an_error(said: Any) -> None:
    with suppress(EngineError):
        answer = read(said, "the server")
        assert isinstance(answer.text, str)
        for place in answer.places or ():
            assert [log for _, log in place.top] == sorted((log for _, log in place.top), reverse=True)


def test_a_walk_never_stops_within_a_character() -> None:
    def ask(spots: Any) -> Any:
        assert all(begun.decode() is not None for _, begun in spots)
        return [[(b"\xc3", -0.1), ("é".encode(), -3.0), (b"x", -4.0)]] * len(spots)

    np.testing.assert_allclose(walk(1, ["éé".encode(), b"y"], ask), [[-6.0, -4.0]])


WORDS = st.lists(st.sampled_from(["a", "b", "ab", "ba", "é"]), min_size=1, max_size=4).map("".join)


@settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=5, unique=True))
def test_walked_scores_are_those_of_the_longest_tokens(options: list[str]) -> None:
    tokens = {"ab": 0.25, "ba": 0.25, "a": 0.125, "b": 0.125, "é": 0.125}

    def along(text: str) -> float:
        if not text:
            return 1.0
        first = max((token for token in tokens if text.startswith(token)), key=len)
        return tokens[first] * along(text[len(first) :])

    listed = [(token.encode(), math.log(share)) for token, share in tokens.items()]
    found = np.exp(walk(2, [option.encode() for option in options], lambda spots: [listed] * len(spots)))
    assert (found[0] == found[1]).all()
    assert (found > 0).all()
    for option, share in zip(options, found[0], strict=True):
        alone = not any(other != option and other.startswith(option) for other in options)
        assert share <= along(option) * (1 + 1e-9)
        assert not alone or share == pytest.approx(along(option))
