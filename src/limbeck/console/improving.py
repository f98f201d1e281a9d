"""The verb improve: parse, build through the catalog, go on from a finished run, print.

Knows nothing of how anything is improved or judged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from limbeck.assets.store import Store
from limbeck.catalog import NAMES, REPORT, Workshop, resolve
from limbeck.console.terminal import Console, Patience
from limbeck.console.verb import command
from limbeck.errors import RunError
from limbeck.flows.improve import FOLDER as BESIDE
from limbeck.flows.improve import RESULT, improve, improved
from limbeck.flows.improvement import Effort
from limbeck.flows.run import finished
from limbeck.meter import Meter
from limbeck.task import fingerprint, load_task

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=True)
USUAL = Effort()


@command("limbeck improve task.yaml --run runs/reviews")
@click.argument("task", type=FILE)
@click.option("--run", "folder", type=FOLDER, help="Run folder.  [default: runs/NAME, NAME from the task file]")
@click.option("--rounds", type=click.IntRange(min=1), default=USUAL.rounds, show_default=True, help="Rounds at most.")
@click.option(
    "--items",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=USUAL.items,
    show_default=True,
    help="Share of the labelled items that is asked again in a round.",
)
@click.option(
    "--examples",
    type=click.IntRange(min=1, max=100),
    default=USUAL.examples,
    show_default=True,
    help="Demonstrations in a prompt.",
)
@click.option(
    "--synthetic",
    type=click.IntRange(min=0),
    default=USUAL.synthetic,
    show_default=True,
    help="Synthetic examples to be accepted in a round, per label on average.",
)
@click.option(
    "--judges",
    type=click.IntRange(min=0),
    default=USUAL.judges,
    show_default=True,
    help="Fresh items that judge the steps, where people did not answer.",
)
@click.option(
    "--least",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Points of accuracy per minute that a step must gain to be kept.",
)
def improve_(task: Path, folder: Path | None, out: Console, **told: Any) -> None:
    """Go on from a finished run while it pays: doubtful items again, synthetic examples, student. Undo what did not."""
    file = load_task(task, names=NAMES)
    folder = folder or Path("runs") / (file.task.name or task.stem)
    stamp, effort = fingerprint(file), Effort(**told | {"least": told["least"] / 100})
    if not finished(folder, stamp):
        raise RunError(
            f"{folder}: there is no finished run here", hint=f"limbeck run {task} --run {folder} comes first."
        )
    found = improved(folder, stamp, effort)
    if found is None:
        with Patience() as patience, Meter() as meter:
            parts = Workshop(file, Store(), meter, say=out.say).improvement(effort)
            with out.progress() as notify:
                found = improve(parts, folder, meter=meter, fingerprint=stamp, notify=patience.listening(notify))
    page = resolve(REPORT)(folder)
    lines = [_line(entry) for entry in found["steps"]]
    files = [str(folder / RESULT), str(folder / BESIDE), str(page)]
    out.result(found | {"files": files}, "\n".join([*lines, f"ended: {found['ended']}", found["sentence"], *files]))


def _line(entry: dict[str, Any]) -> str:
    """One step: what became of it, its gain and its cost."""
    said = f"round {entry['round']}, {entry['step']}: {entry['outcome']}"
    if entry["gain"] is not None:
        said += f", gain {100 * entry['gain']:+.1f} points"
        if entry["gain_interval"]:
            low, high = entry["gain_interval"]
            said += f" ({100 * low:+.1f} to {100 * high:+.1f})"
    if entry["test_gain"] is not None:
        said += f", on the test set {100 * entry['test_gain']:+.1f}"
    said += f", {entry['seconds']:,.0f} s, {entry['tokens']:,} tokens"
    return said + (f" ({entry['reason']})" if entry["reason"] else "")
