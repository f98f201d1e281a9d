"""How many questions are under way, and how long is waited between attempts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fake_server import Reply, Seen, answering, as_json, serving
from limbeck.engines.pace import Pace, Patience
from limbeck.engines.transport import Client, Query

QUICK = Patience(timeout=5, base=0.001, tries=4)
ASK = Query("completions", {"prompt": "It is", "max_tokens": 1, "logprobs": 1})
OK = as_json({"fine": True})


def test_never_more_at_once_than_allowed() -> None:
    slow = replace(OK, delay=0.01)
    with serving(answering(slow)) as server:
        client = Client(server.url, patience=replace(QUICK, concurrency=3))
        client.ask([ASK] * 20)
        assert 2 <= server.busiest <= 3
        assert client.pace.limit == 3


def test_answers_come_in_the_order_of_the_questions() -> None:
    def echo(seen: Seen, number: int) -> Reply:
        return replace(as_json(seen.body), delay=0.02 if number % 3 == 0 else 0)

    with serving(echo) as server:
        said = Client(server.url, patience=QUICK).ask([Query("x", {"n": n}) for n in range(20)])
        assert [one["n"] for one in said] == list(range(20))


def test_overload_halves_once_a_round_and_success_grows() -> None:
    pace = Pace(8)
    assert pace.limit == 4
    for _ in range(5):
        pace.overloaded(0)
    assert (pace.limit, pace.cuts) == (2, 1)
    for _ in range(3):
        pace.answered()
    assert 3 < pace.limit < 3.5
    for _ in range(100):
        pace.answered()
    assert pace.limit == 8
    for cut in range(1, 10):
        pace.overloaded(cut)
    assert pace.limit == 1


def test_overload_slows_the_client_down() -> None:
    with serving(answering(Reply(b"", 429), OK)) as server:
        client = Client(server.url, patience=QUICK)
        client.ask([ASK])
        assert client.pace.cuts == 1
        assert client.pace.limit == 2.5


def test_waits_are_jittered_bounded_and_seeded() -> None:
    patience = Patience(base=0.5, longest=4)
    waits = [[patience.wait(n, None, np.random.default_rng(seed)) for n in range(1, 12)] for seed in (1, 1, 2)]
    assert waits[0] == waits[1] != waits[2]
    assert all(0 <= wait <= min(4, 0.5 * 2**n) for n, wait in enumerate(waits[0]))
    assert patience.wait(1, 7.0, np.random.default_rng(0)) >= 7
