"""Any prompts to any model by name: the flow, the Python face and the command line, on a script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import limbeck
from limbeck.catalog import answer_kind, open_asker
from limbeck.decoding.answers import Number
from limbeck.decoding.choice import Choice
from limbeck.decoding.cot import Cot
from limbeck.decoding.trees import Policy
from limbeck.engines.base import Message
from limbeck.engines.scripted import ByteText
from limbeck.errors import ConfigError, EngineError
from limbeck.flows.decode import decode_all
from limbeck.records import Vote
from stories import Stories
from toy_job import WEATHER, Shell, execute, write_script, write_toy


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Says 8 to apples and 3 to pears, at any length of a prompt."""
    path = tmp_path / "script.json"
    lines = [{"when": "apples", "say": "It is 8.", "weight": 20}, {"when": "pears", "say": "3", "weight": 20}]
    path.write_text(json.dumps(lines))
    return path


def test_the_python_face_takes_one_prompt_or_many(script: Path) -> None:
    told: dict[str, Any] = {"engine": "scripted", "style": "plain"}
    one = limbeck.decode(str(script), "apples?", "greedy", **told)
    assert (one.answer, one.reason) == ("8", None)
    many = limbeck.decode(
        str(script), ["pears, " * i + "and apples?" for i in range(40)] + ["pears?"], "greedy", **told
    )
    assert [draw.answer for draw in many[:1] + many[-1:]] == ["8", "3"]
    assert all(draw.trace is not None for draw in many)


@pytest.mark.parametrize(
    ("style", "read"),
    [("plain", "Why?"), ("qa", "Q: Why?\nA:"), (None, "You are a helpful assistant.Why?"), ("chat", None)],
)
def test_styles(style: Any, read: str | None) -> None:
    engine = Stories({})
    seen: list[str] = []

    def spy(engine: Any, bodies: Any) -> Any:
        seen.extend(ByteText().decode([*engine._rows[0], *body]) for body in bodies)
        return Cot(Policy(Number(), max_tokens=1), k=1)(engine, bodies)

    spy.reach, spy.width = 1, 1  # type: ignore[attr-defined]
    list(decode_all(engine, spy, ["Why?"], style=style))  # type: ignore[arg-type]
    assert seen == [read or "You are a helpful assistant.Why?"]


def test_a_prompt_in_the_papers_form_is_left_alone() -> None:
    engine = Stories({"Q: 2+2?\nA:": {" 4": 9.0}})
    cot = Cot(Policy(Number(), max_tokens=5), k=1)
    for prompt in ("2+2?", "Q: 2+2?", "Q: 2+2?\nA:"):
        ((_, draw),) = decode_all(engine, cot, [prompt], style="qa")
        assert draw.answer == "4"


class NoTemplate(ByteText):
    def frame(self, messages: Any) -> Any:
        raise EngineError("this model has no chat template", hint="Use `style: plain` for this agent.")


class Untaught(Stories):
    @property
    def tokenizer(self) -> ByteText:
        return NoTemplate()


def test_a_model_without_a_template_is_asked_in_the_papers_form() -> None:
    engine = Untaught({"Q: 2+2?\nA:": {" 4": 9.0}})
    cot = Cot(Policy(Number(), max_tokens=5), k=1)
    assert next(iter(decode_all(engine, cot, ["2+2?"])))[1].answer == "4"
    with pytest.raises(EngineError, match="no chat template"):
        list(decode_all(engine, cot, ["2+2?"], style="chat"))
    assert Message("user", "x").role == "user"


def test_a_prompt_without_room_gets_a_reason() -> None:
    engine = Stories({"abc": {"4": 9.0}}, context=13)
    cot = Cot(Policy(Number(), max_tokens=10), k=1)
    found = dict(decode_all(engine, cot, ["abc", "abcd", ""], style="plain"))
    assert found[0].answer == "4"
    assert found[1].reason == "the prompt has 4 tokens and the model's context has room for 3 beside the answer"
    assert found[2].reason == "the prompt is empty"


