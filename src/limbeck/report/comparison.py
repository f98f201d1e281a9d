"""compare.json → one self-contained page: the answer, quality beside cost, differences, phases, examples, methods.

Knows nothing of how the numbers were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.ticker import LogLocator, NullFormatter
from pydantic import Field, ValidationError

from limbeck.errors import RunError
from limbeck.report import words
from limbeck.report.block import Block, Interval, Number, Rows, Said
from limbeck.report.block import Table as Named
from limbeck.report.page import environment, page_style, read_facts, replace_page
from limbeck.report.svg import COMMITTEE, MUTED, STUDENT, Drawing, Frame, apart, plain_style
from limbeck.report.tables import Column, Table, interval_of, tabulate, value_of

PAGE, FACTS = "compare.html", "compare.json"
COSTS = {
    "cpu_s": "CPU seconds",
    "tokens": "tokens",
    "energy_j": "joules",
    "peak_rss_bytes": "memory at the peak",
}
WHAT = {"labels": ("Labels", COMMITTEE), "student": ("Student", STUDENT)}
FRAME = Frame(720, 300, left=56, right=24)


class PhasePart(Block):
    """What one phase cost, on average over the seeds."""

    name: Said = None
    model: Said = None
    wall_s: Number = None
    cpu_s: Number = None
    tokens: Number = None
    peak_rss_bytes: Number = None


class ExamplesPart(Block):
    """Synthetic examples of one run."""

    accepted: Number = None
    acceptance: Number = None
    judge: Said = None
    label_fidelity: Number = None
    label_fidelity_interval: Interval = None
    distinct_2: Number = None
    self_bleu: Number = None
    vendi: Number = None
    distance: Number = None
    cpu_s_per_accepted: Number = None
    tokens_per_accepted: Number = None


class SidePart(Block):
    """One side: quality, cost, phases, examples."""

    agents: Rows[str] = Field(default_factory=list)
    labels: Number = None
    labels_interval: Interval = None
    student: Number = None
    student_interval: Interval = None
    cpu_s: Number = None
    wall_s: Number = None
    tokens: Number = None
    energy_j: Number = None
    peak_rss_bytes: Number = None
    phases: Rows[PhasePart] = Field(default_factory=list)
    examples: Rows[ExamplesPart] = Field(default_factory=list)


class PairPart(Block):
    """One side against the reference."""

    first: Said = None
    what: Said = None
    difference: Number = None
    difference_interval: Interval = None
    not_inferior: bool | None = None
    p_value: Number = None
    only_first: Number = None
    only_second: Number = None
    mcnemar: Number = None


class Comparison(Block):
    """A whole compare.json."""

    reference: Said = None
    margin: Number = None
    seeds: Rows[int] = Field(default_factory=list)
    items: Number = None
    sides: Named[SidePart] = Field(default_factory=dict)
    pairs: Rows[PairPart] = Field(default_factory=list)
    front: Named[dict[str, list[str]]] = Field(default_factory=dict)
    sentence: Said = None


def write_comparison_page(folder: Path) -> Path:
    """Write `folder/compare.html` from `folder/compare.json`, whole or not at all; return its path.

    Raises:
        RunError: when compare.json is missing or damaged, or the page cannot be written.
    """
    again = "Run the same `limbeck compare` again."
    facts = read_facts(folder / FACTS, again=again)
    target = folder / PAGE
    replace_page(target, render(facts, str(folder / FACTS)).encode("utf-8"))
    return target


def render(facts: dict[str, Any], source: str = FACTS) -> str:
    """The page as one HTML text.

    Raises:
        RunError: for a value of the wrong kind.
    """
    try:
        known = Comparison.model_validate(facts)
    except ValidationError as error:
        raise RunError(f"{source}: {error.errors()[0]['msg']}", hint="Run the same `limbeck compare` again.") from error
    with plain_style():
        drawn = {key: chart for key in COSTS if (chart := pareto(known, key)) is not None}
    tables = {
        "quality": quality(known),
        "differences": differences(known),
        "examples": examples(known),
        "phases": [(name, phases(name, side)) for name, side in known.sides.items()],
    }
    page = environment().get_template("compare.html")
    return page.render(m=known, charts=drawn, costs=COSTS, tables=tables, css=page_style(), version=None) + "\n"


_Row = tuple[str, SidePart]


def _of(name: str) -> Any:
    return lambda row: value_of(name)(row[1])


def quality(known: Comparison) -> Table | None:
    """One row per side: how right, and at which cost."""
    columns: list[Column[_Row]] = [
        Column("Side", lambda row: row[0], number=False, extra=lambda row: ", ".join(row[1].agents)),
        Column("Labels", _of("labels"), words.percent, extra=lambda row: words.span(row[1].labels_interval)),
        Column("Student", _of("student"), words.percent, extra=lambda row: words.span(row[1].student_interval)),
        Column("CPU time", _of("cpu_s"), words.duration),
        Column("Wall time", _of("wall_s"), words.duration),
        Column("Tokens", _of("tokens"), words.count),
        Column("Energy", _of("energy_j"), words.energy),
        Column("Peak memory", _of("peak_rss_bytes"), words.size),
    ]
    return tabulate("Quality and cost, side by side", list(known.sides.items()), columns, hide_caption=True)


def differences(known: Comparison) -> Table | None:
    """One row per side and kind of label: against the reference."""
    columns: list[Column[PairPart]] = [
        Column("Side", value_of("first"), number=False),
        Column("Of", value_of("what"), number=False),
        Column("Difference", value_of("difference"), words.change, extra=interval_of("difference_interval")),
        Column("Not inferior", value_of("not_inferior"), lambda shown: "shown" if shown else "not shown", number=False),
        Column("p", value_of("p_value"), words.fine, small="one-sided"),
        Column("Only it is right", value_of("only_first"), words.count, small="items, first seed"),
        Column("Only the reference", value_of("only_second"), words.count),
        Column("McNemar p", value_of("mcnemar"), words.fine),
    ]
    return tabulate("Against the reference", list(known.pairs), columns, hide_caption=True)


def examples(known: Comparison) -> Table | None:
    """One row per side: the synthetic examples it made."""
    rows = [(name, one) for name, side in known.sides.items() for one in side.examples]
    columns: list[Column[tuple[str, ExamplesPart]]] = [
        Column("Side", lambda row: row[0], number=False),
        Column("Accepted", lambda row: value_of("accepted")(row[1]), words.count),
        Column("of written", lambda row: value_of("acceptance")(row[1]), words.percent),
        Column(
            "Label fidelity",
            lambda row: value_of("label_fidelity")(row[1]),
            words.percent,
            extra=lambda row: words.span(row[1].label_fidelity_interval),
        ),
        Column("distinct-2", lambda row: value_of("distinct_2")(row[1]), words.decimal),
        Column("self-BLEU", lambda row: value_of("self_bleu")(row[1]), words.decimal),
        Column("Vendi", lambda row: value_of("vendi")(row[1]), words.decimal),
        Column("CPU time each", lambda row: value_of("cpu_s_per_accepted")(row[1]), words.duration),
        Column("Tokens each", lambda row: value_of("tokens_per_accepted")(row[1]), words.count),
    ]
    return tabulate("Synthetic examples", rows, columns, hide_caption=True)


def phases(name: str, side: SidePart) -> Table | None:
    """One row per phase of a side."""
    columns: list[Column[PhasePart]] = [
        Column("Phase", value_of("name"), number=False, extra=lambda part: part.model or ""),
        Column("CPU time", value_of("cpu_s"), words.duration),
        Column("Wall time", value_of("wall_s"), words.duration),
        Column("Tokens", value_of("tokens"), words.count),
        Column("Peak memory", value_of("peak_rss_bytes"), words.size),
    ]
    return tabulate(name, list(side.phases), columns)


def pareto(known: Comparison, cost: str) -> Markup | None:
    """Quality against one cost: dots with intervals, those on the front filled; None where a side does not know it."""
    sides = known.sides
    if any(getattr(side, cost) is None for side in sides.values()) or not sides:
        return None
    drawing = Drawing(FRAME)
    axes = drawing.axes
    points: list[tuple[float, float, str]] = []
    for what, (head, colour) in WHAT.items():
        for name, side in sides.items():
            value, spend, interval = getattr(side, what), getattr(side, cost), getattr(side, f"{what}_interval")
            if value is None:
                continue
            if interval:
                axes.plot([spend, spend], interval, color=colour, linewidth=1)
            on = name in known.front.get(what, {}).get(cost, [])
            axes.plot([spend], [value], "o", color=colour, markersize=8, markerfacecolor=colour if on else "none")
            points.append((spend, value, f"{name}, {head.lower()}"))
    if not points:
        return None
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.3, high * 1.6)
    _name_points(drawing, points)
    axes.yaxis.set_major_formatter(lambda value, _: words.percent(value))
    write = words.size if cost == "peak_rss_bytes" else words.count
    axes.xaxis.set_major_formatter(lambda value, _: write(value))
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    drawing.say_x(f"{COSTS[cost]} a run, logarithmic")
    label = "; ".join(f"{name}: {words.percent(value)} at {write(spend)}" for spend, value, name in points)
    return drawing.inline(f"pareto-{cost}", f"Quality against {COSTS[cost]}. {label}.", css="wide")


def _name_points(drawing: Drawing, points: Sequence[tuple[float, float, str]]) -> None:
    """Names to the right of the dots, moved apart where they would overlap."""
    axes = drawing.axes
    low, high = axes.get_ylim()
    heights = apart([value for _, value, _ in points], gap=(high - low) * 0.06)
    for (spend, _, name), height in zip(points, heights, strict=True):
        axes.annotate(
            name, (spend, height), xytext=(8, 0), textcoords="offset pixels", va="center", color=MUTED, fontsize=11
        )
