"""Open questions: answers as columns, checkers, what is refused, and a whole run."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from limbeck.aggregation.answers import ELSE, tabulate_answers
from limbeck.aggregation.linear_pool import LinearPool
from limbeck.aggregation.majority import Majority
from limbeck.aggregation.weighted import Weighted
from limbeck.catalog.checkers import build_check, read_gold
from limbeck.decoding.base import Draw
from limbeck.decoding.branches import Branch
from limbeck.decoding.voting import settled
from limbeck.errors import ConfigError, RunError
from limbeck.flows.tuning import TUNING
from limbeck.records import Vote
from limbeck.report import write_report
from limbeck.task import Checker, Task, parse_task
from toy_job import Shell, execute, write_csv


def read(kind: str = "open", rest: str = "", task: str = "") -> Task:
    return Task.of(parse_task(f"task: {{kind: {kind}{task}}}\ndata: {{pool: p.csv}}\n{rest}", source="t.yaml"))


def vote(worker: str, answer: str | None, sure: float = 1.0, item: str = "q") -> Vote:
    scores = None if answer is None else (math.log(sure),)
    return Vote(f"{worker}{item}", item, worker, answer, scores=scores, reason=None if answer else "silent")


def test_equal_answers_are_one_column_and_doubt_is_none_of_these() -> None:
    votes = [vote("a", "8", 0.6), vote("b", "9", 0.9), vote("c", "8", 0.5), vote("d", None)]
    found = tabulate_answers(votes, items=["q"])
    assert found.said == (("8", "9"),)
    assert found.table.labels == ("answer 1", "answer 2", ELSE)
    assert found.table.choices.tolist() == [[0, 1, 0, -1]]
    assert found.table.probabilities[0, :3] == pytest.approx(np.array([[0.6, 0, 0.4], [0, 0.9, 0.1], [0.5, 0, 0.5]]))
    assert LinearPool()(found.table).probabilities[0] == pytest.approx(np.array([1.1, 0.9, 1.0]) / 3)
    assert Majority()(found.table).probabilities[0] == pytest.approx(np.array([2, 1, 0]) / 3)
    assert found.columns(["9"]).tolist() == [1]
    assert found.columns(["7"]).tolist() == [2], "an answer that nobody gave is none of these"
    assert found.columns([None]).tolist() == [-1]


def test_items_have_columns_of_their_own() -> None:
    votes = [vote("a", "1"), vote("b", "2"), vote("a", "2", item="r"), vote("b", "2", item="r")]
    found = tabulate_answers(votes[::-1], items=["q", "r"])
    assert found.said == (("1", "2"), ("2",))
    assert found.table.choices.tolist() == [[0, 1], [0, 0]]
    assert [one.label for one in found.renamed(votes)] == ["answer 1", "answer 2", "answer 1", "answer 1"]
    assert Weighted()(found.table).probabilities.sum(axis=1) == pytest.approx(1)
    assert tabulate_answers([], items=["q"]).table.choices.shape == (1, 0)


def drawn(*branches: tuple[str | None, float]) -> Draw:
    facts = [Branch(f"so {a}", "end", 3, 0.5, -1.0, a, 3, 4, margin).facts() for a, margin in branches]
    return Draw(None, 5, answer="4", trace={"branches": facts, "aggregate": "sum"})


def test_a_checker_takes_refused_answers_their_vote() -> None:
    whole = settled(drawn(("4", 0.9), ("5", 0.3), ("4", 0.3)), lambda _: True)
    assert whole.answer == "4"
    assert whole.scores == pytest.approx((math.log(1.2 / 1.5),))
    fitting = settled(drawn(("4", 0.9), ("5", 0.3), ("4", 0.3)), lambda answer: answer != "4")
    assert fitting.answer == "5"
    assert fitting.scores == pytest.approx((0,))
    assert fitting.trace is not None
    assert fitting.trace["refused"] == ["4"]
    none = settled(drawn(("4", 0.9)), lambda _: False)
    assert (none.answer, none.scores, none.reason) == (None, None, "the checker refused every answer: 4")


def even(fields: dict[str, str], answer: str) -> bool:
    return "odd" in fields["question"] or int(answer) % 2 == 0


def broken(fields: dict[str, str], answer: str) -> bool:
    raise ValueError(answer)


def test_checkers() -> None:
    pattern = build_check(Checker(regex=r"\d\d"))
    bounds = build_check(Checker(bounds=(0, 10)))
    function = build_check(Checker(function="test_open:even"))
    assert pattern
    assert bounds
    assert function
    assert [pattern({}, one) for one in ("12", "123", "x")] == [True, False, False]
    assert [bounds({}, one) for one in ("0", "10", "10.5", "x")] == [True, True, False, False]
    assert [function({"question": one}, "3") for one in ("an odd one", "another")] == [True, False]
    with pytest.raises(ConfigError, match="cannot be loaded"):
        build_check(Checker(function="test_open:missing"))
    with pytest.raises(ConfigError, match="cannot be loaded"):
        build_check(Checker(function="no_such_module:f"))
    failing = build_check(Checker(function="test_open:broken"))
    assert failing
    with pytest.raises(RunError, match=r"failed on '3': ValueError"):
        failing({}, "3")


def test_gold_is_read_as_answers_are() -> None:
    assert read_gold(read())("so 3 + 5 = 8\n#### 1,008.0") == "1008"
    assert read_gold(read("{open: {answer: phrase}}"))("The Eiffel Tower") == "eiffel tower"
    assert read_gold(read())("unknown") == "unknown"


@pytest.mark.parametrize(
    ("kind", "rest", "problem"),
    [
        ("open, labels: [a, b]", "", "task.labels: an open question has none"),
        (
            "{open: {answer: colour}}",
            "",
            "'colour' is no kind of answer; known: number, yes-no, option, phrase, pattern",
        ),
        ("{open: {answer: 'pattern:('}}", "", "is no regular expression"),
        ("{open: {checker: {regex: '['}}}", "", "is no regular expression"),
        ("{open: {checker: 'checks:fits'}}", "", "runs Python code"),
        ("{open: {checker: {range: [2, 1]}}}", "", "begins above its end: 2 > 1"),
        ("{open: {checker: {}}}", "", "needs exactly one of function, regex and range"),
        ("open", "committee: {aggregate: dawid-skene}", "dawid-skene learns how workers treat each label"),
        ("open", "committee: {protocol: cascade}", "cascade serves labels only"),
        ("open", "selection: {strategy: margin}", "margin needs a student's doubt"),
        ("open", "selection: {stop: stability}", "looks at a student"),
        ("open", "student: {kind: linear}", "no student answers an open question"),
        ("open", "agents: [{encoder: all-minilm-l6-v2}]", "compares a text with labels"),
        ("open", "agents: [{model: m.gguf, decode: choice}]", "choice scores labels"),
        ("open", "agents: [{model: m, engine: masked}]", "a masked model scores labels"),
        ("label", "", "task.labels: is required and missing"),
    ],
)
def test_what_cannot_serve_an_open_question_is_refused_when_the_file_is_read(
    kind: str, rest: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=r"t\.yaml:") as caught:
        read(kind, rest)
    assert problem in caught.value.message


def test_an_open_task_has_defaults_of_its_own() -> None:
    file = parse_task("task: {kind: open}\ndata: {pool: p.csv}\nagents: [{model: m.gguf}]", source="t.yaml")
    assert file.agents is not None
    assert (file.committee.aggregate, file.selection.strategy, file.agents[0].decode.name) == (
        *("linear-pool", "random"),
        "cot",
    )


def sums(folder: Path, **kind: Any) -> Path:
    """One agent adds rightly, another is off by one at every fourth question."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"question": f"What is {i} and {i + 1}?", "truth": f"#### {2 * i + 1}"} for i in range(20)]
    write_csv(folder / "pool.csv", rows)
    for name, off in (("right", 0), ("careless", 1)):
        lines = [
            {
                "when": f" {i} and",
                "say": f" Adding gives it. The answer is {2 * i + 1 + off * (i % 4 == 0)}.",
                "weight": 9,
            }
            for i in range(20)
        ]
        (folder / f"{name}.json").write_text(json.dumps(lines))
    agents = [
        {"name": name, "model": f"{name}.json", "engine": "scripted", "style": "plain", "decode": {"cot": {"k": 2}}}
        for name in ("right", "careless")
    ]
    task = {
        "task": {"kind": {"open": kind}, "show": ["question"]},
        "data": {"pool": "pool.csv", "gold": "truth"},
        "agents": agents,
        "selection": {"rounds": 2, "cold": "random"},
    }
    (folder / "task.yaml").write_text(yaml.safe_dump(task))
    return folder / "task.yaml"


