"""A server on loopback that answers as a test wants it to, with a language model of a few lines worked out by hand."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAME = "toy"
Tops = Sequence[tuple[str, float]]
# What a prompt ends in → the likeliest next tokens with their probabilities. The empty text stands for the end.
TABLE: Mapping[str, Tops] = {
    "It is": ((" good", 0.5), (" ba", 0.25), (" so", 0.125), ("", 0.0625)),
    "It is ba": (("d", 0.75), ("nana", 0.125)),
    "It is good": (("", 0.5), (" enough", 0.25), (".", 0.125)),
    "It is bad": (("", 0.75), (".", 0.125)),
    "It is so": ((" é", 0.5), ("", 0.25)),
}
OTHER: Tops = (("", 0.5), ("?", 0.25))


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass
class Reply:
    """What is sent back; `drop`: close the connection after so many bytes of it."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: int | None = None


Answer = Callable[[Seen, int], Reply]


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(json.dumps(value).encode(), status, headers)


def shown(body: Any) -> str:
    """The prompt's text, for a chat its last message."""
    return str(body["prompt"]) if "prompt" in body else str(body["messages"][-1]["content"])


def tops(prompt: str) -> Tops:
    found = [end for end in TABLE if prompt.endswith(end)]
    return TABLE[max(found, key=len)] if found else OTHER


def model(seen: Seen, number: int = 0, *, shape: str = "", logprobs: bool = True) -> Reply:
    """What a well-behaved server says: greedy, in the shape that is usual on the path."""
    if seen.body is None:
        return as_json({"data": [{"id": NAME}]})
    chat = "messages" in seen.body
    asked = seen.body.get("top_logprobs") if chat else seen.body.get("logprobs")
    text, tokens, finish = shown(seen.body), [], "length"
    begun = len(text)
    for _ in range(seen.body["max_tokens"]):
        listed = tops(text)[:asked] if asked else tops(text)
        tokens.append((listed[0], listed))
        text += listed[0][0]
        if not listed[0][0]:
            finish = "stop"
            break
        stops = [stop for stop in seen.body.get("stop", ()) if stop in text[begun:]]
        if stops:
            text, finish = text[: begun + text[begun:].index(stops[0])], "stop"
            break
    new = _logprobs(tokens, shape or ("content" if chat else "tokens")) if logprobs and asked else None
    choice = {"message": {"content": text[begun:]}} if chat else {"text": text[begun:]}
    return as_json({"choices": [choice | {"logprobs": new, "finish_reason": finish}]})


def _logprobs(tokens: Sequence[tuple[tuple[str, float], Tops]], shape: str) -> Any:
    if shape == "content":
        return {"content": [_entry(token) | {"top_logprobs": list(map(_entry, top))} for token, top in tokens]}
    return {
        "tokens": [token[0] or "</s>" for token, _ in tokens],
        "token_logprobs": [math.log(token[1]) for token, _ in tokens],
        "top_logprobs": [{text or "</s>": math.log(p) for text, p in top} for _, top in tokens],
    }


def _entry(one: tuple[str, float]) -> dict[str, Any]:
    return {"token": one[0], "bytes": list(one[0].encode()), "logprob": math.log(one[1])}


def answering(*replies: Reply) -> Callable[[Seen, int], Reply]:
    """These replies one after the other, the last of them for ever."""
    return lambda seen, number: replies[min(number, len(replies) - 1)]


class FakeServer:
    """What came in, and where it listens."""

    def __init__(self, url: str) -> None:
        self.url, self.seen, self.alive, self.busiest = url, list[Seen](), 0, 0


@contextmanager
def serving(answer: Answer = model) -> Iterator[FakeServer]:
    """A server that calls `answer` with each request and its number, counted from 0."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            seen = Seen(
                self.path,
                {name.lower(): value for name, value in self.headers.items()},
                json.loads(raw) if raw else None,
            )
            with lock:
                number = len(fake.seen)
                fake.seen.append(seen)
                fake.alive += 1
                fake.busiest = max(fake.busiest, fake.alive)
            try:
                self._reply(answer(seen, number))
            finally:
                with lock:
                    fake.alive -= 1

        def _reply(self, reply: Reply) -> None:
            time.sleep(reply.delay)
            if reply.drop == 0:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.drop])
            if reply.drop is not None:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True

        do_GET = do_POST = _serve  # noqa: N815

        def log_message(self, *arguments: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *arguments: Any) -> None:
            """A client that hung up is what some tests are about."""

    server = Quiet(("127.0.0.1", 0), Handler)
    fake = FakeServer(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
