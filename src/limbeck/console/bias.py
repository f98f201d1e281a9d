"""The verb bias: asks the agents of a task file otherwise and says what changes.

Knows nothing of how that is found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from limbeck.assets.store import Store
from limbeck.catalog import NAMES, REPORT, Workshop, resolve
from limbeck.console.terminal import Console
from limbeck.console.verb import command
from limbeck.flows.run import BIAS, METRICS, write_whole
from limbeck.meter import Meter
from limbeck.task import load_task

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


@command("limbeck bias task.yaml --items 200 --run runs/reviews")
@click.argument("task", type=FILE)
@click.option("--items", type=click.IntRange(min=2), default=100, show_default=True, help="Items that are asked about.")
@click.option("--run", "folder", type=FOLDER, help="A finished run: the finding goes into its folder and its report.")
def bias(task: Path, items: int, folder: Path | None, out: Console) -> None:
    """Ask the agents of TASK with labels in another order and with other words for them; say what changes."""
    file = load_task(task, names=NAMES)
    with Meter() as meter, out.progress() as notify:
        found = Workshop(file, Store(), meter, say=out.say).bias(items, notify=notify)
    written = []
    if folder is not None and (folder / METRICS).exists():
        write_whole(folder / BIAS, json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        written = [str(folder / BIAS), str(resolve(REPORT)(folder))]
    out.result(found | {"files": written}, "\n".join([*told(found), *written]))


def told(found: Mapping[str, Any]) -> Iterator[str]:
    """A line for each agent and change, and one for each label that moved."""
    small = f"{100 * found['small']:g} points"
    yield f"{found['items']:,} items; * = the interval excludes 0 and the shift is at least {small}"
    for one in found["measured"]:
        against = "" if one["against"] == "as asked" else f" against {one['against']}"
        changed = "unknown"
        if one["changed"] is not None:
            low, high = one["changed_interval"]
            changed = f"{100 * one['changed']:.0f} % ({100 * low:.0f} to {100 * high:.0f} %)"
        yield f"{one['agent']}, {one['change']}{against}: answers changed, after calibration: {changed}"
        for row in one["shifts"]:
            left = _moved(row, "calibrated", "remains")
            yield f"  {row['label']}: {_moved(row, 'shift', 'flag')}; after calibration {left}"
    for agent, reason in found["skipped"].items():
        yield f"{agent}: {reason}"


def _moved(row: Mapping[str, Any], name: str, flag: str) -> str:
    if row[name] is None:
        return f"unknown ({row[f'{name}_reason']})"
    span = row[f"{name}_interval"]
    within = "" if span is None else f" ({100 * span[0]:+.1f} to {100 * span[1]:+.1f})"
    return f"{100 * row[name]:+.1f} points{within}{' *' if row[flag] else ''}"
