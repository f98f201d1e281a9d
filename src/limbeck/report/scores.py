"""The page's tables about quality: labels against gold and against people, label by label, mistake by mistake.

Knows nothing of HTML; the words around the tables stand in the templates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from limbeck.report import words
from limbeck.report.block import Block
from limbeck.report.shape import ClassPart, CoveragePart, Metrics, ScoredPart
from limbeck.report.tables import (
    Cell,
    Column,
    Head,
    Missing,
    Table,
    confusion,
    interval_of,
    tabulate,
    thinned,
    top_confusions,
    value_of,
)

MOST_SQUARE = 16
Measure = tuple[str, str, str, words.Writer]
MEASURES: tuple[Measure, ...] = (
    ("accuracy", "Accuracy", "share of items with the right label", words.percent),
    ("macro_f1", "Macro-F1", "every label counts the same, however rare; 1 is best", words.fine),
    ("ece", "Calibration error (ECE)", "how far stated confidence is from being right; 0 is best", words.fine),
)
# What only some kinds of task have; a row where it was measured.
OF_A_KIND: tuple[Measure, ...] = (
    ("quadratic_kappa", "Quadratic kappa", "far misses count most; 1 is right, 0 what chance gets", words.fine),
    ("mean_absolute_error", "Mean absolute error", "distance from gold in the scale's own numbers", words.fine),
    ("micro_f1", "Micro-F1", "of all decisions, one for each text and label; 1 is best", words.fine),
    ("hamming_loss", "Hamming loss", "share of wrong decisions; 0 is best", words.fine),
    ("spearman", "Rank correlation with gold", "of the expected value (Spearman); 1 is the same order", words.fine),
)


def scores(metrics: Metrics) -> Table | None:
    """Committee, student and one average person side by side; None where nothing was scored."""
    committee, student = metrics.committee, metrics.student
    parts: list[ScoredPart] = [committee, student]
    if all(part.accuracy is None and part.macro_f1 is None and part.ece is None for part in parts):
        return None
    special = [one for one in OF_A_KIND if any(getattr(part, one[0]) is not None for part in parts)]
    people = committee.people
    with_people = people.rater_accuracy is not None
    rows = []
    for key, title, small, write in (*MEASURES, *special):
        row = [Cell(title, small=small), *(_measured(part, key, write) for part in parts)]
        if with_people:
            interval = words.span(people.rater_accuracy_interval)
            rater = Cell(words.percent(people.rater_accuracy or 0), number=True, small=interval)
            row.append(rater if key == "accuracy" else Cell("–", number=True, look="absent"))
        rows.append(row)
    heads = [Head("Measure"), Head("Committee", number=True), Head("Student", number=True)]
    if with_people:
        heads.append(Head("One person", number=True, small="average rater"))
    return Table("Labels against gold", heads, rows, hide_caption=True)


def people(metrics: Metrics) -> Table | None:
    """How far committee and student are from people who judged the same items; None where nobody did."""
    parts: list[ScoredPart] = [metrics.committee, metrics.student]
    yards = ("rater_accuracy", "distance", "rank_correlation")
    if all(getattr(part.people, yard) is None for part in parts for yard in yards):
        return None
    name = metrics.committee.people.distance_name or "between shares and probabilities"
    rows = [
        [
            Cell("Right labels, beside one average person", small="one person's accuracy is the yardstick"),
            *(_told(words.compared(part.accuracy, part.people.rater_accuracy)) for part in parts),
        ],
        [
            Cell(
                "Distance from people's opinion", small=f"{name}: 0 if each label gets the share of people who chose it"
            ),
            *(_measured(part.people, "distance", words.fine) for part in parts),
        ],
        [
            Cell(
                "Rank correlation",
                small="are the texts ranked as people's votes rank them? 1 is the same order, 0 is none",
            ),
            *(_measured(part.people, "rank_correlation", words.decimal) for part in parts),
        ],
    ]
    heads = [Head("Measure"), Head("Committee", number=True), Head("Student", number=True)]
    return Table("Beside people", heads, rows, hide_caption=True)


def _told(text: str) -> Cell:
    return Cell(text or words.UNKNOWN, number=True, look="" if text else "absent")


def _measured(part: Block, key: str, write: words.Writer) -> Cell:
    value = getattr(part, key)
    if value is None:
        reason = part.reason(key)
        return Cell(words.UNKNOWN, number=True, small=f"({reason})" if reason else "", look="absent")
    parts = "percent" if write is words.percent else "plain"
    interval = words.span(getattr(part, f"{key}_interval", None), parts=parts)
    return Cell(write(value), number=True, small=interval)


def per_class(metrics: Metrics) -> Table | None:
    """Precision, recall and F1 of each label, committee beside student."""
    given = {one.label: one for one in metrics.student.per_class}
    ours = metrics.committee.per_class or metrics.student.per_class
    pairs = [(one, given.get(one.label, ClassPart())) for one in ours]
    columns: list[Column[tuple[ClassPart, ClassPart]]] = [
        Column("Label", lambda pair: pair[0].label or "–", number=False),
        Column("Gold items", lambda pair: pair[0].support, words.count),
    ]
    workers = [("Committee", 0)] if metrics.committee.per_class else []
    workers += [("Student", 1)] if metrics.student.per_class else []
    for worker, place in workers:
        columns += [
            Column("Given", _of(place, "predicted"), words.count, group=worker),
            Column("Precision", _of(place, "precision"), words.percent, group=worker),
            Column("Recall", _of(place, "recall"), words.percent, group=worker),
            Column("F1", _of(place, "f1"), words.fine, group=worker, extra=_class_interval(place)),
        ]
    return tabulate("Label by label", pairs, columns, hide_caption=True)


def _of(place: int, name: str) -> Callable[[tuple[ClassPart, ClassPart]], Any]:
    return lambda pair: value_of(name)(pair[place])


def _class_interval(place: int) -> Callable[[tuple[ClassPart, ClassPart]], str]:
    return lambda pair: words.span(pair[place].f1_interval, parts="plain")


def mistakes(part: ScoredPart, metrics: Metrics, worker: str) -> Table | None:
    """The confusion matrix; with many labels, the most frequent mistakes instead."""
    counts = [[number for number in row if number is not None] for row in part.confusion]
    if not counts or any(len(row) != len(counts) for row in counts):
        return None
    labels = [one.label or "–" for one in part.per_class]
    if len(labels) != len(counts):
        labels = list(metrics.task.labels)
    if len(labels) != len(counts):
        labels = [f"label {place + 1}" for place in range(len(counts))]
    if len(labels) > MOST_SQUARE:
        return top_confusions(f"{worker}: the most frequent mistakes", labels, counts)
    return confusion(f"{worker}: what was called what", labels, counts)


def bins(part: ScoredPart, worker: str) -> Table | None:
    """The numbers of a reliability diagram."""
    columns: list[Column[Any]] = [
        Column("Confidence", lambda one: _range(one.low, one.high)),
        Column("Items", value_of("count"), words.count),
        Column("Mean confidence", value_of("confidence"), words.percent),
        Column("Right", value_of("accuracy"), words.percent, extra=interval_of("interval")),
    ]
    filled = [one for one in part.reliability if one.count]
    return tabulate(f"Reliability of the {worker}", filled, columns, hide_caption=True)


def _range(low: float | None, high: float | None) -> Any:
    return Missing() if low is None or high is None else f"{words.bare_percent(low)} to {words.percent(high)}"


def kept(metrics: Metrics) -> Table | None:
    """The numbers of the coverage curves: accuracy of the surest items, committee beside student."""
    curves = []
    for part in (metrics.committee, metrics.student):
        curves.append({round(one.coverage, 4): one for one in part.coverage_curve if one.coverage is not None})
    columns: list[Column[float]] = [Column("Items kept", lambda share: share, words.percent)]
    for worker, curve in zip(("Committee", "Student"), curves, strict=True):
        if curve:
            columns.append(Column(f"{worker} is right on", _point(curve), words.percent, extra=_point_interval(curve)))
    shares = thinned(sorted(set(curves[0]) | set(curves[1])))
    return tabulate("Accuracy of the surest items", shares, columns, hide_caption=True)


def _point(curve: dict[float, CoveragePart]) -> Callable[[float], Any]:
    return lambda share: curve[share].accuracy if share in curve else Missing()


def _point_interval(curve: dict[float, CoveragePart]) -> Callable[[float], str]:
    return lambda share: words.span(curve[share].interval) if share in curve else ""
