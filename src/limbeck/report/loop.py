"""improve.json on the page: what each further step brought, and what it cost.

Knows nothing of HTML or of how the steps were made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from pydantic import Field

from limbeck.report import words
from limbeck.report.block import Block, Interval, Number, Part, Rows, Said
from limbeck.report.svg import MUTED, PAPER, STUDENT, Drawing, Frame
from limbeck.report.tables import Column, Missing, Table, tabulate, value_of

LEFT, LINE, AIR = 150, 34, 56  # of the chart: for the steps' names, for each step, for the axis


class StepPart(Block):
    """One step."""

    round: Number = None
    step: Said = None
    outcome: Said = None
    said: Said = Field(default=None, alias="reason")
    gain: Number = None
    gain_interval: Interval = None
    test_gain: Number = None
    test_gain_interval: Interval = None
    label_gain: Number = None
    label_gain_interval: Interval = None
    changed: Number = None
    seconds: Number = None
    tokens: Number = None


class MomentPart(Block):
    """Where labels and student stood."""

    score: Number = None
    test_accuracy: Number = None
    test_accuracy_interval: Interval = None
    label_accuracy: Number = None
    clean: Number = None
    labels: Number = None


class JudgedPart(Block):
    """Who judged the steps."""

    on: Said = None
    items: Number = None


class ImprovePart(Block):
    """The whole of improve.json, schema 1."""

    sentence: Said = None
    judged: Part[JudgedPart] = JudgedPart()
    start: Part[MomentPart] = MomentPart()
    best: Part[MomentPart] = MomentPart()
    steps: Rows[StepPart] = Field(default_factory=list)
    ended: Said = None


def steps(improve: ImprovePart | None) -> Table | None:
    """One row per step."""
    if improve is None:
        return None
    columns: list[Column[StepPart]] = [
        Column("Step", _name, number=False, extra=lambda one: f"round {words.count(one.round or 0)}"),
        Column("", value_of("outcome"), number=False, extra=lambda one: one.said or ""),
        Column("Gain by the judges", _of("gain"), number=True, extra=_between("gain")),
        Column("on the test set", _of("test_gain"), number=True, extra=_between("test_gain")),
        Column("right labels", _of("label_gain"), number=True, extra=_between("label_gain")),
        Column("Labels changed", value_of("changed"), words.percent, absent="–"),
        Column("Time", value_of("seconds"), words.duration),
        Column("Tokens", value_of("tokens"), words.count),
    ]
    return tabulate("What each further step brought", improve.steps, columns, hide_caption=True)


def chart(improve: ImprovePart | None) -> Markup | None:
    """The gain of each step with its interval; hollow where the step was undone."""
    tried = [one for one in improve.steps if one.gain is not None] if improve else []
    if not tried:
        return None
    drawing = Drawing(Frame(720, LINE * len(tried) + AIR, left=LEFT, right=24))
    axes = drawing.axes
    axes.grid(visible=False)
    axes.axvline(0, color=MUTED, linewidth=1.2, linestyle="--")
    for place, one in enumerate(reversed(tried)):
        if one.gain_interval:
            axes.plot(one.gain_interval, (place, place), color=STUDENT, linewidth=1.8, alpha=0.7)
        face = STUDENT if one.outcome == "kept" else PAPER
        axes.plot([one.gain or 0.0], [place], marker="o", markersize=9, color=STUDENT, mfc=face, mew=2, clip_on=False)
    axes.set_ylim(-0.6, len(tried) - 0.4)
    ends = [abs(end) for one in tried for end in (*(one.gain_interval or ()), one.gain or 0.0)]
    reach = max(0.01, *ends) * 1.08
    axes.set_xlim(-reach, reach)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:+.1f}".replace("-", "\u2212")))
    axes.yaxis.set_major_locator(FixedLocator(range(len(tried))))
    names = [f"{words.count(one.round or 0)}: {one.step or words.UNKNOWN}" for one in reversed(tried)]
    axes.yaxis.set_major_formatter(FuncFormatter(lambda _, place: names[place]))
    drawing.say_x("points gained")
    said = "; ".join(f"{one.step or ''} {_signed(one.gain or 0.0)}, {one.outcome or ''}" for one in tried)
    return drawing.inline("steps", f"Gain of each step in points: {said}.")


def _name(step: StepPart) -> Any:
    return step.step or Missing(None)


def _of(name: str) -> Callable[[StepPart], Any]:
    get = value_of(name)

    def write(step: StepPart) -> Any:
        value = get(step)
        return value if isinstance(value, Missing) else _signed(value)

    return write


def _between(name: str) -> Callable[[StepPart], str]:
    def write(step: StepPart) -> str:
        interval = getattr(step, f"{name}_interval")
        return f"({_signed(interval[0])} to {_signed(interval[1])})" if interval else ""

    return write


def _signed(share: float) -> str:
    """A difference of shares in points, with its sign."""
    return ("+" if share > 0 else "") + words.decimal(100 * share, 1)
