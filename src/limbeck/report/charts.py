"""The page's line charts: learning curve, label stability, reliability diagram, coverage against accuracy.

Knows nothing of HTML around them. Each function gives inline SVG, or None where there is nothing to draw.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, MultipleLocator

from limbeck.report.shape import CoveragePart, Metrics, RoundPart, ScoredPart
from limbeck.report.svg import COMMITTEE, MUTED, PAPER, PERSON, STUDENT, Drawing, Frame, apart
from limbeck.report.tables import thinned
from limbeck.report.words import count, percent

WIDE = Frame(720, 340, right=104)
NARROW = Frame(340, 290, left=42, right=84)
SQUARE = Frame(340, 320, right=20)
COLOURS = {"committee": COMMITTEE, "student": STUDENT}
_Line = tuple[str, float, str, str]  # name, share, colour, dashes
_Bin = tuple[float, float, float, tuple[float, float] | None]  # confidence, accuracy, count, interval


def learning_curve(metrics: Metrics) -> Markup | None:
    """The student's accuracy by number of labelled items, for wide and for narrow screens."""
    rounds = thinned([one for one in metrics.learning_curve if one.labelled is not None and one.accuracy is not None])
    if len(rounds) < 2:
        return None
    first, last = rounds[0], rounds[-1]
    label = (
        f"Line chart: the student's accuracy is {percent(first.accuracy or 0)} after {count(first.labelled or 0)} "
        f"labelled items and {percent(last.accuracy or 0)} after {count(last.labelled or 0)}."
    )
    lines: list[_Line] = [("student", last.accuracy or 0, STUDENT, "-")]
    if metrics.committee.accuracy is not None:
        lines.append(("committee", metrics.committee.accuracy, COMMITTEE, "--"))
    rater = metrics.committee.people.rater_accuracy
    if rater is not None:
        lines.append(("one person", rater, PERSON, ":"))
    return Markup("\n").join(
        _by_labelled(rounds, "accuracy", frame, lines).inline(f"learning-{css}", label, css=css)
        for frame, css in ((WIDE, "wide"), (NARROW, "narrow"))
    )


def stability_curve(metrics: Metrics) -> Markup | None:
    """The share of labels that changed between rounds, for wide and for narrow screens."""
    rounds = thinned([one for one in metrics.learning_curve if one.labelled is not None and one.change is not None])
    if len(rounds) < 2:
        return None
    first, last = rounds[0], rounds[-1]
    label = (
        f"Line chart: the share of changed labels goes from {percent(first.change or 0)} at "
        f"{count(first.labelled or 0)} labelled items to {percent(last.change or 0)} at {count(last.labelled or 0)}."
    )
    lines: list[_Line] = [("changed", last.change or 0, STUDENT, "-")]
    return Markup("\n").join(
        _by_labelled(rounds, "change", frame, lines).inline(f"stability-{css}", label, css=css)
        for frame, css in ((WIDE, "wide"), (NARROW, "narrow"))
    )


def _by_labelled(rounds: Sequence[RoundPart], key: str, frame: Frame, lines: Sequence[_Line]) -> Drawing:
    drawing = Drawing(frame)
    axes = drawing.axes
    across = [one.labelled or 0.0 for one in rounds]
    heights = [float(getattr(one, key)) for one in rounds]
    bands = [getattr(one, f"{key}_interval", None) for one in rounds]
    lows = [band[0] if band else height for band, height in zip(bands, heights, strict=True)]
    highs = [band[1] if band else height for band, height in zip(bands, heights, strict=True)]
    if any(bands):
        axes.fill_between(across, lows, highs, color=STUDENT, alpha=0.16, linewidth=0)
    for _, share, colour, dashes in lines[1:]:
        axes.axhline(share, color=colour, linewidth=1.6, linestyle=dashes)
    axes.plot(
        across, heights, color=STUDENT, linewidth=2.4, marker="o", markersize=7, mec=PAPER, mew=1.5, clip_on=False
    )
    axes.set_xlim(0, max(across) * 1.02 or 1)
    low, high = _limits([*lows, *highs, *(line[1] for line in lines)], floor_at_zero=key == "change")
    axes.set_ylim(low, high)
    _percent_axis(drawing)
    axes.xaxis.set_major_locator(_steps(across, 7 if frame is WIDE else 4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    drawing.say_x("labelled items")
    inner = frame.height - frame.top - frame.bottom
    wanted = [(share - low) / (high - low) for _, share, _, _ in lines]
    for (name, _, colour, _), at in zip(lines, apart(wanted, gap=17 / inner), strict=True):
        drawing.say_line(name, at, colour=colour)
    return drawing


def reliability_pair(metrics: Metrics) -> dict[str, Markup | None]:
    """The reliability diagrams of committee and student, on one scale."""
    bins = {"committee": _filled(metrics.committee), "student": _filled(metrics.student)}
    ends = [end for some in bins.values() for sure, right, _, ci in some for end in (sure, right, *(ci or ()))]
    lowest = max(min(ends, default=0.0), 0.0)
    step = 0.1 if lowest >= 0.5 else 0.2
    low_end = min(math.floor(lowest / step + 1e-9) * step, 0.8)
    return {
        f"reliability_{worker}": reliability(some, worker, low_end=low_end, step=step) for worker, some in bins.items()
    }


def _filled(part: ScoredPart) -> list[_Bin]:
    bins = [
        (one.confidence, one.accuracy, one.count, one.interval)
        for one in part.reliability
        if one.count and one.confidence is not None and one.accuracy is not None
    ]
    return thinned(bins, 50)


def reliability(bins: Sequence[_Bin], worker: str, *, low_end: float, step: float) -> Markup | None:
    """Confidence against accuracy, one mark per bin, area by count; the diagonal is honest confidence."""
    if not bins:
        return None
    drawing = Drawing(SQUARE)
    axes = drawing.axes
    axes.plot([low_end, 1], [low_end, 1], color=MUTED, linewidth=1.2, linestyle="--")
    most = max(number for _, _, number, _ in bins)
    for sure, right, number, interval in bins:
        if interval:
            axes.plot([sure, sure], interval, color=COLOURS[worker], linewidth=1.6, alpha=0.7)
        axes.plot(
            [sure],
            [right],
            marker="o" if worker == "committee" else "D",
            markersize=(5 if worker == "committee" else 4) + 10 * math.sqrt(number / most),
            color=COLOURS[worker],
            mec=PAPER,
            mew=1.2,
            clip_on=False,
        )
    axes.set_xlim(low_end, 1)
    axes.set_ylim(low_end, 1)
    _percent_axis(drawing)
    axes.yaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _whole(value)))
    drawing.say_x("stated confidence")
    label = (
        f"Reliability diagram of the {worker}: "
        + "; ".join(f"{_whole(sure)} sure, {_whole(right)} right" for sure, right, _, _ in bins)
        + "."
    )
    return drawing.inline(f"reliability-{worker}", label)