@pytest.mark.parametrize(
    ("told", "match"),
    [
        ({"decode": "chioce"}, "did you mean 'choice'"),
        ({"answer": "nmuber"}, "names no kind of answer"),
        ({"answer": "pattern:("}, "is no regular expression"),
        ({"answer": "label:"}, "names no kind of answer"),
        ({"decode": "choice"}, "scores labels, and none are named"),
        ({"engine": "opnvino"}, "no engine is called"),
        ({"engine": "http://example.org/v1"}, "do not leave it unless you say so"),
    ],
)
def test_what_cannot_be_asked_is_refused(script: Path, told: dict[str, str], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        open_asker(str(script), **({"engine": "scripted"} | told))  # type: ignore[arg-type]


def test_label_scoring_by_name(script: Path) -> None:
    ask = open_asker(str(script), "choice", engine="scripted", answer="label:3,8")
    assert isinstance(ask.decoder, Choice)
    (draw,) = ask(["pears:"], style="plain")
    assert draw.scores is not None
    assert draw.scores[0] > draw.scores[1]
    assert answer_kind("label:3,8").find("it is 8") is not None


def test_the_command_shows_every_branch(shell: Shell, script: Path) -> None:
    code, out, _ = shell(
        "decode", "--engine", "scripted", "--model", script, "--style", "plain", "--decode", "{cot: {k: 3}}", "apples:"
    )
    assert code == 0
    assert "apples:" in out
    assert "It is 8." in out
    assert "3 of 3 branches" in out
    code, out, _ = shell("decode", "--engine", "scripted", "--model", script, "--json", "--decode", "greedy", "apples:")
    assert code == 0
    (row,) = json.loads(out)
    assert (row["prompt"], row["answer"]) == ("apples:", "8")
    assert row["trace"]["branches"][0]["margin"] > 0.99


def test_prompts_from_a_file(shell: Shell, script: Path, tmp_path: Path) -> None:
    data = tmp_path / "asked.csv"
    data.write_text("text\napples?\npears?\n")
    code, out, _ = shell(
        "decode", "--engine", "scripted", "--model", script, "--decode", "greedy", "--from", data, "--json", "--quiet"
    )
    assert code == 0
    assert [row["answer"] for row in json.loads(out)] == ["8", "3"]
    data.write_text("words\napples?\n")
    for told in (("--from", data), ()):
        code, _, err = shell("decode", "--engine", "scripted", "--model", script, *told)
        assert code == 2
        assert "column 'text'" in err or "no prompt is given" in err


def test_control_characters_do_not_reach_the_terminal(shell: Shell, script: Path) -> None:
    code, out, _ = shell("decode", "--engine", "scripted", "--model", script, "--decode", "greedy", "\x1b[31mapples")
    assert code == 0
    assert "\x1b" not in out


def test_agents_that_write_take_part_in_a_run(tmp_path: Path) -> None:
    """The whole way: branches on the vote, a posterior over labels, a trace in the ledger, a student."""
    writer = {"model": "weather.json", "engine": "scripted"}
    task = write_toy(
        tmp_path,
        agents=[
            {"name": "tree", "decode": {"cot": {"k": 3, "max_tokens": 12}}, **writer},
            {
                "name": "votes",
                "decode": {"self_consistency": {"paths": 3, "max_tokens": 12, "stop": "exact"}},
                **writer,
            },
            {"name": "both", "decode": {"gate": {"margin": 0.99, "cot": {"k": 2, "max_tokens": 12}}}, **writer},
            {"name": "one", "decode": {"nucleus": {"max_tokens": 12}}, **writer},
            {"name": "plain", "decode": "greedy", "style": "plain", **writer},
        ],
    )
    write_script(tmp_path / "weather.json", WEATHER, weight=20)
    metrics = execute(task, tmp_path / "run")
    assert set(metrics["agents"]) == {"tree", "votes", "both", "one", "plain"}
    with limbeck.Ledger.read(tmp_path / "run") as view:
        votes: list[Vote] = list(view.votes("tree"))
        traces = dict(view.traces([vote.key for vote in votes]))
        assert len(traces) == len(votes) > 0
        for vote in votes:
            assert len(traces[vote.key]["branches"]) == 3
            assert vote.usage.decoded == sum(branch["tokens"] for branch in traces[vote.key]["branches"])
        gated = dict(view.traces([vote.key for vote in view.votes("both")]))
        assert {trace["gate"]["took"] for trace in gated.values()} <= {"first", "then"}
