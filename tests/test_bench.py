"""limbeck beside others: the product's own way, turns, ratios, results that are gone on with, absent peers."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import fake_peer
import tiny_model
from limbeck.bench import own
from limbeck.bench.base import PACKAGES, PEERS, Job, Outcome, Prompt, Shape, outcome
from limbeck.bench.command import bench
from limbeck.bench.contest import agreement, best_variant, contest
from limbeck.bench.decode import Arena, check_names, prompts_of
from limbeck.bench.questions import TEMPLATES, arithmetic
from limbeck.bench.results import Results, notes, rows
from limbeck.bench.weights import Weights
from limbeck.engines.base import HOLE, Floats, Message
from limbeck.engines.scripted import ByteText
from limbeck.errors import ConfigError, EngineError, RunError
from limbeck.flows.decode import SYSTEM
from stories import Stories
from toy_job import Shell

ASKED = ["Tom has 3 apples and buys 5. How many?", "Q: What is 3 + 5?\nA:"]
SAID = {" It is 8.": 9.0, " 8": 8.0, " Well, 8": 7.0}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    return Shell(monkeypatch, capsys)


def stories() -> Stories:
    prompts = prompts_of(ASKED, ByteText(), room=1000)
    return Stories({prompt.text: SAID for prompt in prompts})


def arena(tmp_path: Path, peers: Mapping[str, str], *, job: Job | None = None) -> tuple[Arena, list[str]]:
    engine, said = stories(), list[str]()
    prompts = prompts_of(ASKED, engine.tokenizer, room=1000)
    weights = Weights(tmp_path / "none.gguf", tmp_path / "forms")
    job = job or Job(k=3, tokens=20, rounds=2)
    return Arena(own.make(engine, branches=30), prompts, weights, job, {"model": "stories"}, said.append, peers), said


def test_questions_are_put_as_the_paper_has_them() -> None:
    first, second = prompts_of(ASKED, ByteText(), room=100)
    assert first.text == "Q: Tom has 3 apples and buys 5. How many?\nA:"
    assert second.text == ASKED[1]
    assert bytes(second.tokens).decode() == second.text
    with pytest.raises(ConfigError, match="has 44 tokens and the model's context has room for 43"):
        prompts_of(ASKED, ByteText(), room=43)
    with pytest.raises(ConfigError, match="no questions"):
        prompts_of([], ByteText(), room=44)


def test_a_chat_is_put_into_the_template_for_all_and_its_shared_turns_are_read_once() -> None:
    engine = stories()
    before, after = engine.tokenizer.frame([Message("system", SYSTEM), Message("user", HOLE)])
    prompts = prompts_of(ASKED, engine.tokenizer, room=1000, style="chat")
    assert [prompt.text for prompt in prompts] == ASKED
    assert [prompt.tokens for prompt in prompts] == [(*before, *asked.encode(), *after) for asked in ASKED]
    rows = Noted()
    found = own.make(rows, branches=30, style="chat")(prompts, 1, 2)
    assert rows.read == [list(before), *([*asked.encode(), *after] for asked in sorted(ASKED, key=len, reverse=True))]
    assert found.read == sum(map(len, rows.read))


class Noted(Stories):
    """Remembers the prompts that it reads."""

    def __init__(self) -> None:
        super().__init__({})
        self.read: list[list[int]] = []

    def extend(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> Floats:
        self.read += [list(row) for row in rows if len(row) > 1]
        return super().extend(rows, parents)


def test_limbeck_does_what_its_decoder_does() -> None:
    engine = stories()
    prompts = prompts_of(ASKED, engine.tokenizer, room=1000)
    found = own.make(engine, branches=30)(prompts, 3, 20)
    assert found.greedy == (" It is 8.",) * 2
    # All three begin with a blank, so that is the first branch; the others are bytes that begin no story.
    alone = own.make(engine, branches=1)(prompts, 1, 20)
    assert alone.written == 2 * len(" It is 8.")
    assert alone.read == found.read == sum(len(prompt.tokens) for prompt in prompts)
    assert found.written > alone.written
    assert found.reading is not None


def test_the_limit_is_that_of_the_peers() -> None:
    engine = stories()
    prompts = prompts_of(ASKED, engine.tokenizer, room=1000)
    assert own.make(engine, branches=30)(prompts, 1, 4).written == 2 * 4


def test_width_is_how_many_are_read_at_a_time() -> None:
    for branches, read in ((3, [1, 1]), (6, [2])):
        engine = stories()
        own.make(engine, branches=branches)(prompts_of(ASKED, engine.tokenizer, room=1000), 3, 1)
        assert engine.rows_read == read


def test_an_outcome_of_paths() -> None:
    found = outcome([[[72, 105], [72]], [[33], []]], ByteText(), read=7, reading=0.5)
    assert found == Outcome(4, ("Hi", "!"), 7, 0.5)


def test_agreement_is_that_of_the_first_half() -> None:
    def told(*greedy: str) -> Outcome:
        return Outcome(1, greedy, 1)

    assert agreement(told("abcdefgh", "ab"), told("abcdxxxx", "xb")) == pytest.approx((1 + 0) / 2)
    assert agreement(told("abcdefgh"), told("abX")) == pytest.approx(0.5)
    assert agreement(told(""), told("abc")) == 0


def test_the_best_variant_plays_and_turns_are_taken(tmp_path: Path) -> None:
    log: list[str] = []

    def mine(prompts: Sequence[Prompt], k: int, limit: int) -> Outcome:
        fake_peer.LOG.append(f"limbeck {len(prompts)} {k} {limit}")
        return Outcome(len(prompts) * 10, (" It is 8.",) * len(prompts), 6, 0.5)

    fake_peer.LOG.clear()
    prompts = prompts_of(ASKED, ByteText(), room=1000)
    shape = Shape(3, 20, 50, 2)
    job = Job(k=3, tokens=20, rounds=2)
    found = contest(mine, "fake", fake_peer.variants(None, shape), prompts, job=job, say=log.append)
    assert found["variant"] == "busy"
    assert fake_peer.LOG[-8:] == [
        *("open busy", "limbeck 1 2 4", "busy 1 2 4"),
        *("limbeck 2 3 20", "busy 2 3 20") * 2,
        "close busy",
    ]
    ours, theirs = found["limbeck"], found["fake"]
    assert len(ours["seconds"]) == len(theirs["seconds"]) == 2
    assert found["limbeck is times faster"] == ours["tokens per second"] / theirs["tokens per second"]
    assert ours["tokens per second"] == 20 / min(ours["seconds"])
    assert ours["prompt tokens per second"] == 12
    assert theirs["prompt tokens per second"] is None
    size = sum(len(prompt.tokens) for prompt in prompts)
    assert found["prompt tokens saved against one reading a branch"] == 3 * size - 6
    assert found["same greedy path, first half"] == 1


def test_a_slow_peer_gets_few_questions(tmp_path: Path) -> None:
    place, _ = arena(tmp_path, {"fake": "fake_peer:variants"}, job=Job(k=3, tokens=20, rounds=1, slow=("fake",), few=1))
    found = Results(None, "m")
    place.play("fake", found)
    assert found.part["fake"]["fake"]["questions"] == 1
    assert found.part["fake"]["limbeck"]["questions"] == 2
    assert best_variant({"only": lambda: None}, [], place.job, print)["variant"] == "only"  # type: ignore[dict-item, return-value]


def test_a_peer_in_the_file_is_not_run_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "speed.json"
    place, said = arena(tmp_path, {"fake": "fake_peer:variants"})
    place.play("fake", Results(path, "m"))
    kept = json.loads(path.read_text())
    assert kept["m"]["fake"]["run"]["machine"]["cores"] > 0
    fake_peer.LOG.clear()
    place.play("fake", Results(path, "m"))
    assert fake_peer.LOG == []
    assert said[-1] == "fake: is in the file already"
    place.play("fake", Results(path, "another model"))
    assert fake_peer.LOG
    fake_peer.LOG.clear()
    other, _ = arena(tmp_path, {"fake": "fake_peer:variants"}, job=Job(k=3, tokens=19))
    other.play("fake", Results(path, "m"))
    assert fake_peer.LOG


def test_a_peer_that_is_not_there_or_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "absent_peer.py").write_text("import llama_cpp\n")
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    monkeypatch.syspath_prepend(str(tmp_path))
    peers = {"llama-cpp": "absent_peer:variants", "ctranslate2": "fake_peer:broken"}
    place, _ = arena(tmp_path, peers)
    found = Results(tmp_path / "speed.json", "m")
    for name in peers:
        place.play(name, found)
    place.alone(found)
    told = "\n".join(notes(found.part))
    assert "llama-cpp: llama_cpp is not installed: pip install 'limbeck[bench]'" in told
    assert "ctranslate2: failed: this architecture is not known" in told
    assert "limbeck: " in told
    assert rows(found.part) == []
    assert found.part["limbeck"]["questions"] == 2


def test_an_older_result_outlives_a_failure(tmp_path: Path) -> None:
    place, _ = arena(tmp_path, {"fake": "fake_peer:variants"})
    found = Results(None, "m")
    place.play("fake", found)
    broken, _ = arena(tmp_path, {"fake": "fake_peer:broken"}, job=Job(k=2))
    broken.play("fake", found)
    assert "limbeck is times faster" in found.part["fake"]


@pytest.mark.parametrize("content", ["[]", "{", '{"m": 3}'])
def test_a_file_of_something_else_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(RunError, match="results"):
        Results(path, "m")


def test_a_form_is_whole_or_not_there(tmp_path: Path) -> None:
    weights = Weights(tmp_path / "none.gguf", tmp_path / "forms")

    def fails(target: Path) -> None:
        target.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(EngineError, match="cannot be written: No space left"):
        weights.form("x", fails)
    assert not (tmp_path / "forms" / "x").exists()

    def writes(target: Path) -> None:
        target.write_text("whole")

    assert weights.form("x", writes).read_text() == "whole"
    assert weights.form("x", fails).read_text() == "whole"


def test_questions_are_seeded_and_all_different() -> None:
    assert arithmetic(40) == arithmetic(40)
    assert arithmetic(40) == arithmetic(60)[:40]
    assert arithmetic(40, seed=1) != arithmetic(40)
    assert len(set(arithmetic(500))) == 500
    assert len(TEMPLATES) >= 10
    assert not any("{" in text for text in arithmetic(len(TEMPLATES)))


def test_the_help_names_every_peer() -> None:
    (option,) = [one for one in bench.commands["decode"].params if one.name == "against"]
    assert all(name in str(getattr(option, "help", "")) for name in PEERS)
    assert PEERS.keys() == PACKAGES.keys()
    with pytest.raises(ConfigError, match="no peer is called 'vllm'"):
        check_names(["vllm"])


def test_the_command(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "llama-cpp", "fake_peer:variants")
    monkeypatch.setitem(PEERS, "optillm", "fake_peer:broken")
    model = tiny_model.write(tmp_path / "tiny.gguf", "llama")
    (tmp_path / "asked.csv").write_text("text\n2 + 3?\n1 + 1?\n5 - 4?\n")
    words: tuple[Any, ...] = ("bench", "decode", "--model", model, "--from", tmp_path / "asked.csv")
    words += ("--questions", 2, "--k", 2, "--tokens", 4, "--rounds", 1, "--width", 2, "--no-floor")
    words += ("--out", tmp_path / "speed.json")
    code, out, err = shell(*words, "--against", "llama-cpp, optillm")
    assert code == 0, err
    assert "against" in out
    assert "times faster" in out
    assert "optillm: failed: this architecture is not known" in out
    code, out, err = shell(*words, "--against", "llama-cpp", "--json")
    assert code == 0
    assert "is in the file already" in err
    assert json.loads(out)["llama-cpp"]["limbeck"]["questions"] == 2
    assert json.loads((tmp_path / "speed.json").read_text()).keys() == {"tiny"}
    assert shell(*words, "--against", "llama-cpp", "--prompt", "chat")[0] != 0  # this model has no template
    code, _, err = shell(*words, "--against", "vllm")
    assert code == 2
    assert "Known: transformers, llama-cpp" in err
