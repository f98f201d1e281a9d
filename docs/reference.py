"""The generated pages of the reference: command line, task file and catalogue, read off the code itself.

    python docs/reference.py            writes docs/reference/{cli,task-file,catalogue}.md
    python docs/reference.py --check    says which of them are out of date, and changes nothing

Knows nothing of the hand-written pages.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
import typing
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import annotated_types
import click
import yaml
from meanings import MEANINGS, SHAPES, SOURCES
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from limbeck import catalog
from limbeck.agent.prompt import COMMITTEE, DEFAULTS
from limbeck.aggregation.calibration import METHODS
from limbeck.assets.builtin import CATALOGUE
from limbeck.cli import commands
from limbeck.task import TaskFile

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/reference.py from the code: change that, then `make docs`. -->"
GROUPS = (
    ("engines", "Engines", "`agents[].engine`: where next-token scores come from.", catalog.ENGINES),
    ("decoders", "Decoders", "`agents[].decode`: how one answer is drawn from the scores.", catalog.DECODERS),
    ("rules", "Stopping rules", "`stop` of a decoder: when there are enough branches.", catalog.RULES),
    ("protocols", "Protocols", "`committee.protocol`: who is asked what.", catalog.PROTOCOLS),
    ("aggregators", "Aggregators", "`committee.aggregate`: how votes become one label.", catalog.AGGREGATORS),
    ("refiners", "Refiners", "`committee.refine`: labels made better by where the texts lie.", catalog.REFINERS),
    ("selectors", "Selectors", "`selection.strategy`: which items to ask next.", catalog.SELECTORS),
    ("stops", "Rules that end the rounds", "`selection.stop`: when more labels would not pay.", catalog.STOPS),
    ("students", "Students", "`student.kind`: what learns from the labels.", catalog.STUDENTS),
    ("noises", "Noise-robust learning", "`student.noise`: how partly wrong labels are learned.", catalog.NOISES),
)
BOUNDS = (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))


def pages() -> dict[str, str]:
    """File name → text of every generated page."""
    made = {"cli.md": cli(), "task-file.md": task_file(), "catalogue.md": catalogue()}
    return {name: "\n".join(lines).rstrip() + "\n" for name, lines in made.items()}


def fields() -> dict[str, tuple[str, FieldInfo]]:
    """Dotted key of the task file → its section's dotted key and its field, in the order of the code."""
    return {f"{place}.{name}".lstrip("."): (place, field) for place, name, field in _walk(TaskFile, "")}


def cli() -> Iterator[str]:
    """The page about the commands."""
    yield from ("# Command line", "", NOTE, "")
    yield "Results go to standard output; progress, notes and errors go to standard error."
    yield from ("", "| Exit code | Meaning |", "| --- | --- |")
    yield "| 0 | done |"
    yield "| 1 | failed: the message says what, where, and what to do |"
    yield "| 2 | the command line, the task file or the data cannot be used as they stand |"
    yield "| 130 | interrupted; what was done is kept |"
    for name, command in _commands(commands, ""):
        yield from ("", f"## limbeck {name}", "", " ".join((command.help or "").split()), "")
        arguments = [one for one in command.params if isinstance(one, click.Argument)]
        usage = " ".join(["limbeck", name, "[OPTIONS]", *(_slot(one) for one in arguments)])
        yield from ("```text", usage, "```", "", "| Option | Takes | Default | Meaning |", "| --- | --- | --- | --- |")
        for option in command.params:
            if isinstance(option, click.Option):
                yield _row(f"`{', '.join(option.opts)}`", _takes(option), _preset(option), option.help or "")
        yield _row("`--help`", "", "", "Show this message and exit.")
        if command.epilog:
            yield from ("", "```sh", command.epilog.removeprefix("Example: "), "```")


def task_file() -> Iterator[str]:
    """The page about the keys of a task file."""
    yield from ("# Task file", "", NOTE, "")
    yield "A task file is YAML in UTF-8. `task.labels` and `data.pool` are required; everything else has a default."
    yield "An unknown key is an error that names the file, the line, the key and the nearest known key."
    yield "Relative paths start in the folder of the task file. `agents` is a list: its keys hold for each agent."
    found = fields()
    places = [""] + [key for key, (_, field) in found.items() if _section(field)]
    for place in places:
        own = {key: field for key, (home, field) in found.items() if home == place}
        title = f"`{place}`" if place else "Sections"
        about = MEANINGS[place] if place else "The keys at the top of the file."
        yield from (
            "",
            f"## {title}",
            "",
            about,
            "",
            "| Key | Value | Default | Meaning |",
            "| --- | --- | --- | --- |",
        )
        for key, field in own.items():
            yield _row(f"`{key}`", SHAPES.get(key) or _value(key, field), _default(key, field), MEANINGS[key])
    yield from ("", "## The smallest task file", "", "```yaml", "task: {labels: [negative, positive]}")
    yield from ("data: {pool: reviews.csv}", "```")


def catalogue() -> Iterator[str]:
    """The page about every name that a task file may use."""
    yield from ("# Catalogue", "", NOTE, "", "Every name that a task file may use, and what is behind it.")
    for group, title, about, names in GROUPS:
        yield from ("", f"## {title}", "", about, "", "| Name | What it does | Class | Source |")
        yield "| --- | --- | --- | --- |"
        for name, reference in names.items():
            yield _row(f"`{name}`", _summary(reference, names.values()), f"`{reference}`", SOURCES[f"{group}.{name}"])
    first_rounds = ", ".join(f"`{name}`" for name in catalog.COLD)
    yield from ("", f"`selection.cold`, which chooses the first round, takes {first_rounds}: they need no student.")
    yield from ("", "## Calibrations", "", "`agents[].decode.choice.calibration`: how raw label scores are corrected.")
    yield from ("See [label scoring](../explanation/label-scoring.md#calibration).", "", "| Name | What it does |")
    yield "| --- | --- |"
    for name in METHODS:
        yield _row(f"`{name}`", SOURCES[f"calibrations.{name}"])
    yield from _default_committee()
    yield from _assets()


