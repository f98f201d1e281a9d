"""The verbs of `limbeck bench`: parse, call, print.

Knows nothing of how anything is measured; what measures is loaded when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from limbeck import console
from limbeck.bench.base import PEERS, Job
from limbeck.bench.questions import arithmetic
from limbeck.bench.results import LEGEND, notes, rows
from limbeck.catalog import resolve
from limbeck.flows.decode import texts_of

STORY = "limbeck.bench.decode:bench_decode"
FILE = click.Path(path_type=Path, dir_okay=False)
COUNT = click.IntRange(min=1)


@click.group(epilog="Example: limbeck bench decode --against transformers,llama-cpp")
def bench() -> None:
    """Measure limbeck beside other libraries, on this machine."""


@console.command("limbeck bench decode --against transformers,llama-cpp --out speed.json")
@click.option(
    "--model", default="smollm2-135m-instruct", show_default=True, help="A name, a .gguf file, or hf:owner/name:FILE."
)
@click.option(
    "--against",
    help="Libraries, with commas: transformers, llama-cpp, ctranslate2, optillm.  [default: all that are installed]",
)
@click.option("--questions", type=COUNT, default=40, show_default=True, help="Questions to answer.")
@click.option("--from", "source", type=FILE, help="A file of questions: its column `text`.  [default: made up here]")
@click.option("--k", type=COUNT, default=10, show_default=True, help="Branches of a question.")
@click.option("--tokens", type=COUNT, default=64, show_default=True, help="Tokens of a branch at most.")
@click.option(
    "--prompt",
    type=click.Choice(["qa", "chat"]),
    default="qa",
    show_default=True,
    help="How questions are put: Q: … A:, or by the model's chat template.",
)
@click.option("--rounds", type=COUNT, default=2, show_default=True, help="Turns of each side; the best one counts.")
@click.option("--width", type=COUNT, help="Questions that limbeck reads at a time.  [default: measured]")
@click.option("--no-floor", is_flag=True, help="Leave out what is achieved of the machine's own limits.")
@click.option("--out", "path", type=FILE, help="JSON file to keep results in and to go on with.")
def decode(source: Path | None, path: Path | None, against: str | None, *, out: console.Console, **told: Any) -> None:
    """Time CoT-decoding by limbeck and by other libraries: same prompts, same weights, one run, in turns."""
    count = told["questions"]
    asked = texts_of(source)[:count] if source else arithmetic(count)
    names = tuple(PEERS) if against is None else tuple(filter(None, map(str.strip, against.split(","))))
    width, prompt = told["width"] or 0, told["prompt"]
    job = Job(told["k"], told["tokens"], told["rounds"], width=width, floor=not told["no_floor"], prompt=prompt)
    found = resolve(STORY)(told["model"], asked, names, job=job, path=path, say=out.say)
    out.result(found, "\n".join(filter(None, [*_table(found), *notes(found)])))


def _table(found: Mapping[str, Any]) -> list[str]:
    return [console.table(told), f"({LEGEND})"] if (told := rows(found)) else []


bench.add_command(decode)
