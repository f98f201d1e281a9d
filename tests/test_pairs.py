"""Pairs of texts: both orders asked and averaged, what a student sees of them, and a whole run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limbeck.agent import Batch, BothOrders, Question
from limbeck.agent.base import shown
from limbeck.agent.orders import ALONE, DIFFER
from limbeck.encoder import Encoder
from limbeck.engines.scripted import ScriptedEngine
from limbeck.errors import ConfigError
from limbeck.ledger import Ledger
from limbeck.pool import Pool
from limbeck.records import BETWEEN, Item, Usage, Vote
from limbeck.students.encoder import Reader
from limbeck.students.linear import LinearTeacher, load_student
from limbeck.students.pairs import compared, marked, paired_width, unordered
from limbeck.task import Task, parse_task, render_item, turned
from tiny_tokenizers import word_piece
from toy_encoder import write_toy_encoder
from toy_job import Shell, execute, write_csv, write_toy

PREFER = "{pair: {first: a, second: b, swap: {left: right}}}"
LIKE = "{pair: {first: a, second: b, symmetric: true}}"
FOLLOW = "{pair: {first: a, second: b}}"


def read(kind: str, labels: str = "[left, right, tie]", rest: str = "") -> Task:
    text = f"task: {{labels: {labels}, kind: {kind}}}\ndata: {{pool: p.csv, gold: label}}\n{rest}"
    return Task.of(parse_task(text, source="t.yaml"))


def pair(a: str = "one", b: str = "two") -> Item:
    return Item(f"{a}/{b}", {"a": a, "b": b})


class Fixed:
    """Answers by which text stands first; a text of which nothing is known gets no answer."""

    name, calibration, model, style = "fixed", "none", "none", "plain"

    def __init__(self, task: Task, scores: dict[str, tuple[float, ...]]) -> None:
        self._task, self._scores = task, scores

    def plan(self, items: Sequence[Item]) -> list[Batch]:
        return [(Question(f"{self._first(item)}-{item.id}", item, (1,)),) for item in items]

    def answer(self, batch: Batch) -> list[Vote]:
        votes = []
        for question in batch:
            scores = self._scores.get(self._first(question.item))
            label = None if scores is None else self._task.labels[int(np.argmax(scores))]
            reason = "nothing came" if scores is None else None
            told: dict[str, Any] = {"scores": scores, "reason": reason, "usage": Usage(10, 2, 5, 0.5)}
            votes.append(Vote(question.key, question.item.id, self.name, label, **told))
        return votes

    def _first(self, item: Item) -> str:
        return render_item(self._task, item).split("\n")[0]


def logs(*shares: float) -> tuple[float, ...]:
    return tuple(np.log(shares).tolist())


def test_texts_change_places_or_only_their_order() -> None:
    assert render_item(read(FOLLOW), pair()) == render_item(read(LIKE), pair()) == "A: one\nB: two"
    assert render_item(read(FOLLOW), turned(read(FOLLOW), pair())) == "B: two\nA: one"
    for kind in (LIKE, PREFER):
        assert render_item(read(kind), turned(read(kind), pair())) == "A: two\nB: one"


def test_swapped_labels_lead_back() -> None:
    places = [found.pair.swap for kind in (PREFER, LIKE, FOLLOW) if (found := read(kind)).pair]
    assert places == [(1, 0, 2), (0, 1, 2), None]


def test_a_position_bias_cancels_out() -> None:
    """Whoever always says "left" has no opinion: left and right come out equal, whatever the texts."""
    task = read(PREFER)
    worker = BothOrders(Fixed(task, {"A: one": logs(0.8, 0.1, 0.1), "A: two": logs(0.8, 0.1, 0.1)}), task)
    (batch,) = worker.plan([pair()])
    (vote,) = worker.answer(batch)
    assert vote.scores is not None
    shares = np.exp(vote.scores)
    assert shares[0] == pytest.approx(shares[1]) == pytest.approx(np.sqrt(0.08))
    assert shares[2] == pytest.approx(0.1)
    assert vote.flags == (DIFFER,)
    assert vote.usage == Usage(20, 4, 10, 1.0)
    assert vote.trace is not None
    assert [one["label"] for one in vote.trace["orders"]] == ["left", "right"]


def test_orders_that_agree_keep_their_label() -> None:
    task = read(PREFER)
    worker = BothOrders(Fixed(task, {"A: one": logs(0.6, 0.3, 0.1), "A: two": logs(0.2, 0.7, 0.1)}), task)
    ((question,),) = worker.plan([pair()])
    (vote,) = worker.answer((question,))
    assert (vote.label, vote.flags) == ("left", ())
    assert vote.scores is not None
    assert np.exp(vote.scores[0]) == pytest.approx(np.sqrt(0.6 * 0.7))
    assert question.key != worker.plan([pair("one", "three")])[0][0].key


@pytest.mark.parametrize(("known", "label", "flags"), [("A: one", "left", (ALONE,)), ("A: two", "right", (ALONE,))])
def test_one_order_without_an_answer_leaves_the_other(known: str, label: str, flags: tuple[str, ...]) -> None:
    task = read(PREFER)
    worker = BothOrders(Fixed(task, {known: logs(0.7, 0.2, 0.1)}), task)
    (vote,) = worker.answer(worker.plan([pair()])[0])
    assert (vote.label, vote.flags, vote.reason) == (label, flags, None)


def test_no_answer_in_either_order_is_none() -> None:
    task = read(LIKE)
    (vote,) = (worker := BothOrders(Fixed(task, {}), task)).answer(worker.plan([pair()])[0])
    assert (vote.label, vote.scores, vote.reason, vote.flags) == (None, None, "nothing came", ())


def test_a_pair_too_long_keeps_the_beginning_of_both_texts(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text("[]")
    tokenizer = ScriptedEngine.load(tmp_path / "s.json").tokenizer
    item = pair("alpha " * 400, "omega " * 400)
    tokens, flags = shown(tokenizer, read(FOLLOW), item, lead="", room=120, policy="head")
    text = tokenizer.decode(tokens)
    assert len(tokens) <= 120
    assert flags == ("truncated",)
    assert text.count("alpha") == pytest.approx(text.count("omega"), abs=1) != 0


@pytest.mark.parametrize(
    ("kind", "rest", "problem"),
    [
        ("pair", "", "task.kind.pair.first: is required and missing"),
        ("{pair: {first: a, second: a}}", "", "both texts are of the column 'a'"),
        ("{pair: {first: a, second: label}}", "", "would show the answer to the workers"),
        ("{pair: {first: a, second: b, swap: {left: rigth}}}", "", "'rigth' is no label; did you mean 'right'?"),
        ("{pair: {first: a, second: b, swap: {left: right, right: tie}}}", "", "must lead back"),
        ("{pair: {first: a, second: b, symmetric: true, swap: {left: right}}}", "", "and symmetric that they do not"),
        (f"{LIKE}, show: [a, b]", "", "kind.pair names its two columns"),
        (LIKE, "committee: {protocol: debate}", "take vote or cascade"),
        (LIKE, "student: {kind: probe}", "a probe reads one text"),
        (LIKE, "agents: [{encoder: all-minilm-l6-v2}]", "the label of a pair is about two texts"),
    ],
)
def test_bad_pairs_are_refused_when_the_file_is_read(kind: str, rest: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=r"t\.yaml:") as caught:
        read(kind, rest=rest)
    assert problem in caught.value.message


def test_words_are_marked_by_who_has_them() -> None:
    text = BETWEEN.join(["A man eats.", "a man SLEEPS"])
    assert marked([text, "alone"]) == ["0_a 0_man 1_eats 0_a 0_man 2_sleeps", "1_alone"]
    assert unordered([text])[0] == unordered([BETWEEN.join(["a man SLEEPS", "A man eats."])])[0]
    assert compared([text], None)[0].tolist() == pytest.approx([2 / 4, 2 / 3, 2 / 3])
    assert compared([BETWEEN], None).tolist() == [[0, 0, 0]]


def test_vectors_of_both_texts_are_compared(tmp_path: Path) -> None:
    encoder = Encoder(write_toy_encoder(tmp_path / "encoder"), identity="toy")
    found = compared([BETWEEN.join(["red", "blue"]), BETWEEN.join(["red", "red"])], encoder)
    assert found.shape == (2, paired_width(encoder.width))
    u, v = encoder.encode(["red", "blue"])
    assert found[0, 3] == pytest.approx(float(u @ v), abs=1e-6)
    assert found[1, 3] == pytest.approx(1)
    assert found[0, 4 : 4 + encoder.width] == pytest.approx(u)
    assert not found[1, 4 + 2 * encoder.width : 4 + 3 * encoder.width].any()


def test_a_student_learns_what_two_texts_have_in_common(tmp_path: Path) -> None:
    words = [f"w{i}" for i in range(40)]
    rng = np.random.default_rng(0)
    texts, same = [], []
    for i in range(80):
        one, two = rng.choice(words, 4, replace=False), rng.choice(words, 4, replace=False)
        texts.append(BETWEEN.join([" ".join(one), " ".join(rng.permutation(one if i % 2 else two))]))
        same.append(i % 2)
    teacher = LinearTeacher(None, pairs=True)
    student = teacher.fit(texts[:60], np.eye(2)[same[:60]], labels=("no", "yes"), rng=np.random.default_rng(0))
    said = student.predict_proba(texts[60:])
    assert (said.argmax(axis=1) == same[60:]).mean() >= 0.95
    student.save(tmp_path / "student")
    assert load_student(tmp_path / "student", encoder=None).predict_proba(texts[60:]).tolist() == said.tolist()


def test_a_pool_of_pairs_keeps_an_empty_text_in_its_place(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "p.csv", [{"a": "x", "b": ""}, {"a": "y", "b": "z"}])
    pool = Pool.read(path, show=("a", "b")).read_as(str, glue=BETWEEN)
    assert pool.texts() == [f"x{BETWEEN}", f"y{BETWEEN}z"]
    assert pool.subset([1]).texts() == [f"y{BETWEEN}z"]


def preferences(folder: Path, *, orders: str = "both") -> Path:
    """Which dish is better? The agent likes the first text as much as it likes a superb one."""
    rows = []
    for i in range(60):
        dishes = [f"superb dish {i}", f"poor dish {i + 1}"]
        rows.append({"a": dishes[i % 2], "b": dishes[1 - i % 2], "label": ("left", "right")[i % 2]})
    kind = {"pair": {"first": "a", "second": "b", "swap": {"left": "right"}, "orders": orders}}
    task = write_toy(
        folder,
        rows,
        task={"labels": ["left", "right"], "kind": kind},
        agents=[{"name": "taste", "model": "taste.json", "engine": "scripted", "style": "plain", "decode": RAW}],
    )
    lines = [
        {"when": "A: superb", "say": "left", "weight": 3},
        {"when": "B: superb", "say": "right", "weight": 1},
        {"when": "dish", "say": "left", "weight": 2},
    ]
    (folder / "taste.json").write_text(json.dumps(lines))
    return task


RAW = {"choice": {"calibration": "none"}}


def test_pairs_go_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    both = execute(preferences(tmp_path / "both"), tmp_path / "both" / "run")
    once = execute(preferences(tmp_path / "one", orders="one"), tmp_path / "one" / "run")
    assert once["committee"]["accuracy"] == pytest.approx(0.5, abs=0.2), "it says left whatever stands there"
    assert both["committee"]["accuracy"] == 1, "both orders show what it likes"
    agent = both["agents"]["taste"]
    assert agent["orders_differ"] == 1
    assert "orders_differ" not in once["agents"]["taste"]
    assert agent["tokens"] > 1.8 * once["agents"]["taste"]["tokens"]
    assert "A: superb dish" in agent["prompt_example"] or "B: superb dish" in agent["prompt_example"]
    assert any("when the texts stood in the other order" in warning for warning in both["warnings"])
    assert both["student"]["accuracy"] >= 0.9
    with Ledger.read(tmp_path / "both" / "run") as view:
        traces = dict(view.traces(vote.key for vote in view.votes()))
    assert {tuple(one["label"] for one in trace["orders"]) for trace in traces.values()} == {("left", "right")}
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    shell = Shell(monkeypatch, capsys)
    code, out, _ = shell("predict", tmp_path / "both" / "run", tmp_path / "both" / "pool.csv", "--json")
    assert code == 0
    said = [row["label"] for row in json.loads(out)]
    assert np.mean([label == ("left", "right")[i % 2] for i, label in enumerate(said)]) >= 0.9
    code, _, _ = shell("report", tmp_path / "both" / "run")
    assert code == 0
    assert "Orders differ" in (tmp_path / "both" / "run" / "report.html").read_text(encoding="utf-8")


def test_an_encoder_student_reads_a_pair_as_one_input() -> None:
    table = word_piece()
    rows = Reader(table.to_str(), longest=64).rows([f"the film{BETWEEN}a film", "the film"])
    assert rows == [table.encode("the film", "a film").ids, table.encode("the film").ids]
    assert rows[0].count(3) == 2, "the separator stands behind each text"