def _default_committee() -> Iterator[str]:
    yield from ("", "## The default committee", "", "A task file without `agents` gets these:", "", "```yaml")
    yield yaml.safe_dump({"agents": [dict(one) for one in COMMITTEE]}, sort_keys=False, width=100).rstrip()
    yield from ("```", "", "An agent without a `wording` or a `cue` of its own gets these:", "")
    yield from ("| Style | Wording | Cue |", "| --- | --- | --- |")
    for style, (wording, cue) in DEFAULTS.items():
        yield _row(f"`{style}`", f"`{wording}`".replace("\n", "⏎"), f"`{cue}`")
    yield from ("", "⏎ stands for the end of a line. A `chat` agent gets the instructions as the system's turn.")


def _assets() -> Iterator[str]:
    for kind, title in (("model", "Models"), ("encoder", "Encoders"), ("dataset", "Data sets")):
        yield from ("", f"## {title}", "", "| Name | What it is | Size | Licence |", "| --- | --- | --- | --- |")
        chosen = [asset for asset in CATALOGUE.values() if asset.kind == kind]
        for asset in chosen:
            size = f"{sum(file.bytes for file in asset.files.values()) / 1e6:.1f} MB"
            yield _row(f"`{asset.name}`", asset.about, size, asset.licence or "not told")
        for asset in chosen:
            home = f" More: <{asset.homepage}>." if asset.homepage else ""
            yield from (
                "",
                f"`{asset.name}` comes from: {asset.source}.{home}",
                "",
                "| File | sha256 |",
                "| --- | --- |",
            )
            yield from (_row(f"`{name}`", f"`{file.sha256}`") for name, file in asset.files.items())


def _walk(model: type[BaseModel], place: str) -> Iterator[tuple[str, str, FieldInfo]]:
    for name, field in model.model_fields.items():
        key = field.alias or name
        yield place, key, field
        if inner := _section(field):
            yield from _walk(inner, f"{place}.{key}".lstrip("."))


def _section(field: FieldInfo) -> type[BaseModel] | None:
    """The model that a key's value is, or a list of."""
    return next(
        (part for part in _parts(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)), None
    )


def _parts(annotation: Any) -> Iterator[Any]:
    inner = typing.get_args(annotation)
    if not inner or typing.get_origin(annotation) is Literal:
        yield annotation
        return
    for part in inner:
        yield from _parts(part)


def _value(key: str, field: FieldInfo) -> str:
    """What may stand there, in words."""
    if key in catalog.NAMES:
        return _either(catalog.NAMES[key])
    parts = list(_parts(field.annotation))
    words = [_either(typing.get_args(part)) for part in parts if typing.get_origin(part) is Literal]
    words += [word for kind, word in _KINDS.items() if kind in parts] if not words else []
    text = " or ".join(words)
    bounds = [f"{word} {limit:g}" for item in field.metadata for word, limit in _limits(item)]
    text += f", {', '.join(bounds)}" if bounds else ""
    return f"{text}, or `null`" if type(None) in parts else text


_KINDS = {bool: "`true` or `false`", int: "whole number", float: "number", str: "text"}


def _limits(item: Any) -> Iterator[tuple[str, float]]:
    if isinstance(item, annotated_types.GroupedMetadata):
        for part in item:
            yield from _limits(part)
    for name, word in BOUNDS:
        if (limit := getattr(item, name, None)) is not None:
            yield word, limit


def _default(key: str, field: FieldInfo) -> str:
    if key == "committee.prior":
        return "`uniform`"
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel) or value == {}:
        return "" if value is not None else "`null`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    for name in sorted(group.commands):
        command = group.commands[name]
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


def _slot(argument: click.Argument) -> str:
    name = (argument.name or "").upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _takes(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return _either([str(choice) for choice in option.type.choices])
    if isinstance(option.type, click.Path):
        return "a path"
    if isinstance(option.type, click.IntRange):
        return f"a whole number, at least {option.type.min}"
    return "a number above 0" if isinstance(option.type, click.FloatRange) else option.type.name


def _preset(option: click.Option) -> str:
    return f"`{option.default}`" if option.show_default and not option.is_flag else ""


def _summary(reference: str, names: Collection[str]) -> str:
    """What a part says of itself: its module's first line, or its own where siblings share the module."""
    module = reference.partition(":")[0]
    alone = sum(other.startswith(f"{module}:") for other in names) == 1
    told = _opening(module) if alone else inspect.getdoc(catalog.resolve(reference)) or ""
    return " ".join(told.split("\n\n")[0].split())


def _opening(module: str) -> str:
    """How a module opens, read and not imported: what it needs may not be installed here."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    return ast.get_docstring(ast.parse(Path(found.origin).read_text(encoding="utf-8"))) or ""


def _either(names: Sequence[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with `--check` only say which differ."""
    stale = [name for name, text in pages().items() if _there(name) != text]
    if "--check" in arguments:
        sys.stdout.writelines(f"{name} is out of date: make docs\n" for name in stale)
        return 1 if stale else 0
    for name in stale:
        (FOLDER / name).write_text(pages()[name], encoding="utf-8", newline="\n")
        sys.stdout.write(f"wrote docs/reference/{name}\n")
    return 0


def _there(name: str) -> str | None:
    path = FOLDER / name
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
