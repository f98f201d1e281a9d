"""The critic: what is checked, what a veto does, how its liking for one word is taken out, and restarts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.agent import Recorded
from limbeck.aggregation.base import ABOUT, ASIDE, tabulate
from limbeck.aggregation.majority import Majority
from limbeck.committee.base import Settled
from limbeck.committee.critic import CLOSE, LEAD, Criticism
from limbeck.committee.verdicts import doubts
from limbeck.engines.scripted import Line
from limbeck.errors import ConfigError
from limbeck.flows.answers import Answer
from limbeck.flows.audit import audit
from limbeck.flows.export import write_queue
from limbeck.flows.gold import keep, progress
from limbeck.flows.sample import drawn, labelled
from limbeck.ledger import Ledger
from limbeck.records import Item, Vote
from limbeck.report import write_report
from limbeck.task import Task
from test_run_resume import attempt, stopping
from toy_job import Shell, digest, execute, write_toy
from toy_panel import LABELS, agent, cast, critic, items, line, told

VOTERS = (("a", "positive"), ("b", "positive"), ("c", "negative"))


def answered(text: str, label: str) -> str:
    """What stands in the critic's prompt behind a text with this end."""
    return f"{text}\n\n{LEAD}\n- {label}\n{CLOSE}"


# Says yes to everything, but no to "positive" of what is dull, and to all answers about what is odd.
STRICT = (
    line("film", "Yes"),
    line(answered("dull film", "positive"), "No", 20),
    line("odd film", "No", 20),
)


def criticism(*script: Line, check: str = "split", sure: float = 0.5) -> Criticism:
    voters = tuple(agent(name, line("film", label)) for name, label in VOTERS)
    return Criticism(voters, critic(*script), LABELS, Majority(), check=check, sure=sure)


def settled(one: Criticism, votes: list[Vote], asked: list[Item]) -> Settled:
    table = tabulate(votes, labels=LABELS, items=[item.id for item in asked])
    assert table.workers == ("a", "b", "c")
    return one.settle(table, Majority()(table), votes)


def test_a_vetoed_label_gives_way_to_the_next_best_or_to_people() -> None:
    one, asked = criticism(*STRICT), items("bright film", "dull film", "odd film")
    votes = list(cast(one, asked).votes())
    checks = {(vote.item, vote.flags[-1].removeprefix(ABOUT)): vote.label for vote in votes if vote.worker == "critic"}
    # The bright film's label stands, so the next best one is not checked.
    assert checks == {
        ("000", "positive"): "yes",
        ("001", "positive"): "no",
        ("001", "negative"): "yes",
        ("002", "positive"): "no",
        ("002", "negative"): "no",
    }
    assert all(vote.flags[0] == ASIDE for vote in votes if vote.worker == "critic")
    found = settled(one, votes, asked)
    assert found.probabilities.argmax(axis=1).tolist() == [1, 0, 1]
    assert found.how == {1: "critic", 2: "vetoed"}
    assert found.people.tolist() == [False, False, True]
    assert found.probabilities[0, 1] == pytest.approx(2 / 3)
    assert found.probabilities[2] == pytest.approx(0.5, abs=1e-3), "a label without a vote teaches nothing"


def test_how_sure_it_must_be_is_said() -> None:
    asked = items("dull film")
    votes = [vote for vote in cast(criticism(*STRICT), asked).votes() if vote.worker != "critic"]
    scores = (math.log(0.3), math.log(0.7))
    votes.append(Vote("check", "000", "critic", "no", scores=scores, flags=(ASIDE, f"{ABOUT}positive")))
    assert settled(criticism(sure=0.6), votes, asked).how == {0: "critic"}
    assert settled(criticism(sure=0.8), votes, asked).how == {}


@pytest.mark.parametrize(("check", "checked"), [("split", {"001"}), ("all", {"000", "001"})])
def test_only_split_items_are_checked_unless_all_are_wanted(check: str, checked: set[str]) -> None:
    mixed = agent("mixed", line("bright", "positive", 20), line("film", "negative"))
    voters = (agent("firm", line("film", "positive")), mixed)
    one = Criticism(voters, critic(line("film", "Yes")), LABELS, Majority(), check=check)
    held = cast(one, items("bright film", "dull film"))
    assert {vote.item for vote in held.votes("critic")} == checked


def test_a_reason_is_shown_and_one_for_another_label_is_not() -> None:
    said = [Vote("a0", "000", "a", "positive", rationale="It shines."), Vote("b0", "000", "b", "negative")]
    one = Criticism(
        (Recorded("a", said), Recorded("b", said)), critic(line("- positive: It shines.", "No", 20)), LABELS, Majority()
    )
    votes = list(cast(one, items("film")).votes())
    verdicts = {vote.flags[-1]: vote.label for vote in votes if vote.worker == "critic"}
    assert verdicts[f"{ABOUT}positive"] == "no"


def test_a_liking_for_no_vetoes_nothing() -> None:
    # It says "no" to everything, a little more to the last: alone that one falls below one half.
    scores = np.array([[-3.0, -0.05]] * 9 + [[-9.0, -0.0001]])
    confidence = np.full(10, 0.8)
    assert (doubts(scores, np.zeros(10, np.int64), confidence, shift=False) > 0.5).all()
    found = doubts(scores, np.zeros(10, np.int64), confidence)
    assert (found > 0.5).tolist() == [False] * 9 + [True]
    assert found.mean() == pytest.approx(0.2)


def test_a_label_with_many_checks_has_a_shift_of_its_own() -> None:
    about = np.repeat([0, 1], 40)
    scores = np.where(about[:, None] == 0, [[-0.1, -2.4]], [[-2.4, -0.1]])
    assert doubts(scores, about, np.full(80, 0.7)) == pytest.approx(0.3), "yes to one and no to the other is a liking"


