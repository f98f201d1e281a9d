"""The page's tables about the run, its agents and its cost: which numbers stand in them, under which words.

Knows nothing of HTML; the words around the tables stand in the templates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from limbeck.report import words
from limbeck.report.costs import PhasePart
from limbeck.report.plan import AddedPart, DroppedPart
from limbeck.report.safety import without_traces
from limbeck.report.shape import AgentPart, Metrics, RoundPart
from limbeck.report.tables import Cell, Column, Head, Missing, Table, interval_of, tabulate, value_of


def rounds(metrics: Metrics) -> Table | None:
    """One row per round of the loop."""
    columns: list[Column[RoundPart]] = [
        Column("Round", value_of("round"), words.count, number=False),
        Column("Chosen by", value_of("strategy"), number=False),
        Column("Labelled so far", value_of("labelled"), words.count),
        Column("Student is right on", value_of("accuracy"), words.percent, extra=interval_of("accuracy_interval")),
        Column(
            "Teacher is right on",
            value_of("committee_accuracy_selected"),
            words.percent,
            small="items chosen this round",
        ),
        Column("Labels changed", value_of("change"), words.percent, small="since the round before", absent="–"),
        Column("Time", value_of("seconds"), words.duration),
        Column("Tokens", value_of("tokens"), words.count),
    ]
    return tabulate("Round by round", metrics.learning_curve, columns, hide_caption=True)


@dataclass(frozen=True, slots=True)
class Scale:
    """A common scale for dots with intervals; `mark` is drawn through all rows."""

    low: float
    high: float
    mark: float | None

    def dot(self, agent: AgentPart, css: str = "") -> Any:
        """An accuracy and its interval as a drawing in percentages, so that it fits any width."""
        if agent.accuracy is None:
            return Missing(agent.reason("accuracy"))
        mark = "" if self.mark is None else self._line("mark", self.mark, self.mark, ends=("-9", "70"))
        interval = agent.accuracy_interval
        line = "" if interval is None else self._line("ci", *interval, ends=("9", "9"))
        return Markup(
            '<svg class="dots {}" width="100%" height="18" aria-hidden="true">{}{}'
            '<circle cx="{:.2f}%" cy="9" r="5"/></svg>'
        ).format(css, mark, line, self._place(agent.accuracy))

    def _place(self, value: float) -> float:
        return 100 * (value - self.low) / (self.high - self.low)

    def _line(self, css: str, left: float, right: float, *, ends: tuple[str, str]) -> Markup:
        return Markup('<line class="{}" x1="{:.2f}%" x2="{:.2f}%" y1="{}" y2="{}"/>').format(
            css, self._place(left), self._place(right), *ends
        )


def agents(metrics: Metrics) -> Table | None:
    """One row per agent, and the committee below them, with dots on a common scale."""
    committee = metrics.committee
    rows = list(metrics.agents.items())
    if not rows:
        return None
    joint = AgentPart(accuracy=committee.accuracy, accuracy_interval=committee.accuracy_interval)
    everybody = [agent for _, agent in rows] + [joint]
    ends = [end for one in everybody for end in (one.accuracy_interval or (one.accuracy,)) if end is not None]
    low, high = (math.floor(min(ends) * 20) / 20, math.ceil(max(ends) * 20) / 20) if ends else (0.0, 1.0)
    scale = Scale(low, high if high > low else low + 0.05, committee.accuracy)
    between = Markup('<span class="ends"><span>{}</span><span>{}</span></span>').format(
        f"{scale.low * 100:.0f}\u00a0%", f"{scale.high * 100:.0f}\u00a0%"
    )
    columns: list[Column[tuple[str, AgentPart]]] = [
        Column("Agent", lambda row: row[0], number=False, extra=lambda row: _manner(row[1])),
        Column("Right on", _in("accuracy"), words.percent, extra=lambda row: words.span(row[1].accuracy_interval)),
        Column("with its interval", lambda row: scale.dot(row[1]), number=False, small=between, note=False),
        Column("Calibration did", lambda row: _gain(row[1]), small="right before → after"),
        Column("Weight", _in("weight"), words.decimal),
        Column("Votes", _in("votes"), words.count, extra=lambda row: _silent(row[1])),
        Column("Tokens", _in("tokens"), words.count, extra=lambda row: _reused(row[1])),
        Column("Items a second", _in("items_per_second"), words.rate),
    ]
    if any(agent.orders_differ is not None for _, agent in rows):
        small = "pairs whose label hangs on the order of the texts"
        columns.insert(3, Column("Orders differ", _in("orders_differ"), words.percent, small=small, extra=_differ))
    table = tabulate("The agents", rows, columns, hide_caption=True)
    if table is not None and committee.accuracy is not None:
        table.rows.append(_together(table, joint, scale))
    return table


def _in(name: str) -> Callable[[tuple[str, AgentPart]], Any]:
    return lambda row: value_of(name)(row[1])


def _manner(agent: AgentPart) -> str:
    return ", ".join(part for part in (agent.model, agent.style) if part)


def _silent(agent: AgentPart) -> str:
    return f"{words.count(agent.abstained)} abstained" if agent.abstained else ""


def _differ(row: tuple[str, AgentPart]) -> str:
    return words.span(row[1].orders_differ_interval)


def _reused(agent: AgentPart) -> str:
    return f"+ {words.count(agent.reused)} reused" if agent.reused else ""


def _gain(agent: AgentPart) -> Any:
    if agent.accuracy_raw is None or agent.accuracy is None:
        return Missing(agent.reason("accuracy_raw") or agent.reason("accuracy"))
    return f"{words.percent(agent.accuracy_raw)} → {words.percent(agent.accuracy)}"


def _together(table: Table, joint: AgentPart, scale: Scale) -> list[Cell]:
    filled = {
        "Agent": Cell("Committee", small="all of them together", look="sum"),
        "Right on": Cell(
            words.percent(joint.accuracy or 0), number=True, small=words.span(joint.accuracy_interval), look="sum"
        ),
        "with its interval": Cell(scale.dot(joint, css="committee"), look="sum"),
    }
    return [filled.get(head.title, Cell("", look="sum")) for head in table.heads]


def plan(metrics: Metrics) -> Table | None:
    """What each agent adds to those above it, and what leaving it out would change."""
    found = metrics.committee.plan
    left_out = {one.agent: one for one in found.without}
    nothing = DroppedPart()
    columns: list[Column[AddedPart]] = [
        Column("Agent", value_of("agent"), number=False),
        Column("Together", value_of("share"), words.percent, small=found.measure or ""),
        Column("It adds", value_of("gain"), words.change, extra=interval_of("gain_interval"), absent="–"),
        Column(
            "Without it",
            lambda one: value_of("change")(left_out.get(one.agent, nothing)),
            words.change,
            extra=lambda one: words.span(left_out.get(one.agent, nothing).change_interval),
        ),
        Column("and saved", lambda one: value_of("saves")(left_out.get(one.agent, nothing)), words.percent),
        Column("Time an answer", value_of("seconds"), words.duration),
    ]
    return tabulate("What each agent adds", list(found.path), columns, hide_caption=True)


def phases(metrics: Metrics) -> Table | None:
    """One row per phase, with bars of wall and CPU time on one scale, and what no phase covers."""
    resources = metrics.resources
    parts = list(resources.phases)
    if not parts:
        return None
    rest = {}
    for key in ("wall_s", "cpu_s"):
        whole = getattr(resources, key) or 0
        spent = sum(getattr(part, key) or 0 for part in parts)
        if whole - spent > 0.01 * whole:
            rest[key] = whole - spent
    if rest:
        parts.append(PhasePart.model_validate({"name": "everything else", **rest}))
    longest = max([1e-9, *(value for part in parts for value in (part.wall_s, part.cpu_s) if value is not None)])
    columns: list[Column[PhasePart]] = [
        Column("Phase", value_of("name"), number=False, extra=lambda part: part.model or ""),
        Column(
            "Wall time", value_of("wall_s"), words.duration, share=lambda one: (one.wall_s or 0) / longest, look="wall"
        ),
        Column("CPU time", value_of("cpu_s"), words.duration, share=lambda one: (one.cpu_s or 0) / longest, look="cpu"),
        Column("Peak memory", value_of("peak_rss_bytes"), words.size, absent="–"),
        Column("Tokens computed", value_of("tokens"), words.count, absent="–"),
    ]
    return tabulate("Phase by phase", parts, columns, hide_caption=True)


def assets(metrics: Metrics) -> Table | None:
    """The models and data sets that took part, with checksums and licences."""
    columns: list[Column[Any]] = [
        Column("Name", value_of("name"), number=False),
        Column("Licence", value_of("licence"), number=False),
        Column("From", value_of("source"), number=False),
        Column("sha256", value_of("sha256"), number=False, look="hash"),
    ]
    return tabulate("Models and data", metrics.reproduce.assets, columns, hide_caption=True)


def facts(caption: str, pairs: Sequence[tuple[str, str | Markup]]) -> Table | None:
    """A table of two columns: what, and its value; None where there is nothing to say."""
    if not pairs:
        return None
    return Table(caption, [Head("What"), Head("Value")], [[Cell(what), Cell(value)] for what, value in pairs])


def machine(metrics: Metrics) -> Table | None:
    """The machine of the run; sizes in bytes are humanised."""
    pairs = []
    for key, value in metrics.reproduce.machine.items():
        if value is None or key.endswith("_reason"):
            continue
        if key.endswith("_bytes") and isinstance(value, int | float) and math.isfinite(value):
            pairs.append((key.removesuffix("_bytes").replace("_", " "), words.size(value)))
        else:
            pairs.append((key.replace("_", " "), without_traces(str(value))))
    return facts("The machine", pairs)


def versions(metrics: Metrics) -> Table | None:
    """The versions of the packages that took part."""
    return facts("Versions", [(name, said) for name, said in metrics.reproduce.versions.items() if said is not None])
