"""The pool: distinct items in one compact table, given out as `Item`s, by position or by id.

Knows nothing of file formats, of labels or of who will answer.
"""

from __future__ import annotations

import bisect
import difflib
import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from limbeck.errors import DataError
from limbeck.pool.intake import Meaning, gather
from limbeck.pool.row import Row
from limbeck.pool.sources import columns, columns_are_fixed, read_rows
from limbeck.records import Item

Indices = Sequence[int] | npt.NDArray[np.int64]

_BATCH = 1000


class Pool:
    """Distinct items, in the order in which their texts first appear in the source.

    Attributes:
        show: names of the fields of each item.
        notes: what was found while reading: `rows`, `empty` (only blanks, skipped), `duplicates` (merged into an
            earlier row), `conflicts` (items whose rows differ in gold or people; the first one counts), `merged_ids`
            (ids given up because an earlier row has the same text), `repaired` (characters replaced by U+FFFD),
            `left_out` (by the limit). With a limit, conflicts are those of the items that stay.
    """

    def __init__(
        self, table: pa.Table, *, show: Sequence[str], notes: Mapping[str, int], origin: str, glue: str = "\n"
    ) -> None:
        self.show = tuple(show)
        self._glue = glue
        self.notes = MappingProxyType(dict(notes))
        self._table = table
        self._origin = origin

    @classmethod
    def read(
        cls,
        source: Path,
        *,
        show: Sequence[str],
        gold: str | None = None,
        people: str | None = None,
        id_column: str | None = None,
        limit: int | None = None,
        seed: int = 0,
    ) -> Pool:
        """Read a data source once and keep each distinct text as one item.

        Args:
            source: what `read_rows` can read.
            show: columns that make up an item; rows equal in these are one item.
            gold: column with the true label; blanks around it do not count, an empty cell is None.
            people: column with people's choices: a JSON object, struct or map from label to number.
            id_column: column with ids; without it the id is a hash of the shown fields.
            limit: keep so many items: those whose seeded hash is smallest, whatever the order of the rows.
            seed: of that sample.

        Raises:
            DataError: for an unreadable source or cell, a missing column, no rows, or one id for two texts.
        """
        meaning = Meaning(tuple(dict.fromkeys(show)), gold, people, id_column)
        if columns_are_fixed(source):
            _need(source, meaning.columns, columns(source))
        with closing(_watched(source, meaning)) as rows:
            found = gather(rows, meaning, limit=limit, seed=seed)
        if not found.notes["rows"]:
            raise DataError(f"{source}: holds no rows", hint="A header alone is not enough: one row for each text.")
        if not found.table.num_rows:
            shown = ", ".join(map(repr, meaning.show))
            raise DataError(f"{source}: no row has a text in {shown}", hint="Is this the column with the texts?")
        return cls(found.table, show=meaning.show, notes=found.notes, origin=found.origin)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[Item]:
        for batch in self._table.to_batches(max_chunksize=_BATCH):
            yield from self._items(batch)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def __getitem__(self, key: int | str) -> Item:
        """The item at a position, or with an id; raises IndexError or KeyError."""
        at = self.index(key) if isinstance(key, str) else range(len(self))[key]
        return next(self._items(self._table.slice(at, 1)))

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all items, in order."""
        return tuple(self._ids(self._table))

    def index(self, name: str) -> int:
        """Position of the item with this id; raises KeyError."""
        at = self._find(name)
        if at is None:
            raise KeyError(name)
        return at

    def texts(self, indices: Indices | None = None) -> list[str]:
        """The texts of some items (None = all), for encoders and students: shown fields, one below the other, or glued
        as `read_as` was told, empty ones too."""
        table = self._take(indices)
        fields = [table[f"f{i}"].to_pylist() for i in range(len(self.show))]
        if len(fields) == 1:
            return list(fields[0])
        return [glued(row, self._glue) for row in zip(*fields, strict=True)]

    def gold(self, indices: Indices | None = None) -> list[str | None]:
        """The true labels of some items (None = all), as the source has them."""
        return list(self._take(indices)["gold"].to_pylist())

    def where(self, index: int) -> str:
        """`file:line` or `file:row n` of the row where an item first appears."""
        return f"{self._origin}{self._table['number'][range(len(self))[index]].as_py()}"

    def subset(self, indices: Indices) -> Pool:
        """Some of the items as a pool of their own, in the order given; the notes stay those of the source."""
        return self._like(self._take(indices).combine_chunks(), self._glue)

    def read_as(self, gold: Callable[[str], str], *, glue: str) -> Pool:
        """The same items, their true labels read anew, those without one left so, and another glue between fields."""
        told = [None if one is None else gold(one) for one in self._table["gold"].to_pylist()]
        at = self._table.schema.get_field_index("gold")
        table = self._table.set_column(at, self._table.schema.field(at), pa.array(told, pa.large_string()))
        return self._like(table, glue)

    @cached_property
    def digest(self) -> str:
        """Hash of ids, texts, golds and people's choices, whatever their order (64 hex digits)."""
        total = hashlib.sha256(json.dumps(self.show).encode())
        table = self._table.take(pa.array(self._order))
        for batch in table.select(["digest", "id", "gold", "people"]).to_batches(max_chunksize=_BATCH):
            for digest, *rest in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                total.update(digest)
                total.update(json.dumps(rest).encode())
        return total.hexdigest()

    def _like(self, table: pa.Table, glue: str) -> Pool:
        return Pool(table, show=self.show, notes=self.notes, origin=self._origin, glue=glue)

    @property
    def _named(self) -> str:
        # Without an id column all ids are null, and the content's digest is the id.
        return "id" if len(self) and self._table["id"].null_count == 0 else "digest"

    @cached_property
    def _order(self) -> npt.NDArray[np.int64]:
        order = pc.array_sort_indices(self._table[self._named].combine_chunks())
        return np.asarray(order.to_numpy(), dtype=np.int64)

    def _find(self, name: str) -> int | None:
        column = self._table[self._named]
        wanted: Any = name.encode("utf-8", "surrogatepass")
        if self._named == "digest":
            try:
                wanted = bytes.fromhex(name)
            except ValueError:
                return None
        at = bisect.bisect_left(self._order, wanted, key=lambda i: column[int(i)].as_buffer().to_pybytes())
        if at == len(self) or next(self._ids(self._table.slice(int(self._order[at]), 1))) != name:
            return None
        return int(self._order[at])

    def _take(self, indices: Indices | None) -> pa.Table:
        if indices is None:
            return self._table
        return self._table.take(pa.array(np.asarray(indices, dtype=np.int64)))

    def _ids(self, table: pa.Table) -> Iterator[str]:
        named = self._named
        for value in table[named].to_pylist():
            yield value if named == "id" else value.hex()

    def _items(self, batch: Any) -> Iterator[Item]:
        names = ("gold", "people", "count", *(f"f{i}" for i in range(len(self.show))))
        cells = zip(*(batch[name].to_pylist() for name in names), strict=True)
        for name, (gold, people, count, *texts) in zip(self._ids(batch), cells, strict=True):
            yield Item(
                id=name,
                fields=dict(zip(self.show, texts, strict=True)),
                gold=gold,
                people=None if people is None else json.loads(people),
                count=count,
            )


def glued(texts: Sequence[str | None], glue: str) -> str:
    """Fields as one string: one below the other without the empty ones, or all of them where something else glues."""
    return "\n".join(text for text in texts if text) if glue == "\n" else glue.join(text or "" for text in texts)


def _watched(source: Path, meaning: Meaning) -> Generator[Row, None, None]:
    """The rows, and an error at the end where a column was in none of them."""
    unseen = set(meaning.columns)
    some = False
    for row in read_rows(source, only=meaning.columns):
        some = True
        if unseen:
            unseen.difference_update(row.fields)
        yield row
    if some and unseen:
        _need(source, meaning.columns, columns(source))


def _need(source: Path, wanted: Sequence[str], there: Sequence[str]) -> None:
    for name in wanted:
        if name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise DataError(
                f"{source}: there is no column {name!r}{meant}",
                hint=f"The columns are: {', '.join(map(repr, there)) or 'none'}.",
            )
