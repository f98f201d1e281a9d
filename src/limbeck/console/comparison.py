"""The verb compare: the same texts by several task files, each run in a process of its own, then compared.

A process of its own, because memory that an earlier run left behind would be counted against a later one. Knows
nothing of how runs are made or compared.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from limbeck.catalog import COMPARISON_PAGE, NAMES, resolve
from limbeck.console.terminal import Console
from limbeck.console.verb import command
from limbeck.errors import RunError
from limbeck.flows import compare as comparing
from limbeck.flows.compared import write_comparison
from limbeck.task import Key, key_of, load_task, vary

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path)
Changes = Mapping[Key, str]


@command("limbeck compare small.yaml large.yaml --seeds 3 --margin 0.02")
@click.argument("tasks", type=FILE, nargs=-1, required=True)
@click.option(
    "--vary", "varied", multiple=True, help="KEY=A,B: each task file once with each value; a grid if repeated."
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Runs of each, with other seeds."
)
@click.option(
    "--margin",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=0.02,
    show_default=True,
    help="The largest loss of accuracy that is not inferior; decide before you run.",
)
@click.option("--tokens", type=click.IntRange(min=1), help="The same budget of tokens for each run.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="The same budget of seconds.")
@click.option("--examples", type=click.IntRange(min=1), help="Synthetic examples of each label to compare as well.")
@click.option("--judge", help="A model that judges the examples; none that writes or accepts them.")
@click.option("--run", "folder", type=FOLDER, default=Path("runs/compare"), show_default=True, help="Folder.")
def compare(tasks: tuple[Path, ...], varied: tuple[str, ...], folder: Path, out: Console, **told: Any) -> None:
    """Run several task files on the same texts; the last is the reference. Run again to go on."""
    common = {("budget", key): str(told[key]) for key in ("tokens", "seconds") if told[key] is not None}
    contestants = [(_name(task, changes), task, {**changes, **common}) for task in tasks for changes in _grid(varied)]
    if len({name for name, _, _ in contestants}) < len(contestants) or len(contestants) < 2:
        raise click.UsageError("name two or more task files with different names, or vary a key of one")
    seeds = [_seed(tasks[0]) + number for number in range(told["seeds"])]
    for _, task, changes in contestants:  # whatever is wrong with a task file is told before the first one is run
        vary(str(load_task(task, names=NAMES).text), changes, source=task, names=NAMES)
    sides = []
    for name, task, changes in contestants:
        runs, examples = [], []
        for seed in seeds:
            runs.append(folder / name / f"seed-{seed}")
            _limbeck("run", task, runs[-1], {**changes, ("data", "seed"): str(seed)}, out=out)
        if told["examples"]:
            examples.append(runs[0] / "synthesis")
            more = ["--per-class", str(told["examples"]), *(["--judge", told["judge"]] if told["judge"] else [])]
            _limbeck("synthesize", task, runs[0], {**changes, ("data", "seed"): str(seeds[0])}, *more, out=out)
        sides.append(comparing.Side(name, tuple(runs), tuple(examples)))
    found = comparing.compare(sides, seeds=seeds, margin=told["margin"])
    written = write_comparison(folder, found)
    page = resolve(COMPARISON_PAGE)(folder)
    out.result(found | {"file": str(written), "report": str(page)}, f"{found['sentence']}\nReport: {page}")


def _grid(varied: Sequence[str]) -> list[Changes]:
    """Every combination of the values of every key."""
    options: list[list[tuple[Key, str]]] = []
    for one in varied:
        key, equals, values = one.partition("=")
        if not key or not equals or not values:
            raise click.UsageError(f"--vary {one}: write KEY=A,B, such as budget.items=200,400")
        options.append([(key_of(key), value.strip()) for value in values.split(",")])
    return [dict(combination) for combination in itertools.product(*options)]


def _name(task: Path, changes: Changes) -> str:
    """The file's name, and what was changed: `small items=200`, with nothing in it that a path must not hold."""
    told = [f"{key[-1]}={value}" for key, value in changes.items()]
    return "".join(letter if letter.isalnum() or letter in " =.-_" else "_" for letter in " ".join([task.stem, *told]))


def _seed(task: Path) -> int:
    return load_task(task, names=NAMES).data.seed


def _limbeck(verb: str, task: Path, folder: Path, changes: Changes, *more: str, out: Console) -> None:
    """One verb in a process of its own; it leaves finished work alone.

    Raises:
        RunError: when it ends with an error, which it has told itself.
    """
    changed = [part for key, value in changes.items() for part in ("--set", f"{'.'.join(map(str, key))}={value}")]
    words = [sys.executable, "-m", "limbeck", verb, str(task), "--run", str(folder), *changed, *more, "--json"]
    out.say(f"limbeck {verb} {task} → {folder}")
    done = subprocess.run(words, stdout=subprocess.DEVNULL, check=False)
    if done.returncode in (130, -2):
        raise KeyboardInterrupt
    if done.returncode:
        raise RunError(f"{folder}: `limbeck {verb}` ended with an error", hint="Mend it; the same command goes on.")
