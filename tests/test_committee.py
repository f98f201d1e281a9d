"""The committee: who is asked in which order, what is asked again after a stop, and what a failing worker does.

The workers are real agents; their engine is a script, made to misbehave where a test says so.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import pytest

from held import Held
from limbeck.agent import LanguageAgent, Prompt, Worker
from limbeck.agent.prompt import DEFAULTS
from limbeck.committee import Answers, Committee
from limbeck.committee.vote import Voting
from limbeck.decoding.choice import Choice
from limbeck.engines.base import Floats
from limbeck.engines.scripted import Line, ScriptedEngine
from limbeck.errors import ConfigError, EngineError, RunError
from limbeck.records import Item, Vote
from limbeck.task import Task

TASK = Task("toy", ("negative", "positive"), (None, None), "Which label fits?", ("text",))
SCRIPT = (Line("bright", "positive"), Line("dull", "negative"))


class PoisonedEngine(ScriptedEngine):
    """Cannot answer as soon as one row of the batch holds the word "poison"."""

    def extend(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> Floats:
        logits = super().extend(rows, parents)
        if any(b"poison" in bytes(token for token in row if token < 256) for row in rows):
            raise EngineError("the model choked", hint="on poison")
        return logits


def agent(name: str, engine: ScriptedEngine | None = None) -> LanguageAgent:
    engine = engine or ScriptedEngine(SCRIPT)
    wording, cue = DEFAULTS["plain"]
    prompt = Prompt("plain", wording, cue)
    options = [engine.tokenizer.encode(option) for option in prompt.options(TASK)]
    decoder = Choice(options, end=engine.tokenizer.end)
    return LanguageAgent(name, TASK, prompt=prompt, engine=engine, decoder=decoder, model="script")


def items(*texts: str) -> list[Item]:
    return [Item(f"{i:03}", {"text": text}) for i, text in enumerate(texts)]


def many(count: int, *, poisoned: int = 0) -> list[Item]:
    """So many texts of like length, of which the first few are poisoned."""
    return items(*(f"{'poison' if i < poisoned else 'bright'} film {i:03}" for i in range(count)))


@contextmanager
def watching(log: list[str], name: str) -> Iterator[None]:
    log.append(name)
    yield


def ask(committee: Committee, asked: Sequence[Item], answered: Collection[Vote] = ()) -> list[Answers]:
    return list(committee.ask(asked, kept=Held(answered), around=lambda worker: watching([], worker.name)))


def votes(answers: Sequence[Answers]) -> list[Vote]:
    return [vote for one in answers for vote in one.votes]


def test_worker_after_worker_and_every_item_once() -> None:
    asked = many(90)
    answers = ask(Voting((agent("b"), agent("a"))), asked)
    names = [one.worker.name for one in answers]
    assert len(names) > 4
    assert names == sorted(names, reverse=True), "as given, not by name, and never to and fro"
    for name in ("a", "b"):
        own = [vote for vote in votes(answers) if vote.worker == name]
        assert sorted(vote.item for vote in own) == [item.id for item in asked]
        assert {vote.label for vote in own} == {"positive"}


def test_the_meter_is_around_every_plan_and_batch() -> None:
    log: list[str] = []
    committee = Voting((agent("a"), agent("b")))
    plan = committee.workers[0].plan(many(40))
    found = committee.ask(many(40), kept=Held(), around=lambda worker: watching(log, worker.name))
    assert len(list(found)) == 2 * len(plan)
    assert log == ["a"] * (1 + len(plan)) + ["b"] * (1 + len(plan))


def test_only_missing_votes_are_given_and_their_batches_are_computed_whole() -> None:
    committee, asked = Voting((agent("a"),)), many(50)
    whole = ask(committee, asked)
    first, second = whole[0].votes, whole[1].votes
    there = [*first, *second[:3]]
    again = ask(Voting((agent("a"),)), asked, answered=there)
    assert (again[0].votes, again[0].known) == ((), len(first))
    assert again[1].known == 3
    assert [vote.key for vote in again[1].votes] == [vote.key for vote in second[3:]]
    assert [vote.scores for vote in again[1].votes] == [vote.scores for vote in second[3:]]
    assert ask(committee, asked, answered=votes(whole))[-1].votes == ()


def test_what_is_answered_costs_nothing() -> None:
    class Counting(ScriptedEngine):
        calls = 0

        def extend(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> Floats:
            Counting.calls += 1
            return super().extend(rows, parents)

    there = votes(ask(Voting((agent("a"),)), many(30)))
    ask(Voting((agent("a", Counting(SCRIPT)),)), many(30), answered=there)
    assert Counting.calls == 0


def test_asking_ends_with_the_first_no() -> None:
    allowed = iter([True, True, False])
    committee = Voting((agent("a"), agent("b")))
    found = committee.ask(many(90), kept=Held(), around=lambda worker: watching([], ""), allowed=lambda: next(allowed))
    assert [one.worker.name for one in found] == ["a", "a"]


def test_known_batches_are_told_even_when_no_more_may_be_asked() -> None:
    committee, asked = Voting((agent("a"),)), many(50)
    there = ask(committee, asked)[0].votes
    found = committee.ask(
        asked,
        kept=Held(there),
        around=lambda worker: watching([], ""),
        allowed=lambda: False,
    )
    assert [(one.votes, one.known) for one in found] == [((), len(there))]


def test_one_poisonous_item_costs_one_vote() -> None:
    asked = items("a bright film", "a dull film", "a poison film", "dull again")
    found = {vote.item: vote for vote in votes(ask(Voting((agent("a", PoisonedEngine(SCRIPT)),)), asked))}
    assert [found[item.id].label for item in asked] == ["positive", "negative", None, "negative"]
    assert found["002"].reason == "the model choked"
    assert found["002"].scores is None
    whole = {vote.item: vote for vote in votes(ask(Voting((agent("a"),)), asked))}
    assert {one: vote.key for one, vote in found.items()} == {one: vote.key for one, vote in whole.items()}


def test_a_worker_that_keeps_failing_stops_the_run() -> None:
    committee = Voting((agent("sick", PoisonedEngine(SCRIPT)), agent("well")))
    with pytest.raises(RunError, match=r"agent sick failed on 7 of \d+ items.*the model choked") as error:
        ask(committee, many(30, poisoned=7))
    assert error.value.hint is not None
    assert "kept" in error.value.hint


@pytest.mark.parametrize(("count", "poisoned"), [(30, 6), (19, 19)])
def test_a_fifth_may_fail_and_nobody_is_judged_on_a_few_answers(count: int, poisoned: int) -> None:
    found = votes(ask(Voting((agent("a", PoisonedEngine(SCRIPT)),)), many(count, poisoned=poisoned)))
    assert sum(vote.label is None for vote in found) == poisoned
    assert len(found) == count


def test_each_worker_is_judged_by_its_own_failures() -> None:
    workers = (agent("a", PoisonedEngine(SCRIPT)), agent("b", PoisonedEngine(SCRIPT)))
    assert len(votes(ask(Voting(workers), many(30, poisoned=6)))) == 60


def test_scores_that_are_no_numbers_are_a_vote_with_a_reason() -> None:
    engine = ScriptedEngine([*SCRIPT, Line("poison", "positive", math.nan)])
    found = {vote.item: vote for vote in votes(ask(Voting((agent("a", engine),)), items("poison", "a dull film")))}
    assert found["001"].label == "negative"
    assert (found["000"].label, found["000"].scores) == (None, None)
    assert found["000"].reason is not None
    assert "not numbers" in found["000"].reason


def test_names_must_differ() -> None:
    twins: tuple[Worker, ...] = (agent("a"), agent("a"))
    with pytest.raises(ConfigError, match="a, a"):
        Voting(twins)
    with pytest.raises(ConfigError, match="nobody"):
        Voting(())
