"""A server that misbehaves in every way: each ends in an answer or in one clear error, and nothing hangs."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fake_server import Reply, Seen, answering, as_json, model, serving
from limbeck.engines import transport
from limbeck.engines.pace import Patience
from limbeck.engines.server import ServerEngine
from limbeck.engines.transport import Client, Query
from limbeck.errors import EngineError

QUICK = Patience(timeout=5, base=0.001, tries=4)
ASK = Query("completions", {"prompt": "It is", "max_tokens": 1, "logprobs": 1})


def failure(
    answer: Callable[[Seen, int], Reply], patience: Patience = QUICK, **options: Any
) -> tuple[EngineError, int]:
    """The error that a question ends in, and how often the server was asked."""
    with serving(answer) as server:
        with pytest.raises(EngineError) as error:
            Client(server.url, patience=patience, **options).ask([ASK])
        assert server.url.split("/")[2] in str(error.value)
        assert error.value.hint or "answer" in error.value.message
        return error.value, len(server.seen)


OK = as_json({"fine": True})


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_what_passes_is_asked_again(status: int) -> None:
    with serving(answering(Reply(b"wait", status), Reply(b"wait", status), OK)) as server:
        assert Client(server.url, patience=QUICK).ask([ASK]) == [{"fine": True}]
        assert len(server.seen) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 418, 422, 501])
def test_what_does_not_pass_is_not_asked_again(status: int) -> None:
    error, asked = failure(answering(as_json({"error": {"message": "no such\nthing"}}, status)))
    assert asked == 1
    assert f"{status}: no such thing" in error.message


def test_500_for_ever_is_one_error_with_what_the_server_said() -> None:
    error, asked = failure(answering(as_json({"detail": [{"msg": "out of memory"}]}, 500)))
    assert asked == 4
    assert "4 attempts" in error.message
    assert "out of memory" in error.message


def test_the_budget_is_shared_by_all_questions() -> None:
    with serving(answering(Reply(b"", 500))) as server:
        with pytest.raises(EngineError, match="no answer in"):
            Client(server.url, patience=replace(QUICK, budget=5)).ask([ASK] * 40)
        assert len(server.seen) < 5 + 2 * 4


def test_an_answer_in_between_renews_the_budget() -> None:
    def every_other(seen: Seen, number: int) -> Reply:
        return OK if number % 2 else Reply(b"", 500)

    with serving(every_other) as server:
        client = Client(server.url, patience=replace(QUICK, budget=3, concurrency=1))
        assert client.ask([ASK] * 9) == [{"fine": True}] * 9


@pytest.mark.parametrize(
    ("header", "least"),
    [("0.1", 0.1), ("0", 0), ("soon", 0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("nan", 0), ("-5", 0)],
)
def test_retry_after_is_obeyed(header: str, least: float) -> None:
    with serving(answering(Reply(b"", 429, {"Retry_After": header}), OK)) as server:
        begun = time.perf_counter()
        Client(server.url, patience=QUICK).ask([ASK])
        assert least <= time.perf_counter() - begun < least + 1


def test_a_server_that_asks_for_an_hour_has_failed() -> None:
    error, asked = failure(answering(Reply(b"", 429, {"Retry_After": "3600"})))
    assert asked == 1
    assert "asks to wait 3600 s" in error.message


def test_a_stall_ends() -> None:
    begun = time.perf_counter()
    error, asked = failure(answering(Reply(b"{}", delay=0.5)), Patience(timeout=0.1, base=0.001, stalls=2))
    assert (asked, time.perf_counter() - begun < 2) == (2, True)
    assert "nothing came within 0.1 s" in error.message


def test_a_server_that_drips_does_not_hold_a_run_up() -> None:
    listening = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listening.accept()
        with connection:
            try:
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 100:
                    connection.sendall(bytes((byte,)))
                    time.sleep(0.02)
            except OSError:
                pass

    thread = threading.Thread(target=drip)
    thread.start()
    begun = time.perf_counter()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with listening, pytest.raises(EngineError, match=r"nothing came within 0\.3 s"):
        Client(url, patience=Patience(timeout=0.3, stalls=1)).ask([ASK])
    thread.join()
    assert time.perf_counter() - begun < 3


@pytest.mark.parametrize("drop", [0, 5])
def test_a_dropped_connection_is_tried_again(drop: int) -> None:
    with serving(answering(Reply(b'{"fine": true}', drop=drop), OK)) as server:
        assert Client(server.url, patience=QUICK).ask([ASK]) == [{"fine": True}]
    error, asked = failure(answering(Reply(b'{"fine": true}', drop=drop)))
    assert asked == QUICK.stalls
    assert "the connection broke" in error.message


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(EngineError, match=f"127.0.0.1:{port} gave no answer in 4 attempts: no connection"):
        Client(f"http://127.0.0.1:{port}/v1", patience=QUICK).ask([ASK])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "is empty"),
        (b"<html>", "is not JSON"),
        (b'{"choices": [', "is not JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[" * 100_000, "is not JSON"),
        (b"1" * 10_000, "is not JSON"),
    ],
)
def test_garbage_is_an_error_at_once(body: bytes, why: str) -> None:
    error, asked = failure(answering(Reply(body)))
    assert asked == 1
    assert why in error.message


LOGS = {"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": [{"a": -1.0}]}


@pytest.mark.parametrize(
    "said",
    [
        [],
        None,
        {},
        {"choices": []},
        {"choices": {}},
        {"choices": ["a"]},
        {"choices": [{"text": 3}]},
        {"choices": [{"message": {"content": 3}}]},
        {"choices": [{"text": "a", "logprobs": []}]},
        {"choices": [{"text": "a", "logprobs": {"content": [{"token": "a"}]}}]},
        {"choices": [{"text": "a", "logprobs": {"content": [{"token": "a", "logprob": "high"}]}}]},
        {"choices": [{"text": "a", "logprobs": {"content": [{"token": "a", "logprob": 1e308}]}}]},
        {"choices": [{"text": "a", "logprobs": {"content": [{"token": "a", "logprob": 10**400}]}}]},
        {"choices": [{"text": "a", "logprobs": {"content": [{"token": "a", "logprob": -1, "bytes": 10**9}]}}]},
        {"choices": [{"text": "a", "logprobs": {"content": [{"token": "a", "logprob": -1, "bytes": [999]}]}}]},
        {"choices": [{"text": "a", "logprobs": LOGS | {"token_logprobs": []}}]},
        {"choices": [{"text": "a", "logprobs": LOGS | {"top_logprobs": [["a"]]}}]},
        {"choices": [{"text": "a", "logprobs": LOGS | {"tokens": [1]}}]},
        {"choices": [{"text": "a", "logprobs": LOGS | {"top_logprobs": [{"a": float("nan")}]}}]},
        {"choices": [{"text": "a", "logprobs": {"content": []}}]},
    ],
)
def test_wrong_shapes_are_errors(said: Any) -> None:
    with serving(answering(as_json(said))) as server:
        engine = ServerEngine(Client(server.url, patience=QUICK), "toy")
        engine.hold([engine.tokenizer.encode("It is")], [0])
        with pytest.raises(EngineError, match=r"shape that is not known|is not JSON|gives no log-probabilities"):
            engine.peaks(1)
        assert len(server.seen) == 1


def test_a_huge_answer_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST", 1000)
    error, asked = failure(answering(Reply(b" " * 100_000)))
    assert (asked, "more than 1,000 bytes" in error.message) == (1, True)


def test_a_huge_complaint_is_cut() -> None:
    error, asked = failure(answering(Reply(b"x" * 10_000_000, 400)))
    assert (asked, len(error.message) < 500) == (1, True)


def test_a_packed_answer_is_refused() -> None:
    error, _ = failure(answering(Reply(b"\x1f\x8b", 200, {"Content_Encoding": "gzip"})))
    assert "packed its answer (gzip)" in error.message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with serving() as elsewhere:
        error, asked = failure(answering(Reply(b"", status, {"Location": f"{elsewhere.url}/x"})), key="secret-key")
        assert (asked, elsewhere.seen) == (1, [])
        assert "redirects to 127.0.0.1, which is never followed" in error.message


def test_the_key_is_sent_and_never_shown() -> None:
    key = "sk-very-secret"
    with serving(answering(OK)) as server:
        client = Client(server.url, key=key, patience=QUICK)
        client.ask([ASK])
        assert server.seen[0].headers["authorization"] == f"Bearer {key}"
        engine = ServerEngine(client, "toy")
        assert key not in repr(client) + repr(engine) + engine.identity + client.server
    error, _ = failure(answering(as_json({"error": f"the key {key} is wrong"}, 401)), key=key)
    assert key not in str(error)
    assert "key_env" in str(error.hint)


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(Reply(b"", 500))) as proxy, serving(answering(OK)) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert Client(server.url, patience=QUICK).ask([ASK]) == [{"fine": True}]
        assert proxy.seen == []


def test_credentials_in_the_address_are_never_shown() -> None:
    assert Client("http://me:hidden@127.0.0.1:1/v1").server == "the server 127.0.0.1:1"


def test_it_works_where_a_loop_is_running() -> None:
    with serving() as server:
        client = Client(server.url, patience=QUICK)

        async def notebook() -> list[Any]:
            return client.ask([Query("models")])

        assert asyncio.run(notebook()) == [json.loads(model(Seen("", {}, None)).body)]

        async def broken() -> list[Any]:
            return Client("http://127.0.0.1:9/v1", patience=replace(QUICK, tries=1)).ask([ASK])

        with pytest.raises(EngineError, match="no connection"):
            asyncio.run(broken())


def test_no_questions_no_connection() -> None:
    assert Client("http://127.0.0.1:9/v1").ask([]) == []
