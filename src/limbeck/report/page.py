"""A run's metrics → one self-contained HTML page without scripts and without any request to the network.

Knows nothing of how the metrics were made.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from limbeck.errors import RunError
from limbeck.report import audit, charts, fairness, gold, loop, scores, sections, words
from limbeck.report.cards import cards
from limbeck.report.safety import cut, without_traces
from limbeck.report.shape import Metrics, understood
from limbeck.report.svg import plain_style
from limbeck.report.tables import Table, groups

# What other verbs leave beside metrics.json → the verb.
BESIDE = {"audit": "audit", "gold": "run", "bias": "bias", "slices": "report --slice", "improve": "improve"}
TEMPLATES = Path(__file__).parent / "templates"


def write_report(folder: Path) -> Path:
    """Write `folder/report.html` from `folder/metrics.json`, whole or not at all; return its path.

    Raises:
        RunError: when metrics.json is missing, damaged or of a newer schema, or the page cannot be written.
    """
    metrics = read_facts(folder / "metrics.json", again="Run the same `limbeck run` again.")
    for name, verb in BESIDE.items():
        if (found := folder / f"{name}.json").exists():
            metrics[name] = read_facts(found, again=f"Run the same `limbeck {verb}` again.")
    target = folder / "report.html"
    replace_page(target, render(metrics).encode("utf-8"))
    return target


def read_facts(source: Path, *, again: str) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        RunError: when it is not there or damaged; `again` says what to do then.
    """
    try:
        found = json.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{source}: there is no such file", hint="Finish the run first: limbeck run TASK") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{source}: cannot be read: {error}", hint=again) from error
    if not isinstance(found, dict):
        raise RunError(f"{source}:1 does not hold a JSON object", hint=again)
    return found


def replace_page(target: Path, content: bytes) -> None:
    """Write beside the target and rename, so that a reader sees the old page or the new one, never half of one."""
    name: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".report-", delete=False) as beside:
            name = Path(beside.name)
            beside.write(content)
            beside.flush()
            os.fsync(beside.fileno())
        name.chmod(0o644)
        name.replace(target)
    except OSError as error:
        if name is not None:
            name.unlink(missing_ok=True)
        raise RunError(
            f"{target}: cannot be written: {error}", hint="Free some space or choose another folder."
        ) from error


def render(metrics: Mapping[str, Any]) -> str:
    """The page for metrics of schema 1 as one HTML text; any value may be absent.

    Raises:
        RunError: for a newer schema or a value of the wrong kind.
    """
    known = understood(metrics)
    with plain_style():
        drawn = {
            "learning": charts.learning_curve(known),
            "stability": charts.stability_curve(known),
            **charts.reliability_pair(known),
            "coverage": charts.coverage(known),
            "steps": loop.chart(known.improve),
        }
    slices = [fairness.parts(column) for column in known.slices.columns] if known.slices else []
    told = {"charts": drawn, "tables": _tables(known), "slices": slices, "cards": cards(known)}
    page = environment().get_template("page.html")
    return page.render(m=known, css=page_style(), version=known.limbeck, **told) + "\n"


def _tables(m: Metrics) -> dict[str, Table | None]:
    return {
        "rounds": sections.rounds(m),
        "scores": scores.scores(m),
        "people": scores.people(m),
        "per_class": scores.per_class(m),
        "confusion_committee": scores.mistakes(m.committee, m, "Committee"),
        "confusion_student": scores.mistakes(m.student, m, "Student"),
        "bins_committee": scores.bins(m.committee, "committee"),
        "bins_student": scores.bins(m.student, "student"),
        "kept": scores.kept(m),
        "gold": gold.trials(m.gold),
        "gold_agents": gold.agents(m.gold),
        "audit": audit.shares(m.audit),
        "steps": loop.steps(m.improve),
        "bias": fairness.changes(m.bias),
        "agents": sections.agents(m),
        "plan": sections.plan(m),
        "phases": sections.phases(m),
        "assets": sections.assets(m),
        "machine": sections.machine(m),
        "versions": sections.versions(m),
    }


def page_style() -> Markup:
    """The style sheet of every page."""
    return Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))


@cache
def environment() -> Environment:
    """The templates, with every filter and word that they use."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_never_none,
    )
    found.filters.update(cut=cut, groups=groups, without_traces=without_traces, moment=words.moment, span=words.span)
    writers = (words.count, words.decimal, words.fine, words.percent, words.rate, words.duration, words.size)
    found.globals.update({write.__name__: write for write in (*writers, words.energy, words.points)})
    found.globals.update(fact=words.fact, plural=words.plural, compared=words.compared, unknown=words.UNKNOWN)
    return found


def _never_none(value: Any) -> Any:
    """A template that prints an absent value by mistake says so in words."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return words.UNKNOWN
    return value
