"""Rows → one compact table of distinct items: equal texts merged, ids checked, an optional seeded sample.

Texts wait in Arrow buffers, never as Python objects for longer than a block. Knows nothing of file formats.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from limbeck.errors import DataError
from limbeck.pool.row import Row

Integers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

_BLOCK_ROWS = 20_000
_BLOCK_CHARACTERS = 16_000_000
_FEWEST_PENDING = 200_000
_PENDING_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class Gathered:
    """What one reading gave.

    Attributes:
        table: the columns digest, number, count, conflict, gold, people, id and one `f0`, `f1`, … for each shown field,
            in order of first appearance.
        notes: counts of what was found.
        origin: what comes before a row's number.
    """

    table: pa.Table
    notes: dict[str, int]
    origin: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """Which columns mean what."""

    show: tuple[str, ...]
    gold: str | None = None
    people: str | None = None
    id: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is needed, once."""
        return tuple(dict.fromkeys([*self.show, *(name for name in (self.gold, self.people, self.id) if name)]))


def digester(names: Sequence[str]) -> Callable[[Sequence[str]], bytes]:
    """How texts of these fields become an id: first 16 bytes of the SHA-256 of a JSON object with sorted keys."""
    order = sorted(range(len(names)), key=lambda i: names[i])
    keys = [encode_basestring(names[i]) + ":" for i in order]

    def digest(texts: Sequence[str]) -> bytes:
        # json.dumps says the same, at three times the cost.
        parts = [key + encode_basestring(texts[i]) for key, i in zip(keys, order, strict=True)]
        return hashlib.sha256(f"{{{','.join(parts)}}}".encode()).digest()[:16]

    return digest


def gather(rows: Iterator[Row], meaning: Meaning, *, limit: int | None, seed: int) -> Gathered:
    """Read all rows once.

    Raises:
        DataError: for a people cell that cannot be read, an empty id, or one id for two texts.
    """
    intake = _Intake(meaning, limit, seed)
    for row in rows:
        intake.add(row)
    return intake.finish()


class _Intake:
    """Collects blocks of rows and merges them now and then, so that memory follows the distinct items."""

    def __init__(self, meaning: Meaning, limit: int | None, seed: int) -> None:
        self.meaning, self.limit = meaning, limit
        self.digest = digester(meaning.show)
        self.origin = ""
        self.rank = hashlib.blake2b(f"{seed}\n".encode(), digest_size=8, person=b"limbeck-limit")
        self.schema = pa.schema(
            [
                ("digest", pa.binary(16)),
                ("number", pa.int64()),
                ("count", pa.int64()),
                ("conflict", pa.bool_()),
                ("gold", pa.large_string()),
                ("people", pa.large_string()),
                ("id", pa.large_string()),
                *((f"f{i}", pa.large_string()) for i in range(len(meaning.show))),
            ]
        )
        self.block: list[tuple[Any, ...]] = []
        self.characters = 0
        self.kept: pa.Table = self.schema.empty_table()
        self.pending: list[pa.Table] = []
        self.log: list[pa.Table] = []
        self.notes = dict.fromkeys(
            ("rows", "empty", "duplicates", "conflicts", "merged_ids", "repaired", "left_out"), 0
        )

    def add(self, row: Row) -> None:
        self.origin = row.origin
        self.notes["rows"] += 1
        self.notes["repaired"] += row.repaired
        get = row.fields.get
        meaning = self.meaning
        shown = [get(name) or "" for name in meaning.show]
        if not any(text and not text.isspace() for text in shown):
            self.notes["empty"] += 1
            return
        gold = (get(meaning.gold) or "").strip() or None if meaning.gold else None
        people = _people(get(meaning.people), row) if meaning.people else None
        name = _identity(get(meaning.id), row) if meaning.id else None
        self.block.append((self.digest(shown), row.number, 1, False, gold, people, name, *shown))
        self.characters += sum(map(len, shown))
        if len(self.block) >= _BLOCK_ROWS or self.characters >= _BLOCK_CHARACTERS:
            self._store()

    def finish(self) -> Gathered:
        self._store()
        self._merge()
        notes = self.notes
        distinct = self.kept.num_rows
        if self.log:
            log = pa.concat_tables(self.log).combine_chunks()
            distinct = len(_groups(_words(log["digest"]))[1])
            if self.meaning.id:
                notes["merged_ids"] = _count_ids(log, self.origin) - distinct
        notes["duplicates"] = notes["rows"] - notes["empty"] - distinct
        notes["left_out"] = distinct - self.kept.num_rows
        notes["conflicts"] = int(np.count_nonzero(self.kept["conflict"].to_numpy()))
        return Gathered(self.kept, notes, self.origin)

    def _store(self) -> None:
        if not self.block:
            return
        columns = zip(self.schema.types, zip(*self.block, strict=True), strict=True)
        arrays = [pa.array(values, kind) for kind, values in columns]
        table = pa.Table.from_arrays(arrays, schema=self.schema)
        if self.limit is not None or self.meaning.id:
            names = [hashlib.sha256((row[6] or "").encode()).digest()[:16] for row in self.block]
            self.log.append(table.select(["digest", "number"]).append_column("id", pa.array(names, pa.binary(16))))
        self.block, self.characters = [], 0
        self.pending.append(table)
        rows = sum(one.num_rows for one in self.pending)
        size = sum(one.nbytes for one in self.pending)
        if rows >= max(_FEWEST_PENDING, self.kept.num_rows) or size >= max(_PENDING_BYTES, self.kept.nbytes):
            self._merge()

    def _merge(self) -> None:
        self.kept = merged(pa.concat_tables([self.kept, *self.pending]).combine_chunks())
        self.pending = []
        if self.limit is not None and self.kept.num_rows > self.limit:
            ranks = np.array([self._rank(one) for one in self.kept["digest"].to_pylist()], dtype=np.uint64)
            chosen = np.sort(np.argsort(ranks, kind="stable")[: self.limit])
            self.kept = self.kept.take(pa.array(chosen)).combine_chunks()

    def _rank(self, digest: bytes) -> int:
        rank = self.rank.copy()
        rank.update(digest)
        return int.from_bytes(rank.digest(), "big")


