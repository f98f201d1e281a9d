"""Agents: how an item becomes a prompt, what is cut, what makes a vote's key, and what calibration needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from limbeck.agent import LanguageAgent, Prompt, Remark, Said
from limbeck.agent.prompt import DEFAULTS
from limbeck.decoding.base import ROWS, TOKENS
from limbeck.decoding.choice import Choice
from limbeck.engines.base import HOLE
from limbeck.engines.scripted import Line, ScriptedEngine
from limbeck.errors import ConfigError
from limbeck.records import Item
from limbeck.task import Task

TASK = Task("films", ("negative", "positive"), (None, None), "Judge {text} the film.", ("text",), "review", "sentiment")
CHAT = Prompt("chat", *DEFAULTS["chat"])
PLAIN = Prompt("plain", *DEFAULTS["plain"])
SCRIPT = [Line("good", "positive", 2.0), Line("bad", "negative", 2.0)]


def item(text: str, name: str = "i") -> Item:
    return Item(name, {"text": text})


def agent(
    prompt: Prompt = CHAT, *, context: int = 4096, lines: list[Line] | None = None, **options: Any
) -> LanguageAgent:
    engine = ScriptedEngine(SCRIPT if lines is None else lines, context=context)
    choice = Choice([engine.tokenizer.encode(option) for option in prompt.options(TASK)], end=engine.tokenizer.end)
    return LanguageAgent("a", TASK, prompt=prompt, engine=engine, decoder=choice, model="script", **options)


def shown(prompt: Prompt, text: str) -> str:
    return agent(prompt).example(item(text))


def test_prompts_word_by_word() -> None:
    # Placeholders in instructions and texts are text; only those of the wording count.
    assert shown(PLAIN, "So {labels}.") == "Judge {text} the film.\n\nReview: So {labels}.\nSentiment:"
    assert shown(CHAT, "Fine.") == "Judge {text} the film.Review: Fine.Sentiment:"
    worded = Prompt("plain", "{noun}>{text}<{labels}", "", label_words=(("negative", "bad"),), label_order="reversed")
    assert shown(worded, "x") == "review>x<positive or bad\n"
    assert worded.options(TASK) == ["bad", "positive"]
    assert PLAIN.options(TASK) == [" negative", " positive"]


def test_a_role_is_said_before_everything_else() -> None:
    wise = "You have read a thousand {noun}s."
    assert shown(replace(PLAIN, role=wise), "Fine.").startswith("You have read a thousand reviews.\n\nJudge {text}")
    assert replace(CHAT, role=wise).messages(TASK)[0].content.startswith("You have read a thousand reviews.\n\nJudge")
    with_example = replace(PLAIN, role=wise, examples=(("Bad.", "negative"),))
    assert shown(with_example, "Hm.").count("thousand") == 1


def test_what_others_said_stands_behind_the_text() -> None:
    told = Remark("round 1", "Others on its {aspect}:", (Said("negative", "dull"), Said("positive")), Said("positive"))
    prompt = replace(PLAIN, wording="{Noun}: {text}\n{labels}?", label_words=(("negative", "bad"),))
    one = agent(prompt).informed({"i": told})
    assert one.example(item("Fine.")) == (
        "Review: Fine.\n\nYour first answer:\n- positive\nOthers on its sentiment:\n- bad: dull\n- positive"
        "\nbad or positive?\nSentiment:"
    )
    assert one.example(item("Fine.", "j")) == "Review: Fine.\nbad or positive?\nSentiment:"


def test_examples_come_first_and_look_alike() -> None:
    prompt = replace(PLAIN, examples=(("Bad.", "negative"), ("Good.", "positive")))
    assert shown(prompt, "Hm.") == (
        "Judge {text} the film.\n\nReview: Bad.\nSentiment: negative\n\n"
        "Review: Good.\nSentiment: positive\n\nReview: Hm.\nSentiment:"
    )
    turns = replace(CHAT, examples=(("Bad.", "negative"),)).messages(TASK)
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "user", "assistant"]
    assert [turn.content for turn in turns[1:]] == [
        "Review: Bad.",
        "Sentiment: negative",
        f"Review:{HOLE}",
        "Sentiment:",
    ]


def test_the_shuffled_order_is_fixed_and_complete() -> None:
    many = replace(TASK, labels=tuple("abcdef"), descriptions=(None,) * 6)
    listed = [Prompt("plain", "{labels}: {text}", "", label_order="shuffled").messages(many)[0].content for _ in "12"]
    assert listed[0] == listed[1]
    assert sorted(listed[0].split(":")[0].replace(" or ", ", ").split(", ")) == list("abcdef")
    assert not listed[0].startswith("a, b, c, d, e or f")


def test_a_hole_in_the_data_is_only_a_character() -> None:
    asked = replace(TASK, instructions=f"x{HOLE}y")
    engine = ScriptedEngine(SCRIPT)
    choice = Choice([[1], [2]])
    made = LanguageAgent("a", asked, prompt=PLAIN, engine=engine, decoder=choice, model="script")
    assert "x\ufffdy" in made.example(item(f"a{HOLE}b"))
    assert f"a{HOLE}b" in made.example(item(f"a{HOLE}b"))


def test_votes_by_hand() -> None:
    voter = agent()
    (batch,) = voter.plan([item("good", "1"), item("bad", "2")])
    votes = {vote.item: vote for vote in voter.answer(batch)}
    assert [votes[name].label for name in "12"] == ["positive", "negative"]
    # The same eight letters on both sides: the script makes one way likelier by the same factor.
    one, two = votes["1"].scores, votes["2"].scores
    assert one is not None
    assert two is not None
    assert one[1] - one[0] == pytest.approx(two[0] - two[1], abs=1e-5)


def test_the_first_vote_pays_for_the_prefix() -> None:
    voter = agent()
    (batch,) = voter.plan([item("aa", "1"), item("bb", "2")])
    first, second = voter.answer(batch)
    assert first.usage.prefilled == second.usage.prefilled + voter.prefix_tokens
    assert (first.usage.reused, second.usage.reused) == (0, voter.prefix_tokens)
    assert voter.answer(batch)[0].usage.reused == voter.prefix_tokens


@pytest.mark.parametrize(("policy", "kept"), [("head", "abcdef"), ("tail", "efghij"), ("middle", "abchij")])
def test_long_texts_are_cut_and_flagged(policy: str, kept: str) -> None:
    prompt = Prompt("plain", "T:{text}", "L:")
    room = len("T:\nL:") + max(map(len, prompt.options(TASK))) - 1 + 6
    voter = agent(prompt, context=room, long_text=policy)
    for text, flags in (("abcde", ()), ("abcdef", ()), ("abcdefghij", ("truncated",))):
        (batch,) = voter.plan([item(text)])
        assert batch[0].flags == flags
        assert voter.answer(batch)[0].label is not None
    assert voter.example(item("abcdefghij")) == f"T:{kept}\nL:"


def test_a_text_of_ten_megabytes_is_cut_before_it_is_read() -> None:
    voter = agent(context=200)
    (batch,) = voter.plan([item("x" * 10_000_000 + "good")])
    assert len(batch[0].tokens) < 200
    assert batch[0].flags == ("truncated",)


def test_no_room_for_a_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="no room is left"):
        agent(context=30)


def test_what_changes_the_answer_changes_the_key() -> None:
    def key(voter: LanguageAgent, text: str = "x") -> str:
        return voter.plan([item(text)])[0][0].key

    assert key(agent()) == key(agent())
    others = [
        key(agent(), "y"),
        key(agent(PLAIN)),
        key(agent(replace(CHAT, cue="Label:"))),
        key(agent(replace(CHAT, label_words=(("negative", "bad"),)))),
        key(agent(lines=[])),
        key(agent(calibration="pmi")),
        key(agent(calibration="contextual")),
    ]
    assert len({key(agent()), *others}) == len(others) + 1
    # Batch calibration happens when votes are read, so it does not change what is stored.
    assert key(agent(calibration="none")) == key(agent(calibration="batch"))


def test_batches_hold_alike_lengths_and_depend_on_the_items_alone() -> None:
    rng = np.random.default_rng(0)
    items = [item("x" * int(n), str(i)) for i, n in enumerate(rng.integers(1, 200, 300))]
    plan = agent().plan(items)
    assert [q.key for batch in plan for q in batch] == [q.key for batch in agent().plan(items[::-1]) for q in batch]
    assert sorted(q.item.id for batch in plan for q in batch) == sorted(one.id for one in items)
    for batch in plan:
        assert len(batch) <= ROWS
        assert len(batch) * max(len(q.tokens) for q in batch) <= TOKENS
    lengths = [len(q.tokens) for batch in plan for q in batch]
    assert lengths == sorted(lengths, reverse=True)


def test_baselines_say_what_the_prompt_prefers() -> None:
    biased = [Line("", "positive", 3.0), *SCRIPT]
    for method in ("contextual", "pmi"):
        voter = agent(lines=biased, calibration=method)
        (batch,) = voter.plan([item("bad")])
        (vote,) = voter.answer(batch)
        assert vote.baseline is not None
        assert np.exp(vote.baseline).sum() == pytest.approx(1)
        assert vote.baseline[1] > vote.baseline[0]
    assert agent(lines=biased).answer(batch)[0].baseline is None
