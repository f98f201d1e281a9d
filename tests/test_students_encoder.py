"""The encoder student: what it learns, that it comes back from disk as it went, and that only learning needs torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import limbeck
from limbeck.errors import EngineError, StudentError
from limbeck.students.base import Student, Teacher
from limbeck.students.encoder import EncoderStudent, load_student
from limbeck.students.saved import write_files

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from limbeck.engines.trunk import Trunk, load
from limbeck.students.finetuning import EncoderTeacher
from limbeck.students.network import ask, export, teach
from limbeck.students.training import Recipe
from tiny_folder import write
from toy_job import execute, toy_rows, write_csv, write_toy

pytestmark = pytest.mark.extras
Floats = npt.NDArray[np.float64]

LABELS = ("negative", "positive")
FILES = {"student.xml", "student.bin", "tokenizer.json", "student.json", "MODEL_CARD.md"}
HOSTILE = ["", " ", "\0", "\ud800", "🙂" * 50, "good " * 10**5, "<script>alert(1)</script>", "[CLS] [SEP]", "\r\n"]

# Runs the command line where torch and transformers cannot be imported.
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["transformers"] = None
from limbeck.cli import main
main()
"""


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def reviews(count: int, *, seed: int = 0) -> tuple[list[str], Floats]:
    """Texts with one telling word among others, and nearly certain labels."""
    source = rng(seed)
    sides = source.integers(2, size=count)
    texts = [" ".join([*source.choice(["film", "plot", "ending"], 3), ("bad", "good")[side]]) for side in sides]
    return texts, np.where(np.eye(2)[sides] == 1, 0.95, 0.05)


@pytest.fixture(scope="module", params=["bert", "distilbert", "roberta"])
def trunk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trunk:
    return load(write(tmp_path_factory.mktemp(request.param), request.param), name=f"tiny {request.param}")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Trunk:
    return load(write(tmp_path_factory.mktemp("bert"), "bert"), name="tiny")


def teacher(trunk: Trunk, *, epochs: int = 10) -> EncoderTeacher:
    return EncoderTeacher(trunk, epochs=epochs, learning_rate=5e-3, batch=16, max_tokens=32)


@pytest.fixture(scope="module")
def student(bert: Trunk) -> EncoderStudent:
    texts, targets = reviews(120)
    return teacher(bert).fit(texts, targets, labels=LABELS, rng=rng())


def test_it_learns_the_words_that_tell(trunk: Trunk) -> None:
    texts, targets = reviews(120)
    one: Teacher = teacher(trunk)
    kept: Student = one.fit(texts, targets, labels=LABELS, rng=rng())
    new, truth = reviews(60, seed=1)
    found = kept.predict_proba(new)
    assert (found.argmax(axis=1) == truth.argmax(axis=1)).all()
    assert abs(found.max(axis=1).mean() - 0.95) < 0.05, "about as sure as the labels it was given"


def test_a_lone_wrong_label_is_not_believed(bert: Trunk) -> None:
    texts, targets = reviews(160)
    wrong = rng(5).random(160) < 0.2
    noisy = np.where(wrong[:, None], 1 - targets, targets)
    found = teacher(bert).fit(texts, noisy, labels=LABELS, rng=rng()).predict_proba(texts)
    assert (found.argmax(axis=1) == targets.argmax(axis=1)).mean() > 0.98


def test_the_exported_model_says_what_the_network_says(trunk: Trunk) -> None:
    rows = [[2, *range(5, 5 + n), 3] for n in (0, 1, 7, 30)]
    network = teach(trunk.copy(), rows, np.eye(2)[[0, 1, 0, 1]], weights=np.ones(4), recipe=Recipe(1, 1e-3, 4), seed=0)
    with torch.inference_mode():
        expected = [network(torch.tensor([row]), torch.ones(1, len(row), dtype=torch.int64)).numpy()[0] for row in rows]
    np.testing.assert_allclose(ask(network, rows), expected, atol=0.05)  # bfloat16, where the processor has it
    graph, weights = export(network)
    kept = student_of(trunk, graph, weights)
    np.testing.assert_allclose(kept._infer(rows), expected, atol=2e-3)  # weights in float16


