"""The text of a task file → a validated `TaskFile`, or one error that lists every problem with its line and column.

Knows nothing of the data the file names, beyond whether it is there, or of the parts its names stand for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from limbeck.errors import ConfigError
from limbeck.task.decode import CotSection, DecodeSection, short_form
from limbeck.task.document import LARGEST, MOST_PROBLEMS, Node, Problem, plain, read_document
from limbeck.task.phrasing import shape_problem
from limbeck.task.relations import missing_files, relations, unknown_names
from limbeck.task.sections import AgentSection
from limbeck.task.taskfile import TaskFile

Names = Mapping[str, Collection[str]]

_DECODE = TypeAdapter(Annotated[DecodeSection, BeforeValidator(short_form)])


def load_task(path: Path | str, *, names: Names | None = None, files: bool = True) -> TaskFile:
    """Read and validate a task file, and see that the data files it names are there.

    Args:
        path: the YAML file.
        names: key → the names it may have, such as `{"selection.strategy": ["random", "margin"]}`; list indices are
            left out (`agents.engine`).
        files: whether the data files must be there.

    Raises:
        ConfigError: with one line `file:line:col: key.path: problem` for each problem.
    """
    try:
        size = Path(path).stat().st_size
        if size > LARGEST:
            raise ConfigError(
                f"{path}:1:1: the file has {size:,} bytes; a task file has at most {LARGEST:,}",
                hint="Is this the data? The task file names it under data.pool.",
            )
        raw = Path(path).read_bytes()
    except FileNotFoundError as error:
        hint = "`limbeck init DATA` writes a first one from your data."
        raise ConfigError(f"{path}: there is no such task file", hint=hint) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    task_file = parse_task(_decoded(raw, str(path)), source=path, names=names)
    if files:
        _refuse(str(path), (task_file.problem(*found) for found in missing_files(task_file)))
    return task_file


def parse_task(text: str, *, source: Path | str, names: Names | None = None) -> TaskFile:
    """Validate the text of a task file; looks at no other file.

    Args:
        text: YAML.
        source: the file it came from: named in errors, the folder of relative paths, and the default name's origin.
        names: as for `load_task`.

    Raises:
        ConfigError: with one line `file:line:col: key.path: problem` for each problem.
    """
    where = str(source)
    if len(text) > LARGEST:
        raise ConfigError(f"{where}:1:1: the text is longer than {LARGEST:,} characters")
    root, problems = read_document(text.removeprefix("\ufeff"))
    if root is None:
        raise _error(where, problems)
    if not isinstance(root.value, dict):
        if not root.refused:
            problems.append(Problem(root.mark.line, root.mark.column, "", "must be a mapping with task: and data:"))
        raise _error(where, problems)
    task_file = _validated(root, problems, where, text)
    found = [*relations(task_file), *unknown_names(task_file, names or {})]
    _refuse(where, [*problems, *(task_file.problem(*one) for one in found)])
    return task_file


def parse_decode(text: str, *, source: str = "--decode") -> DecodeSection:
    """Validate what may stand under `decode` in a task file, such as `cot` or `{cot: {k: 5}}`.

    Raises:
        ConfigError: with one line `source:line:col: key: problem` for each problem.
    """
    root, problems = read_document(text)
    if root is None or problems:
        raise _error(source, problems)
    place = ("agents", 0, "decode")
    agent = Node({"decode": root}, root.mark, {"decode": root.mark})
    whole = Node({"agents": Node([agent], root.mark)}, root.mark, {"agents": root.mark})
    try:
        return _DECODE.validate_python(plain(root))
    except ValidationError as error:
        found = [shape_problem(whole, detail | {"loc": (*place, *detail["loc"])}) for detail in error.errors()]
        raise _error(source, [one for one in found if one is not None]) from None


def _validated(root: Node, problems: list[Problem], source: str, text: str) -> TaskFile:
    values = {"task": {}, "data": {}, **plain(root)}
    try:
        task_file = TaskFile.model_validate(values)
    except ValidationError as error:
        found = [shape_problem(root, detail) for detail in error.errors(include_url=False)[:MOST_PROBLEMS]]
        # What stands under a refused tag or alias is wrong already; its shape is no second problem.
        raise _error(source, [*problems, *(one for one in found if one is not None)]) from None
    return _suited(_named(task_file, source)).read_from(source, root, text)


def _named(task_file: TaskFile, source: str) -> TaskFile:
    """Give the task and its agents names where the file gives none."""
    task = task_file.task.model_copy(update={"name": task_file.task.name or _slug(Path(source).stem, "task")})
    if task_file.agents is None:
        return task_file.model_copy(update={"task": task})
    taken = {agent.name for agent in task_file.agents if agent.name}
    agents = []
    for agent in task_file.agents:
        name = agent.name
        if name is None:
            stem = _slug(re.split(r"[/\\:]", _called_by(agent))[-1], "agent")
            name, number = stem, 1
            while name in taken:
                number += 1
                name = f"{stem}-{number}"
            taken.add(name)
        agents.append(agent.model_copy(update={"name": name}))
    return task_file.model_copy(update={"task": task, "agents": tuple(agents)})


def _suited(task_file: TaskFile) -> TaskFile:
    """Other defaults where the usual ones serve labels only: an open question has none."""
    if task_file.task.kind.open is None:
        return task_file
    committee, selection = task_file.committee, task_file.selection
    if "aggregate" not in committee.model_fields_set:
        committee = committee.model_copy(update={"aggregate": "linear-pool"})
    if "strategy" not in selection.model_fields_set:
        selection = selection.model_copy(update={"strategy": "random"})
    writing = DecodeSection(cot=CotSection())
    agents = task_file.agents and tuple(
        agent if "decode" in agent.model_fields_set else agent.model_copy(update={"decode": writing})
        for agent in task_file.agents
    )
    return task_file.model_copy(update={"committee": committee, "selection": selection, "agents": agents})


def _called_by(agent: AgentSection) -> str:
    """What an agent without a name is called by."""
    made = "functions" if agent.functions else "student" if agent.student else ""
    return agent.model or agent.encoder or agent.callable or agent.classifier or made


def _slug(text: str, default: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-")[:50] or default


def _decoded(raw: bytes, source: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        problem = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
        raise ConfigError(f"{source}:{line}:{column}: {problem}", hint="Save the file as UTF-8.") from error


def _error(source: str, problems: Iterable[Problem]) -> ConfigError:
    return ConfigError("\n".join(f"{source}:{problem}" for problem in sorted(set(problems))[:MOST_PROBLEMS]))


def _refuse(source: str, problems: Iterable[Problem]) -> None:
    found = list(problems)
    if found:
        raise _error(source, found)
