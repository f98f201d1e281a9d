"""Questions to one server over HTTP, many at once: retried with patience, never redirected, bounded in time and size.

Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import threading
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx2
import numpy as np

from limbeck.engines.pace import Gate, Pace, Patience
from limbeck.errors import EngineError

# An answer with every log-probability of a large vocabulary has about 15 MB.
LARGEST = 32_000_000
LARGEST_COMPLAINT = 65_536
# What may be otherwise in a moment; 501 and 505 will not.
_PASSING = {408, 425, 429, *range(500, 600)} - {501, 505}
_OVERLOAD = {408, 429, 503, 529}
_HINTS = {
    401: "Name the environment variable that holds the key: engine.server.key_env.",
    403: "Name the environment variable that holds the key: engine.server.key_env.",
    404: "engine.server.url usually ends in /v1; the server's models are named by URL/models.",
    400: "If the prompt is too long for the server, lower engine.server.context or start it with a longer context.",
}


@dataclass(frozen=True, slots=True)
class Query:
    """One question: the path behind the server's URL, and the JSON body; None asks with GET."""

    path: str
    body: Mapping[str, Any] | None = None


class _Again(Exception):
    """An attempt that failed and may be repeated; `wait` is what the server asked for, in seconds."""

    def __init__(self, why: str, *, wait: float | None = None, stall: bool = False, overload: bool = False) -> None:
        super().__init__(why)
        self.wait, self.stall, self.overload = wait, stall, overload