def test_an_open_question_goes_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    metrics = execute(sums(tmp_path), tmp_path / "run")
    committee = metrics["committee"]
    assert metrics["agents"]["right"]["accuracy"] == 1
    assert metrics["agents"]["careless"]["accuracy"] == 0.75
    assert metrics["agents"]["careless"]["accuracy_raw"] == 0.75
    assert committee["agreement"] == 0.75
    assert committee["accuracy"] >= 0.75
    assert (committee["macro_f1"], committee["macro_f1_reason"]) == (None, "an open question has no labels")
    assert metrics["student"]["kind_reason"].startswith("no student answers an open question")
    assert "their joint answer is right" in metrics["sentence"]
    assert metrics["data"]["gold_unknown"] == 0
    assert [entry["strategy"] for entry in metrics["learning_curve"]] == ["random", "random"]
    with (tmp_path / "run" / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    assert set(rows[0]) == {"id", "text", "label", "confidence", "accepted", "vote:right", "vote:careless"}
    split = [row for row in rows if row["vote:right"] != row["vote:careless"]]
    assert len(split) == len(metrics["disagreements"]) == 5
    assert {one["label"] for one in metrics["disagreements"][0]["votes"]} <= {*map(str, range(50))}
    lines = [json.loads(line) for line in (tmp_path / "run" / TUNING).read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 20
    roles = [message["role"] for message in lines[0]["messages"]]
    assert roles == ["system", "user", "assistant"]
    assert lines[0]["messages"][2]["content"] == f"Adding gives it.\nThe answer is {lines[0]['answer']}."
    assert "The question is open" in write_report(tmp_path / "run").read_text(encoding="utf-8")
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    shell = Shell(monkeypatch, capsys)
    assert shell("export", tmp_path / "run", "--to", "jsonl")[0] == 0
    code, _, err = shell("audit", tmp_path / "run")
    assert code == 2
    assert "people give one label of a list here" in err


def test_a_checker_makes_the_careless_agent_abstain(tmp_path: Path) -> None:
    """True sums of neighbours are odd, so whatever is even is refused."""
    metrics = execute(sums(tmp_path, checker={"regex": r"\d*[13579]"}), tmp_path / "run")
    assert metrics["agents"]["careless"]["abstained"] == 5
    assert metrics["committee"]["accuracy"] == 1
