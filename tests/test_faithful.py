"""CoT-decoding held against a plain reference in float32 that has no cache and no batch, written for this test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from limbeck.decoding.answers import Pattern
from limbeck.decoding.branches import Branch, of_facts
from limbeck.decoding.cot import Cot
from limbeck.decoding.trees import Policy
from limbeck.engines.transformers import TransformersEngine, load
from tiny_folder import write

pytestmark = pytest.mark.extras

K, LIMIT = 6, 24
# Tiny random models babble: their answer is the last letter followed by anything.
LETTER = r"[A-Za-z]+"
PROMPTS = ("Q: How many apples?\nA:", "the film", "2 + 2 =", "Once upon a time there was a house, and in the house")


@dataclass
class Reference:
    """One branch, as the paper describes it."""

    tokens: list[int]
    margins: list[float]
    ended: bool

    def answer(self, engine: TransformersEngine) -> tuple[str, float] | None:
        text, places = "", []
        for i, token in enumerate(self.tokens):
            piece = engine.tokenizer.spell([token])[0].decode("latin-1")
            text += piece
            places += [i] * len(piece)
        found = [match for match in re.finditer(LETTER, text) if match.group().strip()]
        if not found or not self.ended:
            return None
        inside = sorted({places[at] for at in range(found[-1].start(), found[-1].end())})
        return found[-1].group().casefold(), sum(self.margins[i] for i in inside) / len(inside)


def shares(engine: TransformersEngine, row: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        logits = engine._model(input_ids=torch.tensor([row]), use_cache=False).logits[0, -1]
    return torch.softmax(logits.double(), dim=0)


def reference(engine: TransformersEngine, prompt: list[int]) -> list[Reference]:
    first = shares(engine, prompt)
    order = torch.argsort(first, descending=True, stable=True).tolist()
    top = first.sort(descending=True).values
    chosen: list[int] = []
    seen: set[bytes] = set()
    for rank, token in enumerate(order[: 4 * K]):
        word = engine.tokenizer.spell([token])[0].strip().lower()
        if len(chosen) < K and (rank == 0 or (word and word not in seen and token not in engine.tokenizer.end)):
            chosen.append(token)
        seen.add(word)
    branches = []
    for token in chosen:
        ends = token in engine.tokenizer.end  # an end is no part of the text
        one = Reference([] if ends else [token], [] if ends else [float(top[0] - top[1])], ended=ends)
        while not one.ended and len(one.tokens) < LIMIT:
            after = shares(engine, [*prompt, *one.tokens])
            best = after.sort(descending=True)
            if int(best.indices[0]) in engine.tokenizer.end:
                one.ended = True
                break
            one.tokens.append(int(best.indices[0]))
            one.margins.append(float(best.values[0] - best.values[1]))
        branches.append(one)
    return branches


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2"])
def test_branches_answers_and_margins_equal_the_reference(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load(write(tmp_path, family))
    # A random model hardly ever says its one end token; with many of them, branches end at many lengths.
    many = frozenset(range(3, len(engine.extend([[5]], [0])[0]), 7))
    monkeypatch.setattr(type(engine.tokenizer), "end", property(lambda _: many))
    bodies = [engine.tokenizer.encode(prompt) for prompt in PROMPTS]
    engine.reset()
    draws = Cot(Policy(Pattern(LETTER), max_tokens=LIMIT), k=K)(engine, bodies)
    compared = 0
    for body, draw in zip(bodies, draws, strict=True):
        assert draw.trace is not None
        tree: list[Branch] = [of_facts(facts) for facts in draw.trace["branches"]]
        truth = reference(engine, body)
        assert len(tree) == len(truth) == K
        mass: dict[str, float] = {}
        for branch, one in zip(tree, truth, strict=True):
            assert branch.tokens == len(one.tokens)
            assert (branch.end == "end") == one.ended
            found = one.answer(engine)
            if found is None:
                assert not branch.votes
                continue
            answer, margin = found
            assert branch.answer == answer
            assert branch.margin == pytest.approx(margin, abs=1e-3)
            mass[answer] = mass.get(answer, 0.0) + margin
            compared += 1
        assert draw.answer == (max(mass, key=lambda answer: mass[answer]) if mass else None)
    assert compared >= len(PROMPTS)
