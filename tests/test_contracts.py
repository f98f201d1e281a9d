"""Every name that a task file may use leads to a part, and every part of a kind keeps the laws of its kind."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limbeck.aggregation.base import Aggregate, tabulate
from limbeck.catalog import (
    AGGREGATORS,
    COLD,
    DECODERS,
    ENGINES,
    EXTRAS,
    FOLDERS,
    INSPECT,
    LOADERS,
    NAMES,
    NEEDS,
    NOISES,
    REFINERS,
    REPORT,
    SELECTORS,
    STOPS,
    STUDENTS,
    open_student,
    resolve,
)
from limbeck.errors import ConfigError, MissingExtra, RunError
from limbeck.records import Vote
from limbeck.selection.base import Evidence
from limbeck.task.stop import StopSection
from toy_job import execute, write_toy

KINDS = {
    "engines": ENGINES,
    "decoders": DECODERS,
    "aggregators": AGGREGATORS,
    "refiners": REFINERS,
    "selectors": SELECTORS,
    "stops": STOPS,
    "students": STUDENTS,
    "loaders": LOADERS,
    "noises": NOISES,
    "others": {"inspect": INSPECT, "report": REPORT},
}
LABELS = ("bad", "fine", "good")


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in KINDS.items() for name in names])
def test_every_name_leads_to_a_part(kind: str, name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", name)
    heavy = (kind == "engines" and name in FOLDERS) or (kind, name) in [
        ("students", "encoder"),
        ("students", "causal"),
        ("loaders", "causal"),
    ]
    needs = {"torch", "transformers"} | ({"peft"} if name == "causal" else set()) if heavy else set()
    if all(map(importlib.util.find_spec, needs)):
        assert callable(resolve(KINDS[kind][name]))
        return
    with pytest.raises(MissingExtra) as error:
        resolve(KINDS[kind][name])
    assert error.value.hint == "pip install 'limbeck[torch]'"


def test_names_of_a_task_file_are_those_of_the_catalogue() -> None:
    assert set(NAMES["committee.aggregate"]) == set(AGGREGATORS)
    assert set(NAMES["committee.refine"]) == set(REFINERS)
    assert set(NAMES["selection.strategy"]) == set(SELECTORS)
    assert set(NAMES["agents.engine"]) == set(ENGINES)
    assert set(NAMES["student.kind"]) == set(STUDENTS) == set(LOADERS)
    assert set(NAMES["student.noise"]) == {*NOISES, "auto"}
    assert set(COLD) <= set(SELECTORS)
    assert set(SELECTORS) == set(NEEDS)
    assert all(NEEDS[name] <= {"embeddings"} for name in COLD)
    assert set(StopSection.model_fields) == set(STOPS)


def test_what_is_not_installed_says_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "a_package_that_nobody_has", "torch")
    with pytest.raises(MissingExtra, match="a_package_that_nobody_has is not installed") as error:
        resolve("a_package_that_nobody_has:Engine")
    assert error.value.hint == "pip install 'limbeck[torch]'"


def test_a_student_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'oracle'"):
        open_student(tmp_path, "oracle", encoder=None, store=None)  # type: ignore[arg-type]


def some_votes(*, unanimous: bool = False) -> list[Vote]:
    """Three workers on thirty items, all of one mind or not, each vote with its scores."""
    source = np.random.default_rng(7)
    votes = []
    for item in range(30):
        for worker in "abc":
            scores = source.normal(size=3)
            scores[item % 3] += 9 if unanimous else 1.5
            label = LABELS[int(scores.argmax())]
            votes.append(Vote(f"{worker}{item}", f"item-{item:02}", worker, label, scores=tuple(scores.tolist())))
    return votes


def aggregate(name: str, votes: list[Vote]) -> Aggregate:
    items = [f"item-{item:02}" for item in range(30)]
    table = tabulate(votes, labels=LABELS, items=items, calibration=dict.fromkeys("abc", "batch"))
    table.choices.setflags(write=False)
    table.probabilities.setflags(write=False)
    found: Aggregate = resolve(AGGREGATORS[name])()(table)
    return found


@pytest.mark.parametrize("name", AGGREGATORS)
def test_laws_of_aggregators(name: str) -> None:
    votes = some_votes()
    found = aggregate(name, votes)
    assert found.probabilities.shape == (30, 3)
    assert found.probabilities.sum(axis=1) == pytest.approx(1)
    assert (found.probabilities >= 0).all()
    again = aggregate(name, [votes[i] for i in np.random.default_rng(1).permutation(len(votes))])
    assert np.array_equal(found.probabilities, again.probabilities), "the order of the votes does not matter"
    assert np.array_equal(found.weights, again.weights)
    alike = aggregate(name, some_votes(unanimous=True)).probabilities
    assert alike.argmax(axis=1).tolist() == [item % 3 for item in range(30)]


def evidence(order: list[int]) -> Evidence:
    source = np.random.default_rng(3)
    vectors = source.normal(size=(44, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    probabilities, members = source.dirichlet(np.ones(3), 40), source.dirichlet(np.ones(3), (3, 40))
    arrays = (vectors[:40][order], probabilities[order], members[:, order], vectors[40:])
    for array in arrays:
        array.setflags(write=False)
    beliefs = source.dirichlet(np.ones(3), (2, 4))
    beside: dict[str, Any] = {"posterior": beliefs[0], "taught": beliefs[1], "classes": 3, "asked": tuple("wxyz")}
    beside["values"] = np.arange(3.0)
    return Evidence(tuple(f"item-{i}" for i in order), *arrays, **beside)


@pytest.mark.parametrize("name", SELECTORS)
def test_laws_of_selectors(name: str) -> None:
    selector = resolve(SELECTORS[name])()
    chosen = [selector(evidence(list(range(40))), n, np.random.default_rng(0)) for n in (0, 10, 10, 99)]
    assert [len(set(ids)) for ids in chosen] == [len(ids) for ids in chosen] == [0, 10, 10, 40]
    assert set(chosen[3]) == {f"item-{i}" for i in range(40)}
    assert chosen[1] == chosen[2], "the same seed gives the same answer"
    turned = selector(evidence(list(range(40))[::-1]), 10, np.random.default_rng(0))
    assert set(turned) == set(chosen[1]), "the order of the candidates does not matter"


@pytest.mark.parametrize("name", SELECTORS)
def test_a_selector_needs_what_the_catalogue_says_and_no_more(name: str) -> None:
    whole = evidence(list(range(40)))
    kept = {"ids", "asked", "classes", "note", *NEEDS[name]} | ({"labelled"} if "embeddings" in NEEDS[name] else set())
    lean = Evidence(**{key: getattr(whole, key) for key in kept})
    selector = resolve(SELECTORS[name])()
    assert len(selector(lean, 10, np.random.default_rng(0))) == 10
    for need in NEEDS[name] - ({"posterior", "taught"} if name == "re-active" else set()):
        lacking: dict[str, Any] = {need: None}
        with pytest.raises(RunError, match="needs"):
            selector(replace(lean, **lacking), 10, np.random.default_rng(0))


@pytest.mark.parametrize("name", set(STUDENTS) - {"encoder", "causal", "probe"})  # see test_students_*.py
def test_laws_of_students(name: str, tmp_path: Path) -> None:
    texts = [f"{word} film, part {i}" for i in range(8) for word in ("dull", "bright")]
    targets = np.array([[0.9, 0.1], [0.2, 0.8]] * 8)
    targets.setflags(write=False)
    fits = [
        resolve(STUDENTS[name])(None).fit(texts, targets, labels=("no", "yes"), rng=np.random.default_rng(0))
        for _ in range(2)
    ]
    opinion = fits[0].predict_proba(["a bright film", "dull", ""])
    assert opinion.sum(axis=1) == pytest.approx(1)
    assert opinion[:2].argmax(axis=1).tolist() == [1, 0]
    assert np.array_equal(opinion, fits[1].predict_proba(["a bright film", "dull", ""]))
    fits[0].save(tmp_path / "student", card={})
    kept = resolve(LOADERS[name])(tmp_path / "student", encoder=None)
    assert kept.labels == ("no", "yes")
    assert np.allclose(kept.predict_proba(["a bright film", "dull", ""]), opinion, atol=1e-6)


def test_an_encoder_without_torch_says_the_install_line_before_anybody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("limbeck.students.finetuning", "limbeck.students.network"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    task = write_toy(tmp_path, student={"kind": "encoder"})
    with pytest.raises(MissingExtra, match="torch is not installed") as error:
        execute(task, tmp_path / "run")
    assert error.value.hint == "pip install 'limbeck[torch]'"
    assert not (tmp_path / "run").exists()
