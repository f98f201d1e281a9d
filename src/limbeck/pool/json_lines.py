"""JSON Lines, read row by row: one object a line.

Knows nothing of what the keys mean.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from limbeck.errors import DataError
from limbeck.pool.lines import lines
from limbeck.pool.row import Row, cell, repaired_row

_LOOKED_AT = 1000


def read_json_lines(path: Path) -> Generator[Row, None, None]:
    """Rows of a JSONL file; nested values become JSON text, NaN and infinity null, blank lines are skipped.

    Raises:
        DataError: with `file:line` for a line that is no JSON object.
    """
    origin = f"{path}:"
    with closing(lines(path)) as text:
        for number, line in enumerate(text, 1):
            if line.isspace():
                continue
            value = _value(line, f"{origin}{number}")
            if not isinstance(value, dict):
                raise DataError(
                    f"{origin}{number}: not an object but {_kind(value)}",
                    hint='Each line must be one object, such as {"text": "…"}.',
                )
            yield repaired_row(origin, number, {name: cell(inner) for name, inner in value.items()})


def json_lines_columns(path: Path) -> list[str]:
    """The keys of the first 1,000 rows, in the order in which they appear."""
    names: dict[str, None] = {}
    with closing(read_json_lines(path)) as rows:
        for row in islice(rows, _LOOKED_AT):
            names.update(dict.fromkeys(row.fields))
    return list(names)


def _value(line: str, where: str) -> Any:
    try:
        return json.loads(line.rstrip("\r\n"), parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON that can be read: {error}") from error


def _no_number(_: str) -> None:
    return None


def _kind(value: object) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")
