"""What is asked of every worker: the labels, the instructions and how an item is shown.

Knows nothing of files, chat templates or tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from limbeck.records import AND, BETWEEN, NOTHING, Item, set_name
from limbeck.task.kinds import number, numbers
from limbeck.task.taskfile import TaskFile


@dataclass(frozen=True, slots=True)
class Scale:
    """What makes labels a scale.

    Attributes:
        values: the number that each label stands for, ascending, length K.
        point: which label speaks for a posterior: its `mode`, its `median`, or the one nearest to its `mean`.
    """

    values: tuple[float, ...]
    point: str = "mode"

    def place(self, value: float) -> int | None:
        """The label nearest to a number, the lower of two; None beyond half a step outside the scale."""
        ends = self.values
        if not ends[0] - (ends[1] - ends[0]) / 2 <= value <= ends[-1] + (ends[-1] - ends[-2]) / 2:
            return None
        return min(range(len(ends)), key=lambda i: (abs(ends[i] - value), i))


@dataclass(frozen=True, slots=True)
class Pair:
    """What it means that the two texts of an item change places.

    Attributes:
        swap: place of each label → its place when they do, length K; None: they keep their names and meaning, and only
            the order in which they are shown may change.
        both: whether every question is asked in both orders.
    """

    swap: tuple[int, ...] | None = None
    both: bool = True


@dataclass(frozen=True, slots=True)
class Checker:
    """What an answer must pass: a function by name, a regular expression for all of it, or bounds; one of them."""

    function: str | None = None
    regex: str | None = None
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """What an open question asks for: a kind of answer by name, and what checks it."""

    answer: str
    checker: Checker | None = None


@dataclass(frozen=True, slots=True)
class Several:
    """What several labels for one text hang on.

    Attributes:
        shares: to how many of the texts each label is expected to apply, length K.
        cut: how the thresholds are found: f1, prior, or a number.
        ask: what language models are asked for: the labels' `names`, or `questions`, one about each.
        relative: whether calibration takes out what a text makes a worker say of all labels alike.
    """

    shares: tuple[float, ...]
    cut: str | float = "prior"
    ask: str = "names"
    relative: bool = True


@dataclass(frozen=True, slots=True)
class Task:
    """One question, most often over a fixed set of labels.

    Attributes:
        name: short name.
        labels: the possible answers, length K; their order is the order of every array over labels. An open question
            has none.
        descriptions: what each label means, or None, length K.
        instructions: what the worker is told.
        show: names of the fields that are shown, in this order.
        noun: the word for one text, such as "review".
        aspect: the word for what the labels tell of it, such as "sentiment".
        kind: label, ordinal, pair, open or labels.
        scale: of an ordinal task.
        pair: of a task about pairs, which shows two fields.
        open: of an open question.
        several: of a task with several labels for one text.
    """

    name: str
    labels: tuple[str, ...]
    descriptions: tuple[str | None, ...]
    instructions: str
    show: tuple[str, ...]
    noun: str = "text"
    aspect: str = "label"
    kind: str = "label"
    scale: Scale | None = None
    pair: Pair | None = None
    open: Open | None = None
    several: Several | None = None

    @classmethod
    def of(cls, task_file: TaskFile, columns: Sequence[str] | None = None) -> Task:
        """The task that a file describes.

        Args:
            task_file: the validated file.
            columns: the columns of the pool, from which the shown one is found where the file names none.

        Raises:
            ConfigError: when the file names no column to show and more than one could be meant.
        """
        section = task_file.task
        pair = section.kind.pair
        show = (pair.first, pair.second) if pair else section.show or _shown(task_file, columns)
        what = "the two texts" if pair else "the text"
        return cls(
            name=section.name or "task",
            labels=tuple(section.labels),
            descriptions=tuple(section.labels.values()),
            instructions=section.instructions
            or default_instructions(section.labels, what, several=section.kind.labels is not None),
            show=show,
            noun=section.noun or (show[0].replace("_", " ") if len(show) == 1 else "pair" if pair else "text"),
            aspect=section.aspect or "label",
            kind=section.kind.name,
            scale=_scale(task_file),
            pair=_pair(task_file),
            open=_open(task_file),
            several=_several(task_file),
        )

    def knows(self, gold: str) -> bool:
        """Whether a true label, as `gold` named it, is one of the task's."""
        if self.open is not None:
            return True
        if self.several is not None:
            return gold == NOTHING or set(gold.split(AND)) <= set(self.labels)
        return gold in self.labels

    def _set(self, told: str) -> str:
        try:
            listed = json.loads(told) if told.startswith("[") else told.split(AND)
        except ValueError:
            return told
        named = {str(one).strip() for one in listed} - {"", NOTHING}
        return set_name(self.labels, (label in named for label in self.labels)) if named <= set(self.labels) else told

    @property
    def glue(self) -> str:
        """What stands between the shown fields where an item is one string."""
        return BETWEEN if self.pair else "\n"

    def gold(self, told: str) -> str:
        """The true label as the source tells it → the task's name for it.

        A number on a scale is its nearest label; several labels, `a|b` or a JSON list, are put in the task's order.
        """
        if self.several is not None:
            return self._set(told)
        if self.scale is None or told in self.labels or (value := number(told)) is None:
            return told
        place = self.scale.place(value)
        return told if place is None else self.labels[place]


