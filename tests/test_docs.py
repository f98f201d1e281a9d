"""The docs are held to the code: generated pages are fresh, every verb, key and name is told, links lead somewhere, and
examples are what the program takes."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from limbeck import catalog
from limbeck.aggregation.calibration import METHODS
from limbeck.assets.builtin import CATALOGUE
from limbeck.cli import commands
from limbeck.ledger.rows import TABLES
from limbeck.task import parse_task
from toy_job import execute, write_toy

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))])
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.M | re.S)
# The two modules behind the generated pages are scripts, no package.
sys.path.insert(0, str(DOCS))
reference: Any = importlib.import_module("reference")
meanings: Any = importlib.import_module("meanings")
sys.path.remove(str(DOCS))

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, language: str) -> list[str]:
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [re.sub(f"(?m)^{indent}", "", body) for indent, kind, body in found if kind == language]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def section(page: str, title: str) -> str:
    text = prose(DOCS / page)
    found = re.search(rf"^(#+) `?{re.escape(title)}`?$\n(.*?)(?=^#+ |\Z)", text, re.M | re.S)
    assert found, f"{page} has no heading {title}"
    return found[2]


def codes(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def words_of(line: str) -> tuple[click.Command, list[str], list[str]]:
    """The command that a line calls, the names on the way to it that are wrong, and the options it uses."""
    words = line.split("#")[0].split()[1:]
    command: click.Command = commands
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in command.commands:
            return command, [name], []
        command = command.commands[name]
    return command, [], [word.split("=")[0] for word in words if re.match(r"--\w", word)]


def calls(page: Path) -> Iterator[str]:
    for body in [*blocks(page, "sh"), *blocks(page, "")]:
        yield from (line.strip() for line in body.splitlines() if line.strip().startswith("limbeck "))
    yield from (code for code in codes(prose(page)) if code.startswith("limbeck ") and "…" not in code)


def test_generated_pages_are_fresh() -> None:
    for name, text in reference.pages().items():
        assert (DOCS / "reference" / name).read_text(encoding="utf-8") == text, f"{name} is out of date: make docs"


def test_generating_twice_gives_the_same() -> None:
    assert reference.pages() == reference.pages()


def test_every_verb_has_a_how_to_page_that_shows_it() -> None:
    for verb in commands.commands:
        page = DOCS / "how-to" / f"{verb}.md"
        assert page.exists(), f"docs/how-to/{verb}.md is missing"
        assert any(line.startswith(f"limbeck {verb}") for body in blocks(page, "sh") for line in body.splitlines())
        assert "## Errors" in page.read_text(encoding="utf-8") or verb == "doctor"


def test_every_verb_and_option_is_in_the_reference() -> None:
    for name, command in reference._commands(commands, ""):
        told = codes(section("reference/cli.md", f"limbeck {name}"))
        options = [option for option in command.params if isinstance(option, click.Option)]
        assert {", ".join(option.opts) for option in options} <= told, name
        assert command.epilog, f"limbeck {name} has no example"


def test_every_key_has_a_meaning_and_every_meaning_a_key() -> None:
    assert meanings.MEANINGS.keys() == reference.fields().keys()
    assert meanings.SHAPES.keys() <= reference.fields().keys()


def test_every_key_has_a_row() -> None:
    text = (DOCS / "reference" / "task-file.md").read_text(encoding="utf-8")
    missing = [key for key in reference.fields() if f"| `{key}` |" not in text]
    assert not missing


def test_every_name_has_a_source_and_every_source_a_name() -> None:
    groups = {group: set(names) for group, _, _, names in reference.GROUPS}
    groups |= {"calibrations": set(METHODS)}
    assert meanings.SOURCES.keys() == {f"{group}.{name}" for group, names in groups.items() for name in names}


def test_every_table_of_the_catalog_is_told() -> None:
    tables = {
        name: value
        for name, value in vars(catalog).items()
        if isinstance(value, Mapping) and all(re.fullmatch(r"limbeck[\w.]+:[\w.]+", str(one)) for one in value.values())
    }
    told = [names for _, _, _, names in reference.GROUPS]
    assert [name for name, value in tables.items() if value not in told and name != "LOADERS"] == []


@pytest.mark.parametrize("name", [*(n for *_, names in reference.GROUPS for n in names), *METHODS, *CATALOGUE])
def test_every_name_of_the_catalogue_has_a_row(name: str) -> None:
    assert f"| `{name}` |" in (DOCS / "reference" / "catalogue.md").read_text(encoding="utf-8")


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name} links to {target}, which is not there"
        if anchor:
            assert anchor in anchors(there), f"{page.name} links to {target}, and there is no such heading"


@every_page
def test_task_files_parse(page: Path) -> None:
    for body in blocks(page, "yaml"):
        if body.startswith(("task:", "#")) and "\ntask:" in f"\n{body}" and "\ndata:" in body:
            assert parse_task(body, source=page.name, names=catalog.NAMES)


def test_most_yaml_blocks_are_whole_task_files() -> None:
    bodies = [body for page in PAGES for body in blocks(page, "yaml")]
    whole = [body for body in bodies if body.startswith("task:") and "\ndata:" in body]
    assert len(whole) >= 12
    assert all(body.startswith(("task:", "#", "agents:")) for body in bodies)


@every_page
def test_commands_exist_and_take_their_options(page: Path) -> None:
    for line in calls(page):
        command, wrong, options = words_of(line)
        assert not wrong, f"{page.name}: {line}: there is no {wrong[0]!r}"
        known = {"--help", "--version", *(name for option in command.params for name in option.opts)}
        assert set(options) <= known, f"{page.name}: {line}"


@every_page
def test_python_examples_use_what_is_there(page: Path) -> None:
    for body in blocks(page, "python"):
        for node in ast.walk(ast.parse(body)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("limbeck"):
                module = importlib.import_module(str(node.module))
                assert all(hasattr(module, name.name) for name in node.names), f"{page.name}: {ast.unparse(node)}"


@pytest.mark.parametrize("page", sorted((DOCS / "how-to").glob("*.md")), ids=lambda page: page.stem)
def test_messages_are_those_of_the_program(page: Path) -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    # A message may be written over two lines of code.
    joined = re.sub(r'"\s*\n\s*f?"', "", source)
    errors = page.read_text(encoding="utf-8").partition("## Errors")[2]
    for message in re.findall(r"^\| `([^`]+)`", errors, re.M):
        parts = re.split(r"…|'[^']*'|\S+:\d+:\d+: \S+: |\S+\.(?:json|yaml): ", message)
        assert all(part.strip("'; ?.") in joined for part in parts), f"{page.name}: nothing says {message!r}"


@every_page
def test_no_path_of_a_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"""(?:^|[\s`"'(=])/(?!dev/null)[a-z]+/\S*|\b[A-Z]:\\\S+""", text, re.M)


def test_every_table_and_column_of_the_ledger_is_told() -> None:
    text = section("reference/run-folder.md", "The ledger's tables")
    rows = {name: codes(cells) for name, cells in re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.M)}
    assert rows == {name: set(columns) for name, columns in TABLES.items()}


def told(metrics: Any) -> Iterator[str]:
    """Every key below a block of metrics.json, but for reasons, intervals and names that the user chose."""
    if isinstance(metrics, list):
        for one in metrics:
            yield from told(one)
    if isinstance(metrics, dict):
        for key, value in metrics.items():
            if not key.endswith(("_reason", "_interval")):
                yield key
                yield from told(None if key in ("labels", "versions") else value)


def test_every_metric_and_file_is_told(tmp_path: Path) -> None:
    run = tmp_path / "run"
    metrics = execute(write_toy(tmp_path), run)
    agents = metrics.pop("agents")
    for name, block in [*metrics.items(), *(("agents.NAME", agent) for agent in agents.values())]:
        if name == "warnings" or not isinstance(block, dict | list):
            assert name in codes(section("reference/metrics.md", "Top"))
            continue
        text = section("reference/metrics.md", name)
        known = {code.removeprefix(f"{name}.") for code in codes(text)}
        shared = codes(section("reference/metrics.md", "committee")) if name == "student" else set()
        there = set(told(block))
        assert there - known <= shared, name
        rows = codes("".join(re.findall(r"^\| ([^|]+) \|", text, re.M)))
        assert {row.removeprefix(f"{name}.") for row in rows} <= there, name
    files = codes((DOCS / "reference" / "run-folder.md").read_text(encoding="utf-8"))
    assert {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()} <= files
    columns = (run / "labels.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    shown = {re.sub(":.*", lambda found: ":LABEL" if found[0] != ":" else "", name) for name in columns}
    plain = {"vote:WORKER" if name.startswith("vote:") else name for name in shown}
    assert plain == {code for code in codes(section("reference/metrics.md", "labels.csv")) if code in plain}
