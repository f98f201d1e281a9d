"""The raters' pages as an ASGI application: a link becomes a cookie, a page asks where it stands, answers are kept.

Every answer is on the disk before it is acknowledged. Knows nothing of how a page is chosen or what judgements say.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from limbeck.errors import DataError, LimbeckError, RunError
from limbeck.study import Desk, Study
from limbeck.web.guard import Guard
from limbeck.web.markdown import blocks

STATIC = Path(__file__).parent / "static"
COOKIE = "limbeck"
TYPES = {"page.js": "text/javascript", "page.css": "text/css"}
GO_ON = "go-on.html"
# Seconds that an entry waits for others before it is written.
GATHER = 0.002
Ready = Callable[[Study, Desk], None]


def application(folder: Path, hosts: Collection[str], ready: Ready | None = None) -> Starlette:
    """The application for one frozen study, which it holds for writing while it runs.

    Args:
        folder: of the study.
        hosts: what may stand in the Host header, such as 127.0.0.1:8710.
        ready: is called with the open study before the first request.
    """
    files = {path.name: path.read_bytes() for path in STATIC.iterdir() if path.is_file()}

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        with Study.open(folder) as study:
            desk = Desk(study)
            app.state.pages = _Pages(study, desk, files)
            if ready is not None:
                ready(study, desk)
            yield

    routes = [
        Route("/", _asked(_Pages.page)),
        Route("/r/{token}", _asked(_Pages.link)),
        Route("/state", _asked(_Pages.state)),
        Route("/judge", _asked(_Pages.judge), methods=["POST"]),
        Route("/{name}", _asked(_Pages.file)),
    ]
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(Guard, hosts=hosts)])


class _Pages:
    def __init__(self, study: Study, desk: Desk, files: Mapping[str, bytes]) -> None:
        self._study, self._desk, self._files = study, desk, files
        self._about = desk.about() | {"guidelines": blocks(str(desk.about()["guidelines"]))}
        self._cookie = f"{COOKIE}-{str(study.meta('hash'))[:8]}"
        self._known: dict[str, str] = {}
        self._waiting: list[tuple[str, dict[str, Any], asyncio.Future[dict[str, Any]]]] = []

    async def page(self, request: Request) -> Response:
        """The one page; its script asks for everything else."""
        self._rater(request)
        return Response(self._files["page.html"], media_type="text/html")

    async def link(self, request: Request) -> Response:
        """A rater's link: the token moves into a cookie that no script reads, and out of the address."""
        token = request.path_params["token"]
        self._named(token)
        # A redirect would lose a strict cookie when the link is opened from a mail; so a page leads on.
        answer = Response(self._files[GO_ON], media_type="text/html")
        answer.set_cookie(self._cookie, token, httponly=True, samesite="strict", max_age=90 * 86_400)
        return answer

    async def file(self, request: Request) -> Response:
        """Script and style; they tell nothing, so they need no link."""
        name = request.path_params["name"]
        if name not in TYPES and name != "go-on.js":
            return JSONResponse({"error": "There is no such page."}, 404)
        return Response(self._files[name], media_type=TYPES.get(name, "text/javascript"))

    async def state(self, request: Request) -> Response:
        """Where this rater stands, and what is the same on all pages."""
        return JSONResponse({"about": self._about, "state": self._desk.state(self._rater(request))})

    async def judge(self, request: Request) -> Response:
        """Keep an entry; the same entry again is answered alike and kept once."""
        rater = self._rater(request)
        try:
            message: Any = json.loads(await request.body())
        except (ValueError, RecursionError) as error:
            raise DataError("The answer is not JSON.") from error
        if not isinstance(message, dict):
            raise DataError("The answer is no JSON object.")
        return JSONResponse(await self._kept(rater, message))

    async def _kept(self, rater: str, message: dict[str, Any]) -> dict[str, Any]:
        """Keep an entry together with those that come within a moment: a write to the disk takes as long for one."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_later(GATHER, self._keep)
        future: asyncio.Future[dict[str, Any]] = loop.create_future()
        self._waiting.append((rater, message, future))
        return await future

    def _keep(self) -> None:
        waiting, self._waiting = self._waiting, []
        found: Sequence[dict[str, Any] | LimbeckError]
        try:
            found = self._desk.take_all([(rater, message) for rater, message, _ in waiting])
        except RunError as error:
            found = [error] * len(waiting)
        for (_, _, future), one in zip(waiting, found, strict=True):
            if future.cancelled():
                continue
            if isinstance(one, LimbeckError):
                future.set_exception(one)
            else:
                future.set_result(one)

    def _rater(self, request: Request) -> str:
        return self._named(request.cookies.get(self._cookie, ""))

    def _named(self, token: str) -> str:
        if (rater := self._known.get(token)) is None:
            if len(token) > 64 or (rater := self._study.rater_of(token)) is None:
                raise PermissionError
            self._known[token] = rater
        return rater


def _asked(method: Callable[[_Pages, Request], Any]) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            found: Response = await method(request.app.state.pages, request)
        except PermissionError:
            return JSONResponse({"error": "Open the link that you were given; this page has none."}, 403)
        except DataError as error:
            return JSONResponse({"error": error.message}, 400)
        except RunError:
            # The message names files of this machine, which are no business of a rater.
            return JSONResponse({"error": "It could not be saved. It will be tried again."}, 503)
        return found

    return answer
