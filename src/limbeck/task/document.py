"""YAML text → plain values in which every key and value remembers its line and column.

Reads the harmless part of YAML only: mappings, lists and scalars. Aliases, anchors and tags are refused, so a small
file cannot grow in memory and cannot name code. Scalars stay the text that was written; what a value means is decided
by the field that takes it, so a label `no` stays "no". Knows nothing of which keys a task file has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

LARGEST = 1_000_000
DEEPEST = 20
MOST_PROBLEMS = 50

_SURROGATE = re.compile("[\ud800-\udfff]")
_TAG_PREFIX = "tag:yaml.org,2002:"

Path = tuple[str | int, ...]


class Scalar(str):
    """One scalar as written; `plain` tells that it stood without quotes and so may be a number, a boolean or null."""

    plain: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the text; both numbers count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong: where, under which key, and what."""

    line: int
    column: int
    path: str
    text: str

    def __str__(self) -> str:
        where = f"{self.line}:{self.column}: "
        return f"{where}{self.path}: {self.text}" if self.path else f"{where}{self.text}"


@dataclass(slots=True)
class Node:
    """A value and its mark; `keys` holds the marks of a mapping's keys; `refused` tells that its problem is known."""

    value: Scalar | list[Node] | dict[str, Node]
    mark: Mark
    keys: dict[str, Mark] = field(default_factory=dict)
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads: the deepest node that exists, the mark of its key, and how many parts of the path led there.

    `complete` tells whether that was the whole path.
    """

    node: Node
    key: Mark
    depth: int
    complete: bool


def dotted(path: Sequence[str | int]) -> str:
    """Write a path as people do: `agents[0].label_words.bad`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[\w-]+", part) else repr(part)
            text += f".{name}" if text else name
    return text


def plain(node: Node) -> Any:
    """The value without its marks: scalars, lists and dicts."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def locate(root: Node, path: Sequence[str | int]) -> Place:
    """Follow `path` from `root` as far as it goes."""
    node, key = root, root.mark
    for depth, part in enumerate(path):
        if isinstance(node.value, dict) and part in node.value:
            name = str(part)
            node, key = node.value[name], node.keys[name]
        elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            key = node.mark
        else:
            return Place(node, key, depth, complete=False)
        if node.refused:
            return Place(node, key, depth + 1, complete=False)
    return Place(node, key, len(path), complete=True)


def read_document(text: str) -> tuple[Node | None, list[Problem]]:
    """Read one YAML document.

    Returns:
        The root and what is wrong with it (repeated keys, aliases, tags); no root where the text is no YAML or empty.
    """
    try:
        reader = _Reader(text)
    except yaml.reader.ReaderError as error:
        return None, [_character(text, error)]
    try:
        root = reader.document()
    except yaml.MarkedYAMLError as error:
        return None, [*reader.problems, _syntax(error)]
    except _TooManyError:
        return None, reader.problems
    except (ValueError, OverflowError):
        # PyYAML lets chr() speak for itself on an escape such as "\UFFFFFFFF".
        mark = reader.loader.get_mark()
        return None, [Problem(mark.line + 1, mark.column + 1, "", "not YAML: an escape that names no character")]
    return root, reader.problems


class _TooDeep(yaml.MarkedYAMLError):
    """The document nests deeper than any task file needs."""


class _TooManyError(Exception):
    """More problems than anybody reads; the rest of the text is left unread."""


class _Reader:
    """Builds nodes from PyYAML's events, so nothing is ever constructed from a tag."""

    def __init__(self, text: str) -> None:
        self.problems: list[Problem] = []
        self.depth = 0
        self.loader = _loader(text)

    def document(self) -> Node | None:
        """The only document of the text; None where it is empty."""
        self.loader.get_event()
        if isinstance(self.loader.get_event(), yaml.StreamEndEvent):
            self.problems.append(Problem(1, 1, "", "the file is empty"))
            return None
        root = self._node(self.loader.get_event(), ())
        self.loader.get_event()
        extra = self.loader.get_event()
        if not isinstance(extra, yaml.StreamEndEvent):
            mark = _mark(extra)
            self.problems.append(Problem(mark.line, mark.column, "", "a second document begins here; keep one only"))
        return root

    def _node(self, event: Any, path: Path) -> Node:
        mark = _mark(event)
        if isinstance(event, yaml.AliasEvent):
            self._add(mark, path, f"the alias *{event.anchor} is not allowed; write the value out")
            return Node(Scalar(), mark, refused=True)
        refused = False
        if event.anchor is not None:
            self._add(mark, path, f"the anchor &{event.anchor} is not allowed; write the value out where it is used")
            refused = True
        if event.tag is not None:
            tag = event.tag.replace(_TAG_PREFIX, "!!", 1)
            self._add(mark, path, f"the tag {tag} is not allowed; write the plain value")
            refused = True
        if isinstance(event, yaml.ScalarEvent):
            return Node(self._scalar(event, path), mark, refused=refused)
        # Keys may nest as well as values, so the path does not tell the depth.
        self.depth += 1
        if self.depth > DEEPEST:
            raise _TooDeep(problem=f"nested deeper than {DEEPEST} levels", problem_mark=event.start_mark)
        if isinstance(event, yaml.SequenceStartEvent):
            node = Node(self._list(path), mark, refused=refused)
        else:
            node = Node(*self._mapping(path, mark), refused)
        self.depth -= 1
        return node

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> Scalar:
        if _SURROGATE.search(event.value):
            self._add(_mark(event), path, "half of a surrogate pair is no character")
        scalar = Scalar(_SURROGATE.sub("\ufffd", event.value))
        scalar.plain = bool(event.implicit[0])
        return scalar

    def _list(self, path: Path) -> list[Node]:
        nodes: list[Node] = []
        while not isinstance(event := self.loader.get_event(), yaml.SequenceEndEvent):
            nodes.append(self._node(event, (*path, len(nodes))))
        return nodes

    def _mapping(self, path: Path, start: Mark) -> tuple[dict[str, Node], Mark, dict[str, Mark]]:
        values: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        while not isinstance(event := self.loader.get_event(), yaml.MappingEndEvent):
            mark = _mark(event)
            key_node = self._node(event, path)
            key = str(key_node.value) if isinstance(key_node.value, Scalar) else None
            if key is None:
                self._add(mark, path, "a key must be plain text, not a list or a mapping")
            value = self._node(self.loader.get_event(), (*path, key or ""))
            if key is None or key_node.refused:
                continue
            if key in keys:
                self._add(mark, (*path, key), f"given twice; first in line {keys[key].line}")
                continue
            values[key], keys[key] = value, mark
        return values, start, keys

    def _add(self, mark: Mark, path: Path, text: str) -> None:
        self.problems.append(Problem(mark.line, mark.column, dotted(path), text))
        if len(self.problems) == MOST_PROBLEMS:
            raise _TooManyError


def _loader(text: str) -> Any:
    # PyYAML's stubs leave the event methods of a loader untyped.
    return yaml.SafeLoader(text)


def _mark(event: Any) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


def _syntax(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    text = f"not YAML: {error.problem or error.context}"
    if error.context and error.problem:
        start = error.context_mark
        since = f" that begins at {start.line + 1}:{start.column + 1}" if start else ""
        text += f" ({error.context}{since})"
    return Problem(mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, "", text)


def _character(text: str, error: Any) -> Problem:
    before = text[: error.position]
    line = before.count("\n") + 1
    column = error.position - (before.rfind("\n") + 1) + 1
    return Problem(line, column, "", f"the character U+{ord(text[error.position]):04X} is not allowed here")
