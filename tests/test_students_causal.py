"""The causal student: what it learns of labels and reasons, and that it comes back from disk as it went."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import limbeck
from limbeck.catalog import open_student
from limbeck.errors import EngineError, StudentError

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

import torch

from limbeck.assets.store import Store
from limbeck.engines.causal import Causal, load
from limbeck.students.base import Reasoner, Student, Teacher
from limbeck.students.causal import CausalStudent, answers_of, load_student, prompt
from limbeck.students.distilling import CausalTeacher
from limbeck.students.lora import Row, adapted, score
from tiny_folder import write
from toy_job import execute, write_toy

pytestmark = pytest.mark.extras
Floats = npt.NDArray[np.float64]

LABELS = ("no", "yes")
FILES = {"student.safetensors", "student.json", "MODEL_CARD.md"}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def reviews(count: int, *, seed: int = 0) -> tuple[list[str], Floats]:
    """Texts with one telling word, and nearly certain labels."""
    source = rng(seed)
    sides = source.integers(2, size=count)
    texts = [f"{source.choice(['film', 'plot'])} {('bad', 'good')[side]}" for side in sides]
    return texts, np.where(np.eye(2)[sides] == 1, 0.95, 0.05)


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Causal:
    return load(write(tmp_path_factory.mktemp(request.param), request.param), name=f"tiny {request.param}")


def teacher(base: Causal, **changes: object) -> CausalTeacher:
    usual: dict[str, object] = {"epochs": 25, "learning_rate": 5e-3, "batch": 16, "max_tokens": 24}
    return CausalTeacher(base, **(usual | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def student(base: Causal) -> CausalStudent:
    texts, targets = reviews(96)
    return teacher(base).fit(texts, targets, labels=LABELS, rng=rng())


def test_it_learns_the_words_that_tell_and_says_that_there_were_no_reasons(student: CausalStudent) -> None:
    kept: Student = student
    texts, truth = reviews(40, seed=1)
    found = kept.predict_proba(texts)
    assert found.sum(axis=1) == pytest.approx(1)
    assert (found.argmax(axis=1) == truth.argmax(axis=1)).mean() > 0.95
    assert (student.facts.rationales, student.facts.alpha) == (0, 0.0)
    assert kept.predict_proba([]).shape == (0, 2)


def test_reasons_are_learned_beside_labels(base: Causal) -> None:
    texts, targets = reviews(64)
    why = {text: f"says {text.split()[-1]}" for text in texts}
    one: Teacher = teacher(base)
    assert isinstance(one, Reasoner)
    taught = one.with_rationales(why).fit(texts, targets, labels=LABELS, rng=rng())
    assert isinstance(taught, CausalStudent)
    assert (taught.facts.rationales, taught.facts.alpha) == (64, 0.5)
    tokens, network = base.tokenizer, taught._network

    def likely(reason: str) -> float:
        row = Row(prompt(tokens, "film good", ("[rationale] ", "\nReason:"), most=24), tuple(tokens.encode(reason)))
        return float(score(network, [row])[0])

    assert likely(" says good") > likely(" says bad") + 1


def test_the_probability_of_an_answer_is_the_chain_rule(base: Causal) -> None:
    """Beside the plain model, one row at a time; new adapters change nothing."""
    rows = [Row((5, 6, 7), (8, 9)), Row((5,), (6, 7, 8, 9)), Row((9, 8, 7, 6, 5, 4), (3,))]
    network = adapted(base.copy(), rank=2).eval()
    expected = []
    for row in rows:
        with torch.inference_mode():
            logits = base.model(torch.tensor([row.prompt + row.answer])).logits[0].log_softmax(1)
        start = len(row.prompt)
        expected.append(sum(float(logits[start + i - 1, token]) for i, token in enumerate(row.answer)))
    assert score(network, rows) == pytest.approx(expected, abs=0.15)  # bfloat16, where the processor has it


def test_a_label_that_begins_another_is_told_apart(base: Causal) -> None:
    first, second = answers_of(base.tokenizer, ("good", "good film"))
    assert first != second[: len(first)]


def test_it_comes_back_from_disk_and_only_on_its_own_model(
    student: CausalStudent, base: Causal, tmp_path: Path
) -> None:
    student.save(tmp_path / "kept", card={"task": "toy"})
    assert {file.name for file in (tmp_path / "kept").iterdir()} == FILES
    assert "none: taught by labels only" in (tmp_path / "kept" / "MODEL_CARD.md").read_text()
    with pytest.raises(StudentError, match="needs the language model"):
        limbeck.load_student(tmp_path / "kept")
    again = load_student(tmp_path / "kept", find=lambda name: base)
    texts = ["film good", "", "\ud800", "plot bad " * 100]
    assert np.array_equal(again.predict_proba(texts), student.predict_proba(texts))
    other = load(write(tmp_path / "other", "llama"), name="other")
    with pytest.raises(StudentError, match="another model"):
        load_student(tmp_path / "kept", find=lambda name: Causal("x", "0" * 64, base.tokenizer, 9, other.model))


def test_the_same_seed_gives_the_same_student(base: Causal) -> None:
    texts, targets = reviews(24)
    first, again = (teacher(base, epochs=1).fit(texts, targets, labels=LABELS, rng=rng(3)) for _ in range(2))
    assert np.array_equal(first.predict_proba(texts), again.predict_proba(texts))


def test_what_is_no_causal_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is no causal language model but"):
        load(write(tmp_path / "bert", "bert"), name="bert")


def test_a_run_keeps_one_that_predicts(tmp_path: Path) -> None:
    write(tmp_path / "tiny", "gpt2")
    told = {"kind": "causal", "model": str(tmp_path / "tiny"), "epochs": 1, "rank": 2, "max_tokens": 24}
    metrics = execute(write_toy(tmp_path, student=told), tmp_path / "run")
    assert metrics["student"]["kind"] == "causal"
    found = open_student(tmp_path / "run" / "student", "causal", encoder=None, store=Store(tmp_path / "home"))
    assert found.predict_proba(["film 1: sunny cast, fresh plot"]).sum() == pytest.approx(1)
