"""Generated answers with the real small model: what it writes is read rightly, and batches change only rounding."""

from __future__ import annotations

import math
from typing import Any

import pytest

from limbeck.agent import LanguageAgent, Prompt
from limbeck.agent.prompt import WRITING
from limbeck.catalog import build_decoder
from limbeck.decoding.answers import Number, Words
from limbeck.decoding.base import Draw
from limbeck.decoding.choice import Choice
from limbeck.decoding.cot import Cot
from limbeck.decoding.trees import Policy
from limbeck.engines.openvino import OpenVinoEngine
from limbeck.flows.decode import decode_all
from limbeck.records import Item
from limbeck.task import Task, parse_decode

pytestmark = pytest.mark.model

QUESTIONS = (
    "Tom has 3 apples and buys 5 more. How many apples does he have?",
    "A box holds 12 eggs. How many eggs are in 4 boxes?",
    "Anna had 9 coins and lost 2. How many coins are left?",
)
FILMS = Task(
    "films", ("negative", "positive"), (None, None), "Is the review negative or positive?", ("text",), "review"
)


def branches(draw: Draw) -> list[dict[str, Any]]:
    assert draw.trace is not None
    found: list[dict[str, Any]] = draw.trace["branches"]
    return found


@pytest.fixture
def grown(smollm2: OpenVinoEngine) -> list[Draw]:
    cot = Cot(Policy(Number(), max_tokens=60), k=4)
    return [draw for _, draw in sorted(decode_all(smollm2, cot, QUESTIONS), key=lambda pair: pair[0])]


def test_branches_of_the_real_model(grown: list[Draw]) -> None:
    for draw in grown:
        told = branches(draw)
        assert len(told) == 4
        firsts = [branch["first"] for branch in told]
        assert firsts == sorted(firsts, reverse=True)
        assert draw.decoded == sum(branch["tokens"] for branch in told)
        for branch in told:
            assert branch["tokens"] <= 60
            assert branch["end"] in ("end", "stop", "length")
            if branch["answer"] is not None:
                assert 0 <= branch["margin"] <= 1
                assert Number().find(branch["text"][branch["start"] : branch["stop"]]) is not None
    assert any(draw.answer is not None for draw in grown)


def test_the_first_branch_is_the_greedy_path(smollm2: OpenVinoEngine, grown: list[Draw]) -> None:
    alone = Cot(Policy(Number(), max_tokens=60), k=1)
    for question, draw in zip(QUESTIONS, grown, strict=True):
        ((_, one),) = decode_all(smollm2, alone, [question])
        # A batch's shape changes rounding, so paths may part late; they begin alike.
        assert branches(one)[0]["text"][:8] == branches(draw)[0]["text"][:8]


@pytest.mark.parametrize(
    "decode",
    [
        "{cot: {k: 3, max_tokens: 40}}",
        "{self_consistency: {paths: 3, max_tokens: 40}}",
        "{gate: {margin: 0.9}}",
        "greedy",
    ],
)
def test_agents_that_write_vote_for_labels(smollm2: OpenVinoEngine, decode: str) -> None:
    prompt = Prompt("chat", *WRITING["chat"])
    kind = Words.of(FILMS.labels, "label")

    def choice() -> Choice:
        options = [smollm2.tokenizer.encode(f"Label: {label}") for label in FILMS.labels]
        return Choice(options, end=smollm2.tokenizer.end)

    decoder = build_decoder(parse_decode(decode), kind, choice=choice, values=FILMS.labels)
    agent = LanguageAgent("a", FILMS, prompt=prompt, engine=smollm2, decoder=decoder, model="m", calibration="none")
    items = [Item("1", {"text": "A wonderful, moving film."}), Item("2", {"text": "Dull from start to end."})]
    votes = [vote for batch in agent.plan(items) for vote in agent.answer(batch)]
    assert {vote.item for vote in votes} == {"1", "2"}
    for vote in votes:
        assert vote.trace is not None
        if vote.label is None:
            assert vote.reason
            continue
        assert vote.label in FILMS.labels
        assert vote.scores is not None
        assert math.isclose(sum(map(math.exp, vote.scores)), 1, abs_tol=1e-6) or "gate" in vote.trace
