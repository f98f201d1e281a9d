"""A task file with some of its keys changed: the same text, written anew, as a task file of its own.

Knows nothing of what the keys mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from limbeck.errors import ConfigError
from limbeck.task.document import Node, Scalar, dotted, read_document
from limbeck.task.reading import Names, load_task, parse_task
from limbeck.task.taskfile import TaskFile

Key = tuple[str | int, ...]


def load_varied(path: Path | str, told: Sequence[str], *, names: Names | None = None) -> TaskFile:
    """The task file at a path, with `KEY=VALUE` changes.

    Raises:
        ConfigError: see `load_task` and `vary`.
    """
    file = load_task(path, names=names)
    return vary(str(file.text), changes_of(told), source=path, names=names) if told else file


def vary(text: str, changes: Mapping[Key, str], *, source: Path | str, names: Names | None = None) -> TaskFile:
    """A task file with other values.

    Args:
        text: of the task file.
        changes: key, such as `("agents", 0, "model")`, to its new value as YAML. Sections that are not there are made;
            a list is never made longer.
        source: the file that the text came from; relative paths start in its folder.
        names: see `load_task`.

    Raises:
        ConfigError: when the text, a change or the whole is no task file.
    """
    root, problems = read_document(text.removeprefix("\ufeff"))
    if root is None or problems:
        raise ConfigError("\n".join(f"{source}:{one}" for one in problems))
    for key, value in changes.items():
        node, wrong = read_document(value)
        if node is None or wrong:
            raise ConfigError(f"{dotted(key)}={value}: {wrong[0].text}", hint="Write the value as in a task file.")
        _put(root, key, node)
    return parse_task(written(root), source=source, names=names)


def key_of(text: str) -> Key:
    """`agents.0.model` → ("agents", 0, "model")."""
    return tuple(int(part) if part.isdigit() else part for part in text.split("."))


def changes_of(told: Sequence[str]) -> dict[Key, str]:
    """`["data.seed=3"]` → {("data", "seed"): "3"}.

    Raises:
        ConfigError: where there is no key or no equals sign.
    """
    found = {}
    for one in told:
        key, equals, value = one.partition("=")
        if not key or not equals:
            raise ConfigError(f"{one}: not KEY=VALUE", hint="Write it as in --set budget.items=200.")
        found[key_of(key)] = value
    return found


def _put(root: Node, key: Key, value: Node) -> None:
    node = root
    for depth, part in enumerate(key):
        last = depth == len(key) - 1
        if isinstance(node.value, dict) and isinstance(part, str):
            if last:
                node.value[part] = value
                return
            node = node.value.setdefault(part, Node({}, node.mark))
            if isinstance(node.value, Scalar) and not node.value:  # a section with nothing under it
                node.value = {}
        elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            if last:
                node.value[part] = value
                return
            node = node.value[part]
        else:
            raise ConfigError(
                f"{dotted(key)} cannot be changed: there is no {dotted(key[: depth + 1])} in the task file",
                hint="Write the section into the task file first.",
            )


def written(node: Node, indent: int = 0) -> str:
    """A document as YAML text that reads as the same values; comments are gone."""
    pad = "  " * indent
    if isinstance(node.value, dict):
        rows = [f"{pad}{_scalar(Scalar(name), key=True)}:{_below(child, indent)}" for name, child in node.value.items()]
    elif isinstance(node.value, list):
        rows = [f"{pad}-{_below(child, indent)}" for child in node.value]
    else:
        return f"{pad}{_scalar(node.value)}\n"
    return "".join(rows) if rows else f"{pad}{{}}\n" if isinstance(node.value, dict) else f"{pad}[]\n"


def _below(node: Node, indent: int) -> str:
    if isinstance(node.value, Scalar):
        return f" {_scalar(node.value)}\n"
    if not node.value:
        return " {}\n" if isinstance(node.value, dict) else " []\n"
    return "\n" + written(node, indent + 1)


def _scalar(value: Scalar, *, key: bool = False) -> str:
    """As it was written where that is safe, else in double quotes."""
    if (value.plain or key) and re.fullmatch(r"[\w][\w ./+-]*", value) and value == value.strip():
        return str(value)
    if value.plain and not value:
        return ""
    return f'"{"".join(map(_safe, value))}"'


def _safe(character: str) -> str:
    if character.isprintable() and character not in '"\\':
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
