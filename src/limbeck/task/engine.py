"""The `engine` key of an agent: the name of an engine, or a server with its address and settings.

Knows nothing of what the engines are.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from limbeck.task.values import MaybeCount, Section, Text, meaning, text_or_none


def _server(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


def _form(value: Any) -> str:
    return "a section" if isinstance(value, dict | EngineSection) else "a name"


def _name(value: str) -> str:
    if value == "server":
        raise PydanticCustomError("limbeck", "needs an address: engine: {server: http://127.0.0.1:8000/v1}")
    return value


def _variable(value: str | None) -> str | None:
    # The pattern keeps a key that was pasted here by mistake from being taken for a name.
    if value is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", value):
        raise PydanticCustomError("limbeck", "must be the name of an environment variable, never the key itself")
    return value


class ServerSection(Section):
    """Where a server is and how it is asked; `server: URL` is short for `server: {url: URL}`."""

    url: Text
    key_env: Annotated[str | None, Field(strict=True), AfterValidator(_variable), BeforeValidator(text_or_none)] = None
    context: MaybeCount = None
    top: Annotated[int, Field(strict=True, ge=2, le=100_000), BeforeValidator(meaning)] = 20
    timeout: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False), BeforeValidator(meaning)] = 120.0
    concurrency: Annotated[int, Field(strict=True, ge=1, le=256), BeforeValidator(meaning)] = 8


class EngineSection(Section):
    """An engine that has settings: a server."""

    server: Annotated[ServerSection, BeforeValidator(_server)]


EngineName = Annotated[
    Annotated[Text, AfterValidator(_name), Tag("a name")] | Annotated[EngineSection, Tag("a section")],
    Discriminator(_form),
]
