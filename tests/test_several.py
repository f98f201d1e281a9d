"""Several labels for one text: thresholds, tables, the checklist, one student for each label, and a whole run."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score
from sklearn.metrics import hamming_loss as reference_loss

from limbeck.agent.prompt import Prompt
from limbeck.aggregation.majority import Majority
from limbeck.aggregation.units import set_confidence, tabulate_units, threshold
from limbeck.decoding.checklist import Checklist, Relative
from limbeck.decoding.choice import Choice
from limbeck.engines.scripted import Line, ScriptedEngine
from limbeck.errors import ConfigError, StudentError
from limbeck.evaluation.sets import hamming_loss, macro_f1_of_sets, micro_f1, per_label
from limbeck.flows.verdict import packed
from limbeck.records import NOTHING, Vote, set_name
from limbeck.report import write_report
from limbeck.students.linear import LinearTeacher, load_student
from limbeck.students.one_vs_rest import OneVsRestTeacher, load_students
from limbeck.task import Several, Task, parse_task
from toy_job import Shell, execute, write_csv, write_toy

LABELS = ("delivery", "quality", "price")


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def read(kind: str = "labels", rest: str = "", labels: str = "[delivery, quality, price]") -> Task:
    text = f"task: {{kind: {kind}, labels: {labels}}}\ndata: {{pool: p.csv, gold: label}}\n{rest}"
    return Task.of(parse_task(text, source="t.yaml"))


def test_sets_have_names() -> None:
    assert set_name(LABELS, [True, False, True]) == "delivery|price"
    assert set_name(LABELS, [False] * 3) == NOTHING
    assert packed(np.array([[True, False, True], [False] * 3])).tolist() == [5, 0]


def test_gold_may_be_joined_or_a_list_in_any_order() -> None:
    task = read()
    told = ["price|delivery", '["price", "delivery"]', " quality ", "[]", NOTHING, "colour", "[", "price|colour"]
    found = [task.gold(one) for one in told]
    assert found == ["delivery|price", "delivery|price", "quality", NOTHING, NOTHING, "colour", "[", "price|colour"]
    assert [task.knows(one) for one in found] == [True] * 5 + [False] * 3


def test_how_often_labels_apply_is_told_or_guessed() -> None:
    assert read().several == Several((1 / 3,) * 3)
    told = read("{labels: {each: 1.5, threshold: 0.4, ask: questions}}")
    assert told.several == Several((0.5,) * 3, 0.4, "questions")
    prior = read(rest="committee: {prior: {delivery: 0.5, quality: 0.7, price: 0.1}}")
    assert prior.several == Several((0.5, 0.7, 0.1))


def test_thresholds_by_hand() -> None:
    likely = np.array([0.9, 0.2, 0.6, 0.1])
    # Expected F1 of the best 1, 2, 3, 4: 1.8/2.8, 3/3.8, 3.4/4.8, 3.6/5.8. The second is the highest.
    assert threshold(likely, 0.5, "f1") == 0.6
    assert threshold(likely, 0.25, "prior") == 0.9
    assert threshold(likely, 0.5, 0.3) == 0.3
    assert threshold(np.zeros(0), 0.5, "f1") == 0.5


def test_each_label_has_a_table_of_its_own() -> None:
    odds = [(3.0, -3.0), (3.0, -3.0), (-3.0, 3.0), (-3.0, -3.0)] * 25
    votes = [
        Vote(f"{worker}{i}", f"i{i}", worker, "", scores=tuple(shift + one for one in row))
        for worker, shift in (("fair", 0.0), ("eager", 9.0))
        for i, row in enumerate(odds)
    ]
    items = [f"i{i}" for i in range(100)]
    told: dict[str, Any] = {"labels": ("a", "b"), "items": items, "shares": (0.5, 0.25), "relative": False}
    units = tabulate_units(votes, calibration={"fair": "batch", "eager": "batch"}, **told)
    assert [table.labels for table in units.tables] == [("a", "not a"), ("b", "not b")]
    marginals, weights = units.aggregate(Majority())
    assert (marginals[:, 0] > 0.5).tolist() == [True, True, False, False] * 25
    assert weights.tolist() == [1, 1]
    assert {(vote.worker, vote.item): vote.label for vote in units.sets()} == {
        (worker, item): name
        for worker in ("fair", "eager")
        for item, name in zip(items, ("a", "a", "b", NOTHING) * 25, strict=True)
    }
    silent = tabulate_units([*votes, Vote("x", "i0", "mute", None, reason="broken")], calibration={}, **told)
    assert silent.tables[0].workers == ("eager", "fair")


def test_what_a_text_makes_a_worker_say_of_all_labels_is_taken_out() -> None:
    """Long texts get a yes to everything; which of the labels is likelier is seen all the same."""
    odds = [(8.0, 6.0), (6.0, 8.0), (-6.0, -8.0), (-8.0, -6.0)] * 25
    votes = [Vote(f"v{i}", f"i{i}", "w", "", scores=row) for i, row in enumerate(odds)]
    told: dict[str, Any] = {"labels": ("a", "b"), "items": [f"i{i}" for i in range(100)], "shares": (0.5, 0.5)}
    for relative, wanted in ((True, ["a", "b"] * 50), (False, ["a|b", "a|b", NOTHING, NOTHING] * 25)):
        units = tabulate_units(votes, calibration={"w": "batch"}, relative=relative, **told)
        assert [vote.label for vote in units.sets()] == wanted
    raw = tabulate_units(votes, calibration={"w": "none"}, cut=0.5, **told)
    assert [vote.label for vote in raw.sets()] == ["a|b", "a|b", NOTHING, NOTHING] * 25


def test_names_as_answers_are_relative_to_each_other() -> None:
    engine = ScriptedEngine([Line("rain", "wet", 6.0)])
    encode = engine.tokenizer.encode
    choice = Choice([encode(" wet"), encode(" dry")])
    (draw,) = Relative(choice)(engine, [encode("rain")])
    engine.reset()
    (plain,) = choice(engine, [encode("rain")])
    assert draw.scores is not None
    assert plain.scores is not None
    assert sum(draw.scores) == pytest.approx(0)
    assert draw.scores[0] - draw.scores[1] == pytest.approx(plain.scores[0] - plain.scores[1])


def test_names_go_the_whole_way_too(tmp_path: Path) -> None:
    """Asked for names, an agent tells one label from the other, and how many apply is what the file says."""
    task = complaints(tmp_path, ask="names", relative=True)
    for name in ("keen", "dull"):
        lines = [
            {"when": word, "say": label, "weight": 6} for word, label in (("late", "delivery"), ("broken", "quality"))
        ]
        (tmp_path / f"{name}.json").write_text(json.dumps(lines))
    metrics = execute(task, tmp_path / "run")
    assert metrics["committee"]["micro_f1"] > 0.6
    assert metrics["committee"]["labels_per_text"] == pytest.approx(1, abs=0.4)


def test_a_set_is_as_sure_as_all_of_its_decisions() -> None:
    found = set_confidence(np.array([[0.9, 0.2]]), np.array([[True, False]]))
    assert found == pytest.approx([0.72])


def test_measures_are_those_of_scikit_learn() -> None:
    source = np.random.default_rng(3)
    gold, given = source.random((2, 40, 3)) < 0.4
    assert micro_f1(gold, given, rng=rng()).value == pytest.approx(f1_score(gold, given, average="micro"))
    assert macro_f1_of_sets(gold, given, rng=rng()).value == pytest.approx(f1_score(gold, given, average="macro"))
    assert hamming_loss(gold, given, rng=rng()).value == pytest.approx(reference_loss(gold, given))
    single = f1_score(gold, given, average=None)
    assert [one.f1.value for one in per_label(gold, given, LABELS, rng=rng())] == pytest.approx(list(single))


def test_measures_without_gold_say_so() -> None:
    nothing = np.zeros((0, 3), np.bool_)
    for measure in (micro_f1, macro_f1_of_sets, hamming_loss):
        assert measure(nothing, nothing, rng=rng()).reason == "no item has a gold label"
    never = np.zeros((4, 1), np.bool_)
    assert micro_f1(never, never, rng=rng()).reason == "no label was ever given"
    assert per_label(never, never, ("a",), rng=rng())[0].f1.reason == "the label is never in gold or given"


def test_a_checklist_reads_the_text_once_and_answers_every_question() -> None:
    engine = ScriptedEngine([Line("rain\nwet?", "Yes", 12.0), Line("sun\ndry?", "Yes", 12.0), Line("", "No", 9.0)])
    encode = engine.tokenizer.encode
    answer = Choice([encode(" Yes"), encode(" No")], end=engine.tokenizer.end)
    asked = Checklist([encode("wet?"), encode("dry?")], answer)
    engine.reset()
    rain, sun = asked(engine, [encode("rain\n"), encode("sun\n")])
    alone = []
    for text in ("rain\nwet?", "rain\ndry?"):
        engine.reset()
        (draw,) = answer(engine, [encode(text)])
        assert draw.scores is not None
        alone.append(draw.scores[0] - draw.scores[1])
    assert rain.scores == pytest.approx(tuple(alone))
    assert rain.scores is not None
    assert sun.scores is not None
    assert rain.scores[0] > 0 > rain.scores[1]
    assert sun.scores[0] < 0 < sun.scores[1]
    inside = (len(" Yes") - 1) + (len(" No") - 1) - 1  # the blank is shared
    assert rain.prefilled == len("rain\n") + 2 * (len("wet?") + inside)
    assert asked.width == 2
    assert asked.reach == len("wet?") + answer.reach


def test_each_label_has_a_student_of_its_own(tmp_path: Path) -> None:
    texts = [f"{'late' * (i % 2)} {'broken' * (i % 3 == 0)} thing {i}" for i in range(48)]
    targets = np.column_stack([[i % 2, i % 3 == 0, 0.25] for i in range(48)]).T.astype(float)
    teacher = OneVsRestTeacher(lambda tuning: LinearTeacher(None, tuning=tuning))
    student = teacher.fit(texts, targets, labels=LABELS, rng=rng())
    found = student.predict_proba(["late thing", "broken thing", "thing"])
    assert (found[:, :2] > 0.5).tolist() == [[True, False], [False, True], [False, False]]
    assert found[:, 2].tolist() == [0.25] * 3, "what is always the same is no student's business"
    student.save(tmp_path)
    again = load_students(tmp_path, lambda folder: load_student(folder, encoder=None))
    assert again.predict_proba(texts).tolist() == student.predict_proba(texts).tolist()
    assert OneVsRestTeacher(lambda tuning: LinearTeacher(None, tuning=tuning), tuning=student.tuning).fit(
        texts, targets, labels=LABELS, rng=rng()
    ).predict_proba(texts) == pytest.approx(student.predict_proba(texts))
    (tmp_path / "student.json").write_text("{}")
    with pytest.raises(StudentError, match="cannot be read"):
        load_students(tmp_path, lambda folder: load_student(folder, encoder=None))
    with pytest.raises(StudentError, match="at least two labelled texts"):
        teacher.fit(texts[:1], targets[:1], labels=LABELS, rng=rng())


@pytest.mark.parametrize(
    ("kind", "rest", "problem"),
    [
        ("{labels: {each: 3}}", "", "each: must be below the number of labels, 3"),
        ("{labels: {threshold: best}}", "", "threshold: must be f1, prior or a number between 0 and 1"),
        ("{labels: {threshold: 1}}", "", "threshold: must be f1, prior or a number between 0 and 1"),
        ("labels", "committee: {prior: {delivery: 1.0, quality: 0.2, price: 0.2}}", "needs no asking"),
        ("labels", "committee: {protocol: cascade}", "cascade serves one label for each text"),
        ("labels", "selection: {strategy: bald}", "bald looks at one label for each text"),
        ("labels", "selection: {stop: stability}", "looks at one label for each text"),
        ("labels", "student: {kind: encoder}", "encoder learns one label for each text; take linear"),
        ("labels", "agents: [{model: m.gguf, decode: cot}]", "cot writes one answer; several labels need choice"),
        (
            "labels",
            "agents: [{model: m.gguf, decode: {choice: {calibration: pmi}}}]",
            "the calibrations none and batch",
        ),
        ("labels", "agents: [{model: m, engine: masked}]", "a masked model chooses one word"),
        (
            "{labels: {ask: questions}}",
            "agents: [{model: m, label_words: {price: cost}}]",
            "asked about with yes or no",
        ),
        (
            "labels",
            "agents: [{model: m.gguf, examples: {number: 2, from: p.csv}}]",
            "where a text may have several labels",
        ),
    ],
)
def test_what_cannot_serve_several_labels_is_refused(kind: str, rest: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=r"t\.yaml:") as caught:
        read(kind, rest)
    assert problem in caught.value.message


def test_a_label_may_not_hold_what_joins_labels() -> None:
    with pytest.raises(ConfigError, match="which joins labels"):
        read(labels="['a|b', c]")


def test_questions_name_label_and_description() -> None:
    task = read(labels="{price: what it costs, quality: }")
    assert Prompt("chat", "{text}", "").questions(task) == [
        'Does the label "price" (what it costs) apply to this text?',
        'Does the label "quality" apply to this text?',
    ]


ENDS = {"late": "delivery", "broken": "quality", "late and broken": "delivery|quality", "fine": ""}


def complaints(folder: Path, **settings: Any) -> Path:
    """Texts that end in what they complain of; the second agent overlooks what is broken in every fifth text."""
    rows, names = [], list(ENDS)
    for i in range(60):
        end = names[i % 4]
        mark = " somehow" if i % 5 == 0 else ""
        rows.append({"text": f"order {i} came{mark} {end}", "label": ENDS[end] or "[]"})
    usual = {"ask": "questions", "relative": False, "threshold": "f1"}
    task = write_toy(
        folder,
        rows,
        task={"labels": ["delivery", "quality"], "kind": {"labels": usual | settings}},
        agents=[{"name": n, "model": f"{n}.json", "engine": "scripted", "style": "plain"} for n in ("keen", "dull")],
        committee={"prior": {"delivery": 0.5, "quality": 0.5}},
    )
    for name in ("keen", "dull"):
        lines = [{"when": "", "say": "No", "weight": 9}]
        for end, given in ENDS.items():
            for label in filter(None, given.split("|")):
                for mark in ("", "somehow ") if name == "keen" else ("came ",):
                    when = f'{mark}{end}\n\nQuestion: Does the label "{label}"'
                    lines.append({"when": when, "say": "Yes", "weight": 12})
        (folder / f"{name}.json").write_text(json.dumps(lines))
    return task


def test_several_labels_go_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    metrics = execute(complaints(tmp_path), tmp_path / "run")
    committee, student = metrics["committee"], metrics["student"]
    assert metrics["data"]["gold_unknown"] == 0
    assert metrics["agents"]["keen"]["accuracy"] == 1
    assert metrics["agents"]["dull"]["accuracy"] < 1
    assert committee["accuracy"] == 1
    assert (committee["micro_f1"], committee["macro_f1"], committee["hamming_loss"]) == (1, 1, 0)
    assert [one["label"] for one in committee["per_class"]] == ["delivery", "quality"]
    assert committee["labels_per_text"] == pytest.approx(1, abs=0.3)
    assert set(committee["thresholds"]) == {"delivery", "quality"}
    assert student["kind"] == "one-vs-rest"
    assert student["micro_f1"] >= 0.9
    assert student["bytes"] > 1000
    assert "their joint set of labels is right" in metrics["sentence"]
    assert [entry["strategy"] for entry in metrics["learning_curve"]] == ["random", "margin"]
    with (tmp_path / "run" / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        end = next(one for one in sorted(ENDS, key=len, reverse=True) if row["text"].endswith(one))
        assert row["label"] == (ENDS[end] or NOTHING)
        assert row["is:delivery"] == str("late" in end).lower()
        p, q = float(row["p:delivery"]), float(row["p:quality"])
        sure = (p if "late" in end else 1 - p) * (q if "broken" in end else 1 - q)
        assert float(row["confidence"]) == pytest.approx(sure, abs=1e-4)
        assert row["vote:keen"] == row["label"]
    page = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert all(words in page for words in ("Micro-F1", "Hamming loss", "any number of them for a text"))
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    shell = Shell(monkeypatch, capsys)
    assert shell("export", tmp_path / "run", "--to", "jsonl")[0] == 0
    code, out, _ = shell("predict", tmp_path / "run", tmp_path / "pool.csv")
    assert code == 0
    said = [row["label"] for row in csv.DictReader(io.StringIO(out))]
    assert np.mean([one == (list(ENDS.values())[i % 4] or NOTHING) for i, one in enumerate(said)]) >= 0.9
    code, _, err = shell("gold", tmp_path / "run", "--n", "3")
    assert code == 2
    assert "people give one label of a list here" in err


def test_several_labels_without_gold(tmp_path: Path) -> None:
    task = complaints(tmp_path)
    with (tmp_path / "pool.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    write_csv(tmp_path / "pool.csv", [{"text": row["text"], "label": ""} for row in rows])
    task.write_text(task.read_text().replace("share: 0.25", "share: 0.25").replace("  gold: label\n", ""))
    metrics = execute(task, tmp_path / "run")
    assert metrics["committee"]["micro_f1"] is None
    assert metrics["committee"]["micro_f1_reason"] == "no item has a gold label"
    assert not math.isnan(metrics["committee"]["labels_per_text"])
