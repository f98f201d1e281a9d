"""Rows of numbers → tables for the page: absent cells say so, a column that is absent throughout becomes a note.

Knows nothing of what the numbers mean or of how a table is drawn.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from markupsafe import Markup

from limbeck.report.block import Block
from limbeck.report.safety import cut
from limbeck.report.words import UNKNOWN, span

Row = TypeVar("Row")
MOST_ROWS = 200
MOST_POINTS = 120
_LONGEST_CELL = 200


@dataclass(frozen=True, slots=True)
class Missing:
    """A value that is absent, with the reason if there is one."""

    reason: str | None = None


def thinned(rows: Sequence[Row], most: int = MOST_POINTS) -> list[Row]:
    """At most `most` rows, evenly spread, the first and the last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[round(place * (len(rows) - 1) / (most - 1))] for place in range(most)]


def value_of(name: str) -> Callable[[Any], Any]:
    """A getter of one key of a block, which brings the reason where the value is absent."""

    def get(block: Block) -> Any:
        value = getattr(block, name)
        return Missing(block.reason(name)) if value is None else value

    return get


def interval_of(name: str, *, parts: str = "percent") -> Callable[[Any], str]:
    """A getter of one interval of a block, written out."""
    return lambda block: span(getattr(block, name), parts=parts)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: `share` (0 to 1) draws a bar of that length or tints the cell, as `look` says."""

    text: str | Markup
    number: bool = False
    small: str = ""
    share: float | None = None
    look: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """One column's head; `small` explains it in a few words."""

    title: str
    number: bool = False
    small: str | Markup = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A head over `width` neighbouring columns; no name: nothing stands over them."""

    name: str
    width: int


def groups(heads: Sequence[Head]) -> list[Group]:
    """The heads over the heads."""
    return [Group(name, len(list(members))) for name, members in itertools.groupby(heads, key=lambda head: head.group)]


@dataclass(frozen=True, slots=True)
class Table:
    """A table ready to be drawn; the first cell of each row is the row's head."""

    caption: str
    heads: list[Head]
    rows: list[list[Cell]]
    notes: list[str] = field(default_factory=list)
    hide_caption: bool = False


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column: `get` takes a value or Missing from a row, `write` makes it a text.

    `extra` gives a smaller text beside it (an interval, say); `share` gives the length of a bar.
    """

    title: str
    get: Callable[[Row], Any]
    write: Callable[[Any], str | Markup] = lambda value: value
    number: bool = True
    small: str | Markup = ""
    group: str = ""
    extra: Callable[[Row], str] | None = None
    share: Callable[[Row], float | None] | None = None
    look: str = ""
    absent: str = UNKNOWN
    note: bool = True


def tabulate(
    caption: str, rows: Sequence[Row], columns: Sequence[Column[Row]], *, hide_caption: bool = False
) -> Table | None:
    """A table of `rows`, or None where there are none; columns without any value are left out and noted (`note`)."""
    if not rows:
        return None
    shown = rows[:MOST_ROWS]
    kept, unknown = [], dict[str, list[str]]()
    for place, column in enumerate(columns):
        values = [column.get(row) for row in shown]
        missing = [value for value in values if isinstance(value, Missing) or value is None]
        if place == 0 or len(missing) < len(values):
            kept.append(column)
        elif column.note:
            because = next((value.reason for value in missing if isinstance(value, Missing) and value.reason), "")
            unknown.setdefault(because, []).append(f"{column.group} {column.title}".strip())
    notes = [
        f"{UNKNOWN.capitalize()}: {', '.join(titles)}" + (f" ({because})." if because else ".")
        for because, titles in unknown.items()
    ]
    if len(rows) > len(shown):
        notes.append(f"{len(rows) - len(shown):,} more rows stand in metrics.json.")
    heads = [Head(column.title, number=column.number, small=column.small, group=column.group) for column in kept]
    return Table(
        caption, heads, [[_cell(column, row) for column in kept] for row in shown], notes, hide_caption=hide_caption
    )


def _cell(column: Column[Row], row: Row) -> Cell:
    value = column.get(row)
    if value is None or isinstance(value, Missing):
        reason = value.reason if isinstance(value, Missing) else None
        return Cell(
            column.absent,
            number=column.number,
            small=f"({cut(reason, _LONGEST_CELL)})" if reason else "",
            look="absent",
        )
    written = column.write(value)
    return Cell(
        written if isinstance(written, Markup) else cut(written, _LONGEST_CELL),
        number=column.number,
        small=column.extra(row) if column.extra else "",
        share=column.share(row) if column.share else None,
        look=column.look,
    )


def confusion(caption: str, labels: Sequence[str], counts: Sequence[Sequence[float]]) -> Table:
    """Gold labels down, given labels across; each cell is tinted by its share of the gold row."""
    rows = []
    for place, (label, row) in enumerate(zip(labels, counts, strict=True)):
        whole = sum(row)
        cells = [Cell(cut(label, 60))]
        for across, number in enumerate(row):
            share = number / whole if whole else 0.0
            small = f"{share * 100:.0f}\u00a0%" if whole else ""
            look = "right" if across == place else "wrong"
            cells.append(Cell(f"{round(number):,}", number=True, small=small, share=share, look=look))
        rows.append(cells)
    heads = [Head("gold ↓ given →"), *(Head(cut(label, 60), number=True) for label in labels)]
    return Table(caption, heads, rows)


def top_confusions(
    caption: str, labels: Sequence[str], counts: Sequence[Sequence[float]], *, most: int = 20
) -> Table | None:
    """The most frequent mistakes, for tasks with too many labels for a square of numbers."""
    pairs = [
        (number, labels[gold], labels[given])
        for gold, row in enumerate(counts)
        for given, number in enumerate(row)
        if gold != given and number > 0
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    columns: list[Column[tuple[float, str, str]]] = [
        Column("Gold label", lambda pair: pair[1], number=False),
        Column("Given label", lambda pair: pair[2], number=False),
        Column("Times", lambda pair: pair[0], lambda number: f"{round(number):,}"),
    ]
    return tabulate(caption, pairs[:most], columns)
