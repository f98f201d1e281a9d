"""What every request must be and every answer must say, so that no other page can act for a rater.

Only this machine's own address as host (against DNS rebinding); a change needs JSON, the same origin and a header that
no foreign form can set; bodies are small and come in time; nothing is loaded from elsewhere or kept by the browser.
Knows nothing of studies.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST = 64 * 1024
SLOWEST = 20.0
OWN = "x-limbeck"
RULES = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}


class Guard:
    """Refuses what breaks the rules above, and adds the rules to every answer."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def ruled(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in RULES.items():
                    headers[name] = value
            await send(message)

        if (refused := self._refused(scope)) is not None:
            await _say(ruled, *refused)
            return
        body = b""
        if scope["method"] == "POST":
            found = await _body(receive)
            if isinstance(found, int):
                await _say(ruled, found, "The answer is too large or came too slowly.")
                return
            body = found
        await self._app(scope, _once(body), ruled)

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        """Why a request is refused, or None."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host not in self._hosts:
            return 400, "This address is not served here."
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return 403, "Another site may not ask for this."
        if scope["method"] not in ("GET", "POST"):
            return 405, "Only GET and POST are known."
        if scope["method"] == "POST":
            if origin is None or headers.get(OWN) is None:
                return 403, "This does not come from a rater's page."
            if headers.get("content-type", "").split(";")[0].strip() != "application/json":
                return 400, "The answer is not JSON."
            if not headers.get("content-length", "0").isdigit() or int(headers.get("content-length", "0")) > LARGEST:
                return 413, "The answer is too large."
        return None


async def _body(receive: Receive) -> bytes | int:
    """The whole body, or the status that refuses it."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(SLOWEST):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return 400
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > LARGEST:
                    return 413
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        return 408


def _once(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _say(send: Send, status: int, text: str) -> None:
    body = json.dumps({"error": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
