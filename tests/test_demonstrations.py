"""Worked examples: from a file and from an earlier run, near or diverse; nobody is shown itself or a test text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from limbeck.agent import Demonstrated, LanguageAgent
from limbeck.agent.prompt import in_order
from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop
from limbeck.encoder import Encoder
from limbeck.errors import ConfigError
from limbeck.flows.answers import Answer
from limbeck.flows.demonstrations import from_committee, from_people, from_student
from limbeck.flows.gold import keep
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.records import Item
from limbeck.task import Task, fingerprint, load_task, parse_task, render_item
from toy_encoder import write_toy_encoder
from toy_job import LABELS, execute, toy_rows, write_csv, write_toy

MODEL = {"name": "weather", "model": "weather.json", "engine": "scripted", "style": "plain"}


@pytest.fixture
def coded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    encoder = Encoder(write_toy_encoder(tmp_path / "encoder"), identity="toy:1")
    monkeypatch.setattr("limbeck.catalog.models.build_encoder", lambda *_, **__: encoder)
    monkeypatch.setattr("limbeck.assets.store.Store.lock_entry", lambda *_: {"files": {}, "source": "", "licence": ""})
    return encoder


def built(folder: Path, examples: dict[str, Any], rows: list[dict[str, str]] | None = None, **sections: Any) -> Any:
    """The only agent of a task with these examples, and the job."""
    task = write_toy(folder, rows, agents=[MODEL | {"examples": examples}], **sections)
    with Meter() as meter:
        job = Workshop(load_task(task, names=NAMES), Store(folder / "home"), meter).job()
    (worker,) = job.committee.workers
    assert isinstance(worker, Demonstrated)
    return worker, job


def shown(worker: Demonstrated, item: Item) -> list[str]:
    """The texts of the examples in an item's prompt, in order; the last text there is the item's own."""
    lines = worker.example(item).splitlines()
    return [line.removeprefix("Text: ") for line in lines if line.startswith("Text: ")][:-1]


def red_and_blue(count: int) -> list[dict[str, str]]:
    return [{"text": f"{('red', 'blue')[i % 2]} {i}", "label": LABELS[i % 2]} for i in range(count)]


def test_nobody_is_shown_itself_or_a_text_of_the_test_set(tmp_path: Path) -> None:
    write_toy(tmp_path)
    worker, job = built(tmp_path, {"number": 3, "from": "pool.csv", "choose": "first"})
    tested = {item.fields["text"] for item in job.test}
    free = [row["text"] for row in toy_rows() if row["text"] not in tested]
    own = {item.fields["text"]: item for item in job.pool}
    assert shown(worker, job.test[0]) == free[:3]
    assert shown(worker, own[free[1]]) == [free[0], free[2], free[3]], "the next one takes its place"
    assert not tested & {text for item in job.pool for text in shown(worker, item)}


def test_items_with_the_same_examples_share_a_prefix_and_votes_are_those_of_one_agent_each(tmp_path: Path) -> None:
    worker, job = built(tmp_path, {"number": 2, "from": "pool.csv"})
    items = list(job.pool)
    plan = worker.plan(items)
    assert sorted(question.item.id for batch in plan for question in batch) == sorted(item.id for item in items)
    votes = {vote.item: vote for batch in plan for vote in worker.answer(batch)}
    groups = {tuple(shown(worker, item)) for item in items}
    assert len(groups) == 3, "everybody's, and one for each of the two who may not see themselves"
    assert sum(vote.usage.reused == 0 for vote in votes.values()) == 3, "three prefixes are computed, no more"
    again = {vote.item: vote for batch in worker.plan(items) for vote in worker.answer(batch)}
    assert {item: vote.scores for item, vote in votes.items()} == {item: vote.scores for item, vote in again.items()}
    assert isinstance(worker.usual, LanguageAgent)


def test_the_nearest_are_of_the_items_own_kind(tmp_path: Path, coded: Encoder) -> None:
    words = [(word, i) for i in range(4) for word in ("red", "blue")]
    write_csv(tmp_path / "shown.csv", [{"text": f"{w} example {i}", "label": LABELS[w == "blue"]} for w, i in words])
    worker, job = built(tmp_path, {"number": 2, "from": "shown.csv", "choose": "nearest"}, red_and_blue(20))
    for item in job.pool:
        colour = item.fields["text"].split()[0]
        assert [text.split()[0] for text in shown(worker, item)] == [colour, colour]


def test_the_diverse_are_of_every_kind(tmp_path: Path, coded: Encoder) -> None:
    rows = [{"text": f"red example {i}", "label": "negative"} for i in range(30)]
    rows += [{"text": f"blue example {i}", "label": "positive"} for i in range(3)]
    write_csv(tmp_path / "shown.csv", rows)
    worker, job = built(tmp_path, {"number": 2, "from": "shown.csv", "choose": "diverse"}, red_and_blue(10))
    assert {text.split()[0] for text in shown(worker, job.pool[0])} == {"red", "blue"}
    assert shown(worker, job.pool[0]) == shown(worker, job.pool[1])


def test_from_an_earlier_run(tmp_path: Path) -> None:
    execute(write_toy(tmp_path / "first", data={"test": None}), tmp_path / "first" / "run")
    run = tmp_path / "first" / "run"
    with Ledger.open(run) as ledger:
        ids = [label.item for label in ledger.labels()][:6]
        keep(ledger, [Answer(item, "me", LABELS[i % 2]) for i, item in enumerate(ids)])
    with Ledger.read(run) as view:
        told = dict(from_people(view, TASK))
        texts = {item.id: render_item(TASK, item) for item in view.items(ids)}
    assert told == {texts[item]: LABELS[i % 2] for i, item in enumerate(ids)}
    worker, job = built(tmp_path / "second", {"number": 4, "from": str(run), "source": "gold"}, data={"test": None})
    assert set(shown(worker, job.pool[0])) <= set(told)
    for source in ("confident", "clean"):
        worker, job = built(tmp_path / source, {"number": 4, "from": str(run), "source": source, "choose": "balanced"})
        assert len(shown(worker, job.pool[0])) == 4
    execute(write_toy(tmp_path / "third"), tmp_path / "third" / "run")
    with pytest.raises(ConfigError, match="no worked example of source gold is there"):
        built(tmp_path / "fourth", {"number": 4, "from": str(tmp_path / "third" / "run"), "source": "gold"})


TASK = Task("toy", LABELS, (None, None), "Say which.", ("text",))


class Contrary:
    """A student that is sure, and of another opinion on every text of an odd number."""

    labels = LABELS

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.array([[0.9, 0.1] if int(text.split()[1][:-1]) % 2 else [0.1, 0.9] for text in texts])

    def save(self, folder: Path, *, card: Any = None) -> None:
        raise NotImplementedError


def test_confident_is_the_surest_quarter_of_each_label_and_clean_is_what_the_student_shares(tmp_path: Path) -> None:
    execute(write_toy(tmp_path, data={"test": None}), tmp_path / "run")
    with Ledger.read(tmp_path / "run") as view:
        labels = view.labels()
        confident, clean = from_committee(view, TASK), from_student(view, TASK, Contrary())
        texts = {render_item(TASK, item): item.id for item in view.items([label.item for label in labels])}
    sure = {label.item: label.confidence for label in labels}
    for name in LABELS:
        own = sorted((label.confidence for label in labels if label.label == name), reverse=True)
        taken = sorted((sure[texts[text]] for text, label in confident if label == name), reverse=True)
        assert taken == own[: round(len(own) / 4)]
    assert clean
    assert all((label == "negative") == (int(text.split()[1][:-1]) % 2 == 1) for text, label in clean)


def test_the_order_of_examples() -> None:
    pairs = [(str(i), "a" if i < 8 else "b") for i in range(10)]
    assert in_order(pairs, choose="first", seed=0) == pairs
    assert sorted(in_order(pairs, choose="random", seed=0)) == pairs
    assert [label for _, label in in_order(pairs, choose="balanced", seed=3)[:4]].count("b") == 2


def test_old_fingerprints_stay() -> None:
    text = "task: {{labels: [bad, good]}}\ndata: {{pool: a.csv}}\nagents: [{{name: a, model: b, examples: {}}}]\n"
    plain = fingerprint(parse_task(text.format("{number: 2, from: c.csv}"), source="task.yaml"))
    assert plain == fingerprint(parse_task(text.format("{number: 2, from: c.csv, source: column}"), source="task.yaml"))
    assert plain != fingerprint(parse_task(text.format("{number: 2, from: c.csv, source: clean}"), source="task.yaml"))
    assert plain == OLD


OLD = "0f10101d3f7f148caaef6244743d5d5b9f804a8954b8263f879d457454ec309a"
