"""Answers that keep to a form: whatever the model would rather say, the text always parses."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limbeck import decode
from limbeck.decoding.answers import Pattern
from limbeck.decoding.consistency import SelfConsistency
from limbeck.decoding.sampling import Dice, Sampler, Sampling
from limbeck.decoding.trees import Policy
from limbeck.engines.base import Floats, Integers
from limbeck.engines.openvino import OpenVinoEngine
from limbeck.engines.scripted import STOP, VOCABULARY, ByteText, Line, ScriptedEngine
from limbeck.errors import ConfigError, EngineError

pytestmark = pytest.mark.extras
grammar = pytest.importorskip("limbeck.decoding.grammar")

SCHEMA = {
    "type": "object",
    "properties": {
        "label": {"enum": ["positive", "negative"]},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        "why": {"type": "string", "maxLength": 12},
    },
    "required": ["label", "stars", "why"],
    "additionalProperties": False,
}
WHOLE = Policy(Pattern(r"(?s).+"), max_tokens=80, aggregate="majority")
EVEN = np.zeros((1, VOCABULARY), np.float32)


def allowed(form: str, language: str, *said: str) -> list[set[int]]:
    """Tokens that may follow each of some texts."""
    seen: list[set[int]] = []

    class Look:
        def __call__(self, logits: Floats, numbers: Sequence[int]) -> Integers:
            seen.extend(set(np.flatnonzero(np.isfinite(row)).tolist()) for row in logits)
            best: Integers = logits.argmax(axis=1)
            return best

        def wish(self, number: int) -> tuple[dict[str, float], int]:
            return {}, 0

    tokens = [list(one.encode()) for one in said]
    pick = grammar.Grammar(form, language).guard(ByteText(), Look(), tokens)
    pick(np.repeat(EVEN, len(said), axis=0), range(len(said)))
    return seen


def check(text: str) -> None:
    said = json.loads(text)
    assert set(said) == {"label", "stars", "why"}
    assert said["label"] in ("positive", "negative")
    assert said["stars"] in range(1, 6)
    assert isinstance(said["why"], str)
    assert len(said["why"]) <= 12


def test_masks_by_hand() -> None:
    assert allowed("ab|abc|x", "regex", "", "a", "ab", "abc", "x") == [
        {ord("a"), ord("x")},
        {ord("b")},
        {ord("c"), STOP},
        {STOP},
        {STOP},
    ]
    assert allowed('start: "(" start? ")"', "lark", "(", "()", "((") == [{40, 41}, {STOP}, {40, 41}]
    assert allowed('{"type": "boolean"}', "json", "", "tru", "true") == [{ord("t"), ord("f")}, {ord("e")}, {STOP}]


def test_paths_are_followed_as_they_grow_and_margins_stay_raw() -> None:
    engine = ScriptedEngine([Line("Q", "nonsense", 3.0)])
    form = grammar.Grammar("[ab]{3}", "regex")
    (found,) = SelfConsistency(WHOLE, 1, Sampling(temperature=0), form=form)(engine, [list(b"Q")])
    assert found.trace is not None
    (branch,) = found.trace["branches"]
    assert (branch["text"], branch["end"]) == ("aaa", "end")
    # The model would begin with "n" or a blank: "a" has one share of 257 + 2e³, not a third of what the form leaves.
    assert branch["first"] == pytest.approx(1 / (257 + 2 * np.exp(3)), rel=1e-5)


def test_sampled_json_always_parses() -> None:
    form = grammar.Grammar(json.dumps(SCHEMA))
    engine = ScriptedEngine([Line("Q", '"}]garbage', 3.0)])
    (found,) = SelfConsistency(WHOLE, 12, Sampling(temperature=1.5), form=form)(engine, [list(b"Q")])
    assert found.trace is not None
    ended = [branch["text"] for branch in found.trace["branches"] if branch["end"] == "end"]
    assert len(ended) > 6
    for text in ended:
        check(text)
    assert len(set(ended)) > 1


def test_one_token_left_is_taken_whatever_is_banned() -> None:
    said = [list(b"aa")]
    inner = Sampler(Sampling(no_repeat_ngram=1), [Dice(0, b"", 0)], said)
    pick = grammar.Grammar("aaa", "regex").guard(ByteText(), inner, said)
    assert pick(EVEN, [0]).tolist() == [ord("a")]


def test_padded_vocabularies_are_covered() -> None:
    class Short(ByteText):
        def spell(self, tokens: Sequence[int]) -> list[bytes]:
            return [[bytes((i,)) if i < 256 else b"" for i in range(VOCABULARY)][token] for token in tokens]

    said: list[list[int]] = [[]]
    inner = Sampler(Sampling(), [Dice(0, b"", 0)], said)
    pick = grammar.Grammar("a", "regex").guard(Short(), inner, said)
    assert pick(np.zeros((1, VOCABULARY + 61), np.float32), [0]).tolist() == [ord("a")]


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [("(a", "regex", "unclosed"), ("{", "json", "no JSON"), ('{"type": "foo"}', "json", "foo"), ("start", "lark", "")],
)
def test_what_is_no_grammar_is_refused(text: str, language: str, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"(?s)grammar \({language}\).*{words}"):
        grammar.Grammar(text, language)


def test_a_path_that_has_left_the_grammar_is_an_error() -> None:
    with pytest.raises(EngineError, match="cannot be followed"):
        allowed("ab", "regex", "x")


def test_a_server_is_refused() -> None:
    with pytest.raises(ConfigError, match="in this process"):
        grammar.Grammar("a", "regex").guard(ByteText(), Sampler(Sampling(), [], []), []).wish(0)


def test_identity_tells_texts_and_languages_apart() -> None:
    names = {grammar.Grammar(*one).identity for one in [("a", "regex"), ("b", "regex"), ('{"const": "a"}', "json")]}
    assert len(names) == 3


@pytest.mark.model
def test_a_real_model_keeps_to_a_schema(smollm2: OpenVinoEngine) -> None:
    smollm2.reset()
    tokenizer = smollm2.tokenizer
    prompt = tokenizer.encode('Review: "A quiet, moving film." As JSON:')
    smollm2.extend([[*tokenizer.start, *prompt[:-1]]], [0])
    form = grammar.Grammar(json.dumps(SCHEMA))
    (found,) = SelfConsistency(WHOLE, 6, Sampling(temperature=1.2, top_p=0.95), form=form)(smollm2, [prompt[-1:]])
    assert found.trace is not None
    ended = [branch["text"] for branch in found.trace["branches"] if branch["end"] == "end"]
    assert len(ended) == 6
    for text in ended:
        check(text)
        assert not re.search(r"\n|  ", text.split('"why"')[0])


def test_a_form_of_a_task_file(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('[{"when": "?", "say": "certainly not", "weight": 9}]')
    told: dict[str, Any] = {"engine": "scripted", "answer": "label:yes,no", "style": "plain"}
    (free,) = decode(str(script), ["Well?"], "nucleus", **told)
    (bound,) = decode(str(script), ["Well?"], "nucleus: {form: {regex: 'yes|no'}}", **told)
    assert (free.answer, free.trace is not None) == (None, True)
    assert bound.answer in ("yes", "no")
    assert bound.trace is not None
    assert bound.trace["branches"][0]["text"] in ("yes", "no")
