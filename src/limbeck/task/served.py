"""Which parts serve which kind of task: a part that cannot is refused, with the reason, before anything is asked.

Knows nothing of YAML or of how the parts work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from limbeck.task.kinds import OrdinalSection, numbers
from limbeck.task.phrasing import nearest
from limbeck.task.taskfile import TaskFile

Finding = tuple[tuple[str | int, ...], str]


def served(task_file: TaskFile) -> Iterator[Finding]:
    """Every part that the file names and that cannot serve its kind of task, and every setting of the kind that
    cannot be."""
    kind = task_file.task.kind
    if kind.ordinal is not None:
        yield from _ordinal(task_file, kind.ordinal)
    elif task_file.selection.strategy == "variance":
        yield ("selection", "strategy"), f"variance needs labels that are numbers: kind ordinal, not {kind.name}"


def _ordinal(task_file: TaskFile, scale: OrdinalSection) -> Iterator[Finding]:
    labels, path = list(task_file.task.labels), ("task", "kind", "ordinal", "values")
    if scale.values is None:
        values = numbers(labels)
        if values and not _ascending(values):
            yield ("task", "labels"), "the labels of a scale must ascend; to give them other values, see kind.ordinal"
        return
    for name in scale.values:
        if name not in labels:
            yield (*path, name), f"is no label{nearest(name, labels)}"
    lacking = [label for label in labels if label not in scale.values]
    if lacking:
        yield path, f"lacks {', '.join(map(repr, lacking))}"
    elif not _ascending([scale.values[label] for label in labels]):
        yield path, "must ascend in the order of the labels"


def _ascending(values: Sequence[float]) -> bool:
    return all(left < right for left, right in pairwise(values))
