"""improve: what is clean, doubtful and weak by hand; who judges; and a loop that pays, does not, or is killed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from limbeck.agent import Recorded, Worker
from limbeck.aggregation.base import VoteTable
from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop
from limbeck.errors import ConfigError, RunError
from limbeck.flows import account
from limbeck.flows.answers import Answer, read_gold
from limbeck.flows.curriculum import Curriculum, clean, doubt, surplus
from limbeck.flows.gold import keep
from limbeck.flows.improve import FOLDER, RESULT, improve, improved
from limbeck.flows.improvement import Effort, Improvement
from limbeck.flows.jury import FRESH, OWN, PEOPLE, Jury, own_jury
from limbeck.flows.lesson import Lesson
from limbeck.flows.standing import Standing, State
from limbeck.flows.strengthen import shares, weakest
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.pool import Pool
from limbeck.records import Label, Vote
from limbeck.task import fingerprint, load_task
from test_run import nulls_without_reason
from toy_job import BREAD, LABELS, WEATHER, Shell, digest, execute, toy_rows, write_toy

EFFORT = Effort(rounds=1, items=0.5, synthetic=1)
TWO = replace(EFFORT, rounds=2, items=0.3)
AUTHOR = {"model": "author.json", "engine": "scripted", "guidance": 0, "examples": 0}
TERMS = {"anchors": 40, "accept": 0.6, "words": {"least": 3, "most": 20}, "overlap": 0.95, "novelty": 0, "spread": 1}


def standing(targets: Sequence[float], opinion: Sequence[float], vectors: Any = None) -> Standing:
    """Two labels; each number is the probability of the second."""
    soft, own = (np.column_stack([1 - np.array(one), np.array(one)]) for one in (targets, opinion))
    labels = tuple(
        Label(f"i{row}", LABELS[int(shares[1] > shares[0])], tuple(shares), float(max(shares)), True, "toy")
        for row, shares in enumerate(soft.tolist())
    )
    table = VoteTable((), (), LABELS, np.zeros((0, 0), np.int64), np.zeros((0, 0, 2)))
    lesson = Lesson(table, table, soft, np.ones(1), labels, {}, 0)
    course = Curriculum(tuple(label.item for label in labels), soft, surplus(soft), (), np.zeros((0, 2)))
    return Standing(lesson, course, own, own, None, vectors, LABELS)


def test_clean_is_what_both_say_surely_and_doubt_is_what_they_split_on() -> None:
    found = standing([0.9, 0.9, 0.9, 0.6], [0.8, 0.6, 0.1, 0.6])
    targets, opinion = found.lesson.probabilities, found.opinion
    assert clean(targets, opinion).tolist() == [True, False, False, False]  # means 0.85, 0.75, split, 0.6
    assert doubt(targets, opinion) == pytest.approx([0.3, 0.5, 1.0, 0.8])
    assert found.doubtful(0.5, barred=()) == ["i2", "i3"]
    assert found.doubtful(0.5, barred=("i2",)) == ["i3", "i1"]
    assert surplus(targets) == pytest.approx([0.8, 0.8, 0.8, 0.2])


def test_demonstrations_take_the_labels_in_turn_and_stay_apart() -> None:
    sure = [0.99, 0.98, 0.97, 0.02, 0.01, 0.5]
    at = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0], [1, 0]], np.float32)
    assert standing(sure, sure).demonstrations(4) == ["i4", "i0", "i3", "i1"]
    assert standing(sure, sure, at).demonstrations(4) == ["i4", "i0", "i3", "i2"]  # i1 lies where i0 does
    assert standing(sure, sure).demonstrations(99) == ["i4", "i0", "i3", "i1", "i2"]
    assert standing([0.9, 0.1], [0.1, 0.9]).demonstrations(4) == []


def test_weak_labels_get_more_and_weak_regions_come_first() -> None:
    sure, own = [0.99, 0.99, 0.99, 0.01, 0.01, 0.01], [0.9, 0.7, 0.5, 0.2, 0.2, 0.2]
    weak = standing(sure, own)  # misses: positive 0.1, 0.3, 0.5 = 0.3 on average; negative 0.2
    assert shares(weak, 10) == {"negative": 4, "positive": 6}
    assert sum(shares(weak, 7).values()) == 7
    assert weak.weakness() == pytest.approx([0.3, 0.3, 0.3, 0.2, 0.2, 0.2])
    near = np.array([[1, 0, 0]] * 11 + [[0, 1, 0]] * 11, np.float32)
    own = [0.95] * 11 + [0.65] * 11
    found = standing([0.99] * 22, own, near)
    assert found.weakness() == pytest.approx([0.05] * 11 + [0.35] * 11)
    assert set(weakest(found, 5)) <= {f"i{row}" for row in range(11, 22)}


def test_people_judge_where_they_answered_enough() -> None:
    job: Any = SimpleNamespace(task=SimpleNamespace(labels=LABELS), seed=0)
    lesson = standing([0.9] * 40, [0.5] * 40).lesson
    found = own_jury(job, lesson, {f"i{row}": "negative" for row in range(30)})
    assert (found.on, found.rows is not None and found.rows.tolist()) == (PEOPLE, list(range(30)))
    assert found.shares.tolist() == [[1, 0]] * 30
    few = own_jury(job, lesson, {f"i{row}": "negative" for row in range(29)})
    assert (few.on, len(few.shares)) == (OWN, 40)


def test_a_judge_counts_by_how_sure_it_is_and_an_item_that_was_shown_does_not_judge() -> None:
    yes, no = [0.1, 0.9], [0.9, 0.1]
    judges = Jury(OWN, np.array([[0.2, 0.8], [0.4, 0.6], [1, 0]]), rows=np.array([3, 5, 9]))
    before, after = np.array([no, no, no]), np.array([yes, yes, no])
    assert judges.right(before, seed=0).value == pytest.approx(1.6 / 3)
    assert judges.gain(after, before, seed=0).value == pytest.approx((0.6 + 0.2) / 3)
    assert judges.gain(after, before, seed=0, barred=[3, 4]).value == pytest.approx(0.1)
    assert judges.gain(after, before, seed=0, barred=[3, 5, 9]).reason == "nobody judges"


@pytest.mark.parametrize(
    ("gain", "interval", "seconds", "least", "outcome", "reason"),
    [
        (0.02, [0.01, 0.03], 60, 0.0, "kept", "it paid"),
        (0.02, [-0.01, 0.05], 60, 0.0, "kept", "may be chance"),
        (0.02, [0.01, 0.03], 60, 0.03, "undone", "less than 3 points a minute"),
        (0.0, None, 1, 0.0, "undone", "gained nothing"),
        (-0.01, [-0.03, 0.01], 1, 0.0, "undone", "did harm"),
        (None, None, 1, 0.0, "undone", "nobody knows"),
    ],
)
def test_verdicts(
    gain: float | None, interval: list[float] | None, seconds: float, least: float, outcome: str, reason: str
) -> None:
    found = account.verdict(
        {"gain": gain, "gain_interval": interval, "gain_reason": "nobody knows"}, seconds=seconds, least=least
    )
    assert found["outcome"] == outcome
    assert reason in found["reason"]


def test_a_state_survives_json() -> None:
    state = State({"a+examples": "batch"}, ("examples",), ("i1",), ("synthetic",), True)
    assert State.of(json.loads(json.dumps(state.facts()))) == state


def prepare(home: Path, rows: list[dict[str, str]] | None = None, *, items: int | None = None) -> Path:
    """A finished toy run with an author of one text for each label; returns the task file."""
    task = write_toy(home, rows or toy_rows(120), synthesis=AUTHOR | TERMS | {"attempts": 6}, budget={"items": items})
    lines = [
        {"when": f"{label}\nText:", "say": f"the {BREAD[i]} bakers of the harbour were {WEATHER[i]}", "weight": 14}
        for i, label in enumerate(LABELS)
    ]
    (home / "author.json").write_text(json.dumps(lines))
    execute(task, home / "run")
    return task


Change = Callable[[Improvement], Improvement]


def work(task: Path, effort: Effort = EFFORT, change: Change = lambda parts: parts) -> dict[str, Any]:
    file = load_task(task, names=NAMES)
    with Meter() as meter:
        parts = change(Workshop(file, Store(task.parent / "home"), meter).improvement(effort))
        return improve(parts, task.parent / "run", meter=meter, fingerprint=fingerprint(file))


def told(pool: Pool, *, lie: bool = False) -> Change:
    """Agents that with demonstrations know the truth, or its opposite."""
    turn = dict(zip(LABELS, reversed(LABELS), strict=True)) if lie else dict(zip(LABELS, LABELS, strict=True))

    names = ("one", "two", "three")

    def reinforce(shown: Sequence[tuple[str, str]], ending: str) -> tuple[Worker, ...]:
        assert shown
        return tuple(
            Recorded(
                f"{name}{ending}",
                [Vote(f"{name}{ending}{i.id}", i.id, f"{name}{ending}", turn[str(i.gold)]) for i in pool],
            )
            for name in names
        )

    return lambda parts: replace(parts, reinforce=reinforce)


@dataclass(frozen=True)
class Counts:
    """Naive Bayes over words, taught in no time; both teacher and student."""

    labels: tuple[str, ...] = LABELS
    seen: tuple[tuple[str, tuple[float, ...]], ...] = ()

    def fit(self, texts: Sequence[str], targets: Any, *, weights: Any = None, **_: Any) -> Counts:
        counts: dict[str, Any] = {}
        for text, target, weight in zip(
            texts, targets, np.ones(len(texts)) if weights is None else weights, strict=True
        ):
            for word in set(text.split()):
                counts[word] = counts.get(word, 0.5) + target * weight
        return Counts(LABELS, tuple((word, tuple(count)) for word, count in sorted(counts.items())))

    def predict_proba(self, texts: Sequence[str]) -> Any:
        known = {word: np.log(np.array(count) / sum(count)) for word, count in self.seen}
        logs = np.array(
            [sum((known[word] for word in set(text.split()) if word in known), np.zeros(2)) for text in texts]
        )
        return np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)

    def save(self, folder: Path, *, card: Mapping[str, str] | None = None) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "counts.json").write_text(json.dumps(self.seen))


def quick(parts: Improvement) -> Improvement:
    return replace(parts, job=replace(parts.job, teach=lambda _: Counts()))


def answer(run: Path) -> None:
    """A person says the truth about every second labelled item."""
    with Ledger.open(run) as ledger:
        ids = [label.item for label in ledger.labels()]
        keep(ledger, [Answer(item.id, "me", item.gold) for item in ledger.items(ids[::2])])


def pool_of(task: Path) -> Pool:
    return Pool.read(task.parent / "pool.csv", show=["text"], gold="label")


def steady(found: Mapping[str, Any]) -> Any:
    """An account without what a clock says."""
    steps = [
        {name: value for name, value in one.items() if name not in ("seconds", "tokens")} for one in found["steps"]
    ]
    return {**found, "steps": steps, "sentence": None}


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """People judge, and the agents asked again know the truth; the account, and the run's digest before."""
    task = prepare(tmp_path_factory.mktemp("paid"))
    answer(task.parent / "run")
    before = digest(task.parent / "run")
    return task, work(task, change=told(pool_of(task))), before


