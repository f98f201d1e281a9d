"""What every part of metrics.json shares: any value may be absent, with a reason beside it.

Knows nothing of the parts themselves.
"""

from __future__ import annotations

import math
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from limbeck.report.safety import without_traces

T = TypeVar("T")


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _pair(value: object) -> object:
    if not isinstance(value, list | tuple) or len(value) != 2 or any(_finite(end) is None for end in value):
        return None
    return value


def _said(value: object) -> object:
    return without_traces(value) if isinstance(value, str) else value


def _or_nothing(value: object) -> object:
    return [] if value is None else value


def _without_nulls(value: object) -> object:
    return [one for one in value if one is not None] if isinstance(value, list) else _or_nothing(value)


def _or_empty(value: object) -> object:
    return {} if value is None else value


Number = Annotated[float | None, BeforeValidator(_finite)]
Interval = Annotated[tuple[float, float] | None, BeforeValidator(_pair)]
Said = Annotated[str | None, BeforeValidator(_said)]  # words of the program: paths and secrets are taken out
Rows = Annotated[list[T], BeforeValidator(_without_nulls)]
Numbers = Annotated[list[Number], BeforeValidator(_or_nothing)]  # places matter, so a null keeps its own
Table = Annotated[dict[str, T], BeforeValidator(_or_empty)]
Part = Annotated[T, BeforeValidator(_or_empty)]


class Block(BaseModel):
    """A part of metrics.json; every value may be None."""

    model_config = ConfigDict(extra="allow", frozen=True, coerce_numbers_to_str=True, protected_namespaces=())

    def reason(self, key: str) -> str | None:
        """Why `key` is None, as the run said it, without a final stop."""
        said = (self.model_extra or {}).get(f"{key}_reason")
        return without_traces(said).strip().rstrip(".") or None if isinstance(said, str) else None