def _scale(task_file: TaskFile) -> Scale | None:
    section, labels = task_file.task.kind.ordinal, task_file.task.labels
    if section is None:
        return None
    if section.values is not None:
        return Scale(tuple(section.values[label] for label in labels), section.point)
    return Scale(numbers(labels) or tuple(float(place) for place in range(1, len(labels) + 1)), section.point)


def _several(task_file: TaskFile) -> Several | None:
    section, labels, prior = task_file.task.kind.labels, task_file.task.labels, task_file.committee.prior
    if section is None:
        return None
    each = section.each / len(labels)
    return Several(
        tuple(prior[label] if prior else each for label in labels), section.threshold, section.ask, section.relative
    )


def _pair(task_file: TaskFile) -> Pair | None:
    section, labels = task_file.task.kind.pair, list(task_file.task.labels)
    if section is None:
        return None
    changed = {**(section.swap or {}), **{new: old for old, new in (section.swap or {}).items()}}
    swap = tuple(labels.index(changed.get(label, label)) for label in labels)
    return Pair(swap if section.symmetric or section.swap else None, section.orders == "both")


def _open(task_file: TaskFile) -> Open | None:
    section = task_file.task.kind.open
    if section is None:
        return None
    return Open(section.answer, Checker(**section.checker.model_dump()) if section.checker else None)


def _shown(task_file: TaskFile, columns: Sequence[str] | None) -> tuple[str, ...]:
    if columns is None or "text" in columns:
        return ("text",)
    data = task_file.data
    free = [name for name in columns if name not in (data.gold, data.people, data.id)]
    if len(free) == 1:
        return (free[0],)
    there = ", ".join(map(repr, columns)) or "none"
    problem = f"there is no column 'text'; name the columns to show ({there})"
    raise task_file.complaint(("task", "show"), problem, value="text", known=free)


def default_instructions(labels: Mapping[str, str | None], what: str = "the text", *, several: bool = False) -> str:
    """Instructions made from labels and their descriptions; `what` is labelled. Without labels it is a question."""
    if several:
        return "Decide for each label whether it applies to the text."
    if not labels:
        return "Answer the question."
    if not any(labels.values()):
        return f"Decide which of these labels fits {what} best: {', '.join(labels)}."
    lines = [f"- {label}: {about.strip()}" if about else f"- {label}" for label, about in labels.items()]
    return "\n".join([f"Decide which label fits {what} best.", *lines])


def render_item(task: Task, item: Item) -> str:
    """How an item is shown: one field is its text; several are lines `Name: value`, without those that are empty.

    The texts of a pair stand in the order of the item's fields.
    """
    if len(task.show) == 1:
        return item.fields.get(task.show[0], "")
    order = task.show if task.pair is None else [name for name in item.fields if name in task.show]
    shown = ((name, item.fields.get(name, "")) for name in order)
    return "\n".join(f"{_title(name)}: {value}" for name, value in shown if value.strip())


def turned(task: Task, item: Item) -> Item:
    """A pair with its texts in the other order.

    Where labels say what becomes of them, the texts change places under their names; else the names go with them.
    """
    first, second = task.show
    one, two = item.fields[first], item.fields[second]
    changed = task.pair is not None and task.pair.swap is not None
    return replace(item, fields={first: two, second: one} if changed else {second: two, first: one})


def _title(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