def student_of(trunk: Trunk, graph: bytes, weights: bytes) -> EncoderStudent:
    texts, targets = reviews(8)
    facts = teacher(trunk, epochs=1).fit(texts, targets, labels=LABELS, rng=rng()).facts
    return EncoderStudent(facts, graph=graph, weights=weights, tokenizer=trunk.tokenizer)


def test_probabilities_for_any_text(student: EncoderStudent) -> None:
    found = student.predict_proba(HOSTILE)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)
    assert ((found > 0) & (found < 1)).all()
    assert student.predict_proba([]).shape == (0, 2)
    singles = np.concatenate([student.predict_proba([text]) for text in HOSTILE])
    np.testing.assert_allclose(found, singles, atol=1e-5)


def test_same_seed_same_student_and_inputs_untouched(bert: Trunk) -> None:
    texts, targets = reviews(40)
    weights = rng(3).uniform(0.1, 2, 40)
    for array in (targets, weights):
        array.setflags(write=False)
    before = torch.get_rng_state()
    kept = {name: value.clone() for name, value in bert.model.state_dict().items()}
    one, two, other = (
        teacher(bert, epochs=1).fit(texts, targets, labels=LABELS, weights=weights, rng=rng(seed)) for seed in (5, 5, 6)
    )
    assert one._files == two._files != other._files
    assert one.facts == two.facts
    assert torch.equal(torch.get_rng_state(), before), "torch's random state is the caller's"
    assert all(torch.equal(value, kept[name]) for name, value in bert.model.state_dict().items())


def test_weight_zero_is_absence(bert: Trunk) -> None:
    texts, targets = reviews(24)
    weights = np.repeat([1.0, 0.0], 24)
    both = np.concatenate([targets, 1 - targets])
    one = teacher(bert, epochs=1).fit(texts * 2, both, labels=LABELS, weights=weights, rng=rng())
    two = teacher(bert, epochs=1).fit(texts, targets, labels=LABELS, rng=rng())
    assert one._files == two._files
    assert one.facts.texts == 24


def test_what_cannot_be_learned_is_refused(bert: Trunk) -> None:
    with pytest.raises(StudentError, match="at least two labelled texts"):
        teacher(bert).fit(["a"], np.array([[0.5, 0.5]]), labels=LABELS, rng=rng())
    with pytest.raises(StudentError, match="every text is labelled 'positive'"):
        teacher(bert).fit(["a", "b"], np.array([[0.0, 1.0]] * 2), labels=LABELS, rng=rng())


def test_few_texts_are_all_learned_from(bert: Trunk) -> None:
    texts, targets = reviews(6)
    kept = teacher(bert, epochs=1).fit(texts, targets, labels=LABELS, rng=rng())
    assert (kept.facts.log_loss, kept.facts.temperature, kept.facts.texts) == (None, 1.0, 6)


def test_it_comes_back_exactly(student: EncoderStudent, tmp_path: Path) -> None:
    texts = reviews(20, seed=2)[0] + HOSTILE
    student.save(tmp_path / "new" / "folder", card={"Taught by": "3 <b>agents</b>"})
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == FILES
    back = load_student(tmp_path / "new" / "folder")
    np.testing.assert_array_equal(back.predict_proba(texts), student.predict_proba(texts))
    assert (back.labels, back.facts) == (student.labels, student.facts)
    assert isinstance(limbeck.load_student(tmp_path / "new" / "folder"), EncoderStudent), "the kind is found out"
    back.save(tmp_path / "copy", card={"Taught by": "3 <b>agents</b>"})
    for name in FILES:
        assert (tmp_path / "copy" / name).read_bytes() == (tmp_path / "new" / "folder" / name).read_bytes()
    card = (tmp_path / "copy" / "MODEL_CARD.md").read_text()
    assert "| Began as | tiny (sha256 " in card
    assert "fine-tuned encoder" in card
    assert "<b>" not in card


