"""The verbs that need people: gold asks them, audit says what their answers prove.

Knows nothing of how either is done.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from limbeck.catalog import ACCEPTED, AGGREGATORS, AUDIT, REPORT, resolve
from limbeck.console.asking import Screen
from limbeck.console.audited import audited
from limbeck.console.calibrated import calibrated
from limbeck.console.terminal import Console, pairs, writing
from limbeck.console.verb import command
from limbeck.flows.answers import LABEL_COLUMN, answers_of_file
from limbeck.flows.calibrate import Terms, stale
from limbeck.flows.export import FORMATS, safe_cell
from limbeck.flows.gold import ask, keep, progress, sheet
from limbeck.flows.relabel import recalibrate
from limbeck.flows.run import AUDIT as AUDIT_FILE
from limbeck.flows.sample import CHOICES, Drawn, drawn, facts_of
from limbeck.ledger import Ledger, LedgerView

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
SHARE = click.FloatRange(min=0, max=1, min_open=True, max_open=True)
PAGE = "report.html"


@command("limbeck gold runs/reviews --n 50")
@click.argument("folder", type=FOLDER)
@click.option("--n", type=click.IntRange(min=1), default=50, show_default=True, help="How many items to ask about.")
@click.option(
    "--choose", type=click.Choice(CHOICES), default="stratified", show_default=True, help="How items are drawn."
)
@click.option("--person", default="me", show_default=True, help="Whose answers these are.")
@click.option("--from", "source", type=FILE, help="Read answers from a table with the columns id and label.")
@click.option("--column", default=LABEL_COLUMN, show_default=True, help="Column of the labels in that table.")
@click.option("--sheet", "target", type=FILE, help="Write the questions into a CSV file, to be answered there.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the draw.")
def gold(folder: Path, n: int, source: Path | None, target: Path | None, out: Console, **told: Any) -> None:
    """Ask a person about some of the labelled items, one key per label. Quit at any time and go on later."""
    Ledger.bring_forward(folder)
    with Ledger.open(folder) as ledger:
        facts = facts_of(ledger)
        sample = drawn(ledger, n, choose=told["choose"], seed=told["seed"])
        if source is not None:
            keep(ledger, answers_of_file(source, facts["labels"], column=told["column"], person=told["person"]))
        elif target is not None:
            _write(ledger, sample, target, show=facts["show"])
        elif not out.as_json:
            if not sys.stdin.isatty():
                raise click.UsageError(
                    "there is no terminal to ask at; use --sheet and --from, or --json to see the draw"
                )
            meanings = dict.fromkeys(facts["labels"]) | facts.get("descriptions", {})
            ask(ledger, sample, Screen(facts["card"]["instructions"], meanings, facts["show"]), name=told["person"])
        found = progress(ledger, sample)
        learned, new = _recalibrate(ledger, folder, facts), stale(ledger)
    if (folder / PAGE).exists() and learned is not None:
        resolve(REPORT)(folder)
    after = [*(calibrated(learned) if learned else ()), f"Next: limbeck audit {folder}"]
    if new:
        after.append("The same `limbeck run` again teaches the student what the answers taught.")
    result = found | {"items": list(sample.items), "gold": learned}
    out.result(result, "\n".join([pairs(found), *after]))


def _recalibrate(ledger: Ledger, folder: Path, facts: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the answers so far teach, put into the labels; None where there is nothing new."""
    if "aggregate" not in facts:  # made by an older limbeck; running it again brings it forward
        return None
    terms = Terms.kept(facts, resolve(AGGREGATORS[facts["aggregate"]])())
    return recalibrate(ledger, folder, terms, show=facts["show"])


def _write(view: LedgerView, sample: Drawn, target: Path, *, show: list[str]) -> None:
    with writing(target) as stream:
        writer = csv.DictWriter(stream, ("id", "text", "label"), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: safe_cell(cell) for name, cell in row.items()} for row in sheet(view, sample, show=show)
        )


@command("limbeck audit runs/reviews --error 0.05 --risk 0.05")
@click.argument("folder", type=FOLDER)
@click.option("--error", type=SHARE, default=0.05, show_default=True, help="Share of wrong labels among the accepted.")
@click.option("--risk", type=SHARE, default=0.05, show_default=True, help="Chance that more of them are wrong.")
@click.option(
    "--labels", type=FILE, help="Table of human labels: id, label, and annotator where several people labelled."
)
@click.option(
    "--random", "at_random", is_flag=True, help="State that the items with human labels were drawn at random."
)
@click.option(
    "--epsilon",
    type=click.FloatRange(min=0),
    default=0.1,
    show_default=True,
    help="Alternative-annotator test: 0.2 for experts, 0.15 for trained people, 0.1 for crowd workers.",
)
@click.option("--to", "kind", type=click.Choice(FORMATS), help="Also write the accepted labels in this format.")
def audit(folder: Path, kind: str | None, out: Console, **told: Any) -> None:
    """Say what a few human labels prove about all labels of a run: accuracy, class shares, which labels to accept."""
    found = resolve(AUDIT)(folder, **told)
    written = [folder / AUDIT_FILE]
    if (folder / PAGE).exists():
        written.append(resolve(REPORT)(folder))
    if kind is not None:
        written.append(resolve(ACCEPTED)(folder, kind=kind))
    files = [str(path) for path in written]
    out.result(found | {"files": files}, "\n".join([audited(found), *files]))