@given(st.lists(st.tuples(st.floats(-40, 0), st.floats(-40, 0), st.floats(0, 1)), min_size=1, max_size=50))
def test_on_the_whole_the_critic_agrees_as_often_as_the_committee_is_sure(
    checks: list[tuple[float, float, float]],
) -> None:
    columns = np.array(checks)
    found = doubts(columns[:, :2], np.zeros(len(checks), np.int64), columns[:, 2])
    assert ((found >= 0) & (found <= 1)).all()
    assert 1 - found.mean() == pytest.approx(max(0.5, columns[:, 2].mean()), abs=1e-4)


@given(st.floats(-20, 0), st.floats(-20, 0), st.floats(0, 1), st.integers(1, 40))
def test_a_critic_that_says_the_same_of_everything_speaks_against_nothing(
    yes: float, no: float, confidence: float, count: int
) -> None:
    found = doubts(np.full((count, 2), (yes, no)), np.zeros(count, np.int64), np.full(count, confidence))
    assert (found < 0.5).all()


def test_a_score_that_is_impossible_is_no_crash() -> None:
    scores = np.array([[-math.inf, 0.0], [-math.inf, -math.inf], [0.0, -math.inf]])
    found = doubts(scores, np.zeros(3, np.int64), np.full(3, 0.5))
    assert np.isfinite(found).all()
    assert found[0] > found[1] > found[2]


@pytest.mark.parametrize("batches", range(0, 10, 2))
def test_a_restart_ends_in_the_same_votes(batches: int) -> None:
    asked = items(*(f"{'dull' if i % 2 else 'odd' if i % 3 else 'bright'} film" + " " * (i % 7) for i in range(40)))
    whole = cast(criticism(*STRICT), asked)
    assert told(cast(criticism(*STRICT), asked, cast(criticism(*STRICT), asked, batches=batches))) == told(whole)


def test_a_critic_needs_voters_and_must_listen() -> None:
    with pytest.raises(ConfigError, match="at least two voters"):
        Criticism((agent("a"),), critic(), LABELS, Majority())
    with pytest.raises(ConfigError, match="reads no answers"):
        Criticism((agent("a"), agent("b")), Recorded("critic", []), LABELS, Majority())


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """The command line."""
    return Shell(monkeypatch, capsys)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose critic, not calibrated, says no to whatever it is asked: every split item is left to people."""
    home = tmp_path_factory.mktemp("critic")
    (home / "no.json").write_text('[{"when": "", "say": "No", "weight": 9}]')
    agents = [
        {"name": "weather", "model": "weather.json", "engine": "scripted", "style": "chat"},
        {"name": "bread", "model": "bread.json", "engine": "scripted", "style": "plain"},
        {
            "name": "grump",
            "model": "no.json",
            "engine": "scripted",
            "decode": {"choice": {"calibration": "none"}},
        },
    ]
    execute(
        write_toy(home, agents=agents, committee={"protocol": "critic", "critic": {"agent": "grump"}}), home / "run"
    )
    return home


def test_a_stopped_run_with_a_critic_goes_on(whole: Path, tmp_path: Path) -> None:
    stops = 0
    while not attempt(whole / "task.yaml", tmp_path / "run", stopping(4 + 3 * stops)):
        stops += 1
    assert stops > 2
    assert digest(tmp_path / "run") == digest(whole / "run")


def test_what_the_critic_vetoed_waits_for_people(whole: Path, shell: Shell) -> None:
    with Ledger.read(whole / "run") as view:
        vetoed = {label.item for label in labelled(view) if label.how == "vetoed"}
        split = {
            item
            for item in {vote.item for vote in view.votes()}
            if len({vote.label for vote in view.votes(items=[item]) if vote.worker != "grump"}) > 1
        }
        path = write_queue(whole / "run", view, Task("toy", LABELS, (None, None), "", ("text",)))
    assert vetoed
    assert vetoed <= split
    rows = path.read_text().splitlines()
    assert rows[0] == "id,text,label,confidence,how"
    assert {row.split(",")[0] for row in rows[1:]} == vetoed
    assert all(row.endswith(",vetoed") for row in rows[1:])
    code, out, _ = shell("export", whole / "run", "--queue", "--to", "jsonl")
    assert code == 0
    assert out.strip().endswith("queue.jsonl")
    assert len((whole / "run" / "queue.jsonl").read_text().splitlines()) == len(vetoed)


def test_the_report_shows_the_critics_verdicts(whole: Path) -> None:
    page = write_report(whole / "run").read_text()
    assert "Was the critic worth its tokens?" in page
    assert "left to people: " in page
    assert "<bdi>grump</bdi> <small><bdi>positive: no</bdi></small>" in page


def test_people_are_asked_about_the_queue_and_nothing_is_concluded_from_it(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    execute(whole / "task.yaml", folder)
    with Ledger.open(folder) as ledger:
        queue = drawn(ledger, 100, choose="queue")
        waiting = [label for label in labelled(ledger) if not label.accepted]
        assert set(queue.items) == {label.item for label in waiting}
        assert len(drawn(ledger, 1, choose="queue").items) == 1
        queue = drawn(ledger, 100, choose="queue")
        assert not queue.equal
        keep(ledger, [Answer(item, "me", "positive") for item in queue.items])
        assert progress(ledger, queue)["left"] == 0
    found = audit(folder)
    assert "nobody knows how the items" in str(found)


def test_an_empty_queue_is_said(tmp_path: Path) -> None:
    execute(write_toy(tmp_path), tmp_path / "run")
    with Ledger.open(tmp_path / "run") as ledger, pytest.raises(ConfigError, match="none waits for people"):
        drawn(ledger, 5, choose="queue")
