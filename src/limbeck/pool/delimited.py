"""CSV and its kin, read row by row; the delimiter is found from the first lines.

Knows nothing of what the columns mean.
"""

from __future__ import annotations

import csv
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from limbeck.errors import DataError
from limbeck.pool.lines import lines
from limbeck.pool.row import Row

LONGEST_FIELD = 10 * 1024 * 1024 + 1
_DELIMITERS = ",;\t|"
_SAMPLE = 1 << 16


def read_delimited(path: Path) -> Generator[Row, None, None]:
    """Rows of a CSV, TSV, semicolon or bar separated file whose first record names the columns.

    Raises:
        DataError: with `file:line` for broken quotes, rows of another length than the header, repeated column names.
    """
    origin = f"{path}:"
    header: list[str] | None = None
    for number, record in _records(path):
        if header is None:
            header = _header(path, record)
            continue
        if len(record) != len(header):
            raise DataError(
                f"{path}:{number}: {_values(len(record))} where the header names {_columns(len(header))}",
                hint="A text that holds the delimiter, a quote or a line break must stand in double quotes.",
            )
        yield Row(origin, number, dict(zip(header, record, strict=True)))


def delimited_columns(path: Path) -> list[str]:
    """The columns that the header names; an unnamed one is called `column 3` by its place."""
    with closing(_records(path)) as records:
        for _, record in records:
            return _header(path, record)
    raise DataError(f"{path}:1: the file is empty", hint="The first line must name the columns.")


def _records(path: Path) -> Generator[tuple[int, list[str]], None, None]:
    """Records with the line in which each begins; blank lines are skipped."""
    with closing(lines(path)) as text:
        reader = csv.reader(text, delimiter=_delimiter(path), strict=True)
        while True:
            start = reader.line_num + 1
            # The limit belongs to the whole process, so it is lifted for one record at a time.
            before = csv.field_size_limit(LONGEST_FIELD)
            try:
                record = next(reader, None)
            except csv.Error as error:
                raise DataError(
                    f"{path}:{start}: not readable as CSV: {error}",
                    hint="A double quote inside a quoted text must be doubled; every opening quote needs its end.",
                ) from error
            finally:
                csv.field_size_limit(before)
            if record is None:
                return
            if record:
                yield start, record


def _header(path: Path, record: list[str]) -> list[str]:
    names = [name.strip() or f"column {i}" for i, name in enumerate(record, 1)]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise DataError(f"{path}:1: two columns are called {name!r}", hint="Give every column its own name.")
    return names


def _delimiter(path: Path) -> str:
    """The delimiter that cuts the header in two or more and the first rows most evenly; a comma where none does."""
    if path.name.lower().removesuffix(".gz").endswith((".tsv", ".tab")):
        return "\t"
    sample: list[str] = []
    size = 0
    with closing(lines(path)) as text:
        for line in text:
            size += len(line)
            if sample and size > _SAMPLE:
                break
            sample.append(line)
    best, best_score = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        try:
            records = [record for record in csv.reader(sample, delimiter=delimiter) if record]
        except csv.Error:
            continue
        width = len(records[0]) if records else 0
        even = sum(len(record) == width for record in records) / max(len(records), 1)
        if width > 1 and (even, width) > best_score:
            best, best_score = delimiter, (even, width)
    return best


def _values(number: int) -> str:
    return "1 value" if number == 1 else f"{number} values"


def _columns(number: int) -> str:
    return "1 column" if number == 1 else f"{number} columns"
