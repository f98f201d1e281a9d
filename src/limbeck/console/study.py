"""The verbs of a study: new, plan, freeze, close, report, export.

Knows nothing of how any of them is done.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from limbeck.catalog import STUDY_REPORT, resolve
from limbeck.console.terminal import Console, pairs
from limbeck.console.verb import command
from limbeck.flows.export import FORMATS, whole, write_rows
from limbeck.study import close, freeze, new, plan, results
from limbeck.study.export import WHAT, datasheet, markdown, rows

FOLDER = click.Path(path_type=Path, file_okay=False)
NUMBERS, SHEET = "study.json", "heds"


@click.group(epilog="Example: limbeck study new runs/small runs/large --kind rationales")
def study() -> None:
    """Let people judge the outputs of two runs, blind, and say what their judgements prove."""


@command("limbeck study new runs/small runs/large --kind rationales --raters 3")
@click.argument("run_a", type=FOLDER)
@click.argument("run_b", type=FOLDER)
@click.option("--kind", type=click.Choice(("examples", "rationales", "labels")), required=True, help="What is judged.")
@click.option("--scale", "method", flag_value="scale", default=True, help="Single outputs, 1 to 5.  [default]")
@click.option("--pairs", "method", flag_value="pairs", help="Two outputs side by side: first, second, tie.")
@click.option("--acceptable", "method", flag_value="acceptable", help="Single outputs: yes or no.")
@click.option("--raters", type=click.IntRange(min=1), default=3, show_default=True, help="How many people.")
@click.option("--items", type=click.IntRange(min=1), help="How many items.  [default: all that both runs have]")
@click.option(
    "--margin", type=click.FloatRange(min=0, min_open=True), help="The largest loss that still counts as none."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all draws.")
@click.option("--study", "folder", type=FOLDER, help="Folder of the study.  [default: studies/KIND]")
def study_new(run_a: Path, run_b: Path, folder: Path | None, out: Console, **told: Any) -> None:
    """Begin a study: is RUN_A not inferior to RUN_B? Copies the texts, writes a design and guidelines to change."""
    folder = folder or Path("studies") / told["kind"]
    design = new(folder, (run_a, run_b), **told)
    found = plan(folder)
    text = "\n".join(
        [
            f"{folder}: {found['items']} items for {design.raters} raters",
            f"Read design.yaml and guidelines.md there and mend them. Then: limbeck study plan {folder}",
        ]
    )
    out.result({"study": str(folder), **found}, text)


@command("limbeck study plan studies/rationales")
@click.argument("folder", metavar="STUDY", type=FOLDER)
def study_plan(folder: Path, out: Console) -> None:
    """Say what the study can show, and how long it takes."""
    found = plan(folder)
    text = (
        f"{found['items']} items, {found['overlap']} of {found['raters']} raters each, "
        f"{found['judgements']:,} judgements\n"
        f"margin {found['margin']:g}: power {found['power']:.0%} to show that equals are not inferior; "
        f"the wanted power needs {found['items_needed']:,} items, "
        f"or {found['items_needed_if_noisy']:,} where single judgements are mostly noise\n"
        f"{found['pages_per_rater']} pages, about {found['minutes_per_rater']:.0f} minutes for each rater\n"
        f"({found['rests_on']})"
    )
    out.result(found, text)


@command("limbeck study freeze studies/rationales")
@click.argument("folder", metavar="STUDY", type=FOLDER)
def study_freeze(folder: Path, out: Console) -> None:
    """Fix items, sides, order, seeds and design. No edits after."""
    found = freeze(folder)
    out.result(found, pairs(found) + f"\nNext: limbeck serve {folder}")


@command("limbeck study close studies/rationales")
@click.argument("folder", metavar="STUDY", type=FOLDER)
def study_close(folder: Path, out: Console) -> None:
    """End the judging. Only now may anybody see which side is which system."""
    found = close(folder)
    out.result(
        found, f"{found['answered']:,} of {found['of']:,} pages are answered\nNext: limbeck study report {folder}"
    )


@command("limbeck study report studies/rationales")
@click.argument("folder", metavar="STUDY", type=FOLDER)
def study_report(folder: Path, out: Console) -> None:
    """Compute everything and write study.json and report.html."""
    found = results(folder)
    with whole(folder / NUMBERS) as partial:
        partial.write_text(json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    page = resolve(STUDY_REPORT)(folder)
    out.result(found | {"report": str(page)}, f"{found['sentence']}\nReport: {page}")


@command("limbeck study export studies/rationales --what preferences --to jsonl")
@click.argument("folder", metavar="STUDY", type=FOLDER)
@click.option("--what", type=click.Choice((*WHAT, SHEET)), default=WHAT[0], show_default=True, help="Which part.")
@click.option("--to", "kind", type=click.Choice(FORMATS), default="jsonl", show_default=True, help="Format.")
def study_export(folder: Path, what: str, kind: str, out: Console) -> None:
    """Write judgements, their history, preference triples, or the datasheet of HEDS 3.0 (as JSON and Markdown)."""
    if what == SHEET:
        sheet = datasheet(folder, results(folder))
        files = [folder / f"{SHEET}.json", folder / f"{SHEET}.md"]
        for path, text in zip(
            files, (json.dumps(sheet, ensure_ascii=False, indent=1) + "\n", markdown(sheet)), strict=True
        ):
            with whole(path) as partial:
                partial.write_text(text, encoding="utf-8")
    else:
        files = [write_rows(folder / f"{what}.{kind}", rows(folder, what), kind)]
    out.result({"files": [str(path) for path in files]}, "\n".join(map(str, files)))


for _name, _verb in (
    ("new", study_new),
    ("plan", study_plan),
    ("freeze", study_freeze),
    ("close", study_close),
    ("report", study_report),
    ("export", study_export),
):
    study.add_command(_verb, _name)
