"""A tree of branches at a terminal: each path with its answer's place, Δ as a colour, and what they decide.

Knows nothing of how branches were grown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from limbeck.decoding.base import Draw
from limbeck.decoding.branches import of_facts
from limbeck.decoding.voting import masses

# Δ from which a colour holds, the surest first.
COLOURS = ((0.9, "green"), (0.5, "yellow"), (0.0, "red"))
ENDS = {"stop": "run-on cut", "length": "too long", "dropped": "dropped", "broken": "no numbers"}


def shown_tree(prompt: str, draw: Draw) -> RenderableType:
    """A prompt, its branches and the answer they decide on."""
    parts: list[RenderableType] = [Text(_one_line(prompt), style="bold")]
    trace = draw.trace or {}
    if branches := trace.get("branches"):
        parts += [_branches(branches), _decision(draw, trace)]
    elif draw.scores is not None:
        parts.append(Text("log-probabilities: " + ", ".join(f"{score:.3f}" for score in draw.scores)))
    if draw.reason is not None:
        parts.append(Text(f"no answer: {draw.reason}", style="red"))
    return Group(*parts, "")


def _branches(branches: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", "first", "tokens", "Δ", "answer"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("text", overflow="fold")
    for rank, facts in enumerate(branches):
        margin = facts["margin"]
        shown = "" if margin is None else f"{margin:.3f}"
        colour = colour_of(margin)
        table.add_row(
            str(rank),
            f"{facts['first']:.3f}",
            str(facts["tokens"]),
            Text(shown, style=colour),
            Text(facts["answer"] or "–", style=colour),
            _text(facts, colour),
        )
    return table


def _text(facts: Mapping[str, Any], colour: str) -> Text:
    text = Text(_one_line(facts["text"]))
    if facts["start"] is not None:
        text.stylize(f"bold underline {colour}", facts["start"], facts["stop"])
    if facts["end"] in ENDS:
        text.append(f"  [{ENDS[facts['end']]}]", style="dim")
    return text


def _decision(draw: Draw, trace: Mapping[str, Any]) -> Text:
    found = masses([of_facts(one) for one in trace["branches"]], trace["aggregate"])
    total = sum(found.values())
    shares = ", ".join(f"{answer} {mass:.2f} ({mass / total:.0%})" for answer, mass in found.items())
    line = Text(f"{trace['aggregate']}: ")
    line.append(shares or "nobody votes", style="bold")
    started, planned = len(trace["branches"]), trace["planned"]
    line.append(f"   {started} of {planned} branches, {draw.decoded} tokens ({trace['why']})", style="dim")
    return line


def colour_of(margin: float | None) -> str:
    """The colour of a Δ; of none, dim."""
    return "dim" if margin is None else next(colour for least, colour in COLOURS if margin >= least)


def _one_line(text: str) -> str:
    """The same number of characters on one line, without any that could drive the terminal."""
    return "".join("⏎" if c == "\n" else c if c.isprintable() else "\ufffd" for c in text)
