"""A probe learns from states that votes left behind, and reads a new text by the agent's prompt, once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from limbeck.agent.base import packed
from limbeck.agent.sight import Frame, Sight, frame_of
from limbeck.engines.scripted import Line, ScriptedEngine
from limbeck.errors import ConfigError, EngineError, StudentError
from limbeck.students.base import Recalling
from limbeck.students.probe import ProbeStudent, ProbeTeacher, facts_of, load_student
from toy_job import LABELS, Shell, execute, toy_rows, write_script, write_toy

TRUE = 0.97


class Words:
    """Sees two words, a number that never varies, and how often it was asked."""

    identity = "words"
    settings: Mapping[str, Any] = {"any": "thing"}

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float16]:
        self.asked += texts
        return np.array([["good" in text, "bad" in text, 7.0] for text in texts], np.float16)


def lesson(count: int = 40) -> tuple[list[str], npt.NDArray[np.float64]]:
    texts = [f"{('good', 'bad')[i % 2]} film {i}" for i in range(count)]
    targets = np.array([[1 - TRUE, TRUE] if "good" in text else [TRUE, 1 - TRUE] for text in texts])
    return texts, targets


def taught(words: Words, known: Mapping[str, bytes] | None = None) -> ProbeStudent:
    texts, targets = lesson()
    teacher = ProbeTeacher(words, "plain", ("some-model", "scripted")).recalling(known or {})
    return teacher.fit(texts, targets, labels=LABELS, rng=np.random.default_rng(0))


def test_it_learns_what_the_states_say_and_is_as_sure_as_its_teachers() -> None:
    found = taught(Words()).predict_proba(["a good one", "a bad one"])
    assert found.sum(axis=1) == pytest.approx(1)
    assert found[:, 1] == pytest.approx([TRUE, 1 - TRUE], abs=0.03)
    assert taught(Words()).predict_proba([]).shape == (0, 2)


def test_known_states_are_not_computed_again() -> None:
    words, (texts, _) = Words(), lesson()
    known = {text: packed(state) or b"" for text, state in zip(texts[:30], Words().encode(texts[:30]), strict=True)}
    assert isinstance(ProbeTeacher(words, "plain", ("m", "e")), Recalling)
    student = taught(words, known)
    assert words.asked == texts[30:]
    assert np.array_equal(student.predict_proba(texts), taught(Words()).predict_proba(texts))


def test_states_of_unlike_models_are_refused() -> None:
    with pytest.raises(StudentError, match="unlike models"):
        taught(Words(), {lesson()[0][0]: packed([1.0, 2.0]) or b""})


def test_what_was_kept_predicts_the_same_and_says_what_it_is(tmp_path: Path) -> None:
    student = taught(Words())
    student.save(tmp_path, card={"task": "films"})
    assert {path.name for path in tmp_path.iterdir()} == {"student.safetensors", "student.json", "MODEL_CARD.md"}
    texts = ["good", "bad", "neither"]
    again = load_student(tmp_path, seer=Words())
    assert np.array_equal(again.predict_proba(texts), student.predict_proba(texts))
    card = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "its kind: probe" in card
    assert "some-model on scripted" in card
    assert facts_of(tmp_path).frame == {"any": "thing"}


def test_another_model_and_a_damaged_folder_are_refused(tmp_path: Path) -> None:
    taught(Words()).save(tmp_path)
    other = Words()
    other.identity = "other"
    with pytest.raises(StudentError, match="another version of some-model"):
        load_student(tmp_path, seer=other)
    document = tmp_path / "student.json"
    document.write_text(document.read_text().replace("plain", "plane"))
    with pytest.raises(StudentError, match="changed"):
        load_student(tmp_path, seer=Words())


def test_a_sight_reads_ragged_texts_as_each_alone_and_cuts_long_ones() -> None:
    frame = Frame(tuple(b"Text: "), tuple(b"\nLabel:"), "", 3, "head")
    engine = ScriptedEngine([Line("sun", "a"), Line("Label:", "b")], context=40)
    sight = Sight(engine, frame)
    texts = ["sun", "rain " * 30, "no", "rain " * 30 + "sun"]
    assert sight.encode(texts).tolist() == [[1, 1], [0, 1], [0, 1], [0, 1]]
    assert [sight.encode([text])[0].tolist() for text in texts] == sight.encode(texts).tolist()
    assert frame_of(json.loads(json.dumps(sight.settings))) == frame
    assert Sight(engine, frame).identity == sight.identity != Sight(engine, Frame((), (1,), "", 3, "head")).identity


def test_an_engine_that_shows_nothing_is_refused() -> None:
    class Blind:
        identity = "blind"

    with pytest.raises(EngineError, match="does not show"):
        Sight(Blind(), Frame((), (), "", 0, "head"))  # type: ignore[arg-type]


def test_the_whole_way_from_a_task_file_to_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # a scripted model is a file, and is looked for from here
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    shell, task, run = Shell(monkeypatch, capsys), write_toy(tmp_path, student={"kind": "probe"}), tmp_path / "run"
    code, _, err = shell("run", task, "--run", run)
    assert code == 0, err
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["student"]["kind"] == "probe"
    # It reads the states of the first agent, which is right on four of five texts.
    assert 0.6 < metrics["student"]["accuracy"] <= 1
    code, out, err = shell("predict", run, tmp_path / "pool.csv")
    assert code == 0, err
    assert len(out.splitlines()) == 1 + len(toy_rows())
    write_script(tmp_path / "weather.json", ("stormy", "mild"))
    code, _, err = shell("predict", run, tmp_path / "pool.csv")
    assert code != 0
    assert "another version of weather.json" in err


def test_an_agent_without_a_language_model_is_no_source_of_states(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'nobody' is no agent"):
        execute(write_toy(tmp_path, student={"kind": "probe", "agent": "nobody"}), tmp_path / "run")


def test_a_task_of_several_columns_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    rows = [row | {"title": "one"} for row in toy_rows()]
    task = write_toy(tmp_path, rows, student={"kind": "probe"}, task={"show": ["title", "text"]})
    with pytest.raises(ConfigError, match="one column"):
        execute(task, tmp_path / "run")
    assert not (tmp_path / "run" / "ledger.sqlite").exists()
