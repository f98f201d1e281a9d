"""Synthesis from brief to accepted example, with an author who knows stories by heart and the toy committee."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from limbeck.agent.author import AUTHOR, Author
from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop
from limbeck.committee.base import calibrations
from limbeck.decoding.paths import Limits
from limbeck.decoding.sampling import Sampling
from limbeck.decoding.writing import Writer
from limbeck.errors import ConfigError, RunError
from limbeck.flows.appraise import appraise
from limbeck.flows.commission import Commission
from limbeck.flows.examples import write_examples
from limbeck.flows.job import Notify, silent
from limbeck.flows.panel import Panel
from limbeck.flows.synthesize import DISAGREES, SURPLUS, outcomes, synthesize
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.pool import Pool
from limbeck.records import Item
from limbeck.task import fingerprint, load_task, synthesis_fingerprint
from stories import Stories
from toy_job import BREAD, WEATHER, Shell, write_script, write_toy

PLACES = ("river", "market", "harbour", "forest", "castle", "village", "station", "library", "garden", "desert")
FOLK = ("sailors", "bakers", "poets", "farmers", "singers", "judges", "dancers", "miners")
LIE, SHORT = "sunny and fresh in every sense of words", "Ah."


def good(label: int) -> list[str]:
    return [
        f"{FOLK[j]} meet at the {place}, all {WEATHER[label]} and {BREAD[label]}"
        for i, place in enumerate(PLACES)
        for j in ((i * 3) % 8, (i * 5 + 1) % 8)
    ]


def stories(copied: Sequence[str]) -> dict[str, dict[str, float]]:
    negative = dict.fromkeys([*good(0), *copied, LIE, SHORT], 14.0)
    return {"Label: negative\nText:": negative, "Label: positive\nText:": dict.fromkeys(good(1), 14.0)}


def real(pool: Pool) -> str:
    """A text that both agents take for negative."""
    return next(text for text in pool.texts() if WEATHER[0] in text and BREAD[0] in text)


def commission(folder: Path, **changes: Any) -> tuple[Commission, str]:
    """The toy task's parts with an author of stories; no seeds are shown, so the prompt is known."""
    folder.mkdir(parents=True, exist_ok=True)
    author = {"model": "weather.json", "engine": "scripted", "guidance": 0, "examples": 0}
    told = {"anchors": 40, "accept": 0.6, "words": {"least": 3, "most": 20}, "overlap": 0.7, "novelty": 0, "spread": 1}
    path = write_toy(folder, synthesis=author | told | changes)
    write_script(folder / "judge.json", BREAD)
    file = load_task(path, names=NAMES)
    with Meter() as meter:
        parts = Workshop(file, Store(folder / "home"), meter).synthesis(str(folder / "judge.json"))
    assert parts.test is not None
    engine = Stories(stories([real(parts.pool), real(parts.test)]))
    writer = Writer(Sampling(), Limits(120, ("\n",)), 0)
    made = Author(parts.task, engine=engine, writer=writer, model="stories", style="plain")
    return replace(parts, author=made), synthesis_fingerprint(file)


def work(parts: Commission, stamp: str, folder: Path, count: int, notify: Notify = silent) -> str | None:
    with Meter() as meter:
        return synthesize(parts, folder, per_label=count, meter=meter, fingerprint=stamp, notify=notify)


def accepted(folder: Path) -> dict[str, list[str]]:
    with Ledger.read(folder) as view:
        taken = {label.item: str(label.label) for label in view.labels() if label.accepted}
        found: dict[str, list[str]] = {}
        for item in view.items(taken):
            found.setdefault(taken[item.id], []).append(item.fields["text"])
    return found


def test_exactly_as_many_as_wanted_and_only_good_ones(tmp_path: Path) -> None:
    parts, stamp = commission(tmp_path)
    assert work(parts, stamp, tmp_path / "s", 8) is None
    found = accepted(tmp_path / "s")
    assert {label: len(texts) for label, texts in found.items()} == {"negative": 8, "positive": 8}
    assert set(found["negative"]) <= set(good(0))
    assert set(found["positive"]) <= set(good(1))
    with Ledger.read(tmp_path / "s") as view:
        labels = {label.item: label for label in view.labels()}
        texts = {item.id: item.fields["text"] for item in view.items(labels)}
    why = {texts[name]: label.how for name, label in labels.items()}
    assert parts.test is not None
    expected = {real(parts.pool): "near-copy of a pool text", real(parts.test): "leaked from the test set"}
    expected |= {LIE: DISAGREES, SHORT: "too short"}
    met = {text: how for text, how in why.items() if text in expected}
    assert met.items() <= expected.items()
    assert len(met) >= 3