def coverage(metrics: Metrics) -> Markup | None:
    """Accuracy of the most confident items by the share of items kept, committee and student in one picture."""
    curves = [
        ("committee", _usable(metrics.committee.coverage_curve)),
        ("student", _usable(metrics.student.coverage_curve)),
    ]
    curves = [(worker, points) for worker, points in curves if len(points) > 1]
    if not curves:
        return None
    label = "Line chart: " + "; ".join(
        f"the {worker} is right on {percent(points[0].accuracy or 0)} of its surest {_whole(points[0].coverage or 0)} "
        f"and on {percent(points[-1].accuracy or 0)} of {_whole(points[-1].coverage or 0)}"
        for worker, points in curves
    )
    return Markup("\n").join(
        _kept(metrics, curves, frame).inline(f"coverage-{css}", f"{label}.", css=css)
        for frame, css in ((WIDE, "wide"), (NARROW, "narrow"))
    )


def _usable(points: Sequence[CoveragePart]) -> list[CoveragePart]:
    usable = [one for one in points if one.coverage is not None and one.accuracy is not None]
    return thinned(sorted(usable, key=lambda one: one.coverage or 0))


def _kept(metrics: Metrics, curves: Sequence[tuple[str, list[CoveragePart]]], frame: Frame) -> Drawing:
    drawing = Drawing(frame)
    axes = drawing.axes
    heights: list[float] = []
    for worker, points in curves:
        across = [one.coverage or 0.0 for one in points]
        middle = [one.accuracy or 0.0 for one in points]
        lows = [one.interval[0] if one.interval else one.accuracy or 0.0 for one in points]
        highs = [one.interval[1] if one.interval else one.accuracy or 0.0 for one in points]
        axes.fill_between(across, lows, highs, color=COLOURS[worker], alpha=0.13, linewidth=0)
        axes.plot(
            across, middle, color=COLOURS[worker], linewidth=2.4, linestyle="-" if worker == "committee" else "--"
        )
        heights += [*lows, *highs]
    low, high = _limits(heights)
    axes.set_xlim(0, 1)
    axes.set_ylim(low, high)
    kept, right = metrics.committee.coverage, metrics.committee.accepted_accuracy
    if kept is not None and right is not None and low <= right <= high:
        axes.plot(
            [kept],
            [right],
            marker="o",
            color=COMMITTEE,
            markersize=11,
            mfc=PAPER,
            mec=COMMITTEE,
            mew=2.2,
            clip_on=False,
        )
    _percent_axis(drawing)
    axes.xaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1] if frame is WIDE else [0, 0.5, 1]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _whole(value)))
    drawing.say_x("share of items kept, surest first")
    inner = frame.height - frame.top - frame.bottom
    ends = [points[-1].accuracy or 0.0 for _, points in curves]
    places = apart([(end - low) / (high - low) for end in ends], gap=17 / inner)
    for (worker, _), at in zip(curves, places, strict=True):
        drawing.say_line(worker, at, colour=COLOURS[worker])
    return drawing


def _limits(values: Sequence[float], *, floor_at_zero: bool = False) -> tuple[float, float]:
    """A range of shares with a little air, on whole hundredths."""
    air = max((max(values) - min(values)) * 0.12, 0.01)
    low = 0.0 if floor_at_zero else max(math.floor((min(values) - air) * 100) / 100, 0.0)
    return low, min(max(math.ceil((max(values) + air) * 100) / 100, low + 0.04), 1.0)


def _steps(across: Sequence[float], most: int) -> FixedLocator | MaxNLocator:
    """Ticks at the measured places where they are few and far enough apart, else at round numbers."""
    gaps = [after - before for before, after in itertools.pairwise([0.0, *sorted(across)])]
    if len(across) <= most and min(gaps) >= 0.6 * max(across) / most:
        return FixedLocator([0.0, *across])
    return MaxNLocator(most - 1, integer=True)


def _percent_axis(drawing: Drawing) -> None:
    """Shares as percentages up the left-hand side; the bottom of the scale need not be zero."""
    drawing.axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    drawing.axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _whole(value)))


def _whole(share: float) -> str:
    hundredths = share * 100
    return f"{hundredths:.0f}\u00a0%" if abs(hundredths - round(hundredths)) < 0.05 else f"{hundredths:.1f}\u00a0%"
