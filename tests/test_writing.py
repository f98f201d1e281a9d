"""Writing texts: where they end, whose dice they throw, hot openings, and guidance away from another prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from fake_server import NAME, serving
from limbeck.decoding.guidance import PLAUSIBLE, Guided
from limbeck.decoding.paths import Limits
from limbeck.decoding.sampling import Sampling
from limbeck.decoding.writing import Writer, Written
from limbeck.engines.pace import Patience
from limbeck.engines.scripted import VOCABULARY
from limbeck.engines.server import ServerEngine
from limbeck.engines.transport import Client
from limbeck.errors import ConfigError
from stories import Stories

COLD = Sampling(temperature=0)
LINE = Limits(20, ("\n",))


def write(engine: Stories, writer: Writer, prompts: Sequence[str], numbers: Sequence[int] = (0, 1, 2)) -> list[Written]:
    engine.reset()
    return writer(engine, [engine.tokenizer.encode(one) for one in prompts], numbers[: len(prompts)])


def test_a_text_ends_by_itself_or_at_the_stop_or_is_cut() -> None:
    engine = Stories({"a": {"one": 9.0}, "b": {"two\nthree": 9.0}, "c": {"x" * 40: 9.0}})
    found = write(engine, Writer(COLD, LINE), ["a", "b", "c"])
    assert [(one.text, one.end) for one in found] == [("one", "end"), ("two", "stop"), ("x" * 20, "length")]
    assert [(one.prefilled, one.decoded) for one in found] == [(1, 3), (1, 3), (1, 20)]


def test_a_text_hangs_on_its_number_and_prompt_alone() -> None:
    stories = {name: {f"{letter * 6}": 8.0 for letter in "klmnopqrst"} for name in "abc"}
    engine, writer = Stories(stories), Writer(Sampling(), LINE, seed=4)
    together = write(engine, writer, ["a", "b", "c"], (7, 8, 9))
    assert write(engine, writer, ["b"], (8,)) == together[1:2]
    assert len({write(engine, writer, ["a"], (n,))[0].text for n in range(20)}) > 4
    assert write(engine, Writer(Sampling(), LINE, seed=5), ["a", "b", "c"], (7, 8, 9)) != together


def test_a_hot_opening_and_a_cold_rest() -> None:
    """The first byte is drawn among ten, all others are the likeliest: ten texts, none of them broken."""
    engine = Stories({"a": {f"{letter}{letter.upper() * 5}": 8.0 for letter in "klmnopqrst"}})
    writer = Writer(COLD, LINE, opening=Sampling(top_k=10), opened=1)
    texts = {write(engine, writer, ["a"], (n,))[0].text for n in range(60)}
    assert texts <= {f"{letter}{letter.upper() * 5}" for letter in "klmnopqrst"}
    assert len(texts) >= 8
    assert writer.identity != Writer(COLD, LINE).identity


def logs(weights: dict[str, float]) -> np.ndarray:
    scores = np.zeros(VOCABULARY)
    for letter, weight in weights.items():
        scores[ord(letter)] = weight
    return scores - math.log(np.exp(scores).sum())


def test_guided_scores_by_hand() -> None:
    engine = Stories({"w": {"k": 9.0, "l": 8.0, "m": 4.0}, "c": {"k": 9.0}})
    guided = Guided(engine, 2.0)
    found = guided.start([[ord("w")]], [[ord("c")]])[0]
    wanted, contrast = logs({"k": 9.0, "l": 8.0, "m": 4.0}), logs({"k": 9.0})
    for letter in "kl":
        place = ord(letter)
        assert found[place] == pytest.approx(3 * wanted[place] - 2 * contrast[place], abs=1e-4)
    assert found.argmax() == ord("l")
    # m has e⁻⁵ = 0.007 of the likeliest token's probability: implausible, however much the contrast dislikes it.
    assert math.exp(-5) < PLAUSIBLE
    assert found[ord("m")] == -np.inf


def test_guidance_leads_away_from_what_the_contrast_says_too() -> None:
    engine = Stories({"w": {"same": 9.0, "mine": 8.5}, "c": {"same": 9.0, "other": 8.0}})
    engine.reset()
    writer = Writer(COLD, LINE, guidance=2.0)
    (found,) = writer(engine, [[ord("w")]], [0], contrast=[[ord("c")]])
    assert found.text == "mine"
    assert (found.prefilled, found.decoded) == (2, 8)
    (plain,) = write(engine, Writer(COLD, LINE), ["w"])
    assert plain.text == "same"


def test_pairs_of_rows_go_on_and_come_back_together() -> None:
    engine = Stories({"w": {"ab": 9.0, "cd": 8.0}, "x": {"ef": 9.0}, "c": {"gh": 9.0}})
    guided = Guided(engine, 1.0)
    guided.start([[ord("w")], [ord("x")]], [[ord("c")], [ord("c")]])
    kept = guided.snapshot()
    first = guided.extend([[ord("e")]], [1])
    assert first[0].argmax() == ord("f")
    guided.restore(kept)
    again = guided.extend([[ord("e")], [ord("a")]], [1, 0])
    assert again.argmax(axis=1).tolist() == [ord("f"), ord("b")]
    assert again[0].tolist() == first[0].tolist()
    guided.reset()
    assert guided.start([[ord("x")]], [[ord("c")]])[0].argmax() == ord("e")


def test_a_server_writes_by_the_same_settings() -> None:
    with serving() as server:
        engine = ServerEngine(Client(server.url, patience=Patience(timeout=5, base=0.001)), NAME)
        writer = Writer(Sampling(temperature=0.5, top_p=0.9), LINE, seed=3)
        engine.reset()
        bodies = [engine.tokenizer.encode(text) for text in ("It is", "Say")]
        found = writer(engine, bodies, [0, 1])
        asked = sorted((seen.body for seen in server.seen), key=lambda body: body["prompt"])
        assert [one["prompt"] for one in asked] == ["It is", "Say"]
        assert {(one["temperature"], one["top_p"], one["max_tokens"]) for one in asked} == {(0.5, 0.9, 20)}
        assert asked[0]["seed"] != asked[1]["seed"]
        assert [(one.text, one.end) for one in found] == [(" good", "end"), ("", "end")]
        with pytest.raises(ConfigError, match="cannot guide"):
            Writer(Sampling(), LINE, guidance=1.0)(engine, bodies, [0, 1], contrast=bodies)