def test_the_same_seed_gives_the_same_examples_and_more_can_be_asked_later(tmp_path: Path) -> None:
    parts, stamp = commission(tmp_path / "task")
    for name in ("a", "b"):
        work(parts, stamp, tmp_path / name, 4)
    assert accepted(tmp_path / "a") == accepted(tmp_path / "b")
    first = accepted(tmp_path / "a")
    assert work(parts, stamp, tmp_path / "a", 4) is None
    assert accepted(tmp_path / "a") == first
    assert work(parts, stamp, tmp_path / "a", 7) is None
    more = accepted(tmp_path / "a")
    assert {label: len(texts) for label, texts in more.items()} == {"negative": 7, "positive": 7}
    assert all(set(first[label]) <= set(more[label]) for label in first)
    with pytest.raises(RunError, match="begun with another task file"):
        work(parts, "other", tmp_path / "a", 7)


class Dies(Exception):
    pass


@pytest.mark.parametrize("when", range(4))
def test_whatever_a_crash_interrupts_the_result_is_the_same(
    tmp_path: Path, when: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dies at the n-th write of votes or decisions; the second attempt ends like one that nobody disturbed."""
    parts, stamp = commission(tmp_path / "task")
    work(parts, stamp, tmp_path / "whole", 6)
    left = {"append": 4 + when}
    original = Ledger.append

    def dying(self: Ledger, votes: Any) -> int:
        if not votes:
            return 0
        left["append"] -= 1
        if left["append"] < 0:
            raise Dies
        return original(self, votes)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append", dying)
        with pytest.raises(Dies):
            work(parts, stamp, tmp_path / "broken", 6)
    assert work(parts, stamp, tmp_path / "broken", 6) is None
    assert accepted(tmp_path / "broken") == accepted(tmp_path / "whole")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"attempts": 1}, "which is all that synthesis.attempts allows"), ({"tokens": 12000}, "tokens is spent")],
)
def test_a_spent_budget_is_said_and_what_there_is_stays(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    parts, stamp = commission(tmp_path, **changes)
    told = work(parts, stamp, tmp_path / "s", 15)
    assert told is not None
    assert reason in told
    assert all(len(texts) < 15 for texts in accepted(tmp_path / "s").values())
    with Ledger.read(tmp_path / "s") as view:
        assert view.count(AUTHOR) > 0


def test_surplus_is_used_when_more_is_wanted(tmp_path: Path) -> None:
    parts, stamp = commission(tmp_path)
    work(parts, stamp, tmp_path / "s", 3)
    with Ledger.read(tmp_path / "s") as view:
        spare = {label.item for label in view.labels() if label.how == SURPLUS}
        before = view.count(AUTHOR)
    assert spare
    work(parts, stamp, tmp_path / "s", 4)
    with Ledger.read(tmp_path / "s") as view:
        used = {label.item for label in view.labels() if label.accepted}
        assert used & spare or view.count(AUTHOR) > before


def test_one_class_alone_is_not_calibrated_away(tmp_path: Path) -> None:
    """The committee's bias is that of the anchors: a batch of one label keeps its label."""
    parts, stamp = commission(tmp_path)
    work(parts, stamp, tmp_path / "s", 1)
    texts = [Item(f"x{i}", {"text": text}) for i, text in enumerate(good(1))]
    with Ledger.open(tmp_path / "s") as ledger:
        for answers in parts.committee.ask(texts, kept=ledger, around=lambda _: nullcontext()):
            ledger.append(answers.votes)
        anchors = ledger.rounds()[0].selected
        panel = Panel(
            calibrations(parts.committee), parts.aggregator, labels=parts.task.labels, ledger=ledger, anchors=anchors
        )
        opinion = panel.opinion([item.id for item in texts])
        alone = panel.opinion([texts[0].id])
    assert (opinion.argmax(axis=1) == 1).all()
    assert opinion[:, 1].min() > 0.6
    assert alone[0, 1] == pytest.approx(opinion[0, 1], abs=0.1)


def test_outcomes_count_every_attempt(tmp_path: Path) -> None:
    parts, stamp = commission(tmp_path)
    work(parts, stamp, tmp_path / "s", 8)
    with Ledger.read(tmp_path / "s") as view:
        attempts = list(view.votes(AUTHOR))
        became = Counter(outcomes(attempts, {label.item: label for label in view.labels()}))
    assert became.total() == len(attempts)
    assert became["accepted"] == 16
    assert became["near-copy of an accepted text"] > 0  # there are 24 texts for 16 places: some came twice


def test_the_appraisal_counts_what_can_be_counted(tmp_path: Path) -> None:
    parts, stamp = commission(tmp_path)
    work(parts, stamp, tmp_path / "s", 5)
    with Meter() as meter:
        found = appraise(parts, tmp_path / "s", meter=meter, stopped=None)
        again = appraise(parts, tmp_path / "s", meter=meter, stopped=None)
    assert found == again == json.loads((tmp_path / "s" / "quality.json").read_text())
    assert found["accepted"] == {"negative": 5, "positive": 5}
    assert sum(found["outcomes"].values()) == found["attempts"]
    assert found["acceptance"] == pytest.approx(10 / found["attempts"])
    # The judge reads stale and fresh, which every accepted text says rightly, and one real text in seven wrongly.
    assert found["fidelity"]["label_fidelity"] == 1
    assert 0.75 < found["fidelity"]["judge_accuracy"] < 0.95
    assert found["copies"] | {"overlap": 0} == {
        "overlap": 0,
        "of_the_pool": 0,
        "leaked_from_test": 0,
        "within": found["copies"]["within"],
    }
    assert found["diversity"]["synthetic"]["texts"] == found["diversity"]["real"]["texts"] == 10
    assert found["diversity"]["synthetic"]["vendi"] is None
    with Ledger.read(tmp_path / "s") as view:
        tokens = sum(vote.usage.tokens for vote in view.votes() if vote.worker != "judge")
    assert found["cost"]["tokens"] == tokens
    assert found["cost"]["tokens_per_accepted"] == tokens / 10
    bare = replace(parts, judge=None)
    with Meter() as meter:
        assert appraise(bare, tmp_path / "s", meter=meter, stopped="x")["fidelity"]["label_fidelity"] is None


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_examples_can_be_read_as_a_pool(tmp_path: Path, suffix: str) -> None:
    parts, stamp = commission(tmp_path)
    work(parts, stamp, tmp_path / "s", 3)
    target = tmp_path / "out" / f"examples{suffix}"
    assert write_examples(tmp_path / "s", target) == 6
    pool = parts.pool.read(target, show=("text",), gold="label", id_column="id")
    found = accepted(tmp_path / "s")
    assert sorted(pool.texts()) == sorted(text for texts in found.values() for text in texts)
    assert Counter(pool.gold()) == {"negative": 3, "positive": 3}
    with pytest.raises(ConfigError, match="form is not known"):
        write_examples(tmp_path / "s", tmp_path / "examples.txt")


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(monkeypatch, capsys)
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    commission(tmp_path, attempts=2)
    lines = [
        {"when": f"{label}\nText:", "say": f"the {BREAD[i]} bakers of the harbour were {WEATHER[i]}", "weight": 14}
        for i, label in enumerate(("negative", "positive"))
    ]
    (tmp_path / "author.json").write_text(json.dumps(lines))
    path = tmp_path / "task.yaml"
    told = yaml.safe_load(path.read_text())
    told["synthesis"]["model"] = "author.json"
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    run = tmp_path / "run"
    code, out, _ = shell("synthesize", path, "--per-class", 1, "--run", run, "--judge", tmp_path / "judge.json")
    assert code == 0
    assert "accepted: negative 1, positive 1" in out
    assert "label fidelity: 1.000" in out
    rows = [json.loads(line) for line in (run / "synthesis" / "examples.jsonl").read_text().splitlines()]
    assert [row["label"] for row in rows] == ["negative", "positive"]
    for row, bread, weather in zip(rows, BREAD, WEATHER, strict=True):
        assert row["text"].endswith(f"the {bread} bakers of the harbour were {weather}")
    out_file = tmp_path / "more.csv"
    code, out, err = shell("synthesize", path, "--per-class", 2, "--run", run, "--out", out_file, "--json", "--quiet")
    assert code == 1
    assert "not all examples are there: 8 texts were written" in err
    assert json.loads(out)["accepted"] == {"negative": 1, "positive": 1}
    assert len(list(csv.reader(out_file.read_text().splitlines()))) == 3
    code, _, err = shell("synthesize", path, "--per-class", 1, "--out", tmp_path / "x.txt")
    assert (code, "form is not known" in err) == (2, True)
    code, _, err = shell("synthesize", path, "--per-class", 1, "--judge", "weather.json")
    assert (code, "it is no judge" in err) == (2, True)


def test_synthesis_settings_leave_a_runs_fingerprint_alone(tmp_path: Path) -> None:
    plain = load_task(write_toy(tmp_path / "a"), names=NAMES)
    told = load_task(write_toy(tmp_path / "b", synthesis={"accept": 0.5}), names=NAMES)
    more = load_task(write_toy(tmp_path / "c", synthesis={"accept": 0.5, "attempts": 99}), names=NAMES)
    assert fingerprint(plain) == fingerprint(told)
    assert synthesis_fingerprint(plain) != synthesis_fingerprint(told) == synthesis_fingerprint(more)
