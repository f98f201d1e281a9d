"""Votes of branches, and when there are enough of them: truths by hand, laws, and replays of stored trees."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.decoding.branches import Branch, of_facts
from limbeck.decoding.stopping import Adaptive, Exact, Never, Rule, Short, Window, replay
from limbeck.decoding.voting import WEIGHINGS, decide, masses

RULES: tuple[Rule, ...] = (Never(), Exact(), Adaptive(), Adaptive(0.8), Window(2), Window(5), Short(2))


def branch(answer: str | None, margin: float | None = 1.0, *, end: str = "end", tokens: int = 10) -> Branch:
    return Branch(f"so {answer}", end, tokens, 0.5, -0.1, answer, 3, 4, margin)


answers = st.sampled_from(["a", "b", "c", None])
some = st.builds(
    branch,
    answers,
    st.floats(0, 1),
    end=st.sampled_from(["end", "stop", "length", "dropped"]),
    tokens=st.integers(1, 50),
)
trees = st.lists(some, max_size=12)
every_weighing = pytest.mark.parametrize("weighing", WEIGHINGS)


def test_the_weighings_by_hand() -> None:
    tree = [branch("a", 0.9), branch("b", 0.5), branch("b", 0.45), branch("c", 1.0, end="length")]
    assert masses(tree, "sum") == pytest.approx({"b": 0.95, "a": 0.9})
    assert masses(tree, "max") == {"a": 0.9, "b": 0.0}
    assert masses(tree, "majority") == {"b": 2.0, "a": 1.0}
    wanted = {"b": math.exp(-1) + math.exp(-1.1), "a": math.exp(-0.2)}
    assert masses(tree, "confidence") == pytest.approx({"a": wanted["a"], "b": wanted["b"]})
    verdict = decide(tree, "sum")
    assert (verdict.answer, verdict.best) == ("b", 1)
    assert verdict.confidence == pytest.approx(0.95 / 1.85)


def test_margins_that_are_not_known_count_as_one_vote_each() -> None:
    tree = [branch("a", None), branch("b", None), branch("b", None)]
    assert masses(tree, "sum") == {"b": 2.0, "a": 1.0}


def test_margins_of_zero_still_decide() -> None:
    assert decide([branch("a", 0.0), branch("b", 0.0)], "sum").answer == "a"


@every_weighing
@given(tree=trees)
def test_laws_of_votes(tree: list[Branch], weighing: str) -> None:
    verdict = decide(tree, weighing)
    voters = [one for one in tree if one.votes]
    assert (verdict.answer is None) == (not voters)
    assert (verdict.reason is None) == bool(voters)
    if voters:
        assert math.isclose(sum(verdict.shares.values()), 1)
        assert verdict.answer == next(iter(verdict.shares))
        assert verdict.best is not None
        assert tree[verdict.best].answer == verdict.answer
        assert max(verdict.shares.values()) == verdict.confidence


@every_weighing
@given(tree=trees, window=st.integers(1, 4))
def test_an_exact_stop_gives_the_answer_of_all_branches(tree: list[Branch], weighing: str, window: int) -> None:
    early = replay(tree, Exact(), weighing=weighing, window=window)
    whole = replay(tree, Never(), weighing=weighing)
    assert early.verdict.answer == whole.verdict.answer
    assert early.tokens <= whole.tokens == sum(one.tokens for one in tree)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.identity))
@given(tree=trees, window=st.integers(0, 4))
def test_laws_of_replays(rule: Rule, tree: list[Branch], window: int) -> None:
    outcome = replay(tree, rule, weighing="majority", window=window)
    assert outcome.used <= len(tree)
    assert outcome.tokens <= sum(one.tokens for one in tree)
    assert outcome.used == len(tree) or outcome.why != "all branches"
    if not rule.early:
        assert outcome.verdict == decide(tree[: outcome.used], "majority")


def test_the_exact_stop_by_hand() -> None:
    done = [branch("a"), branch("a"), branch("a"), branch("b")]
    assert Exact()(done, 2, "majority") is None  # b could still draw level
    assert Exact()(done, 1, "majority") == "exact: the rest cannot overturn the leader"
    assert Exact()([branch("a", 0.5)], 1, "sum") is None
    assert Exact()([branch("a", 0.0)] * 3, 1, "sum") is None  # they weigh nothing against a branch that is sure


def test_adaptive_consistency_by_hand() -> None:
    # n agreeing votes: P = 1 - (1/2)^(n+1)
    four, three = [branch("a")] * 4, [branch("a")] * 3
    assert Adaptive(0.95)(three, 9, "majority") is None  # 0.9375
    assert Adaptive(0.95)(four, 9, "majority") == "adaptive: the leader stays ahead with probability 0.969"
    # 3 against 1, uniform prior: P(p > 1/2) under Beta(4, 2) = 1 - I_0.5(4, 2) = 1 - 6/32
    assert Adaptive(0.8)([*three, branch("b")], 9, "majority") == (
        "adaptive: the leader stays ahead with probability 0.812"
    )
    assert Adaptive(0.95)([], 9, "majority") is None


def test_windows_by_hand() -> None:
    rule = Window(2)
    assert rule([branch("a")], 9, "sum") is None
    assert rule([branch("a"), branch("a")], 9, "sum") == "window: 2 branches agree"
    assert rule([branch("a"), branch("b"), branch("b")], 9, "sum") == "window: 2 branches agree"
    assert rule([branch("a"), branch("a", end="length")], 9, "sum") is None


def test_the_first_to_end_decide_by_hand() -> None:
    tree = [branch("a", tokens=9), branch("b", tokens=3), branch("b", tokens=5), branch(None, tokens=1)]
    outcome = replay(tree, Short(2), weighing="sum")
    # The third ends at its fifth token and one step more; by then the first has said six.
    assert (outcome.verdict.answer, outcome.tokens) == ("b", 6 + 3 + 5 + 1)
    assert outcome.why == "short: 2 branches have answered"
    assert replay(tree, Short(2), weighing="sum", window=1).tokens == 9 + 3
    assert replay(tree, Short(9), weighing="sum").why == "all branches"


def test_a_stored_tree_is_the_same_tree() -> None:
    tree = [branch("a", 0.25), branch(None, None)]
    assert [of_facts(one.facts()) for one in tree] == tree


@pytest.mark.parametrize(
    ("text", "answer", "wanted"),
    [
        ("Three and five make eight. So the answer is 8.", "8", "Three and five make eight."),
        ("So the answer is 8.", "8", None),
        ("3 + 5 = 8", "8", "3 + 5"),
        ("First, 3.\nThen 8", "8", "First, 3."),
        ("8", "8", None),
    ],
)
def test_the_rationale_leaves_the_answer_out(text: str, answer: str, wanted: str | None) -> None:
    start = text.rindex(answer)
    assert Branch(text, "end", 5, 0.5, -0.1, answer, start, start + 1, 0.9).rationale == wanted
