"""The raters' pages over HTTP: links, rules against foreign requests, exactly one judgement, and nothing that tells."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from limbeck.study import Study, close, freeze, new
from toy_study import LONG, SHORT, begin, write_run

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
testclient = pytest.importorskip("starlette.testclient")
from limbeck.web.app import STATIC, application  # noqa: E402
from limbeck.web.markdown import blocks  # noqa: E402

pytestmark = pytest.mark.extras
HOST = "127.0.0.1:8710"
OWN = {"origin": f"http://{HOST}", "x-limbeck": "1", "content-type": "application/json"}


@contextmanager
def served(folder: Path) -> Iterator[tuple[Any, dict[str, str]]]:
    """A client without any cookie, and a token of every rater."""
    tokens: dict[str, str] = {}

    def ready(study: Study, desk: Any) -> None:
        for rater in desk.raters:
            tokens[rater] = secrets.token_hex(16)
            study.add_link(tokens[rater], rater)

    with testclient.TestClient(application(folder, {HOST}, ready), base_url=f"http://{HOST}") as client:
        yield client, tokens


def enter(client: Any, token: str) -> None:
    client.cookies.clear()
    assert client.get(f"/r/{token}").status_code == 200


def post(client: Any, message: dict[str, Any], **changed: str) -> Any:
    return client.post("/judge", content=json.dumps(message), headers=OWN | changed)


def first_page(client: Any) -> str:
    post(client, {"id": secrets.token_hex(8), "kind": "consent"})
    return str(client.get("/state").json()["state"]["question"]["id"])


def test_a_link_becomes_a_cookie_that_no_script_reads(tmp_path: Path) -> None:
    with served(begin(tmp_path)) as (client, tokens):
        assert client.get("/state").status_code == 403
        assert client.get("/").status_code == 403
        answer = client.get(f"/r/{tokens['rater-1']}")
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "SameSite=strict" in answer.headers["set-cookie"]
        assert client.get("/").status_code == 200
        assert client.get("/state").json()["state"]["stage"] == "consent"
        for wrong in ("0" * 32, "..%2f..%2fstudy.sqlite", "x" * 500):
            assert client.get(f"/r/{wrong}").status_code in (403, 404)


def test_tokens_are_kept_as_hashes_only(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    with served(folder) as (_, tokens):
        pass
    bytes_there = b"".join(path.read_bytes() for path in folder.glob("study.sqlite*"))
    assert not [token for token in tokens.values() if token.encode() in bytes_there]


FOREIGN = {
    "host": ({"host": "evil.example"}, 400),
    "rebound host": ({"host": "127.0.0.1.evil.example:8710"}, 400),
    "other port": ({"host": "127.0.0.1:9999"}, 400),
    "origin": ({"origin": "http://evil.example"}, 403),
    "null origin": ({"origin": "null"}, 403),
    "form": ({"content-type": "application/x-www-form-urlencoded"}, 400),
    "large": ({"content-length": str(10**9)}, 413),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_requests_change_nothing(tmp_path: Path, name: str) -> None:
    folder = begin(tmp_path)
    changed, status = FOREIGN[name]
    with served(folder) as (client, tokens):
        enter(client, tokens["rater-1"])
        assert post(client, {"id": "a", "kind": "consent"}, **changed).status_code == status
    with Study.read(folder) as study:
        assert list(study.history()) == []


def test_a_change_needs_the_own_header_origin_and_method(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    with served(folder) as (client, tokens):
        enter(client, tokens["rater-1"])
        body = json.dumps({"id": "a", "kind": "consent"})
        for name in ("origin", "x-limbeck"):
            headers = {key: value for key, value in OWN.items() if key != name}
            assert client.post("/judge", content=body, headers=headers).status_code == 403
        assert client.put("/judge", content=body, headers=OWN).status_code == 405
        assert client.get("/judge").status_code in (404, 405)
        assert client.post("/judge", content="x" * 70_000, headers=OWN).status_code == 413
        for nonsense in ("[" * 60_000, "[]", "{", "\x00"):
            assert client.post("/judge", content=nonsense, headers=OWN).status_code == 400
    with Study.read(folder) as study:
        assert list(study.history()) == []


def test_every_answer_carries_the_rules(tmp_path: Path) -> None:
    with served(begin(tmp_path)) as (client, tokens):
        enter(client, tokens["rater-1"])
        for path in ("/", "/state", "/page.js", "/page.css", "/go-on.js", "/nowhere", "/page.html", "/app.py"):
            headers = client.get(path).headers
            assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
        assert client.get("/page.html").status_code == 404


def test_no_page_names_another_host() -> None:
    for path in STATIC.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "//" not in text.replace("// ", ""), path.name
        assert "innerHTML" not in text
        assert "eval(" not in text


def test_another_raters_pages_stay_theirs(tmp_path: Path) -> None:
    with served(begin(tmp_path)) as (client, tokens):
        enter(client, tokens["rater-1"])
        page = first_page(client)
        enter(client, tokens["rater-2"])
        first_page(client)
        answers = {"id": "x", "kind": "answer", "question": page, "answers": {}}
        answer = post(client, answers)
        assert (answer.status_code, answer.json()["error"]) == (400, "There is no such question on this link.")


def test_a_double_click_and_a_restart_leave_one_judgement(tmp_path: Path) -> None:
    folder = begin(tmp_path, method="pairs", change={"checks": ()})
    with served(folder) as (client, tokens):
        enter(client, tokens["rater-1"])
        page = first_page(client)
        entry = {"id": "one", "kind": "answer", "question": page, "answers": {"preference": 1}, "seconds": 2}
        replies = [post(client, entry).json() for _ in range(3)]
        assert replies[0] == replies[1] == replies[2]
        cookies = dict(client.cookies)
    with served(folder) as (client, _):
        client.cookies.update(cookies)
        assert post(client, entry).json() == replies[0]
        assert client.get("/state").json()["state"]["progress"] == {"done": 1, "total": 15}
    with Study.read(folder) as study:
        assert [one.kind for one in study.history()] == ["consent", "answer"]


def test_a_link_of_an_earlier_start_works(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    with served(folder) as (_, tokens):
        pass
    with served(folder) as (client, others):
        assert tokens != others
        enter(client, tokens["rater-3"])
        assert client.get("/state").status_code == 200


def test_pages_do_not_tell_the_system(tmp_path: Path) -> None:
    """The names of runs and folders, and everything but the texts themselves, stay away from raters."""
    runs = write_run(tmp_path / "ollie-smollm", SHORT), write_run(tmp_path / "hardy-large", LONG)
    study = tmp_path / "named"
    new(study, runs, kind="rationales", method="pairs")
    freeze(study)
    with served(study) as (client, tokens):
        enter(client, tokens["rater-1"])
        first_page(client)
        answers = [client.get(path) for path in ("/", "/state", "/page.js", "/page.css")]
        told = "".join(answer.text + str(answer.headers) for answer in answers)
        for secret in ("ollie", "hardy", "smollm", str(tmp_path), "rater-1"):
            assert secret not in told
        page = client.get("/state").json()["state"]["question"]
        assert page.keys() == {"id", "context", "texts"}


def test_a_closed_study_says_so(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    close(folder)
    with served(folder) as (client, tokens):
        enter(client, tokens["rater-1"])
        assert client.get("/state").json()["state"]["stage"] == "closed"
        assert post(client, {"id": "x", "kind": "consent"}).status_code == 400


def test_guidelines_become_blocks_of_text() -> None:
    text = "# Head\n\nA **bold** word\nand on.\n\n- one\n  more\n- `two`\n1. three\n<script>x</script>\n"
    assert blocks(text) == [
        {"tag": "h2", "text": "Head"},
        {"tag": "p", "text": "A bold word and on."},
        {"tag": "li", "text": "one more"},
        {"tag": "li", "text": "two"},
        {"tag": "li", "text": "three <script>x</script>"},
    ]
