"""When the rounds end: the rules by hand, and a run that ends by one of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from limbeck.errors import ConfigError
from limbeck.flows.job import Job
from limbeck.ledger import Ledger
from limbeck.report import write_report
from limbeck.selection.base import Evidence, Selector
from limbeck.selection.stopping import Cost, Plateau, Point, Stability, kappa
from limbeck.task import fingerprint, parse_task
from toy_job import digest, execute, toy_rows, write_toy

HEAD = "task: {labels: [a, b]}\ndata: {pool: pool.csv}\n"


def curve(*performance: float | None, kappas: tuple[float | None, ...] = (), items: int = 10) -> list[Point]:
    known = kappas or (None,) * len(performance)
    return [
        Point(items * (i + 1), 1000 * (i + 1), kappa=known[i], performance=one) for i, one in enumerate(performance)
    ]


def test_kappa_by_hand() -> None:
    # Of 50: 20 both yes, 5 and 10 split, 15 both no: observed .7, by chance .5 * .6 + .5 * .4 = .5
    first = np.repeat([1, 1, 0, 0], [20, 5, 10, 15])
    second = np.repeat([1, 0, 1, 0], [20, 5, 10, 15])
    assert kappa(first, second) == pytest.approx(0.4)
    assert kappa(first, first) == 1
    assert kappa(np.zeros(5, np.int64), np.zeros(5, np.int64)) is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, dtype=np.int64).T
    found = kappa(first, second)
    assert (found is None) == (len(np.union1d(first, second)) == 1)
    if found is not None:
        assert found == pytest.approx(cohen_kappa_score(first, second))


def test_stability_wants_enough_rounds_that_agree() -> None:
    nothing = (None,) * 4
    assert Stability()(curve(*nothing, kappas=(None, 0.99, 1.0, 0.986))) == (
        "stability: consecutive students agree with a kappa of 0.992 over 3 rounds (enough is 0.99)"
    )
    assert Stability()(curve(*nothing, kappas=(None, 0.98, 1.0, 0.98))) is None
    assert Stability()(curve(*nothing, kappas=(1.0, 1.0, None, 1.0))) is None, "an absent kappa is no agreement"
    assert Stability(rounds=1)(curve(None, None, kappas=(None, 1.0))) is not None
    assert Stability(rounds=1)([]) is None


def test_plateau_counts_points_over_rounds() -> None:
    assert Plateau()(curve(0.7, 0.75, 0.752, 0.76)) is None  # 6.0 points
    assert Plateau()(curve(0.5, 0.75, 0.751, 0.752, 0.754)) == (
        "plateau: the student gained 0.4 points in 3 rounds (enough is 0.5)"
    )
    assert Plateau(rounds=1)(curve(0.8, 0.7)) == "plateau: the student gained -10.0 points in one round (enough is 0.5)"
    assert Plateau(rounds=1)(curve(None, 0.7)) is None
    assert Plateau(rounds=1)(curve(0.7)) is None


def test_cost_is_units_for_each_point() -> None:
    # 10 items and 1,000 tokens a round; 2 rounds gain 4 points: 5 items or 500 tokens a point
    path = curve(0.70, 0.73, 0.74)
    assert Cost(5.1)(path) is None
    assert Cost(4.9)(path) == "cost: a point cost 5 items in 2 rounds (at most 4.9)"
    assert Cost(499, unit="tokens")(path) == "cost: a point cost 500 tokens in 2 rounds (at most 499)"
    assert Cost(1e9, rounds=1)(curve(0.7, 0.7)) == "cost: 10 items gained no point in one round"
    assert Cost(1)(curve(0.7, 0.7)) is None


@pytest.mark.parametrize(
    ("written", "rules"),
    [
        ("none", []),
        ("stability", [("stability", {"kappa": 0.99, "rounds": 3})]),
        ("{plateau: {points: 1}, cost: {most: 200, unit: tokens}}",
         [("plateau", {"points": 1.0, "rounds": 3}), ("cost", {"most": 200.0, "unit": "tokens", "rounds": 2})]),
    ],
)  # fmt: skip
def test_rules_in_the_task_file(written: str, rules: list[Any]) -> None:
    stop = parse_task(f"{HEAD}selection: {{stop: {written}}}", source="task.yaml").selection.stop
    assert [(name, section.model_dump()) for name, section in stop.rules] == rules


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("calm", "selection.stop: 'calm' is unknown; known here: stability, plateau, cost"),
        ("cost", "selection.stop.cost.most: is required"),
        ("{stability: {kappa: 2}}", "selection.stop.stability.kappa"),
    ],
)
def test_wrong_rules_are_refused_with_their_place(written: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace(".", r"\.")):
        parse_task(f"{HEAD}selection: {{stop: {written}}}", source="task.yaml")


def test_a_task_without_rules_is_the_task_it_was_before_there_were_any() -> None:
    plain, none, some = (
        fingerprint(parse_task(f"{HEAD}selection: {{{extra}}}", source="task.yaml"))
        for extra in ("rounds: 5", "stop: none", "stop: stability")
    )
    assert plain == none == "f6b052c70018a826d927284d3cd5f206619689c0ee51975533c3d2d99a0a0d55"
    assert some != plain


def test_a_run_ends_by_its_rule_and_says_so(tmp_path: Path) -> None:
    rule = {"cost": {"most": 0.1, "rounds": 1}}  # a tenth of an item for each point: nothing is that cheap
    task = write_toy(tmp_path, toy_rows(80), selection={"rounds": 6, "start": 0.3, "stop": rule})
    found = execute(task, tmp_path / "run")
    points = found["learning_curve"]
    assert len(points) == 2
    assert "ended" not in points[0]
    assert points[1]["ended"] == found["ended"]
    assert found["ended"].startswith("cost: ")
    assert all(0 <= point["performance"] <= 1 for point in points)
    assert (points[0]["kappa"], points[0]["kappa_reason"]) == (None, "there are no two students to compare")
    assert -1 <= points[1]["kappa"] <= 1
    assert found["items"] == points[1]["labelled"] < 60
    assert found["committee"]["on"] == "test", "the test items were asked all the same"
    assert not any("stopped early" in warning for warning in found["warnings"])
    report = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert f"Why there was no further round: {found['ended']}." in report


def test_a_run_that_was_killed_ends_by_the_same_rule(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(at: Any) -> None:
        if (at.phase, at.done) == ("learn", 2):
            raise Killed

    stop: dict[str, Any] = {"selection": {"rounds": 6, "stop": {"stability": {"kappa": 0.05, "rounds": 2}}}}
    whole = execute(write_toy(tmp_path / "whole", toy_rows(40), **stop), tmp_path / "whole" / "run")
    assert whole["ended"].startswith("stability: ")
    assert len(whole["learning_curve"]) == 3
    with pytest.raises(Killed):
        execute(write_toy(tmp_path / "cut", toy_rows(40), **stop), tmp_path / "cut" / "run", notify=kill)
    again = execute(tmp_path / "cut" / "task.yaml", tmp_path / "cut" / "run")
    assert again["ended"] == whole["ended"]
    assert digest(tmp_path / "cut" / "run") == digest(tmp_path / "whole" / "run")


def test_without_rules_the_rounds_end_with_the_items(tmp_path: Path) -> None:
    found = execute(write_toy(tmp_path / "all"), tmp_path / "all" / "run")
    assert found["ended"] == "all items of the pool were asked"
    with Ledger.read(tmp_path / "all" / "run") as view:
        facts = [entry.facts or {} for entry in view.rounds()]
    assert [one.get("ended") for one in facts] == [None, found["ended"]]
    assert all(one["performance_reason"] == "no stopping rule asks for it" for one in facts)
    found = execute(write_toy(tmp_path / "few", budget={"items": 20}), tmp_path / "few" / "run")
    assert found["ended"] == "the budget of 20 items is spent"
    found = execute(write_toy(tmp_path / "poor", budget={"tokens": 1}), tmp_path / "poor" / "run")
    assert found["ended"] == "the budget of 1 tokens is spent"


class Again:
    """Asks again about whatever is open, then about new items."""

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        assert evidence.open is not None
        open_ = [item for item, one in zip(evidence.asked, evidence.open, strict=True) if one]
        return [*open_, *evidence.ids][: min(n, len(evidence.ids))]


def test_what_a_cascade_let_rest_can_be_asked_again_once(tmp_path: Path) -> None:
    """Ten new items a round would make 40; each that comes again leaves room for one less."""
    protocol = {"protocol": "cascade", "cascade": {"sure": 0.6}}
    chosen: dict[str, Any] = {"selection": {"rounds": 4, "start": 0.7}, "budget": {"items": 100}}
    task = write_toy(tmp_path, toy_rows(150), committee=protocol, **chosen)
    change = partial(with_selector, Again())
    found = execute(task, tmp_path / "run", change=change)
    with Ledger.read(tmp_path / "run") as view:
        times = Counter(item for entry in view.rounds() for item in entry.selected)
        sizes = [len(entry.selected) for entry in view.rounds()]
        votes = Counter((vote.item, vote.worker) for vote in view.votes(items=list(times)))
        shown = len({item for item, _ in votes})
    assert sizes == [70, 10, 10, 10]
    assert set(times.values()) == {1, 2}
    assert set(votes.values()) == {1}, "nobody answers twice"
    assert found["items"] == shown == len(times) < 100
    assert found["ended"] == "the budget of 100 items is spent"


def with_selector(selector: Selector, job: Job) -> Job:
    return replace(job, schedule=replace(job.schedule, selector=("again", selector)))
