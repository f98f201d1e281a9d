"""The command line: parse, build through the catalog, run a flow, print. No logic.

Knows nothing of how anything is done.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Group

import limbeck
from limbeck import console
from limbeck.assets.store import Store
from limbeck.bench.command import bench
from limbeck.catalog import INSPECT, NAMES, REPORT, Workshop, open_asker, open_student, resolve
from limbeck.console.bias import bias
from limbeck.console.comparison import compare
from limbeck.console.improving import improve_
from limbeck.console.people import audit, gold
from limbeck.console.serving import serve
from limbeck.console.study import study
from limbeck.console.synthesis import synthesize
from limbeck.doctor import examine
from limbeck.errors import LimbeckError, RunError
from limbeck.flows.decode import STYLES, texts_of
from limbeck.flows.export import FORMATS, write_labels, write_queue
from limbeck.flows.facts import task_of
from limbeck.flows.init import init as draft
from limbeck.flows.job import silent
from limbeck.flows.plan import plan as make_plan
from limbeck.flows.predict import predict as label_texts
from limbeck.flows.run import FACTS, STUDENT, TASK, THRESHOLDS, finished, reopen
from limbeck.flows.run import run as do_run
from limbeck.flows.slices import write_slices
from limbeck.flows.status import status as look
from limbeck.ledger import Ledger, repair
from limbeck.meter import Meter
from limbeck.task import fingerprint, load_task, load_varied

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=True)
PAGE = "report.html"


def main() -> None:
    """Run the command line; errors become one message and an exit code."""
    console.speak_utf8()
    try:
        code = commands(standalone_mode=False)
    except LimbeckError as error:
        console.complain(str(error))
        code = error.exit_code
    except click.UsageError as error:
        console.complain(f"{error.format_message()}\n  limbeck --help lists the commands")
        code = 2
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except (KeyboardInterrupt, click.Abort):
        console.complain("interrupted; what was done is kept, the same command goes on from here")
        code = 130
    sys.exit(code or 0)


@click.group(epilog="Example: limbeck init reviews.csv, then limbeck run task.yaml")
@click.version_option(limbeck.__version__, prog_name="limbeck")
def commands() -> None:
    """Label texts with a committee of small language models on this machine, and keep a model of your own."""


@console.command("limbeck init reviews.csv")
@click.argument("source", type=FILE)
@click.option("--task", "target", type=FILE, default=Path("task.yaml"), show_default=True, help="File to write.")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
def init(source: Path, target: Path, *, force: bool, out: console.Console) -> None:
    """Look at SOURCE and write a commented task file."""
    found = draft(source, target, overwrite=force)
    out.result(
        {"task": str(found.path), "text": found.text_column, "label": found.label_column, "labels": found.labels},
        f"{found.path}: texts in {found.text_column!r}, "
        + (f"labels in {found.label_column!r}: {', '.join(found.labels)}" if found.label_column else "no label column")
        + f"\nRead it, mend what was guessed wrong, then: limbeck plan {found.path}",
    )


@console.command("limbeck doctor")
@click.option("--repair", "folder", type=FOLDER, help="Save what can be read of this run's damaged ledger.")
def doctor(folder: Path | None, out: console.Console) -> None:
    """Say what works on this machine, what is missing, and what to do about it."""
    if folder is not None:
        saved = repair(folder)
        reopen(folder)
        found = {"kept": str(saved.kept), "saved": dict(saved.saved), "broken": dict(saved.broken)}
        out.result(found, console.pairs(found) + "\nRun the same `limbeck run` again: what was lost is asked anew.")
        return
    checks = examine(Store())
    out.result([one.row() for one in checks], console.checklist(checks))


@click.group(epilog="Example: limbeck models list")
def models() -> None:
    """List, fetch, add and check models, encoders and data sets."""


@console.command("limbeck models list")
def models_list(out: console.Console) -> None:
    """Show everything that has a name here."""
    store = Store()
    state = dict(store.verify())
    rows = [
        {"name": a.name, "kind": a.kind, "state": state.get(a.name, "missing"), "licence": a.licence, "about": a.about}
        for a in store.list()
    ]
    out.result(rows, console.table(rows))


@console.command("limbeck models pull smollm2-135m-instruct")
@click.argument("names", nargs=-1, required=True)
def models_pull(names: tuple[str, ...], out: console.Console) -> None:
    """Fetch assets by name, verify them and keep them."""
    store = Store()
    folders = {name: str(store.pull(name, out.say)) for name in names}
    out.result(folders, "\n".join(f"{name}: {folder}" for name, folder in folders.items()))


@console.command("limbeck models import my-model.gguf")
@click.argument("file", type=FILE)
def models_import(file: Path, out: console.Console) -> None:
    """Add a GGUF file of your own, or an archive that was brought by hand."""
    told = asdict(resolve(INSPECT)(file)) if file.suffix == ".gguf" and file.is_file() else {}
    asset = Store().import_file(file, out.say)
    text = f"added; a task file can say `model: {asset.name}`"
    out.result({"name": asset.name, **told}, "\n".join(filter(None, [console.pairs(told), text])))


@console.command("limbeck models verify")
@click.argument("name", required=False)
def models_verify(name: str | None, out: console.Console) -> None:
    """Hash every file anew and compare it with what it must be."""
    found = Store().verify(name)
    out.result(dict(found), "\n".join(f"{asset}: {state}" for asset, state in found))
    if any(state not in ("ok", "missing") for _, state in found):
        raise click.exceptions.Exit(1)


@console.command("limbeck plan task.yaml")
@click.argument("task", type=FILE)
@console.CHANGED
def plan(task: Path, changed: tuple[str, ...], out: console.Console) -> None:
    """Time a pilot of some 20 items and predict what the run will cost. Changes nothing."""
    with Meter() as meter:
        job = Workshop(load_varied(task, changed, names=NAMES), Store(), meter, say=out.say).job()
        with out.progress() as notify:
            found = make_plan(job, notify=notify)
    out.result(found, console.plan(found))


@console.command("limbeck run task.yaml --run runs/reviews")
@click.argument("task", type=FILE)
@click.option("--run", "folder", type=FOLDER, help="Run folder.  [default: runs/NAME, NAME from the task file]")
@click.option("--watts", type=click.FloatRange(min=0, min_open=True), help="The machine's draw, if you measured it.")
@console.CHANGED
def run(task: Path, folder: Path | None, watts: float | None, changed: tuple[str, ...], out: console.Console) -> None:
    """Annotate, learn, distill, evaluate and report. Run again to go on; a finished run is left alone."""
    file = load_varied(task, changed, names=NAMES)
    folder = folder or Path("runs") / (file.task.name or task.stem)
    stamp = fingerprint(file)
    if finished(folder, stamp):
        page = folder / PAGE if (folder / PAGE).exists() else resolve(REPORT)(folder)
        out.result({"run": str(folder), "state": "finished", "report": str(page)}, f"{folder} is finished: {page}")
        return
    with console.Patience() as patience:
        with Meter(watts=watts) as meter:
            job = Workshop(file, Store(), meter, say=out.say).job()
            with out.progress() as notify:
                metrics = do_run(job, folder, meter=meter, fingerprint=stamp, notify=patience.listening(notify))
        page = resolve(REPORT)(folder)
    out.result(
        {"run": str(folder), "state": "finished", "report": str(page), "metrics": metrics},
        "\n".join([metrics["sentence"], *(f"Note: {text}" for text in metrics["warnings"]), f"Report: {page}"]),
    )


@console.command("limbeck decode --model smollm2-135m-instruct 'Tom has 3 apples and buys 5 more. How many are there?'")
@click.argument("prompts", nargs=-1)
@click.option(
    "--model", required=True, help="A name, a .gguf file, a model folder, hf:owner/name, or a server's model."
)
@click.option("--decode", "how", default="cot", show_default=True, help="As in a task file, such as '{cot: {k: 5}}'.")
@click.option(
    "--answer", default="number", show_default=True, help="number, yes-no, option, phrase, label:a,b, pattern:…"
)
@click.option(
    "--style", type=click.Choice(STYLES), help="How prompts are put.  [default: chat where there is a template]"
)
@click.option("--engine", default="openvino", show_default=True, help="Engine, or a server's http:// address.")
@click.option("--allow-remote", is_flag=True, help="Prompts may leave this machine.")
@click.option("--from", "source", type=FILE, help="A file of prompts: its column `text`.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of sampled paths.")
def decode(prompts: tuple[str, ...], style: Any, source: Path | None, out: console.Console, **told: Any) -> None:
    """Answer PROMPTS by a decoder, and show every branch behind each answer."""
    asked = [*prompts, *(texts_of(source) if source else ())]
    if not asked:
        raise click.UsageError("no prompt is given; write one, or name a file with --from")
    model, how = told.pop("model"), told.pop("how")
    ask = open_asker(model, how, say=out.say, **told)
    with out.progress() if len(asked) > 1 else nullcontext(silent) as notify:
        found = ask(asked, style=style, notify=notify)
    rows = [{"prompt": prompt, **asdict(draw)} for prompt, draw in zip(asked, found, strict=True)]
    shown = Group(*(console.shown_tree(prompt, draw) for prompt, draw in zip(asked, found, strict=True)))
    out.result(rows, shown)


@console.command("limbeck status runs/reviews")
@click.argument("folder", type=FOLDER)
def status(folder: Path, out: console.Console) -> None:
    """Say where a run stands."""
    found = look(folder)
    out.result(found, console.pairs(found))


@console.command("limbeck report runs/reviews")
@click.argument("folder", type=FOLDER)
@click.option("--slice", "columns", multiple=True, help="Compare the labels by this column of --data; more than once.")
@click.option("--data", type=FILE, help="The file that the run labelled, with the columns of --slice.")
def report(folder: Path, columns: tuple[str, ...], data: Path | None, out: console.Console) -> None:
    """Write the report of a finished run anew."""
    if bool(columns) != (data is not None):
        raise click.UsageError("--slice and --data belong together: which columns, of which file")
    if data is not None:
        file = load_task(folder / TASK, names=NAMES, files=False)
        write_slices(folder, data, columns, id_column=file.data.id)
    page = resolve(REPORT)(folder)
    out.result({"report": str(page)}, str(page))


@console.command("limbeck export runs/reviews --to parquet")
@click.argument("folder", type=FOLDER)
@click.option("--to", "kind", type=click.Choice(FORMATS), default="csv", show_default=True, help="Format.")
@click.option("--queue", is_flag=True, help="Only the labels that were not accepted and wait for people.")
def export(folder: Path, kind: str, *, queue: bool, out: console.Console) -> None:
    """Write the labels with their probabilities and every agent's vote."""
    with Ledger.read(folder) as view:
        facts = view.meta(FACTS)
        if facts is None or not view.labels():
            raise RunError(
                f"{folder}: nothing is labelled yet", hint="limbeck run task.yaml labels when it is through."
            )
        task = task_of(facts)
        prior = None if facts["prior"] is None else [facts["prior"][label] for label in task.labels]
        if queue:
            path = write_queue(folder, view, task, kind=kind)
        else:
            path = write_labels(folder, view, task, facts["calibration"], prior=prior, kind=kind)
    out.result({"file": str(path)}, str(path))


