"""The judge: who decides what, on which side each answer stands, and that a restart ends in the same votes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from limbeck.agent import Recorded
from limbeck.aggregation.base import ASIDE, tabulate
from limbeck.aggregation.majority import Majority
from limbeck.committee.base import Settled
from limbeck.committee.judge import LEAD, ORDERS, Judging
from limbeck.committee.opinions import shuffled
from limbeck.engines.scripted import Line
from limbeck.errors import ConfigError
from limbeck.records import Item, Vote
from test_run_resume import attempt, stopping
from toy_job import digest, execute, write_toy
from toy_panel import LABELS, agent, cast, items, line, told

VOTERS = (("a", "positive"), ("b", "positive"), ("c", "negative"))
# Knows the truth, whatever it is shown.
WISE = (line("bright", "positive"), line("dull", "negative"))
# Takes the answer that stands first.
LAZY = tuple(line(f"{LEAD}\n- {label}", label, 20) for label in LABELS)


def judging(*script: Line, both_orders: bool = True) -> Judging:
    voters = tuple(agent(name, line("film", label)) for name, label in VOTERS)
    return Judging(voters, agent("judge", *script), LABELS, Majority(), both_orders=both_orders)


def settled(one: Judging, votes: list[Vote], asked: list[Item]) -> Settled:
    table = tabulate(votes, labels=LABELS, items=[item.id for item in asked])
    assert "judge" not in table.workers, "who judges does not vote"
    return one.settle(table, Majority()(table), votes)


def test_the_judge_decides_where_the_voters_differ() -> None:
    one, asked = judging(*WISE), items("a dull film", "a bright film")
    held = cast(one, asked)
    asides = list(held.votes("judge"))
    assert len(asides) == 4, "two items, each in both orders"
    assert {vote.flags for vote in asides} == {(ASIDE, order) for order in ORDERS}
    found = settled(one, list(held.votes()), asked)
    assert found.probabilities.argmax(axis=1).tolist() == [0, 1], "against the majority on the dull film"
    assert found.how == {0: "judge", 1: "judge"}
    assert not found.people.any()


def test_where_all_agree_nobody_judges() -> None:
    voters = tuple(agent(name, line("bright", "positive"), line("dull", "negative")) for name in "ab")
    one = Judging(voters, agent("judge", *WISE), LABELS, Majority())
    held = cast(one, items("a bright film", "a dull film"))
    assert not list(held.votes("judge"))


def test_sides_are_shuffled_and_both_orders_undo_a_liking_for_the_first() -> None:
    asked = items(*(f"film {i}" for i in range(60)))
    once, twice = judging(*LAZY, both_orders=False), judging(*LAZY)
    votes = list(cast(once, asked).votes())
    first = {vote.item: vote.label for vote in votes if vote.worker == "judge"}
    assert first == {item.id: min(LABELS, key=lambda label: shuffled(item.id, label)) for item in asked}
    assert 15 < sum(label == "positive" for label in first.values()) < 45
    votes = list(cast(twice, asked).votes())
    assert settled(twice, votes, asked).probabilities == pytest.approx(0.5)
    table = tabulate(votes, labels=LABELS, items=[item.id for item in asked])
    worth = twice.worth(table, votes, np.full(60, 1), rng=np.random.default_rng(0))
    assert worth.steps[-1] == ("judged otherwise in the other order", 60)
    assert worth.votes == (300, 180)


def test_only_a_label_that_somebody_gave_can_win() -> None:
    labels = ("negative", "odd", "positive")
    said = [Vote(f"{w}{i}", f"{i:03}", w, label) for i in range(3) for w, label in (("a", "odd"), ("b", "positive"))]
    voters = (Recorded("a", said), Recorded("b", said))
    one = Judging(voters, agent("judge", line("film", "negative", 9), line("film", "positive", 1)), LABELS, Majority())
    judged = [
        Vote(f"j{i}", f"{i:03}", "judge", "negative", scores=(0.0, -9.0, -2.0), flags=(ASIDE, "order 1"))
        for i in range(3)
    ]
    table = tabulate(said, labels=labels, items=["000", "001", "002"])
    one = Judging(voters, one.judge, labels, Majority())
    found = one.settle(table, Majority()(table), [*said, *judged])
    assert found.probabilities[:, 0].max() == 0
    assert found.probabilities.argmax(axis=1).tolist() == [2, 2, 2]


def test_a_judge_that_fails_leaves_the_vote() -> None:
    one, asked = judging(*WISE), items("a dull film")
    votes = [vote for vote in cast(one, asked).votes() if vote.worker != "judge"]
    votes += [Vote(f"j{order}", "000", "judge", None, reason="it choked", flags=(ASIDE, order)) for order in ORDERS]
    found = settled(one, votes, asked)
    assert found.probabilities.argmax(axis=1).tolist() == [1]
    assert not found.how


@pytest.mark.parametrize("batches", range(0, 9, 2))
def test_a_restart_ends_in_the_same_votes(batches: int) -> None:
    asked = items(*(f"a {'dull' if i % 2 else 'bright'} film {i}" for i in range(40)))
    whole = cast(judging(*WISE), asked)
    assert told(cast(judging(*WISE), asked, cast(judging(*WISE), asked, batches=batches))) == told(whole)


def test_a_judge_needs_two_voters_and_must_listen() -> None:
    with pytest.raises(ConfigError, match="at least two voters"):
        Judging((agent("a"),), agent("judge"), LABELS, Majority())
    with pytest.raises(ConfigError, match="reads no answers"):
        Judging((agent("a"), agent("b")), Recorded("judge", []), LABELS, Majority())


def test_a_whole_run_with_a_judge_and_one_that_was_stopped(tmp_path: Path) -> None:
    agents = [
        {"name": "weather", "model": "weather.json", "engine": "scripted", "style": "chat"},
        {"name": "bread", "model": "bread.json", "engine": "scripted", "style": "plain"},
        {"name": "elder", "model": "bread.json", "engine": "scripted", "role": "You are the elder."},
    ]
    committee = {"protocol": "judge", "judge": {"agent": "elder"}}
    whole = write_toy(tmp_path / "whole", agents=agents, committee=committee)
    found = execute(whole, tmp_path / "whole" / "run")
    elder = found["agents"]["elder"]
    assert (elder["accuracy"], elder["accuracy_reason"], elder["weight"]) == (None, "it did not vote", None)
    assert elder["prompt_example"].startswith("You are the elder.")
    assert found["committee"]["accuracy"] == found["agents"]["bread"]["accuracy"], "the judge is like bread"
    assert any(one["worker"] == "elder" for one in found["disagreements"][0]["votes"])
    stops = 0
    while not attempt(whole, tmp_path / "run", stopping(4 + 3 * stops)):
        stops += 1
    assert stops > 2
    assert digest(tmp_path / "run") == digest(tmp_path / "whole" / "run")
