"""A path → its rows and columns, whatever the format; the format is told by suffix, or by what a folder holds.

Knows nothing of what the columns mean.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Generator
from pathlib import Path

from limbeck.errors import DataError
from limbeck.pool.columnar import choose_split, folder_columns, parquet_columns, read_folder, read_parquet
from limbeck.pool.delimited import delimited_columns, read_delimited
from limbeck.pool.json_lines import json_lines_columns, read_json_lines
from limbeck.pool.row import Row

_FORMATS = {
    "delimited": (".csv", ".tsv", ".tab", ".csv.gz", ".tsv.gz", ".tab.gz"),
    "json lines": (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz"),
    "parquet": (".parquet", ".pq"),
}


def read_rows(path: Path, *, only: Collection[str] | None = None) -> Generator[Row, None, None]:
    """Every row of a data source, streamed.

    Args:
        path: CSV or TSV, JSONL (each also .gz), Parquet, or a folder of `datasets.save_to_disk` with `:split`.
        only: columns that are wanted; a columnar source reads no other.

    Raises:
        DataError: for what cannot be read, with `file:line` or `file:row n`.
    """
    kind, place = _found(path)
    if kind == "delimited":
        return read_delimited(place)
    if kind == "json lines":
        return read_json_lines(place)
    return read_parquet(place, only) if kind == "parquet" else read_folder(place, only)


def columns(path: Path) -> list[str]:
    """The columns of a data source; of JSONL, the keys of the first 1,000 rows.

    Raises:
        DataError: for what cannot be read.
    """
    kind, place = _found(path)
    if kind == "delimited":
        return delimited_columns(place)
    if kind == "json lines":
        return json_lines_columns(place)
    return parquet_columns(place) if kind == "parquet" else folder_columns(place)


def columns_are_fixed(path: Path) -> bool:
    """Whether every row has the same columns."""
    return _found(path)[0] != "json lines"


def _found(path: Path) -> tuple[str, Path]:
    if path.is_dir():
        return "folder", choose_split(path, None)
    if path.is_file():
        name = path.name.lower()
        for kind, suffixes in _FORMATS.items():
            if name.endswith(suffixes):
                return kind, path
        known = ", ".join(suffix for suffixes in _FORMATS.values() for suffix in suffixes if not suffix.endswith(".gz"))
        raise DataError(f"{path}: an unknown kind of data file", hint=f"Known suffixes: {known}, and .gz of texts.")
    folder, colon, split = path.name.rpartition(":")
    if colon and path.with_name(folder).is_dir():
        return "folder", choose_split(path.with_name(folder), split)
    beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "Check the path; a relative one starts in the task file's folder."
    raise DataError(f"{path}: there is no such file", hint=hint)
