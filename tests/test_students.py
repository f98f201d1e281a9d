"""The linear student: what it learns, what it refuses, and that it comes back from disk as it went."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from limbeck.encoder import Encoder
from limbeck.errors import StudentError
from limbeck.students.base import Student, Teacher
from limbeck.students.linear import LinearStudent, LinearTeacher, encoder_of, load_student
from limbeck.students.softmax import Tuning
from toy_encoder import write_toy_encoder

Floats = npt.NDArray[np.float64]

FILES = {"student.safetensors", "student.json", "MODEL_CARD.md"}
LABELS = ("positive", "negative")
HOSTILE = ["", " ", "\0", "\ud800", "🙂" * 50, "\u202egood", "x" * 10**6, "<script>alert(1)</script>", "=1+1", "\r\n"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def reviews(count: int, *, seed: int = 0) -> tuple[list[str], Floats]:
    """Texts with one telling word among others, and nearly certain labels."""
    source = rng(seed)
    words = np.array(["red", "blue", "film", "plot", "actor", "scene"])
    sides = source.integers(2, size=count)
    told = np.array([["good", "splendid"], ["bad", "dreadful"]])[sides, source.integers(2, size=count)]
    texts = [" ".join([*source.choice(words, 4), word, *source.choice(words, 3)]) for word in told]
    return texts, np.where(np.eye(2)[sides] == 1, 0.95, 0.05)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder(write_toy_encoder(tmp_path_factory.mktemp("encoder") / "toy"), identity="toy sha256:0")


@pytest.fixture(scope="module", params=["with", "without"])
def student(request: pytest.FixtureRequest, encoder: Encoder) -> LinearStudent:
    texts, targets = reviews(120)
    teacher = LinearTeacher(encoder if request.param == "with" else None)
    return teacher.fit(texts, targets, labels=LABELS, rng=rng())


def test_it_keeps_the_contracts(student: LinearStudent) -> None:
    teacher: Teacher = LinearTeacher(None)
    kept: Student = student
    assert teacher is not None
    assert kept.labels == LABELS


def test_it_learns_the_words_that_tell(student: LinearStudent) -> None:
    texts, targets = reviews(200, seed=1)
    found = student.predict_proba(texts)
    assert (found.argmax(axis=1) == targets.argmax(axis=1)).all()
    assert abs(found.max(axis=1).mean() - 0.95) < 0.02, "as sure as the labels it was given"
    assert student.facts.texts == 120
    assert student.facts.log_loss is not None
    assert student.facts.log_loss == pytest.approx(-0.95 * np.log(0.95) - 0.05 * np.log(0.05), abs=0.03)


def test_probabilities_for_any_text(student: LinearStudent) -> None:
    found = student.predict_proba(HOSTILE)
    assert found.shape == (len(HOSTILE), 2)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)
    assert ((found > 0) & (found < 1)).all()
    assert student.predict_proba([]).shape == (0, 2)
    singles = np.concatenate([student.predict_proba([text]) for text in HOSTILE])
    np.testing.assert_allclose(found, singles, atol=1e-6)


def test_hostile_texts_can_be_learned_from(encoder: Encoder) -> None:
    targets = np.tile([[0.7, 0.3], [0.2, 0.8]], (len(HOSTILE) // 2, 1))
    student = LinearTeacher(encoder).fit(HOSTILE, targets, labels=LABELS, rng=rng())
    assert np.isfinite(student.predict_proba(HOSTILE)).all()
    nothing = LinearTeacher(None).fit(["", " "], targets[:2], labels=LABELS, rng=rng())
    np.testing.assert_allclose(nothing.predict_proba(["anything"])[0], [0.45, 0.55], atol=0.03)


def test_same_seed_same_student_and_inputs_untouched() -> None:
    texts, targets = reviews(60)
    weights = rng(3).uniform(0, 2, 60)
    copies = list(texts), targets.copy(), weights.copy()
    one, two = (LinearTeacher(None).fit(texts, targets, labels=LABELS, weights=weights, rng=rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.coefficients, two.coefficients)
    assert one.tuning == two.tuning
    assert texts == copies[0]
    np.testing.assert_array_equal(targets, copies[1])
    np.testing.assert_array_equal(weights, copies[2])


def test_weight_zero_is_absence_and_double_weight_counts() -> None:
    texts, targets = reviews(40)
    lies = 1 - targets
    weights = np.repeat([1.0, 0.0], 40)
    one = LinearTeacher(None).fit(
        texts + texts, np.concatenate([targets, lies]), labels=LABELS, weights=weights, rng=rng()
    )
    two = LinearTeacher(None).fit(texts, targets, labels=LABELS, rng=rng())
    np.testing.assert_array_equal(one.coefficients, two.coefficients)
    weights = np.repeat([1.0, 9.0], 40)
    led = LinearTeacher(None).fit(
        texts + texts, np.concatenate([targets, lies]), labels=LABELS, weights=weights, rng=rng()
    )
    assert (led.predict_proba(texts).argmax(axis=1) == lies.argmax(axis=1)).all()


def test_equal_texts_do_not_flatter_the_cross_validation() -> None:
    texts = [f"word{number}" for number in range(40)]
    targets = np.where(np.eye(2)[rng(1).integers(2, size=40)] == 1, 0.99, 0.01)
    fitted = LinearTeacher(None).fit(texts * 3, np.tile(targets, (3, 1)), labels=LABELS, rng=rng())
    assert fitted.facts.log_loss is not None
    assert fitted.facts.log_loss > 0.6, "labels by lot: near log 2 however often the texts repeat"


def test_a_label_that_never_occurs_stays_possible() -> None:
    texts, targets = reviews(100)
    three = np.column_stack([targets, np.zeros(100)])
    student = LinearTeacher(None).fit(texts, three, labels=("a", "b", "never"), rng=rng())
    found = student.predict_proba(texts)
    assert (found[:, 2] > 0).all()
    assert (found[:, 2] < 0.03).all()


def test_given_tuning_is_used_without_a_search() -> None:
    texts, targets = reviews(60)
    tuning = Tuning(strength=0.5, temperature=2.0)
    given_one = LinearTeacher(None, tuning=tuning).fit(texts, targets, labels=LABELS, rng=rng())
    assert given_one.tuning == tuning
    assert given_one.facts.log_loss is None
    first = LinearTeacher(None).fit(texts, targets, labels=LABELS, rng=rng())
    again = LinearTeacher(None, tuning=first.tuning).fit(texts, targets, labels=LABELS, rng=rng(9))
    np.testing.assert_array_equal(first.predict_proba(texts), again.predict_proba(texts))


HALF = np.full((4, 2), 0.5)


@pytest.mark.parametrize(
    ("texts", "targets", "labels", "weights", "reason"),
    [
        ([], np.empty((0, 2)), LABELS, None, "at least two"),
        (["a"], HALF[:1], LABELS, None, "at least two"),
        (["a"] * 4, HALF, LABELS, np.zeros(4), "at least two"),
        (["a"] * 4, HALF, LABELS, np.array([1.0, 0, 0, 0]), "at least two"),
        (["a", "b"], np.array([[1.0, 0], [1.0, 0]]), LABELS, None, "positive"),
        (["a"] * 4, HALF, LABELS, np.array([1.0, 1, 1, -1]), "weights"),
        (["a"] * 4, HALF, LABELS, np.array([1.0, 1, 1, np.nan]), "weights"),
        (["a"] * 4, HALF * 2, LABELS, None, "sums to 1"),
        (["a"] * 4, HALF * np.nan, LABELS, None, "sums to 1"),
        (["a"] * 3, HALF, LABELS, None, "3 texts"),
        (["a"] * 4, HALF, ("one",), None, "labels"),
        (["a"] * 4, HALF, ("one", "one"), None, "labels"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    texts: list[str], targets: Floats, labels: tuple[str, ...], weights: Floats | None, reason: str
) -> None:
    with pytest.raises(StudentError, match=reason) as caught:
        LinearTeacher(None).fit(texts, targets, labels=labels, weights=weights, rng=rng())
    assert caught.value.hint


def test_it_comes_back_exactly(student: LinearStudent, encoder: Encoder, tmp_path: Path) -> None:
    texts = reviews(50, seed=2)[0] + HOSTILE
    student.save(tmp_path / "new" / "folder")
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == FILES
    back = load_student(tmp_path / "new" / "folder", encoder=encoder)
    np.testing.assert_array_equal(back.predict_proba(texts), student.predict_proba(texts))
    assert (back.labels, back.tuning, back.facts) == (student.labels, student.tuning, student.facts)
    back.save(tmp_path / "copy")
    for name in FILES:
        assert (tmp_path / "copy" / name).read_bytes() == (tmp_path / "new" / "folder" / name).read_bytes()


def test_the_encoder_must_be_the_right_one(student: LinearStudent, encoder: Encoder, tmp_path: Path) -> None:
    student.save(tmp_path / "student")
    assert encoder_of(tmp_path / "student") == (None if student.encoder is None else "toy sha256:0")
    if student.encoder is None:
        assert load_student(tmp_path / "student", encoder=encoder).encoder is None
        return
    other = Encoder(write_toy_encoder(tmp_path / "toy"), identity="another")
    for wrong in (None, other):
        with pytest.raises(StudentError, match="taught with the encoder"):
            load_student(tmp_path / "student", encoder=wrong)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_flipped_bit_is_noticed(name: str, tmp_path: Path) -> None:
    texts, targets = reviews(12)
    student = LinearTeacher(None, most=50).fit(texts, targets, labels=LABELS, rng=rng())
    student.save(tmp_path)
    whole = (tmp_path / name).read_bytes()
    source = rng(7)
    tries, refused = (5 if name == "MODEL_CARD.md" else 100), 0
    for _ in range(tries):
        content = bytearray(whole)
        content[source.integers(len(content))] ^= 1 << int(source.integers(8))
        (tmp_path / name).write_bytes(content)
        try:
            back = load_student(tmp_path, encoder=None)
        except StudentError:
            refused += 1
        else:  # the card is for people; blanks between the settings mean nothing
            np.testing.assert_array_equal(back.predict_proba(texts), student.predict_proba(texts))
    assert refused == {"student.safetensors": 100, "MODEL_CARD.md": 0}.get(name, refused)
    assert refused > 50 or name == "MODEL_CARD.md"


@pytest.mark.parametrize("name", ["student.safetensors", "student.json"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"null", b"\x80\x04N.", b"[" * 10**5])
def test_missing_and_foreign_files_are_refused(name: str, content: bytes | None, tmp_path: Path) -> None:
    texts, targets = reviews(12)
    LinearTeacher(None).fit(texts, targets, labels=LABELS, rng=rng()).save(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(StudentError, match="student") as caught:
        load_student(tmp_path, encoder=None)
    assert caught.value.hint


def test_another_schema_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, targets = reviews(12)
    LinearTeacher(None).fit(texts, targets, labels=LABELS, rng=rng()).save(tmp_path)
    document = json.loads((tmp_path / "student.json").read_text())
    monkeypatch.setattr("limbeck.students.saved._checksum", lambda *_: document["sha256"])
    for key, value in (("schema_version", 2), ("format", "other"), ("temperature", 0), ("labels", ["one"]), ("x", 1)):
        (tmp_path / "student.json").write_text(json.dumps({**document, key: value}))
        with pytest.raises(StudentError, match=key):
            load_student(tmp_path, encoder=None)
    (tmp_path / "student.json").write_text(json.dumps({**document, "labels": ["a", "b", "c"]}))
    with pytest.raises(StudentError, match="do not fit"):
        load_student(tmp_path, encoder=None)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    texts, targets = reviews(12)
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StudentError, match="cannot write"):
        LinearTeacher(None).fit(texts, targets, labels=LABELS, rng=rng()).save(tmp_path / "file")


def test_the_card_tells_and_never_acts(tmp_path: Path) -> None:
    texts, targets = reviews(60)
    labels = ("<script>alert(1)</script>", "a | b\n# c `d` [e](javascript:f)")
    student = LinearTeacher(None).fit(texts, targets, labels=labels, rng=rng())
    student.save(tmp_path, card={"Taught by": "3 agents, 412 votes", "Texts": "<b>film</b> reviews"})
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert "| Taught by | 3 agents, 412 votes |" in card
    assert "| Texts learned from | 60 |" in card
    for told in ("Limits", "Licence", "n-grams of words"):
        assert told in card
    for sign in ("<", "`", "[", "# c"):
        assert sign not in card.replace("## ", "").replace("# Text", "")
    assert load_student(tmp_path, encoder=None).labels == labels