@pytest.mark.parametrize("name", sorted(FILES - {"MODEL_CARD.md"}))
def test_a_changed_file_is_noticed(name: str, student: EncoderStudent, tmp_path: Path) -> None:
    student.save(tmp_path)
    whole = (tmp_path / name).read_bytes()
    for content in (None, b"", whole[:-1], whole + b"0", bytes([whole[0] ^ 1]) + whole[1:], b"\x80\x04N."):
        if content is None:
            (tmp_path / name).unlink()
        else:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(StudentError) as caught:
            load_student(tmp_path)
        assert caught.value.hint


def test_parts_that_do_not_fit_are_refused(student: EncoderStudent) -> None:
    files = dict(zip(("graph", "weights", "tokenizer"), student._files.values(), strict=True))
    whole = {"graph": files["graph"], "weights": files["weights"], "tokenizer": files["tokenizer"].decode()}
    three = student.facts.model_copy(update={"labels": ("a", "b", "c")})
    for facts, change, what in (
        (student.facts, {"graph": b"<net"}, "are no model"),
        (student.facts, {"weights": b""}, "are no model"),
        (student.facts, {"tokenizer": "{}"}, "tokenizer.json cannot be used"),
        (three, {}, "does not give 3 numbers"),
    ):
        with pytest.raises(StudentError, match=what):
            EncoderStudent(facts, **(whole | change))  # type: ignore[arg-type]


def test_settings_of_another_kind_are_refused_by_name(student: EncoderStudent, tmp_path: Path) -> None:
    whole = student.facts.model_dump(mode="json")
    for key, value in (("temperature", 0), ("format", "other"), ("schema_version", 2), ("shares", [1.0]), ("x", 1)):
        write_files(tmp_path, student._files, settings=whole | {key: value}, card="")
        with pytest.raises(StudentError, match=key):
            load_student(tmp_path)


def test_what_is_no_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is no encoder but GPT2LMHeadModel"):
        load(write(tmp_path / "gpt", "gpt2"), name="gpt")
    folder = write(tmp_path / "bert", "bert")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EngineError, match="pickle"):
        load(folder, name="bert")
    bare = write(tmp_path / "bare", "bert")
    (bare / "tokenizer.json").write_bytes(b"\xff")
    with pytest.raises(EngineError, match="tokenizer"):
        load(bare, name="bare")


def test_a_run_keeps_an_encoder_and_predicts_without_torch(tmp_path: Path) -> None:
    write(tmp_path / "tiny", "bert")
    settings = {"kind": "encoder", "model": "tiny", "epochs": 1, "learning_rate": 5e-3, "batch": 16, "max_tokens": 32}
    task = write_toy(tmp_path, student=settings)
    metrics = execute(task, tmp_path / "run")
    assert metrics["student"]["kind"] == "encoder"
    assert metrics["student"]["accuracy"] is not None
    assert {path.name for path in (tmp_path / "run" / "student").iterdir()} == FILES
    assert {"torch", "transformers"} <= metrics["reproduce"]["versions"].keys()
    again = execute(write_toy(tmp_path / "linear"), tmp_path / "linear" / "run")
    for one, other in zip(metrics["learning_curve"], again["learning_curve"], strict=True):
        assert one["accuracy"] == other["accuracy"], "the rounds' student is the linear one"

    new = write_csv(tmp_path / "new.csv", toy_rows(9))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "predict", tmp_path / "run", new, "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LIMBECK_HOME": str(tmp_path / "nothing")},
    )
    assert done.returncode == 0, done.stderr
    expected = load_student(tmp_path / "run" / "student").predict_proba([row["text"] for row in toy_rows(9)])
    told = [[row[f"p:{label}"] for label in LABELS] for row in json.loads(done.stdout)]
    np.testing.assert_allclose(told, expected, atol=1e-6)