class Client:
    """One server.

    Args:
        url: the base of all paths, without credentials.
        key: sent as a bearer token; kept in memory only.
        proxies: whether the environment's proxies may carry the questions.
        patience: time-outs and retries.
        rng: draws the jitter of waits; it changes no answer.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        proxies: bool = False,
        patience: Patience | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self._url, self._key, self._proxies = url.rstrip("/"), key, proxies
        self._patience = patience or Patience()
        self._rng = rng or np.random.default_rng(0)
        self._tls = httpx2.create_ssl_context() if self._url.startswith("https:") else None
        self.pace = Pace(self._patience.concurrency)
        self.server = f"the server {urlsplit(url).netloc.rpartition('@')[2]}"

    def ask(self, queries: Sequence[Query]) -> list[Any]:
        """The answers to all questions, parsed from JSON, in order.

        Raises:
            EngineError: when one of them gets no usable answer after all retries; the others are then given up.
        """
        return _finish(self._all(queries)) if queries else []

    async def _all(self, queries: Sequence[Query]) -> list[Any]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "limbeck"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        gate, self.pace.failed = Gate(self.pace), 0
        try:
            async with httpx2.AsyncClient(
                headers=headers,
                trust_env=self._proxies,
                verify=self._tls or False,  # without TLS there is nothing to verify, and a context is slow to make
                timeout=httpx2.Timeout(self._patience.timeout, connect=min(10.0, self._patience.timeout)),
                limits=httpx2.Limits(max_connections=self._patience.concurrency),
                follow_redirects=False,
            ) as http:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._patiently(http, gate, query)) for query in queries]
                return [task.result() for task in tasks]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _patiently(self, http: httpx2.AsyncClient, gate: Gate, query: Query) -> Any:
        stalls = 0
        # A question keeps its place while it waits, so that others do not press on where it was turned away.
        async with gate:
            for attempt in range(1, self._patience.tries + 1):
                since = self.pace.cuts
                try:
                    said = await self._once(http, query)
                except _Again as failure:
                    self.pace.failed += 1
                    stalls += failure.stall
                    if failure.overload:
                        self.pace.overloaded(since)
                    spent = stalls == self._patience.stalls or self.pace.failed >= self._patience.budget
                    if spent or attempt == self._patience.tries or (failure.wait or 0) > self._patience.obeyed:
                        self._give_up(attempt, failure)
                    await asyncio.sleep(self._patience.wait(attempt, failure.wait, self._rng))
                else:
                    self.pace.answered()
                    return said
        raise EngineError(f"{self.server} was not asked: Patience.tries must be at least 1")

    def _give_up(self, attempt: int, failure: _Again) -> NoReturn:
        asked = f"; it asks to wait {failure.wait:.0f} s" if failure.wait else ""
        raise EngineError(
            f"{self.server} gave no answer in {attempt} attempt{'s' if attempt > 1 else ''}: {failure}{asked}",
            hint="Is it running, reachable and quick enough? engine.server.timeout and concurrency may be changed; "
            "votes that were cast are kept, and the same command goes on from there.",
        ) from None

    async def _once(self, http: httpx2.AsyncClient, query: Query) -> Any:
        method = "GET" if query.body is None else "POST"
        try:
            # The client's own time-outs begin anew with every byte; a server that drips must not hold a run up.
            async with (
                asyncio.timeout(self._patience.timeout),
                http.stream(method, f"{self._url}/{query.path}", json=query.body) as answer,
            ):
                if answer.status_code == 200:
                    return self._parsed(await self._read(answer))
                await self._refused(answer)
        except (TimeoutError, httpx2.ReadTimeout, httpx2.WriteTimeout, httpx2.PoolTimeout):
            why = f"nothing came within {self._patience.timeout:g} s"
            raise _Again(why, stall=True, overload=True) from None
        except httpx2.ConnectTimeout:
            raise _Again("no connection within the time limit", stall=True) from None
        except httpx2.ConnectError as error:
            raise _Again(f"no connection ({self._clean(str(error)) or 'refused'})") from None
        except httpx2.TransportError as error:
            raise _Again(f"the connection broke ({type(error).__name__})", stall=True) from None

    async def _read(self, answer: httpx2.Response) -> bytes:
        if (coding := answer.headers.get("content-encoding", "identity")) != "identity":
            raise EngineError(f"{self.server} packed its answer ({self._clean(coding)}), which it was asked not to do")
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > LARGEST:
                raise EngineError(f"{self.server} sends an answer of more than {LARGEST:,} bytes; it was not read")
        return bytes(body)

    def _parsed(self, body: bytes) -> Any:
        try:
            return json.loads(body.decode("utf-8"))
        except UnicodeDecodeError:
            why = "is not UTF-8"
        except (ValueError, RecursionError):
            why = "is not JSON" if body.strip() else "is empty"
        raise EngineError(
            f"{self.server} sent an answer that {why}",
            hint="Does engine.server.url lead to an OpenAI-compatible server? It usually ends in /v1.",
        )

    async def _refused(self, answer: httpx2.Response) -> NoReturn:
        """Say why there is no answer, or that it is worth another attempt."""
        code = answer.status_code
        if 300 <= code < 400:
            there = urlsplit(answer.headers.get("location", "")).hostname or "itself"
            raise EngineError(
                f"{self.server} redirects to {self._clean(there)}, which is never followed",
                hint="Write the address that is meant into engine.server.url.",
            )
        text = bytearray()
        async for chunk in answer.aiter_raw():
            text += chunk
            if len(text) > LARGEST_COMPLAINT:
                break
        said = self._clean(_complaint(bytes(text)))
        why = f"it answered {code}{f': {said}' if said else ''}"
        if code in _PASSING:
            raise _Again(why, wait=_wish(answer.headers.get("retry-after")), overload=code in _OVERLOAD)
        raise EngineError(
            f"{self.server} refused: {why}",
            hint=_HINTS.get(code, "The server's own log says more."),
        )

    def _clean(self, text: str) -> str:
        """A server's words as an error may show them: short, on one line, without the key."""
        text = text.replace(self._key, "…") if self._key else text
        text = re.sub(r"[^\x20-\x7e\u00a1-\u024f…]+", " ", text).strip()
        return text if len(text) <= 300 else f"{text[:297]}..."


def _complaint(body: bytes) -> str:
    """What an error's body says, in any of the shapes in use."""
    text = body.decode("utf-8", "replace")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for name in ("error", "message", "detail"):
        if isinstance(said, dict) and name in said:
            said = said[name]
    return said if isinstance(said, str) else json.dumps(said)


def _wish(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks for; None where it says nothing that can be used."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            when = parsedate_to_datetime(header)
        except ValueError:
            return None
        now = datetime.now(UTC) if when.tzinfo else datetime.now(UTC).replace(tzinfo=None)
        seconds = (when - now).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _finish(work: Coroutine[Any, Any, list[Any]]) -> list[Any]:
    """Run to the end, also where the caller (a notebook) has an event loop running already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    done: list[list[Any]] = []
    failed: list[BaseException] = []

    def inside() -> None:
        try:
            done.append(asyncio.run(work))
        except EngineError as error:
            failed.append(error)

    thread = threading.Thread(target=inside, daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]
