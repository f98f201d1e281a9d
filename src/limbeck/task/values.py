"""What a value of a task file may be, whatever key it stands under: text, numbers, shares, and how nothing is written.

Knows nothing of which keys there are.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

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


def _filled(value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise PydanticCustomError("limbeck", "must not be empty")
    return value


def _short_name(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[a-z0-9_-]{1,64}", value):
        raise PydanticCustomError("limbeck", "must be 1 to 64 of a-z, 0-9, '-' and '_'")
    return value


Text = Annotated[str, Field(strict=True), AfterValidator(_filled), BeforeValidator(text)]
MaybeText = Annotated[str | None, Field(strict=True), AfterValidator(_filled), BeforeValidator(text_or_none)]
ShortName = Annotated[str | None, Field(strict=True), AfterValidator(_short_name), BeforeValidator(text_or_none)]
PositiveShare = Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False), BeforeValidator(meaning)]
MaybeCount = Annotated[int | None, Field(strict=True, ge=1), BeforeValidator(meaning)]
MaybeSeconds = Annotated[float | None, Field(strict=True, gt=0, allow_inf_nan=False), BeforeValidator(meaning)]
Truth = Annotated[bool, Field(strict=True), BeforeValidator(meaning)]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False), BeforeValidator(meaning)]


class Section(BaseModel):
    """A section of the task file: frozen, with no keys but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
