"""CoT-decoding on scripts whose branches, answers and margins are worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from limbeck.decoding.answers import YES_NO, Number, Phrase, Words
from limbeck.decoding.base import Draw
from limbeck.decoding.branches import of_facts
from limbeck.decoding.choice import Choice
from limbeck.decoding.cot import Cot
from limbeck.decoding.gate import Gate
from limbeck.decoding.paths import Limits, likeliest
from limbeck.decoding.stopping import Adaptive, Exact, Short, Window, replay
from limbeck.decoding.trees import Policy
from limbeck.errors import EngineError
from stories import Stories, margin

# The greedy path blurts out 7; two other first letters lead to 8 by reasoning, one to 7 again.
STORIES = {
    "apples:": {" 7": 6.0, "So 3+5=8.": 5.0, "3 and 5 make 8.": 4.5, "I say 7.": 4.0},
    "pears?": {" 1": 6.0, "it is 1": 5.0, "surely 1": 4.0, "or 2": 3.0},
}
Prompts = Mapping[str, Mapping[str, float]]


def drawn(decoder: Any, *prompts: str, stories: Prompts = STORIES, context: int = 4096) -> list[Draw]:
    engine = Stories(stories, context=context)
    found: list[Draw] = decoder(engine, [list(prompt.encode()) for prompt in prompts])
    return found


def branches(draw: Draw) -> list[dict[str, Any]]:
    assert draw.trace is not None
    found: list[dict[str, Any]] = draw.trace["branches"]
    return found


def cot(k: int = 4, **changes: Any) -> Cot:
    at = changes.pop("at", "first")
    return Cot(Policy(Number(), max_tokens=changes.pop("max_tokens", 40), **changes), k=k, at=at)


def test_branches_are_ranked_by_their_first_token_and_go_on_greedily() -> None:
    (draw,) = drawn(cot(), "apples:")
    told = branches(draw)
    assert [branch["text"] for branch in told] == list(STORIES["apples:"])
    assert [branch["answer"] for branch in told] == ["7", "8", "8", "7"]
    total = sum(math.exp(weight) for weight in STORIES["apples:"].values()) + 259 - 4
    assert [branch["first"] for branch in told] == pytest.approx(
        [math.exp(weight) / total for weight in STORIES["apples:"].values()], rel=1e-5
    )
    assert draw.decoded == sum(map(len, STORIES["apples:"]))
    assert draw.prefilled == len("apples:")
    assert draw.scores is None


def test_margins_are_those_of_the_answers_tokens() -> None:
    (draw,) = drawn(cot(), "apples:")
    seven, eight, *_ = branches(draw)
    # Each answer is one byte behind others, where its story goes on alone.
    assert seven["margin"] == pytest.approx(margin(6.0), abs=1e-6)
    assert eight["margin"] == pytest.approx(margin(5.0), abs=1e-6)
    assert (eight["start"], eight["stop"]) == (len("So 3+5="), len("So 3+5=8"))


def test_the_margin_of_a_first_token_is_that_of_the_prompts_row() -> None:
    (draw,) = drawn(cot(2), "x:", stories={"x:": {"12": 6.0, "30": 5.0}})
    one, three = branches(draw)
    first = margin(6.0, 5.0)
    assert one["margin"] == pytest.approx((first + margin(6.0)) / 2, abs=1e-6)
    assert three["margin"] == pytest.approx((first + margin(5.0)) / 2, abs=1e-6)


def test_the_aggregates_by_hand() -> None:
    sums, top, count = (drawn(cot(aggregate=how), "apples:")[0] for how in ("sum", "max", "majority"))
    mass = {"7": margin(6.0) + margin(4.0), "8": margin(5.0) + margin(4.5)}
    assert mass["8"] > mass["7"] - 0.3  # close, so that the sum has something to decide
    assert sums.answer == max(mass, key=lambda answer: mass[answer])
    assert sums.trace is not None
    assert sums.trace["confidence"] == pytest.approx(max(mass.values()) / sum(mass.values()))
    assert top.answer == "7"
    assert count.answer == "7"  # two against two: the earlier branch wins


def test_a_batch_equals_one_by_one_and_finished_rows_leave_it() -> None:
    prompts = ("apples:", "pears?", "nothing known")
    together = drawn(cot(), *prompts)
    assert together == [drawn(cot(), prompt)[0] for prompt in prompts]


def test_each_prompt_is_read_once_and_all_branches_share_a_batch() -> None:
    engine = Stories(STORIES)
    cot(3)(engine, [list(b"apples:"), list(b"pears?")])
    assert engine.rows_read[:2] == [2, 6]
    assert engine.rows_read[1:] == sorted(engine.rows_read[1:], reverse=True)
    assert engine.rows_read[-1] < 6
    assert len(engine.rows_read) == 1 + len("3 and 5 make 8.")


def test_ended_rows_leave_the_batch_once_they_have_cost_a_move() -> None:
    ways = {"1": 9.0, "22": 8.0, "333333333": 7.0, "4444444444": 6.0}
    engine = Stories({"x": ways})
    cot(4)(engine, [list(b"x")])
    # One row ends in the first step, another in the second: 1 + 2 idle rows are worth moving the other two.
    assert engine.rows_read[:4] == [1, 4, 4, 2]
    assert sum(engine.rows_read) < 1 + 4 * len("4444444444")


def test_a_branch_that_hits_the_limit_does_not_vote() -> None:
    (draw,) = drawn(cot(3, max_tokens=5), "apples:")
    told = branches(draw)
    assert [branch["end"] for branch in told] == ["end", "length", "length"]
    assert draw.answer == "7"
    (cut,) = drawn(cot(1, max_tokens=4), "x", stories={"x": {"so 8!": 6.0}})
    assert (cut.answer, cut.decoded) == (None, 4)
    assert cut.reason == "1 of 1 branches hit the length limit before they ended, and no other has an answer"


def test_run_ons_are_cut_before_the_answer_is_looked_for() -> None:
    for story in ("It is 8.\nQ: What is 2+2? 4", "It is 8.<|im_end|> 4"):
        (draw,) = drawn(cot(1), "x", stories={"x": {story: 9.0}})
        (branch,) = branches(draw)
        assert (draw.answer, branch["end"], branch["text"]) == ("8", "stop", "It is 8.")


def test_empty_and_doubled_beginnings_are_passed_over() -> None:
    # The likeliest is taken whatever it is; after it, blanks, ends and the same word in another case begin no branch.
    ways = {" 1": 9.0, "a 1": 8.0, "A 1": 7.0, "\t1": 6.5, "": 6.0, "b 5": 5.0}
    (draw,) = drawn(cot(3), "x", stories={"x": ways})
    assert [branch["text"] for branch in branches(draw)] == [" 1", "a 1", "b 5"]


def test_an_answer_that_must_be_asked_for() -> None:
    said = "Where? In Paris it stands."
    stories = {"Where?": {" In Paris it stands.": 5.0}, f"{said} So the answer is": {" Paris.": 7.0}}
    kind = Policy(Phrase(), max_tokens=40)
    (draw,) = drawn(Cot(kind, k=1), "Where?", stories=stories)
    (branch,) = branches(draw)
    assert draw.answer == "paris"
    assert branch["text"][branch["start"] : branch["stop"]] == "Paris"
    assert branch["margin"] == pytest.approx(margin(5.0), abs=1e-6)
    assert branch["tokens"] == len(" In Paris it stands.") + len(" Paris.")
    assert draw.prefilled == len("Where?") + len(" In Paris it stands. So the answer is")
    stories[f"{said} So the answer is"] = {" Rome.": 7.0}
    (elsewhere,) = drawn(Cot(kind, k=1), "Where?", stories=stories)
    assert (elsewhere.answer, branches(elsewhere)[0]["start"]) == ("rome", None)
    assert branches(elsewhere)[0]["margin"] == pytest.approx(margin(7.0), abs=1e-6)


def test_branching_later_keeps_what_was_sure() -> None:
    # Sure up to "x=", in doubt between 1 and 2 there.
    ways = {"x=1!": 5.0, "x=2!": 4.9, "y": 4.0}
    (draw,) = drawn(cot(2, at="uncertain"), "go", stories={"go": ways})
    assert [branch["text"] for branch in branches(draw)] == ["x=1!", "x=2!"]
    one, two = branches(draw)
    assert one["margin"] == two["margin"] == pytest.approx(margin(5.0, 4.9), abs=1e-6)
    assert draw.prefilled == len("go") + len("x=")


def test_windows_stop_early_with_the_same_branches() -> None:
    (whole,) = drawn(cot(), "pears?")
    (early,) = drawn(cot(stop=Window(2), window=2), "pears?")
    assert early.trace is not None
    assert early.trace["why"] == "window: 2 branches agree"
    assert early.trace["planned"] == 4
    assert branches(early) == branches(whole)[:2]


def test_several_windows_go_back_to_the_prompt() -> None:
    (whole,) = drawn(cot(), "apples:")
    (stages,) = drawn(cot(window=1, stop=Window(4)), "apples:")
    assert branches(stages) == branches(whole)
    assert stages.answer == whole.answer


def test_an_exact_stop_never_changes_the_answer() -> None:
    for prompt in STORIES:
        for weighing in ("sum", "majority", "confidence"):
            for window in (0, 1, 2):
                (whole,) = drawn(cot(aggregate=weighing), prompt)
                (early,) = drawn(cot(aggregate=weighing, stop=Exact(), window=window), prompt)
                assert early.answer == whole.answer
                assert early.decoded <= whole.decoded


def test_an_exact_stop_drops_branches_that_are_still_growing() -> None:
    ways = {"1": 9.0, "2=1": 8.0, "so it is 1": 7.0, "o, this takes a very long time: 2": 6.0}
    (draw,) = drawn(cot(aggregate="majority", stop=Exact()), "x", stories={"x": ways})
    assert [branch["end"] for branch in branches(draw)] == ["end", "end", "end", "dropped"]
    # The end is found one step after the last letter; by then the dropped branch has said one letter more.
    assert draw.decoded == len("1") + len("2=1") + len("so it is 1") + len("so it is 1") + 1


def test_the_short_rule_grows_what_its_replay_says() -> None:
    ways = {"1": 9.0, "so it is, I think, 2": 8.0, "it is 1": 7.0, "let me think: 3": 6.0}
    stories = {"x": ways}
    (whole,) = drawn(cot(), "x", stories=stories)
    (early,) = drawn(cot(stop=Short(2)), "x", stories=stories)
    outcome = replay([of_facts(one) for one in branches(whole)], Short(2))
    assert early.trace is not None
    assert early.trace["why"] == outcome.why
    assert (early.answer, early.decoded) == (outcome.verdict.answer, outcome.tokens)
    assert [branch["end"] for branch in branches(early)] == ["end", "dropped", "end", "dropped"]


def test_options_get_scores() -> None:
    kind = Words.of({"negative": "bad", "positive": "good"}, "label")
    policy = Policy(kind, max_tokens=40, values=("negative", "positive"))
    ways = {"It moved me. So it is good.": 6.0, "So it is good.": 5.0, "bad": 4.0}
    (draw,) = drawn(Cot(policy, k=3), "film:", stories={"film:": ways})
    assert draw.scores is not None
    mass = {"positive": margin(6.0) + margin(5.0), "negative": (margin(6.0, 5.0, 4.0) + 2 * margin(4.0)) / 3}
    total = sum(mass.values()) + 0.5
    assert np.exp(draw.scores) == pytest.approx([(mass[name] + 0.25) / total for name in ("negative", "positive")])
    assert (draw.answer, draw.rationale) == ("positive", "It moved me.")


def test_scores_that_are_no_numbers_give_a_reason() -> None:
    fine, broken = drawn(cot(), "apples:", "broken", stories={**STORIES, "broken": {"a": math.nan}})
    assert fine.answer is not None
    assert (broken.answer, broken.reason) == (None, "the engine gave scores that are not numbers")


def test_more_branches_than_tokens_are_refused() -> None:
    with pytest.raises(EngineError, match="more than the 259 tokens of the vocabulary"):
        drawn(cot(300), "apples:")


def test_an_answer_that_never_comes_has_a_reason() -> None:
    (draw,) = drawn(Cot(Policy(YES_NO, max_tokens=40), k=2), "apples:")
    assert (draw.answer, draw.reason) == (None, "no answer was found in 2 branches")


def test_the_gate_writes_only_where_scores_leave_a_doubt() -> None:
    kind = Words.of({"nay": "nay", "yes": "yes"}, "label")
    writer = Cot(Policy(kind, max_tokens=40, values=("nay", "yes")), k=2)
    scorer = Choice([list(b" nay"), list(b" yes")])  # of one length, so that nothing prefers either
    stories = {"clear": {" yes": 6.0}, "dim": {"I say yes": 6.0, "So yes": 5.0}}
    clear, dim = drawn(Gate(scorer, writer, margin=0.8), "clear", "dim", stories=stories)
    assert clear.trace is not None
    assert dim.trace is not None
    assert (clear.trace["gate"]["took"], clear.decoded) == ("first", 0)
    assert (dim.trace["gate"]["took"], dim.answer) == ("then", "yes")
    assert dim.trace["gate"]["margin"] == pytest.approx(0)
    assert dim.prefilled > 2 * len("dim")


def test_likeliest_by_hand() -> None:
    logits = np.log(np.array([[0.5, 0.1, 0.4], [0.2, 0.2, 0.6]], np.float32))
    for k in (1, 2, 3, 9):
        found = likeliest(logits, k)
        assert found.tokens.tolist() == [[0, 2, 1][:k], [2, 0, 1][:k]]
        assert np.exp(found.logs[0]) == pytest.approx([0.5, 0.4, 0.1][:k])


def test_equal_tokens_at_the_edge_go_by_their_number() -> None:
    rng = np.random.default_rng(0)
    for size in range(1, 40):
        row = rng.integers(0, 4, size).astype(np.float32)
        order = np.argsort(-row, kind="stable")
        for k in (1, 3, 5, size):
            assert likeliest(row[None], k).tokens[0].tolist() == order[:k].tolist()


def test_stop_texts_are_found_across_tokens() -> None:
    limits = Limits(10, ("\nQ:", "end"))
    assert limits.stopped(b"a\nQ:") == 1
    assert limits.stopped(bytearray(b"xxxx\nQ:"), 1) == 4
    assert limits.stopped(b"a\nq:") is None
    assert Limits(10, ()).stopped(b"anything") is None


def test_identities_tell_parameters_apart() -> None:
    others = [cot(4), cot(at="uncertain"), cot(aggregate="max"), cot(stop=Adaptive()), cot(window=2), cot(max_tokens=9)]
    assert len({one.identity for one in [cot(3), *others]}) == 7