def merged(table: pa.Table) -> pa.Table:
    """One row for each digest, in order of first appearance: the first text, id, gold and people; counts added up."""
    if table.num_rows == 0:
        return table
    order, starts = _groups(_words(table["digest"]))
    if len(starts) == table.num_rows:
        return table
    first = order[starts]
    place = np.argsort(first, kind="stable")
    conflict = np.logical_or.reduceat(table["conflict"].to_numpy()[order], starts)
    columns = {"count": pa.array(np.add.reduceat(table["count"].to_numpy()[order], starts)[place])}
    for name in ("gold", "people"):
        at, differs = _first_known(table[name], order, starts)
        conflict |= differs
        columns[name] = table[name].take(pa.array(at[place], mask=at[place] < 0))
    columns["conflict"] = pa.array(conflict[place])
    result = table.take(pa.array(first[place]))
    for name, values in columns.items():
        result = result.set_column(result.schema.get_field_index(name), result.schema.field(name), values)
    return result.combine_chunks()


def _first_known(column: pa.ChunkedArray, order: Integers, starts: Integers) -> tuple[Integers, npt.NDArray[np.bool_]]:
    """Of each group: the row of the first value that is not null (-1 for none), and whether another value differs."""
    codes = column.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)[order]
    none = len(order)
    at = np.minimum.reduceat(np.where(codes >= 0, np.arange(none), none), starts)
    rows = np.where(at < none, order[np.minimum(at, none - 1)], -1)
    chosen = np.repeat(codes[np.minimum(at, none - 1)], np.diff(np.append(starts, none)))
    differs = np.logical_or.reduceat((codes >= 0) & (codes != chosen), starts)
    return rows.astype(np.int64), differs


def _words(column: pa.ChunkedArray) -> Words:
    """A column of 16-byte values as numbers, shape [rows, 2]."""
    array = column.combine_chunks()
    flat = np.frombuffer(array.buffers()[1], dtype=">u8") if len(array) else np.empty(0, ">u8")
    return flat[2 * array.offset : 2 * (array.offset + len(array))].reshape(-1, 2).astype(np.uint64)


def _groups(words: Words) -> tuple[Integers, Integers]:
    """An order that brings equal values together, earliest row first, and where each group starts in it."""
    order = np.lexsort((words[:, 1], words[:, 0]))
    sorted_words = words[order]
    new = np.ones(len(words), dtype=np.bool_)
    new[1:] = (sorted_words[1:] != sorted_words[:-1]).any(axis=1)
    return order.astype(np.int64), np.flatnonzero(new).astype(np.int64)


def _count_ids(log: pa.Table, origin: str) -> int:
    """The number of distinct ids; each must stand for one text."""
    order, starts = _groups(_words(log["id"]))
    digests = _words(log["digest"])[order]
    sizes = np.diff(np.append(starts, len(order)))
    differs = (digests != np.repeat(digests[starts], sizes, axis=0)).any(axis=1)
    if differs.any():
        owners = np.repeat(order[starts], sizes)
        rows = order[differs]
        worst = int(np.argmin(rows))
        numbers = log["number"].to_numpy()
        first = numbers[owners[differs][worst]]
        raise DataError(
            f"{origin}{numbers[rows[worst]]}: the same id as in {origin}{first}, for another text",
            hint="An id must stand for one text. Correct it, or leave data.id out: ids are made then.",
        )
    return len(starts)


def _identity(text: str | None, row: Row) -> str:
    if text is None or not text.strip():
        raise DataError(f"{row.where}: the id is empty", hint="Fill it in, or leave data.id out: ids are made then.")
    return text


def _people(text: str | None, row: Row) -> str | None:
    """People's choices as canonical JSON, None for an empty cell."""
    if text is None or not text.strip():
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _malformed(row, f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _malformed(row, "not an object")
    counts: dict[str, int] = {}
    for name, number in value.items():
        if number is None:
            continue
        whole = isinstance(number, int) or (isinstance(number, float) and number.is_integer())
        if not whole or isinstance(number, bool) or number < 0:
            raise _malformed(row, f"{name!r} has {number!r}, which is no count")
        counts[name.strip()] = counts.get(name.strip(), 0) + int(number)
    return json.dumps(counts, ensure_ascii=False, sort_keys=True) if counts else None


def _malformed(row: Row, problem: str) -> DataError:
    return DataError(
        f"{row.where}: the choices of people cannot be read: {problem}",
        hint='Each cell must map labels to numbers of people, such as {"positive": 3, "negative": 1}.',
    )
