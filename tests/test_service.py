"""A server in a task file: which addresses are allowed, which model is found, what is said before anything leaves."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from fake_server import FakeServer, Reply, Seen, as_json, model, serving
from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop
from limbeck.engines.service import connect
from limbeck.errors import ConfigError, EngineError
from limbeck.meter import Meter
from limbeck.task import TaskFile, fingerprint, notice, parse_task
from limbeck.task.address import address_problem, host, on_this_machine
from toy_job import write_csv

SMALL = "task: {labels: [bad, good]}\ndata: {pool: a.csv}\nagents:\n"


def parse(engine: str, more: str = "") -> TaskFile:
    return parse_task(f"{SMALL}  - {{model: toy, engine: {engine}}}\n{more}", source="t.yaml", names=NAMES)


# The address


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "http://127.9.9.9",
        "https://localhost/v1",
        "http://LOCALHOST:1",
        "http://[::1]:8000/v1",
    ],
)
def test_this_machine(url: str) -> None:
    assert on_this_machine(url)
    assert address_problem(url) is None
    assert notice(url, ("text",)) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1.example.org/v1",
        "http://localhost.example.org",
        "http://127.1/v1",
        "http://2130706433/",
        "http://0.0.0.0:8000",
        "http://[::]:8000",
        "http://10.0.0.1",
        "https://models.example.org/v1",
    ],
)
def test_elsewhere(url: str) -> None:
    assert not on_this_machine(url)
    assert address_problem(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://127.0.0.1",
        "file:///v1",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1/v1?key=1",
        "http://127.0.0.1/#a",
        "http://127.0.0.1/a b",
    ],
)
def test_what_is_no_address(url: str) -> None:
    assert address_problem(url)


def test_credentials_in_an_address_are_refused_and_not_repeated() -> None:
    for url in ("http://me:hidden@127.0.0.1/v1", "http://hidden@127.0.0.1/v1"):
        with pytest.raises(ConfigError, match="holds credentials") as error:
            parse(f"{{server: '{url}'}}")
        assert "hidden" not in str(error.value)
        assert host(url) == "127.0.0.1"


# The task file


def test_short_and_long_form() -> None:
    short = parse("{server: http://127.0.0.1:8000/v1}")
    long = parse("{server: {url: http://127.0.0.1:8000/v1, key_env: KEY, timeout: 9, concurrency: 2}}")
    assert fingerprint(short) == fingerprint(long)
    assert fingerprint(short) != fingerprint(parse("{server: http://127.0.0.1:8001/v1}"))
    assert fingerprint(short) != fingerprint(parse("{server: {url: http://127.0.0.1:8000/v1, top: 5}}"))


@pytest.mark.parametrize(
    ("engine", "problem"),
    [
        ("server", "4:26: agents[0].engine: needs an address: engine: {server: http://127.0.0.1:8000/v1}"),
        ("servr", "4:26: agents[0].engine: 'servr' is unknown; known: openvino,"),
        ("{servr: x}", "4:27: agents[0].engine.servr: unknown key; did you mean 'server'?"),
        ("{server: {}}", "4:27: agents[0].engine.server.url: is required and missing"),
        ("{server: {url: x, uri: y}}", "4:44: agents[0].engine.server.uri: unknown key; did you mean 'url'?"),
        ("{server: nowhere}", "4:35: agents[0].engine.server.url: must be an address such as"),
        ("{server: {url: http://127.0.0.1, top: 1}}", "agents[0].engine.server.top: must be at least 2, not '1'"),
        ("{server: {url: http://127.0.0.1, timeout: 0}}", "agents[0].engine.server.timeout: must be more than 0"),
        (
            "{server: {url: http://127.0.0.1, key_env: sk-12-ab}}",
            "key_env: must be the name of an environment variable",
        ),
        ("[server]", "4:26: agents[0].engine: must be text, not a list"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(engine: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(engine)
    assert problem in str(error.value)
    assert str(error.value).count("\n") <= 1


def test_another_machine_needs_leave() -> None:
    engine = "{server: {url: https://models.example.org:8443/v1}}"
    for more in ("", "privacy: {allow_remote: false}\n"):
        with pytest.raises(
            ConfigError, match=r"t\.yaml:4:41: agents\[0\].engine.server.url: texts would leave"
        ) as error:
            parse(engine, more)
        assert "models.example.org:8443" in str(error.value)
    assert parse(engine, "privacy: {allow_remote: true}\n")


# The model


def test_models_are_asked_for_with_the_key_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_KEY", " sk-secret\n")
    with serving() as server:
        engine, told = connect("toy", url=server.url, key_env="TOY_KEY")
        (seen,) = server.seen
    assert (seen.path, seen.body, seen.headers["authorization"]) == ("/v1/models", None, "Bearer sk-secret")
    assert told["name"] == "toy"
    assert told["source"] == engine._client.server
    assert "secret" not in json.dumps(told) + engine.identity + repr(engine)


@pytest.mark.parametrize(
    ("value", "why"), [(None, "is not set"), ("  ", "is not set"), ("a b", "holds no key"), ("é", "holds no key")]
)
def test_no_key_where_one_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None, why: str) -> None:
    monkeypatch.delenv("TOY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("TOY_KEY", value)
    with serving() as server, pytest.raises(ConfigError, match=f"TOY_KEY of engine.server.key_env {why}"):
        connect("toy", url=server.url, key_env="TOY_KEY")
    assert server.seen == []


def models(*told: dict[str, Any]) -> Any:
    return lambda seen, number: as_json({"object": "list", "data": list(told)})


@pytest.mark.parametrize("name", ["/srv/models/tiny.Q8_0.gguf", "tiny.Q8_0.gguf", "tiny.Q8_0", "pet"])
def test_a_model_is_found_by_its_name_or_the_last_part_of_it(name: str) -> None:
    told = {"id": "/srv/models/tiny.Q8_0.gguf", "aliases": ["pet"], "meta": {"n_ctx": 1024}}
    with serving(models({"id": "other"}, told)) as server:
        engine, found = connect(name, url=server.url)
    assert (found["name"], engine.context) == ("tiny.Q8_0.gguf", 682)
    assert "srv" not in engine.identity


def test_owner_and_name_is_no_path_and_a_window_is_believed() -> None:
    with serving(models({"id": "owner/name", "max_model_len": 131072})) as server:
        engine, found = connect("owner/name", url=server.url, top=5)
        assert (found["name"], engine.context, engine.identity) == ("owner/name", 4096, "server:owner/name:top-5")
        assert connect("owner/name", url=server.url, context=99)[0].context == 99


@pytest.mark.parametrize(
    "said", [{"data": [{"id": "b"}, {"id": 3}, 4]}, {"data": None}, {"data": 7}, [], {"models": []}]
)
def test_a_wrong_model_is_named_with_those_there_are(said: Any) -> None:
    with (
        serving(lambda seen, number: as_json(said)) as server,
        pytest.raises(EngineError, match="no model 'a'") as error,
    ):
        connect("a", url=server.url)
    assert ('"b"' if '"b"' in json.dumps(said) else "none") in str(error.value)


# The workshop


def write(folder: Path, server: FakeServer, url: str | None = None) -> Path:
    write_csv(folder / "pool.csv", [{"text": f"text {i}", "label": "good" if i % 2 else "bad"} for i in range(6)])
    task = {
        "task": {"labels": ["bad", "good"]},
        "data": {"pool": "pool.csv", "gold": "label"},
        "agents": [{"name": "served", "model": "toy", "engine": {"server": url or server.url}, "cue": "It is"}],
        "selection": {"strategy": "random", "cold": "random"},
        "student": {"encoder": None},
        "privacy": {"allow_remote": url is not None},
    }
    path = folder / "task.yaml"
    path.write_text(yaml.safe_dump(task, sort_keys=False))
    return path


def file_of(path: Path) -> TaskFile:
    return parse_task(path.read_text(), source=path, names=NAMES)


def test_one_engine_for_many_agents_and_what_was_used(tmp_path: Path) -> None:
    said: list[str] = []
    with serving(partial(model, shape="content")) as server, Meter() as meter:
        path = write(tmp_path, server)
        shop = Workshop(file_of(path), Store(tmp_path / "home"), meter, say=said.append)
        (agent,) = file_of(path).agents or ()
        first, second = (shop._models.engine(agent.engine, "toy") for _ in range(2))
        assert first is second
        assert len(server.seen) == 1
    assert said == []
    assert list(shop._models.used) == [f"toy, the server {host(server.url)}"]


def test_what_leaves_is_said_before_it_does(tmp_path: Path) -> None:
    said: list[str] = []

    def answer(seen: Seen, number: int) -> Reply:
        assert said  # before the first question
        return model(seen)

    with serving(answer) as server, Meter() as meter:
        # 127.1 leads here, but not by its form.
        path = write(tmp_path, server, server.url.replace("127.0.0.1", "127.1"))
        shop = Workshop(file_of(path), Store(tmp_path / "home"), meter, say=said.append)
        (agent,) = file_of(path).agents or ()
        shop._models.engine(agent.engine, "toy", shown=("text",))
    port = server.url.split(":")[2].split("/")[0]
    assert said == [
        f"127.1:{port} is sent without encryption: instructions, labels and examples; of each item asked: text"
    ]
