"""Models behind a server: what is asked, what is made of the answers, by a model of a few lines worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from fake_server import NAME, FakeServer, Reply, Seen, as_json, model, serving
from limbeck.engines.base import HOLE, Message, Wish
from limbeck.engines.pace import Patience
from limbeck.engines.pieces import END
from limbeck.engines.server import ServerEngine
from limbeck.engines.transport import Client
from limbeck.errors import EngineError

QUICK = Patience(timeout=5, base=0.001)


def engine(server: FakeServer, **options: Any) -> ServerEngine:
    return ServerEngine(Client(server.url, patience=QUICK), NAME, **options)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving() as one:
        yield one


def hold(one: ServerEngine, *texts: str) -> None:
    one.reset()
    one.hold([one.tokenizer.encode(text) for text in texts], [0] * len(texts))


def chat(one: ServerEngine, text: str, begun: str = "") -> list[int]:
    before, after = one.tokenizer.frame([Message("system", "Judge."), Message("user", f"Text: {HOLE}")])
    return [*before, *one.tokenizer.encode(text), *after, *one.tokenizer.encode(begun)]


def words(one: ServerEngine, tokens: Any) -> list[str]:
    return [piece.decode() for piece in one.tokenizer.spell([int(token) for token in tokens])]


# What is asked


def test_a_plain_row_goes_to_completions(server: FakeServer) -> None:
    one = engine(server)
    hold(one, "It is")
    one.complete([Wish(3, stops=("\n",), sampling={"temperature": 0.5, "top_k": 7.0, "min_p": 0.1}, seed=2**40 + 5)])
    (seen,) = server.seen
    assert seen.path == "/v1/completions"
    assert seen.body == {
        "model": "toy",
        "prompt": "It is",
        "max_tokens": 3,
        "stream": False,
        "temperature": 0.5,
        "top_k": 7,
        "min_p": 0.1,
        "stop": ["\n"],
        "seed": 5,
        "logprobs": 2,
    }


def test_a_row_with_turns_goes_to_chat(server: FakeServer) -> None:
    one = engine(server)
    one.hold([chat(one, "x<|im_end|>", "It is"), chat(one, "y")], [0, 0])
    one.peaks(3)
    begun, fresh = sorted((seen.body for seen in server.seen), key=lambda body: -len(body["messages"]))
    assert {seen.path for seen in server.seen} == {"/v1/chat/completions"}
    assert begun["messages"] == [
        {"role": "system", "content": "Judge."},
        {"role": "user", "content": "Text: x<\u200b|im_end|>"},
        {"role": "assistant", "content": "It is"},
    ]
    assert (begun["continue_final_message"], begun["add_generation_prompt"]) == (True, False)
    assert (begun["logprobs"], begun["top_logprobs"], begun["temperature"]) == (True, 3, 0.0)
    assert [message["role"] for message in fresh["messages"]] == ["system", "user"]
    assert begun["chat_template_kwargs"] == {"enable_thinking": False}
    assert not {"continue_final_message", "chat_template_kwargs"} & fresh.keys()


# What is made of it


@pytest.mark.parametrize("shape", ["content", "tokens"])
def test_peaks_in_both_shapes(shape: str) -> None:
    with serving(partial(model, shape=shape)) as server:
        one = engine(server)
        hold(one, "It is", "It is ba")
        peaks = one.peaks(4)
        # Only two pieces are listed for the second row, so there are two columns.
        assert [words(one, row) for row in peaks.tokens] == [[" good", " ba"], ["d", "nana"]]
        np.testing.assert_allclose(np.exp(peaks.logs), [[0.5, 0.25], [0.75, 0.125]], rtol=1e-6)


def test_rows_grow_fork_and_come_back(server: FakeServer) -> None:
    one = engine(server)
    hold(one, "It is", "nothing")
    state = one.snapshot()
    one.hold([one.tokenizer.encode(text) for text in (" so", " ba")], [0, 0])
    assert words(one, one.peaks(1).tokens[:, 0]) == [" é", "d"]
    one.restore(state)
    one.hold([one.tokenizer.encode(" so")], [0])
    assert words(one, one.peaks(1).tokens[:, 0]) == [" é"]


def test_equal_rows_are_asked_once(server: FakeServer) -> None:
    one = engine(server)
    hold(one, "It is", "It is", "It is ba")
    one.peaks(2)
    assert len(server.seen) == 2


@pytest.mark.parametrize("shape", ["content", "tokens"])
def test_a_path_with_logs_margins_and_end(shape: str) -> None:
    with serving(partial(model, shape=shape)) as server:
        one = engine(server)
        hold(one, "It is", "It is ba", "It is")
        whole, bad, cut = one.complete([Wish(9), Wish(9), Wish(1)])
        assert (words(one, whole.tokens), whole.end) == ([" good"], "end")
        assert (words(one, bad.tokens), bad.end) == (["d"], "end")
        assert (words(one, cut.tokens), cut.end) == ([" good"], "length")
        np.testing.assert_allclose(np.exp(bad.logs), [0.75])
        np.testing.assert_allclose(whole.margins + bad.margins, [0.25, 0.625])


def test_cot_decoding_in_two_calls(server: FakeServer) -> None:
    one = engine(server)
    one.hold([chat(one, "x", "It is")], [0])
    first = one.peaks(3)
    one.hold([[int(token)] for token in first.tokens[0]], [0, 0, 0])
    paths = one.complete([Wish(8)] * 3)
    assert [words(one, path.tokens) for path in paths] == [[], ["d"], [" é"]]
    assert [path.end for path in paths] == ["end"] * 3


def test_a_row_that_has_ended_is_not_asked_about(server: FakeServer) -> None:
    one = engine(server)
    hold(one, "It is")
    one.hold([[END], one.tokenizer.encode(" ba")], [0, 0])
    ended, other = one.complete([Wish(4), Wish(0)])
    assert (ended.end, other.end, server.seen) == ("end", "length", [])
    with pytest.raises(EngineError, match="has ended"):
        one.peaks(1)


def test_stop_texts_cut_even_within_a_token() -> None:
    def deaf(seen: Seen, number: int) -> Reply:
        return model(Seen(seen.path, seen.headers, {k: v for k, v in seen.body.items() if k != "stop"}))

    with serving(deaf) as server:
        one = engine(server)
        hold(one, "It is")
        (path,) = one.complete([Wish(5, stops=("od",))])
        assert (words(one, path.tokens), path.end, len(path.logs), len(path.margins)) == ([" go"], "stop", 1, 1)


def test_no_log_probabilities() -> None:
    with serving(partial(model, logprobs=False)) as server:
        one = engine(server)
        hold(one, "It is")
        (path,) = one.complete([Wish(4)])
        assert (words(one, path.tokens), path.end) == ([" good"], "end")
        assert all(math.isnan(value) for value in path.logs + path.margins)
        assert len(path.logs) == len(path.margins) == 1
        for ask in (lambda: one.peaks(2), lambda: one.score([one.tokenizer.encode(" good")])):
            with pytest.raises(EngineError, match="gives no log-probabilities") as error:
                ask()
            assert "logits_all" in str(error.value.hint)


def test_a_begun_answer_that_is_repeated_is_taken_off() -> None:
    def repeats(seen: Seen, number: int) -> Reply:
        return as_json({"choices": [{"message": {"content": "It is good"}, "finish_reason": "stop"}]})

    with serving(repeats) as server:
        one = engine(server)
        one.hold([chat(one, "x", "It is")], [0])
        assert words(one, one.complete([Wish(4)])[0].tokens) == [" good"]


@pytest.mark.parametrize(
    ("finish", "extra", "end"),
    [
        ("stop", {"stop_reason": "\n"}, "stop"),
        ("stop", {"stop_reason": None}, "end"),
        ("stop", {"matched_stop": "\n"}, "stop"),
        ("stop", {"matched_stop": 151645}, "end"),
        ("stop", {}, "stop"),
        ("length", {}, "length"),
        ("content_filter", {}, "length"),
        (None, {}, "length"),
    ],
)
def test_why_it_ended(finish: str | None, extra: dict[str, Any], end: str) -> None:
    logs = {"tokens": ["a"], "token_logprobs": [-0.1], "top_logprobs": [{"a": -0.1}]}
    choice = {"text": "a", "finish_reason": finish, "logprobs": logs} | extra
    with serving(lambda seen, number: as_json({"choices": [choice]})) as server:
        one = engine(server)
        hold(one, "x")
        (path,) = one.complete([Wish(4, stops=("\n",))])
        assert path.end == end
        assert math.isnan(path.margins[0])


def test_tokens_that_end_within_a_character() -> None:
    def half(text: str, raw: list[int]) -> dict[str, Any]:
        return {
            "token": text,
            "bytes": raw,
            "logprob": -0.1,
            "top_logprobs": [{"token": text, "bytes": raw, "logprob": -0.1}],
        }

    logs = {"content": [half("\ufffd", [0xC3]), half("\ufffd", [0xA9])]}
    choice = {"text": "é", "finish_reason": "length", "logprobs": logs}
    with serving(lambda seen, number: as_json({"choices": [choice]})) as server:
        one = engine(server)
        hold(one, "x")
        assert one.tokenizer.decode(one.complete([Wish(2)])[0].tokens) == "é"


def test_several_ends_are_one_with_their_sum() -> None:
    logs = {"tokens": ["a"], "token_logprobs": [-1], "top_logprobs": [{"a": -1, "</s>": -2, "<|im_end|>": -2}]}
    choice = {"text": "a", "finish_reason": "length", "logprobs": logs}
    with serving(lambda seen, number: as_json({"choices": [choice]})) as server:
        one = engine(server)
        hold(one, "x")
        peaks = one.peaks(3)
        assert peaks.tokens[0].tolist() == [*one.tokenizer.encode("a"), END]
        assert peaks.logs[0, 1] == pytest.approx(-2 + math.log(2))


# Scores of options


def scores(one: ServerEngine, *options: str) -> Any:
    return np.exp(one.score([one.tokenizer.encode(option) for option in options]))


def test_options_of_one_and_of_several_tokens(server: FakeServer) -> None:
    one = engine(server)
    hold(one, "It is")
    found = scores(one, " good", " bad", " so é")
    np.testing.assert_allclose(found, [[0.5, 0.25 * 0.75, 0.125 * 0.5]])
    assert sorted(seen.body["prompt"] for seen in server.seen) == ["It is", "It is ba", "It is so"]


def test_options_share_what_they_have_in_common(server: FakeServer) -> None:
    one = engine(server)
    hold(one, "It is", "It is")
    scores(one, " bad", " banana", " bad", " bat")
    assert len(server.seen) == 2


def test_an_option_that_is_not_listed_is_bounded_by_the_least_listed(server: FakeServer) -> None:
    one = engine(server)
    hold(one, "It is")
    np.testing.assert_allclose(scores(one, " ugly", " bat"), [[0.0625, 0.0625]])
    np.testing.assert_allclose(scores(engine_with(server, one, 2), " ugly", " bat"), [[0.25, 0.25]])


def engine_with(server: FakeServer, other: ServerEngine, top: int) -> ServerEngine:
    one = engine(server, top=top)
    hold(one, other.tokenizer.decode(other.snapshot()[0]))
    return one


def test_an_option_that_begins_another_is_credited_only_with_itself(server: FakeServer) -> None:
    one = engine(server)
    hold(one, "It is")
    np.testing.assert_allclose(scores(one, " good", " good enough"), [[0.5 - 0.125, 0.125]])


# Calls out of order


def test_calls_out_of_order_are_refused(server: FakeServer) -> None:
    one = engine(server, context=4)
    for rows, parents, what in (
        ([[]], [0], "without pieces"),
        ([[1]], [1], "does not exist"),
        ([[1], [2]], [0], "does not exist"),
        ([[1] * 5], [0], "longer than the context"),
    ):
        with pytest.raises(EngineError, match=what):
            one.hold(rows, parents)
    with pytest.raises(EngineError, match="0 wishes for 1 rows"):
        one.complete([])
    with pytest.raises(EngineError, match="without text"):
        one.score([[END]])
    assert server.seen == []
