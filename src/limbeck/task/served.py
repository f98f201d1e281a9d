"""Which parts serve which kind of task: a part that cannot is refused, with the reason, before anything is asked.

Knows nothing of YAML or of how the parts work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from limbeck.task.kinds import OrdinalSection, PairSection, numbers
from limbeck.task.phrasing import nearest
from limbeck.task.taskfile import TaskFile

Finding = tuple[tuple[str | int, ...], str]


def served(task_file: TaskFile) -> Iterator[Finding]:
    """Every part that the file names and that cannot serve its kind of task, and every setting of the kind that
    cannot be."""
    kind = task_file.task.kind
    if kind.ordinal is not None:
        yield from _ordinal(task_file, kind.ordinal)
    if kind.pair is not None:
        yield from _pair(task_file, kind.pair)
    if kind.ordinal is None and task_file.selection.strategy == "variance":
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


def _pair(task_file: TaskFile, pair: PairSection) -> Iterator[Finding]:
    path, labels = ("task", "kind", "pair"), task_file.task.labels
    if pair.first == pair.second:
        yield (*path, "second"), f"both texts are of the column {pair.first!r}"
    for key in ("first", "second"):
        if getattr(pair, key) in (task_file.data.gold, task_file.data.people):
            yield (*path, key), "would show the answer to the workers"
    if task_file.task.show is not None:
        yield ("task", "show"), "means nothing to a pair: kind.pair names its two columns"
    if pair.swap is not None:
        if pair.symmetric:
            yield (*path, "swap"), "says that labels change with the order, and symmetric that they do not"
        for name in {**pair.swap, **dict.fromkeys(pair.swap.values())}:
            if name not in labels:
                yield (*path, "swap"), f"{name!r} is no label{nearest(name, labels)}"
        if any(pair.swap.get(other, other) not in (name, other) for name, other in pair.swap.items()):
            yield (*path, "swap"), "must lead back: what the first text becomes is what becomes the first"
    for i, agent in enumerate(task_file.agents or ()):
        if agent.encoder is not None:
            yield (
                ("agents", i, "encoder"),
                "compares one text with what the labels mean, and the label of a pair is about two texts",
            )


def _ascending(values: Sequence[float]) -> bool:
    return all(left < right for left, right in pairwise(values))
