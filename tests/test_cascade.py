"""The cascade: who is asked on, what is learned on the pilot, and that a restart ends in the same votes.

The workers say again votes that were made up here: "quick" is right on easy texts and sure of it, and wrong on half of
the hard ones, of which it is unsure; the other two are right everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from held import Held
from limbeck.agent import Recorded, Worker
from limbeck.aggregation.base import PILOT, tabulate
from limbeck.aggregation.opinion_pool import OpinionPool
from limbeck.aggregation.weighted import Weighted
from limbeck.committee.cascade import Cascade
from limbeck.committee.doubt import certainty
from limbeck.errors import ConfigError
from limbeck.flows.export import waiting
from limbeck.flows.sample import drawn
from limbeck.ledger import Ledger, vote_key
from limbeck.records import Item, Usage, Vote
from toy_job import WEATHER, execute, toy_rows, write_script, write_toy

LABELS = ("no", "yes")
NAMES = ("quick", "second", "third")
COUNT = 400


def truth(number: int) -> int:
    return number % 2


def hard(number: int) -> bool:
    return number % 5 == 0


def item(number: int) -> Item:
    return Item(f"{number:04}", {"text": f"text {number}"}, gold=LABELS[truth(number)])


def said(name: str, number: int) -> Vote:
    """A vote whose scores are the log-probabilities of the labels; quick is unsure of what is hard."""
    right, sure = True, 0.95
    if name == "quick" and hard(number):
        right, sure = (number % 10 == 0 and number % 20 == 0) or (number % 10 == 5 and number % 20 == 5), 0.55
    chosen = truth(number) if right else 1 - truth(number)
    scores = [math.log(1 - sure)] * 2
    scores[chosen] = math.log(sure)
    key = vote_key(worker=name, item=item(number).id)
    return Vote(key, item(number).id, name, LABELS[chosen], scores=tuple(scores), usage=Usage(prefilled=10))


VOTES = [said(name, number) for name in NAMES for number in range(COUNT)]


def cascade(**settings: object) -> Cascade:
    workers: tuple[Worker, ...] = tuple(Recorded(name, VOTES) for name in NAMES)
    return Cascade(workers, LABELS, OpinionPool(), **settings)  # type: ignore[arg-type]


def around(worker: Worker) -> AbstractContextManager[None]:
    return nullcontext()


def asked(one: Cascade, items: Sequence[Item], held: Held, *, earlier: Sequence[str] = ()) -> int:
    """Everything asked and kept; how many questions were answered or need not be asked."""
    seen = held.keep(one.ask(items, kept=held, around=around, earlier=earlier))
    return sum(len(answers.votes) + answers.known for answers in seen)


def test_easy_items_rest_after_the_first_worker_and_hard_ones_go_on() -> None:
    held = Held()
    assert asked(cascade(), [item(i) for i in range(COUNT)], held) == COUNT * len(NAMES), "all are accounted for"
    votes = list(held.votes())
    pilot = {vote.item for vote in votes if PILOT in vote.flags}
    assert len(pilot) == 40
    by_worker = {name: {vote.item for vote in votes if vote.worker == name} for name in NAMES}
    assert by_worker["quick"] == {item(i).id for i in range(COUNT)}
    assert by_worker["second"] - pilot == {item(i).id for i in range(COUNT) if hard(i)} - pilot
    assert by_worker["third"] >= pilot
    assert len(by_worker["third"]) < len(by_worker["second"])


def test_a_vote_asked_for_in_doubt_says_how_sure_the_cascade_was() -> None:
    held = Held()
    asked(cascade(), [item(i) for i in range(COUNT)], held)
    for vote in held.votes("second"):
        told = (vote.trace or {}).get("cascade")
        assert (told is None) == (PILOT in vote.flags)
        if told:
            assert told["stage"] == 1
            assert told["certainty"] < told["needed"] == 0.9


def test_the_pilot_is_a_matter_of_the_items_and_not_of_their_order() -> None:
    one, two = Held(), Held()
    items = [item(i) for i in range(COUNT)]
    asked(cascade(), items, one)
    asked(cascade(), items[::-1], two)
    assert set(one.votes()) == set(two.votes())


@pytest.mark.parametrize("batches", [0, 1, 7, 15, 17])
def test_a_restart_ends_in_the_same_votes(batches: int) -> None:
    whole, broken, items = Held(), Held(), [item(i) for i in range(COUNT)]
    asked(cascade(), items, whole)
    run = cascade().ask(items, kept=broken, around=around)
    broken.keep(islice(run, batches))
    asked(cascade(), items, broken)
    assert set(broken.votes()) == set(whole.votes())


def test_few_items_are_all_pilot() -> None:
    held = Held()
    asked(cascade(), [item(i) for i in range(20)], held)
    assert sum(1 for _ in held.votes()) == 60


def test_earlier_pilots_help_to_judge() -> None:
    items = [item(i) for i in range(COUNT)]
    alone, helped = Held(), Held()
    asked(cascade(pilot=0.01), items[300:], alone)
    asked(cascade(), items[:300], helped)
    asked(cascade(pilot=0.01), items[300:], helped, earlier=[one.id for one in items[:300]])
    late = {one.id for one in items[300:]}
    # Both ask on about what is hard; with seventy more items to learn from the easy ones are surer still.
    sure = [
        [vote.trace["cascade"]["certainty"] for vote in held.votes("second", late) if vote.trace]
        for held in (alone, helped)
    ]
    assert len(sure[0]) >= len(sure[1]) > 0
    assert np.mean(sure[0]) != np.mean(sure[1])


def test_with_gold_only_what_the_others_would_mend_is_asked_on() -> None:
    items = [item(i) for i in range(COUNT)]
    # Where the others are wrong whenever they differ, nothing is gained by asking them.
    wrong = [said("quick", i) for i in range(COUNT)]
    wrong += [said(name, i + 1) for name in NAMES[1:] for i in range(COUNT)]
    wrong = [
        Vote(vote_key(worker=v.worker, item=f"{n % COUNT:04}"), f"{n % COUNT:04}", v.worker, v.label, scores=v.scores)
        for n, v in enumerate(wrong)
    ]
    workers = tuple(Recorded(name, wrong) for name in NAMES)
    spent = {}
    for how in ("agreement", "gold"):
        held = Held()
        asked(Cascade(workers, LABELS, Weighted(), calibrate=how), items, held)
        spent[how] = sum(1 for _ in held.votes())
    assert spent["gold"] < 600 < 1100 < spent["agreement"]


def test_what_it_was_worth_can_be_counted() -> None:
    items, held, one = [item(i) for i in range(COUNT)], Held(), cascade()
    asked(one, items, held)
    votes = list(held.votes())
    table = tabulate(votes, labels=LABELS, items=[each.id for each in items])
    gold = np.array([truth(i) for i in range(COUNT)])
    worth = one.worth(table, votes, gold, rng=np.random.default_rng(0))
    assert worth.votes == (len(votes), COUNT * 3)
    assert worth.tokens == (10 * len(votes), 10.0 * COUNT * 3)
    assert worth.agreement.value is not None
    assert worth.agreement.value > 0.9
    assert worth.difference.value is not None
    assert abs(worth.difference.value) < 0.1


def test_workers_asked_about_hard_items_only_are_judged_on_the_pilot() -> None:
    def vote(name: str, number: int, yes: float, flags: tuple[str, ...] = ()) -> Vote:
        scores = (math.log(1 - yes), math.log(yes))
        label = LABELS[yes > 0.5]
        return Vote(vote_key(worker=name, item=str(number)), str(number), name, label, scores=scores, flags=flags)

    pilot = [vote(name, n, 0.9 if n % 2 else 0.1, (PILOT,)) for name in ("a", "b") for n in range(40)]
    rest = [vote("a", n, 0.9 if n % 2 else 0.1) for n in range(40, 100)]
    one_sided = [vote("b", n, 0.8) for n in range(41, 100, 2)]  # every hard item is a "yes"
    table = tabulate([*pilot, *rest, *one_sided], labels=LABELS, calibration={"a": "batch", "b": "batch"})
    assert table.common is not None
    assert table.common.sum() == 40
    late = table.part(~table.common_rows)
    assert (late.choices[1::2, late.workers.index("b")] == 1).all(), "its mean over the hard items is not its bias"
    again = OpinionPool()(table)
    assert again.weights[table.workers.index("b")] == pytest.approx(0.5, abs=0.02)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.floats(0.5, 1), st.booleans()), min_size=1, max_size=60),
    st.lists(st.floats(0, 1), min_size=2, max_size=10),
)
def test_more_confidence_is_never_less_certain(seen: list[tuple[float, bool]], others: list[float]) -> None:
    confidence, settled = np.array([one for one, _ in seen]), np.array([one for _, one in seen])
    sure = certainty(confidence, settled)(np.sort(others))
    assert (np.diff(sure) >= -1e-12).all()
    assert ((sure >= 0) & (sure <= 1)).all()


def test_a_small_pilot_proves_little() -> None:
    for size, bound in ((3, 4 / 5), (98, 99 / 100)):
        sure = certainty(np.full(size, 0.7), np.ones(size, np.bool_))
        assert sure(np.array([0.7]))[0] == pytest.approx(bound, abs=1e-3)


def test_a_cascade_needs_two() -> None:
    with pytest.raises(ConfigError, match="at least two"):
        Cascade((Recorded("a", VOTES),), LABELS, OpinionPool())


def test_a_whole_run_as_a_cascade(tmp_path: Path) -> None:
    task = write_toy(tmp_path, committee={"protocol": "cascade", "cascade": {"sure": 0.8}})
    found = execute(task, tmp_path / "run")["committee"]
    assert found["protocol"] == "cascade"
    assert 0 <= found["votes_saved"] < 1
    assert found["agreement_with_all"] is not None


def test_later_stages_may_write_or_be_another_model_and_what_stays_in_doubt_waits_for_people(tmp_path: Path) -> None:
    rows = toy_rows(240)
    write_script(tmp_path / "quick.json", WEATHER, weight=0.1)
    shared = {"engine": "scripted", "style": "plain"}
    agents = [
        {"name": "quick", "model": "quick.json", **shared},
        {"name": "writer", "model": "bread.json", "decode": {"cot": {"k": 3, "max_tokens": 12}}, **shared},
        {"name": "big", "model": "bread.json", **shared},
    ]
    committee = {"protocol": "cascade", "cascade": {"sure": 0.95}, "accept": 0.9}
    task = write_toy(tmp_path, rows, agents=agents, committee=committee, selection={"rounds": 1})
    execute(task, tmp_path / "run")
    with Ledger.read(tmp_path / "run") as view:
        traces = dict(view.traces([vote.key for vote in view.votes("writer")]))
        asked_on = [trace for trace in traces.values() if "cascade" in trace]
        assert asked_on
        assert all(trace["cascade"]["stage"] == 1 for trace in asked_on)
        assert all(len(trace["branches"]) == 3 for trace in traces.values()), "it wrote, and its branches are kept"
        left = [label for label in view.labels() if not label.accepted]
    assert 0 < len(left) < 180
    assert [label.confidence for label in waiting(left)] == sorted(label.confidence for label in left)
    with Ledger.open(tmp_path / "run") as ledger:
        assert set(drawn(ledger, len(left), choose="queue").items) == {label.item for label in left}
