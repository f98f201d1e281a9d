"""The parts of synthesis by hand: what a prompt shows, which seeds come first, what is refused before any vote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from limbeck.agent.author import Author, Brief
from limbeck.decoding.paths import Limits
from limbeck.decoding.sampling import Sampling
from limbeck.decoding.writing import Writer
from limbeck.encoder import Encoder
from limbeck.errors import ConfigError
from limbeck.flows.briefs import Briefs
from limbeck.flows.commission import Terms
from limbeck.flows.screen import Screen
from limbeck.quality import Bounds, distinct
from limbeck.records import Item
from limbeck.task import Task
from stories import Stories
from toy_encoder import write_toy_encoder


def test_distinct_2_cannot_fall_below_the_novelty() -> None:
    terms = Terms(0.8, 4, 1, {}, Bounds(1, 20), 1.0, 0.5, 1.0, 1.0, 20, None)
    screen = Screen(terms, None, ())
    taken = []
    for text in ("a b c d e", "a b c x y", "a b c d x", "p q p q r", "p q p q p q", "z a b c d"):
        if screen.refusal(text, None) is None:
            screen.accept(text, None)
            taken.append(text)
    # New pairs: 4 of 4, 2 of 4, 1 of 4, 3 of 4, 0 of 5, 1 of 4.
    assert taken == ["a b c d e", "a b c x y", "p q p q r"]
    found = distinct(taken, 2)
    assert found is not None
    assert found == 9 / 12
    assert found >= terms.novelty


def test_accepted_texts_keep_their_distance(tmp_path: Path) -> None:
    encoder = Encoder(write_toy_encoder(tmp_path / "encoder"), identity="toy")
    terms = Terms(0.8, 4, 1, {}, Bounds(1, 20), 1.0, 0.0, 0.85, 0.999, 20, None)
    screen = Screen(terms, encoder, ())
    screen.hold(["bad bad"], "real")
    (red, mixed, blue, bad) = texts = ["red red", "red red blue", "blue blue", "bad bad"]
    vectors = dict(zip(texts, screen.vectors(texts), strict=True))
    screen.accept(red, vectors[red])
    # START adds 1 on an axis that all share: cos(red, mixed) = (1 + 4) / (√5 · √6) = 0.91, cos(red, blue) = 1 / 5.
    assert screen.refusal(mixed, vectors[mixed]) == "too near to an accepted text"
    assert screen.refusal(blue, vectors[blue]) is None
    assert screen.refusal(bad, vectors[bad]) == "real"


def test_the_prompt_shows_seeds_attributes_and_what_is_wanted() -> None:
    task = Task("t", ("bad", "good"), ("dislikes it", None), "", ("text",), "review", "sentiment")
    seeds = ((Item("a", {"text": "so\ndull"}), "bad"), (Item("b", {"text": "so fine"}), "good"))
    engine = Stories({}, context=220)
    author = Author(task, engine=engine, writer=Writer(Sampling(), Limits(40)), model="m", style="plain")
    assert author.prompt(Brief(0, "bad", (("tone", "calm"),), seeds)) == (
        "Sentiment: bad\nReview: so dull\n\nSentiment: good\nReview: so fine\n\n"
        "Tone: calm\nSentiment: bad (dislikes it)\nReview:"
    )
    assert author.prompt(Brief(0, "good")) == "Sentiment: good\nReview:"
    chat = Author(task, engine=engine, writer=Writer(Sampling(), Limits(40)), model="m", style="chat")
    assert "Write one review.\nSentiment: good" in chat.prompt(Brief(0, "good"))
    many = tuple((Item(str(i), {"text": "x" * 50}), "bad") for i in range(5))
    assert author.prompt(Brief(0, "good", (), many)).count("x" * 50) == 2  # as many as the context holds
    with pytest.raises(ConfigError, match="has room for"):
        Author(task, engine=engine, writer=Writer(Sampling(), Limits(210)), model="m", style="plain").write(
            [Brief(0, "good")]
        )
    with pytest.raises(ConfigError, match="cannot be written"):
        Author(replace(task, show=("a", "b")), engine=engine, writer=Writer(Sampling()), model="m", style="plain")


def test_seeds_are_those_that_accepted_texts_cover_least(tmp_path: Path) -> None:
    encoder = Encoder(write_toy_encoder(tmp_path / "encoder"), identity="toy")
    task = Task("t", ("bad", "good"), (None, None), "", ("text",))
    anchors = [
        Item(text, {"text": text}) for text in ("red red red", "blue blue blue", "good good good", "bad bad bad")
    ]
    posterior = np.array([[0, 1], [0.05, 0.95], [0.1, 0.9], [1, 0]])
    terms = Terms(0.8, 4, 1, {"tone": ("calm", "loud")}, Bounds(2, 9), 0.5, 0.0, 0.9, 0.95, 20, None)
    near_red = encoder.encode(["red red"])
    briefs = Briefs(task, terms, anchors=anchors, posterior=posterior, encoder=encoder)
    plan = briefs.plan(["good"] * 3, first=10, accepted={"good": near_red}, rng=np.random.default_rng(0))
    own = [[seed.id for seed, label in brief.seeds if label == "good"] for brief in plan]
    assert own[2] == ["red red red"]  # each seed once, the covered one last
    assert all(("bad bad bad", "bad") in [(seed.id, label) for seed, label in brief.seeds] for brief in plan)
    assert [brief.number for brief in plan] == [10, 11, 12]
    assert {brief.attributes[0][1] for brief in plan} <= {"calm", "loud"}
