"""What a value of a task file may be, whatever key it stands under: text, numbers, shares, and how nothing is written.

Knows nothing of which keys there are.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from limbeck.task.document import Scalar

_NULLS = ("", "~", "null", "Null", "NULL")
_WHOLE = re.compile(r"[-+]?\d{1,18}")
_NUMBER = re.compile(r"[-+]?(\d{1,18}(\.\d{0,30})?|\.\d{1,30})([eE][-+]?\d{1,3})?")
_SPECIAL = {".inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}


def is_null(value: Any) -> bool:
    """Whether nothing stands there, or null."""
    return value is None or (isinstance(value, Scalar) and value.plain and value in _NULLS)


def text(value: Any) -> Any:
    """A scalar as text."""
    return str(value) if isinstance(value, Scalar) else value


def text_or_none(value: Any) -> Any:
    """A scalar as text, null as None."""
    return None if is_null(value) else text(value)


def meaning(value: Any) -> Any:
    """Numbers, booleans and null as in YAML 1.2; `yes`, `on` and 1:30 are text."""
    if not isinstance(value, Scalar) or not value.plain:
        return text(value)
    if is_null(value):
        return None
    if value in ("true", "True", "false", "False"):
        return value in ("true", "True")
    if _WHOLE.fullmatch(value):
        return int(value)
    if _NUMBER.fullmatch(value):
        return float(value)
    return _SPECIAL.get(value, str(value))


def empty_section(value: Any) -> Any:
    """A section with nothing in it is a section with its defaults."""
    return {} if is_null(value) else value


Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False), BeforeValidator(meaning)]


class Section(BaseModel):
    """A section of the task file: frozen, with no keys but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
