"""serve: a study's pages on this machine only, until it is stopped.

Knows nothing of what stands on the pages.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn

from limbeck.errors import ConfigError, RunError
from limbeck.study import Desk, Study
from limbeck.web.app import application

HOST = "127.0.0.1"
Told = Callable[[dict[str, str], dict[str, Any]], None]


def serve(folder: Path, *, port: int, ready: Told) -> None:
    """Serve until interrupted; a new secret link for every rater is made at each start, older ones stay good.

    Args:
        folder: of a frozen study.
        port: to listen on; 0 takes a free one.
        ready: is told rater → link, and rater → progress, once pages are served.

    Raises:
        RunError: the study is not frozen, was changed, or another program writes it.
        ConfigError: the port is taken.
    """
    with Study.open(folder) as study:
        Desk(study)
    listener = _listen(port)
    port = listener.getsockname()[1]

    def started(study: Study, desk: Desk) -> None:
        links = {}
        for rater in desk.raters:
            token = secrets.token_hex(16)
            study.add_link(token, rater)
            links[rater] = f"http://{HOST}:{port}/r/{token}"
        ready(links, desk.progress())

    app = application(folder, {f"{HOST}:{port}", f"localhost:{port}"}, started)
    config = uvicorn.Config(
        app, log_level="error", access_log=False, server_header=False, date_header=False, timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if not server.started:
        raise RunError(f"{folder}: could not be served", hint="Is another program writing this study?")


def _listen(port: int) -> socket.socket:
    # The protocol must be named: asyncio turns Nagle's algorithm off for such sockets only, else answers wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise ConfigError(f"port {port} is taken ({error.strerror})", hint="Take another: --port 0") from error
    return listener
