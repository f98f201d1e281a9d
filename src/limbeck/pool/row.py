"""One row of a data source as text cells, and how any value becomes text.

Knows nothing of file formats or of what the columns mean.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from dataclasses import dataclass
from typing import Any

_UNREADABLE = re.compile("[\x00\ud800-\udfff]")

Cells = dict[str, str | None]


@dataclass(slots=True)
class Row:
    """One row.

    Attributes:
        origin: what comes before the number in `where`, such as `reviews.csv:` or `reviews.parquet:row `.
        number: line in which the row begins, or its number where the format has no lines; from 1.
        fields: column → text, None where there is no value.
        repaired: how many characters were replaced by U+FFFD because no text can hold them.
    """

    origin: str
    number: int
    fields: Cells
    repaired: int = 0

    @property
    def where(self) -> str:
        """`file:line` or `file:row n`."""
        return f"{self.origin}{self.number}"


def cell(value: Any) -> str | None:
    """A value as text: numbers and dates as written, nested values as JSON, null and NaN as None.

    Raises:
        UnicodeDecodeError: for bytes that are no UTF-8.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return None if math.isnan(value) else repr(value)
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=_inner)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def repair(text: str) -> tuple[str, int]:
    """Replace NUL and halves of surrogate pairs by U+FFFD, and count them."""
    if _UNREADABLE.search(text) is None:
        return text, 0
    return _UNREADABLE.subn("\ufffd", text)


def repaired_row(origin: str, number: int, fields: Cells) -> Row:
    """A row whose texts, and names of columns, can be stored anywhere."""
    count = 0
    clean: Cells = {}
    for name, text in fields.items():
        name, more = repair(name)
        count += more
        if text is not None:
            text, more = repair(text)
            count += more
        clean[name] = text
    return Row(origin, number, clean, count)


def _inner(value: Any) -> str | None:
    return cell(value)
