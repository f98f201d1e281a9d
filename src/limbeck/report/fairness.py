"""bias.json and slices.json on the page: what the prompts prefer, and for which texts the labels are worse.

Knows nothing of HTML or of how the numbers were found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field

from limbeck.report import words
from limbeck.report.block import Block, Interval, Number, Part, Rows, Said
from limbeck.report.tables import Column, Table, interval_of, tabulate, value_of


class ShiftPart(Block):
    """How far one label's mean probability moved."""

    label: str | None = None
    shift: Number = None
    shift_interval: Interval = None
    calibrated: Number = None
    calibrated_interval: Interval = None
    flag: bool = False
    remains: bool = False


class ChangePart(Block):
    """One agent asked otherwise."""

    agent: str | None = None
    change: Said = None
    against: Said = None
    changed: Number = None
    changed_interval: Interval = None
    shifts: Rows[ShiftPart] = Field(default_factory=list)
    flag: bool = False
    remains: bool = False


class BiasPart(Block):
    """The whole of bias.json."""

    items: Number = None
    small: Number = None
    measured: Rows[ChangePart] = Field(default_factory=list)
    skipped: Part[dict[str, str]] = Field(default_factory=dict)

    @property
    def flagged(self) -> int:
        """Changes after which a label's probability moved."""
        return sum(one.flag for one in self.measured)

    @property
    def remaining(self) -> int:
        """Changes after which it still did so when calibrated."""
        return sum(one.remains for one in self.measured)


class SlicePart(Block):
    """One measure in one part of the texts."""

    slice: str | None = None
    measure: str | None = None
    label: str | None = None
    n: Number = None
    share: Number = None
    share_interval: Interval = None
    rest: Number = None
    adjusted: Number = None
    flag: bool = False


class ColumnPart(Block):
    """All parts by one column."""

    column: str | None = None
    n: Number = None
    tests: Number = None
    rows: Rows[SlicePart] = Field(default_factory=list)

    @property
    def flagged(self) -> int:
        """Measures that differ from the rest."""
        return sum(one.flag for one in self.rows)


class SlicesPart(Block):
    """The whole of slices.json."""

    columns: Rows[ColumnPart] = Field(default_factory=list)


def changes(bias: BiasPart | None) -> Table | None:
    """One row per agent and change, with the label that moved most."""
    if bias is None:
        return None
    columns: list[Column[ChangePart]] = [
        Column("Agent", value_of("agent"), number=False),
        Column("Asked with", value_of("change"), number=False),
        Column("Answers changed", value_of("changed"), words.percent, extra=interval_of("changed_interval")),
        Column("Moved most", _most("shift", lambda one: one.label), number=False),
        Column("by points", _most("shift", _points("shift", "flag")), number=False, absent="–"),
        Column("after calibration", _most("shift", _points("calibrated", "remains")), number=False, absent="–"),
    ]
    return tabulate("What the prompts prefer", bias.measured, columns, hide_caption=True)


def parts(column: ColumnPart) -> Table | None:
    """One row per part and measure; the flagged ones say so."""
    columns: list[Column[SlicePart]] = [
        Column(str(column.column), value_of("slice"), number=False),
        Column("Share of", lambda one: one.label or _MEASURES.get(str(one.measure), one.measure), number=False),
        Column("Texts", value_of("n"), words.count),
        Column("Here", value_of("share"), words.percent, extra=interval_of("share_interval")),
        Column("In the rest", value_of("rest"), words.percent),
        Column("Differs", lambda one: "yes" if one.flag else "–", number=False, small="all tests together at 5 %"),
    ]
    return tabulate(f"By {column.column}", column.rows, columns)


_MEASURES = {"accuracy": "right labels", "disagreement": "texts on which agents differ"}


def _most(name: str, show: Callable[[ShiftPart], Any]) -> Callable[[ChangePart], Any]:
    def read(one: ChangePart) -> Any:
        moved = [shift for shift in one.shifts if getattr(shift, name) is not None]
        return show(max(moved, key=lambda shift: abs(getattr(shift, name)))) if moved else None

    return read


def _points(name: str, flag: str) -> Callable[[ShiftPart], str | None]:
    def read(shift: ShiftPart) -> str | None:
        value, span = getattr(shift, name), getattr(shift, f"{name}_interval")
        if value is None:
            return None
        within = "" if span is None else f" ({100 * span[0]:+.1f} to {100 * span[1]:+.1f})"
        return f"{100 * value:+.1f}{within}{' !' if getattr(shift, flag) else ''}"

    return read
