"""What is asked of every worker: the labels, the instructions and how an item is shown.

Knows nothing of files, chat templates or tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from limbeck.records import Item
from limbeck.task.taskfile import TaskFile


@dataclass(frozen=True, slots=True)
class Task:
    """One question over a fixed set of labels.

    Attributes:
        name: short name.
        labels: the possible answers, length K; their order is the order of every array over labels.
        descriptions: what each label means, or None, length K.
        instructions: what the worker is told.
        show: names of the fields that are shown, in this order.
        noun: the word for one text, such as "review".
        aspect: the word for what the labels tell of it, such as "sentiment".
    """

    name: str
    labels: tuple[str, ...]
    descriptions: tuple[str | None, ...]
    instructions: str
    show: tuple[str, ...]
    noun: str = "text"
    aspect: str = "label"

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
        show = section.show or _shown(task_file, columns)
        return cls(
            name=section.name or "task",
            labels=tuple(section.labels),
            descriptions=tuple(section.labels.values()),
            instructions=section.instructions or default_instructions(section.labels),
            show=show,
            noun=section.noun or (show[0].replace("_", " ") if len(show) == 1 else "text"),
            aspect=section.aspect or "label",
        )


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


def default_instructions(labels: Mapping[str, str | None]) -> str:
    """Instructions made from labels and their descriptions."""
    if not any(labels.values()):
        return f"Decide which of these labels fits the text best: {', '.join(labels)}."
    lines = [f"- {label}: {about.strip()}" if about else f"- {label}" for label, about in labels.items()]
    return "\n".join(["Decide which label fits the text best.", *lines])


def render_item(task: Task, item: Item) -> str:
    """How an item is shown: one field is its text; several are lines `Name: value`, without those that are empty."""
    if len(task.show) == 1:
        return item.fields.get(task.show[0], "")
    shown = ((name, item.fields.get(name, "")) for name in task.show)
    return "\n".join(f"{_title(name)}: {value}" for name, value in shown if value.strip())


def _title(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
