"""Where a server stands: on this machine or elsewhere, and whether its address may stand in a task file at all.

Knows nothing of task files or of what is sent.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit


def host(url: str) -> str:
    """Name and port of a server, without anything secret that may stand in its address."""
    return urlsplit(url).netloc.rpartition("@")[2]


def on_this_machine(url: str) -> bool:
    """Whether an address leads to this machine by its form alone: 127.0.0.0/8, ::1 or localhost.

    No name is looked up, so a name that merely leads here counts as elsewhere.
    """
    name = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def address_problem(url: str) -> str | None:
    """What is wrong with a server's address, or None."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no address"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "must be an address such as http://127.0.0.1:8000/v1"
    if parts.username is not None or parts.password is not None:
        return "holds credentials, which do not belong in a task file; name an environment variable under key_env"
    if parts.query or parts.fragment or port == 0 or any(c.isspace() or not c.isprintable() for c in url):
        return "must be a plain address without ? or #, such as http://127.0.0.1:8000/v1"
    return None


def notice(url: str, shown: Sequence[str]) -> str | None:
    """What leaves this machine for a server, to be said before it does; None for a server on this machine.

    Args:
        url: the server's address.
        shown: the columns of an item that a prompt shows.
    """
    if on_this_machine(url):
        return None
    plain = " without encryption" if url.startswith("http:") else ""
    return f"{host(url)} is sent{plain}: instructions, labels and examples; of each item asked: {', '.join(shown)}"