def test_a_step_that_pays_is_kept(paid: tuple[Path, dict[str, Any], str]) -> None:
    task, found, _ = paid
    assert found["judged"]["on"] == PEOPLE
    assert found["judged"]["items"] == 45
    entry = next(one for one in found["steps"] if one["step"] == "examples")
    assert entry["outcome"] == "kept"
    assert entry["did"] | {"clean": 0} == {"clean": 0, "items": 45, "agents": 3, "demonstrations": 4}
    assert entry["gain"] > 0.02
    assert entry["label_gain"] > 0.1
    assert found["best"]["label_accuracy"] == pytest.approx(
        found["start"]["label_accuracy"] + found["total"]["label_gain"]
    )
    assert "paid, judged by people's answers" in found["sentence"]
    assert nulls_without_reason(found) == []
    assert json.loads((task.parent / "run" / RESULT).read_text(encoding="utf-8")) == found


def test_what_is_kept_stands_in_a_folder_of_its_own(
    paid: tuple[Path, dict[str, Any], str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task, found, before = paid
    run = task.parent / "run"
    assert digest(run) == before
    with Ledger.read(run / FOLDER) as view:
        labels = {label.item: label.label for label in view.labels()}
        names = {vote.worker for vote in view.votes() if not vote.of_person}
        assert read_gold(view).items() <= labels.items()
        gold = {item.id: item.gold for item in view.items()}
    assert np.mean([label == gold[item] for item, label in labels.items()]) >= found["best"]["label_accuracy"]
    assert {"weather", "bread", "one+examples"} <= names
    monkeypatch.setenv("LIMBECK_HOME", str(task.parent / "home"))
    shell = Shell(monkeypatch, capsys)
    code, out, _ = shell("predict", run / FOLDER, task.parent / "pool.csv")
    assert (code, len(out.splitlines())) == (0, 121)
    code, out, _ = shell("export", run / FOLDER, "--to", "jsonl", "--json")
    rows = [json.loads(line) for line in Path(json.loads(out)["file"]).read_text(encoding="utf-8").splitlines()]
    assert (code, len(rows), "vote:one+examples" in rows[0]) == (0, 90, True)


def test_a_step_that_does_harm_is_undone(tmp_path: Path) -> None:
    task = prepare(tmp_path)
    answer(tmp_path / "run")
    found = work(task, change=lambda parts: quick(told(pool_of(task), lie=True)(parts)))
    entry = next(one for one in found["steps"] if one["step"] == "examples")
    assert entry["outcome"] == "undone"
    assert entry["gain"] < 0
    assert found["best"]["label_accuracy"] == found["start"]["label_accuracy"]
    with Ledger.read(tmp_path / "run" / FOLDER) as view:
        assert {vote.worker for vote in view.votes() if not vote.of_person} == {"weather", "bread"}


def test_the_gold_column_decides_nothing(tmp_path: Path) -> None:
    """With every gold label turned round, the same is asked, judged and kept; fresh items judge where there are any."""
    turned = [{**row, "label": LABELS[1 - LABELS.index(row["label"])]} for row in toy_rows(120)]
    found = [
        work(prepare(tmp_path / name, rows, items=50), change=quick)
        for name, rows in (("a", toy_rows(120)), ("b", turned))
    ]
    kept = [[(one["outcome"], one["gain"], one.get("did")) for one in each["steps"]] for each in found]
    assert kept[0] == kept[1]
    assert found[0]["start"]["label_accuracy"] == pytest.approx(1 - found[1]["start"]["label_accuracy"])
    assert (found[0]["judged"]["on"], found[0]["judged"]["items"]) == (FRESH, 40)
    with Ledger.read(tmp_path / "a" / "run" / FOLDER / "judges") as view, Ledger.read(tmp_path / "a" / "run") as base:
        assert not {item.id for item in view.items()} & {label.item for label in base.labels()}
        assert found[0]["judged"]["tokens"] == view.tokens() > 0


class Dies(Exception):
    pass


POINTS = (("append", 1), ("append", 4), ("set_meta", 5), ("set_meta", 12), ("start_round", 1), ("replace_labels", 0))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """What a loop of two rounds comes to where nobody disturbs it."""
    task = prepare(tmp_path_factory.mktemp("whole"), toy_rows(80))
    answer(task.parent / "run")
    return task, work(task, TWO, change=lambda parts: quick(told(pool_of(task))(parts)))


@pytest.mark.parametrize(("method", "when"), POINTS)
def test_whatever_a_crash_interrupts_the_end_is_the_same(
    method: str, when: int, whole: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = prepare(tmp_path, toy_rows(80))
    answer(tmp_path / "run")
    change: Change = lambda parts: quick(told(pool_of(task))(parts))  # noqa: E731
    left, original = [when], getattr(Ledger, method)

    def dying(self: Ledger, *arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Dies
        return original(self, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, method, dying)
        with pytest.raises(Dies):
            work(task, TWO, change=change)
    assert steady(work(task, TWO, change=change)) == steady(whole[1])
    assert digest(tmp_path / "run" / FOLDER) == digest(whole[0].parent / "run" / FOLDER)


def test_more_rounds_can_be_asked_for_and_other_settings_cannot(paid: tuple[Path, dict[str, Any], str]) -> None:
    task, found, _ = paid
    stamp = fingerprint(load_task(task, names=NAMES))
    assert improved(task.parent / "run", stamp, EFFORT) == found
    assert improved(task.parent / "run", stamp, replace(EFFORT, rounds=2)) is None
    with pytest.raises(RunError, match="begun with other settings"):
        work(task, replace(EFFORT, items=0.1))


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    task = prepare(tmp_path)

    def without(parts: Improvement) -> Improvement:
        def refuses() -> Any:
            raise ConfigError("this task cannot be written for")

        return replace(quick(parts), reinforce=lambda *_: (), commission=refuses)

    found = work(task, change=without)
    said = {one["step"]: (one["outcome"], one["reason"]) for one in found["steps"]}
    assert said["examples"] == ("not possible", "no agent of this task reads demonstrations")
    assert said["synthetic"] == ("not possible", "this task cannot be written for")
    assert found["ended"] == "no step of round 1 paid"
    with Ledger.read(tmp_path / "run" / FOLDER) as view, Ledger.read(tmp_path / "run") as base:
        assert list(view.labels()) == list(base.labels())
    assert nulls_without_reason(found) == []


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    shell, task, run = Shell(monkeypatch, capsys), write_toy(tmp_path, toy_rows(80)), tmp_path / "run"
    code, _, err = shell("improve", task, "--run", run)
    assert (code, "there is no finished run here" in err) == (1, True)
    prepare(tmp_path, toy_rows(80))
    code, out, err = shell("improve", task, "--run", run, "--rounds", 1, "--synthetic", 1, "--items", 0.3)
    assert code == 0, err
    assert "round 1, examples: " in out
    assert "ended: " in out
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "What each further step brought" in page
    assert 'id="steps-' in page or 'aria-label="Gain of each step' in page
    before = {path: path.stat().st_mtime_ns for path in (run / FOLDER).rglob("*") if path.is_file()}
    code, out, _ = shell("improve", task, "--run", run, "--rounds", 1, "--synthetic", 1, "--items", 0.3, "--json")
    assert (code, json.loads(out)["ended"]) == (0, "no step of round 1 paid")
    after = {path: path.stat().st_mtime_ns for path in (run / FOLDER).rglob("*") if path.is_file()}
    assert after == before
