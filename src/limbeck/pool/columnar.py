"""Parquet files and Hugging Face `datasets` folders, read batch by batch through pyarrow.

Knows nothing of what the columns mean; never imports `datasets`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Generator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.errors import DataError
from limbeck.pool.row import Cells, Row, cell, repaired_row

_BATCH = 1000
_FAULTS = (pa.ArrowException, OSError, UnicodeDecodeError, RecursionError)


def read_parquet(path: Path, only: Collection[str] | None = None) -> Generator[Row, None, None]:
    """Rows of a Parquet file; nested values become JSON text, class numbers their names, null and NaN None.

    Raises:
        DataError: for a file that is no Parquet or is damaged.
    """
    origin = f"{path}:row "
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            wanted = _wanted(path, schema, only)
            for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
                for row in _rows(batch, wanted, _class_names(schema.metadata), origin, number):
                    number = row.number
                    yield row
    except _FAULTS as error:
        raise _damaged(origin, number, error) from error


def parquet_columns(path: Path) -> list[str]:
    """The names of the columns."""
    try:
        return _wanted(path, pq.read_schema(path), None)
    except _FAULTS as error:
        raise DataError(f"{path}: not readable as Parquet: {error}") from error


def read_folder(folder: Path, only: Collection[str] | None = None) -> Generator[Row, None, None]:
    """Rows of one data set that `datasets` saved to disk; its Arrow files are streamed in their order.

    Raises:
        DataError: for a folder of another kind or a damaged file.
    """
    origin = f"{folder}:row "
    number = 0
    features = _features(folder)
    for file in _arrow_files(folder):
        try:
            with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as stream:
                wanted = _wanted(file, stream.schema, only)
                names = _classes(features) or _class_names(stream.schema.metadata)
                for large in stream:
                    for start in range(0, large.num_rows, _BATCH):
                        batch = large.slice(start, _BATCH)
                        for row in _rows(batch, wanted, names, origin, number):
                            number = row.number
                            yield row
        except _FAULTS as error:
            raise _damaged(origin, number, error) from error


def folder_columns(folder: Path) -> list[str]:
    """The names of the columns."""
    for file in _arrow_files(folder):
        try:
            with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as stream:
                return _wanted(file, stream.schema, None)
        except _FAULTS as error:
            raise DataError(f"{file}: not readable as an Arrow stream: {error}") from error
    return list(_features(folder) or {})


def choose_split(folder: Path, split: str | None) -> Path:
    """The folder of one data set: itself, or one split of a DatasetDict ("train" where none is named)."""
    listing = folder / "dataset_dict.json"
    if not listing.is_file():
        if (folder / "state.json").is_file() and split is None:
            return folder
        raise DataError(
            f"{folder}: not a folder that `datasets` saved to disk" if split is None else f"{folder}: has no splits",
            hint="Give a CSV, JSONL or Parquet file, or a folder written by save_to_disk.",
        )
    splits = [name for name in _json(listing).get("splits") or () if isinstance(name, str) and _is_name(name)]
    if split is None and (len(splits) == 1 or "train" in splits):
        split = "train" if "train" in splits else splits[0]
    if split not in splits:
        what = "holds several splits" if split is None else f"has no split {split!r}"
        raise DataError(
            f"{folder}: {what}; there are: {', '.join(splits) or 'none'}", hint=f"Name one: {folder.name}:SPLIT"
        )
    return folder / split


def _rows(
    batch: pa.RecordBatch, names: list[str], classes: Mapping[str, list[str]], origin: str, before: int
) -> Generator[Row, None, None]:
    columns = [_texts(batch.column(name), classes.get(name)) for name in names]
    for number in range(before + 1, before + 1 + batch.num_rows):
        at = number - before - 1
        fields: Cells = {name: column[at] for name, column in zip(names, columns, strict=True)}
        yield repaired_row(origin, number, fields)


def _texts(column: pa.Array, classes: list[str] | None) -> list[str | None]:
    values = column.to_pylist()
    if classes is not None:
        return [classes[value] if isinstance(value, int) and 0 <= value < len(classes) else None for value in values]
    if pa.types.is_map(column.type):
        values = [None if value is None else dict(value) for value in values]
    return [cell(value) for value in values]


def _wanted(path: Path, schema: pa.Schema, only: Collection[str] | None) -> list[str]:
    names: list[str] = list(schema.names)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{path}: two columns are called {repeated[0]!r}", hint="Give every column its own name.")
    return names if only is None else [name for name in names if name in only]


def _class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Names of class numbers that `datasets` leaves in the metadata of the files it writes."""
    try:
        info = json.loads((metadata or {}).get(b"huggingface", b"{}"))
    except ValueError:
        return {}
    return _classes(info.get("info", {}).get("features")) if isinstance(info, dict) else {}


def _classes(features: Any) -> dict[str, list[str]]:
    if not isinstance(features, dict):
        return {}
    return {
        name: [str(one) for one in kind["names"]]
        for name, kind in features.items()
        if isinstance(kind, dict) and kind.get("_type") == "ClassLabel" and isinstance(kind.get("names"), list)
    }


def _features(folder: Path) -> Any:
    info = folder / "dataset_info.json"
    return _json(info).get("features") if info.exists() else None


def _arrow_files(folder: Path) -> list[Path]:
    state = _json(folder / "state.json")
    if state.get("_indices_data_files"):
        raise DataError(f"{folder}: the data set points into another one", hint="Save it after flatten_indices().")
    files = []
    for entry in state.get("_data_files") or ():
        name = entry.get("filename") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not _is_name(name):
            raise DataError(f"{folder / 'state.json'}: {name!r} is not the name of a data file")
        files.append(folder / name)
    return files


def _is_name(name: str) -> bool:
    return name not in ("", ".", "..") and not any(mark in name for mark in "/\\:\0")


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: must hold one JSON object")
    return value


def _damaged(origin: str, number: int, error: BaseException) -> DataError:
    return DataError(f"{origin}{number + 1}: cannot be read: {error}", hint="The file may be damaged or cut off.")
