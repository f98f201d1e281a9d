"""The verb synthesize: parse, build through the catalog, write and appraise, print.

Knows nothing of how texts are written or measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop
from limbeck.console.appraisal import appraisal
from limbeck.console.terminal import Console, Patience
from limbeck.console.verb import CHANGED, command
from limbeck.errors import RunError
from limbeck.flows.appraise import appraise
from limbeck.flows.examples import check_target, write_examples
from limbeck.flows.synthesize import synthesize as write_texts
from limbeck.meter import Meter
from limbeck.task import load_varied, synthesis_fingerprint

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path)


@command("limbeck synthesize task.yaml --per-class 100 --judge my-judge.gguf")
@click.argument("task", type=FILE)
@click.option("--per-class", "count", type=click.IntRange(min=1), required=True, help="Examples of each label.")
@click.option("--run", "folder", type=FOLDER, help="Run folder.  [default: runs/NAME, NAME from the task file]")
@click.option("--out", "target", type=FILE, help="Examples as .jsonl, .csv or .parquet.  [default: in the run folder]")
@CHANGED
@click.option("--judge", help="A model that judges the examples; none that writes or accepts them.")
def synthesize(task: Path, count: int, folder: Path | None, out: Console, **told: Any) -> None:
    """Write synthetic examples until so many of each label are accepted by the committee. Run again to go on."""
    file = load_varied(task, told["changed"], names=NAMES)
    folder = (folder or Path("runs") / (file.task.name or task.stem)) / "synthesis"
    check_target(target := told["target"] or folder / "examples.jsonl")
    stamp = synthesis_fingerprint(file)
    with Patience() as patience, Meter() as meter:
        parts = Workshop(file, Store(), meter, say=out.say).synthesis(told["judge"])
        with out.progress() as notify:
            told = {"meter": meter, "fingerprint": stamp, "notify": patience.listening(notify)}
            stopped = write_texts(parts, folder, per_label=count, **told)
        found = appraise(parts, folder, meter=meter, stopped=stopped)
    written = write_examples(folder, target)
    out.result(found | {"file": str(target)}, f"{appraisal(found)}\n{target}: {written:,} examples")
    if stopped:
        raise RunError(f"not all examples are there: {stopped}", hint="Allow more, or accept less, then run again.")
