"""gold.json on the page: what people's answers taught, and what each candidate did on gold that it did not see.

Knows nothing of HTML or of how the numbers were found.
"""

from __future__ import annotations

from pydantic import Field

from limbeck.report import words
from limbeck.report.block import Block, Number, Rows, Said
from limbeck.report.block import Table as Named
from limbeck.report.tables import Column, Table, tabulate, value_of


class TrialPart(Block):
    """One candidate."""

    name: str | None = None
    accuracy: Number = None
    loss: Number = None
    gain: Number = None
    error: Number = None


class WorkerPart(Block):
    """What gold shows of one agent."""

    name: str | None = None
    answers: Number = None
    accuracy: Number = None
    dropped: bool | None = None
    means: Named[str | None] = Field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """What was done about it."""
        if self.dropped:
            return "left out: no better than chance"
        changed = [f"{said} means {label}" for said, label in self.means.items() if said != label]
        return ", ".join(changed) or "kept"


class CalibrationPart(Block):
    """The whole of gold.json."""

    answers: Number = None
    used: str | None = None
    why: Said = None
    changed: Number = None
    candidates: Rows[TrialPart] = Field(default_factory=list)
    workers: Rows[WorkerPart] = Field(default_factory=list)


def trials(gold: CalibrationPart | None) -> Table | None:
    """Every candidate on gold that it did not see."""
    if gold is None or not gold.candidates:
        return None
    columns: list[Column[TrialPart]] = [
        Column(
            "Candidate", lambda part: (part.name or "") + (" (used)" if part.name == gold.used else ""), number=False
        ),
        Column("Right on gold not seen", value_of("accuracy"), words.percent),
        Column("Log-loss", value_of("loss"), words.fine, small="nats"),
        Column("Gain over no gold", value_of("gain"), words.fine, small="nats"),
        Column("Its standard error", value_of("error"), words.fine),
    ]
    return tabulate("What gold taught", gold.candidates, columns, hide_caption=True)


def agents(gold: CalibrationPart | None) -> Table | None:
    """Every agent on gold."""
    if gold is None or not gold.workers:
        return None
    columns: list[Column[WorkerPart]] = [
        Column("Agent", lambda part: part.name, number=False),
        Column("Answers on gold", value_of("answers"), words.count),
        Column("Right", value_of("accuracy"), words.percent),
        Column("What follows", lambda part: part.outcome, number=False),
    ]
    return tabulate("Agents on gold", gold.workers, columns, hide_caption=True)