@console.command("limbeck predict runs/reviews new.csv > labels.csv")
@click.argument("folder", type=FOLDER)
@click.argument("texts", type=FILE)
@click.option("--out", "target", type=FILE, help="File to write.  [default: the terminal]")
def predict(folder: Path, texts: Path, target: Path | None, out: console.Console) -> None:
    """Label new texts with the run's student; needs no language model."""
    with Ledger.read(folder) as view:
        facts, cut = view.meta(FACTS), view.meta(THRESHOLDS)
    if facts is None or not (folder / STUDENT).is_dir():
        raise RunError(f"{folder}: there is no student here", hint="limbeck run task.yaml makes one.")
    student = open_student(folder / STUDENT, facts["student"], encoder=facts["encoder"], store=Store(), say=out.say)
    with console.writing(target) as stream:
        as_json = target is None and out.as_json
        count = label_texts(student, texts, stream, task=task_of(facts), as_json=as_json, thresholds=cut)
    if target is not None:
        out.result({"file": str(target), "rows": count}, f"{target}: {count:,} rows")


for _verb in (
    *(init, doctor, plan, run, synthesize, decode, status, gold, audit, bias, compare, report, export, predict),
):
    commands.add_command(_verb)
for _name, _verb in (
    ("list", models_list),
    ("pull", models_pull),
    ("import", models_import),
    ("verify", models_verify),
):
    models.add_command(_verb, _name)
commands.add_command(improve_, "improve")
commands.add_command(models)
commands.add_command(study)
commands.add_command(serve)
commands.add_command(bench)
