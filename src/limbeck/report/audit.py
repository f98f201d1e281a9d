"""audit.json on the page: what a few human labels prove about all of them.

Knows nothing of HTML or of how the numbers were found.
"""

from __future__ import annotations

from pydantic import Field

from limbeck.report import words
from limbeck.report.block import Block, Interval, Number, Part, Rows, Said
from limbeck.report.tables import Column, Table, interval_of, tabulate, value_of


class GoldPart(Block):
    """Where the human labels come from."""

    source: Said = None
    chosen: Said = None
    answered: Number = None
    of: Number = None


class SharePart(Block):
    """One share over all items: of right labels, or of one label."""

    label: str | None = None
    committee: Number = None
    value: Number = None
    value_interval: Interval = None
    alone: Number = None
    alone_interval: Interval = None
    saved: Number = None


class AcceptancePart(Block):
    """Which labels may be accepted."""

    error: Number = None
    risk: Number = None
    threshold: Number = None
    share: Number = None
    accepted: Number = None


class AlternativePart(Block):
    """Whether the committee may stand in for a person."""

    epsilon: Number = None
    passed: bool | None = None
    winning_rate: Number = None
    advantage: Number = None


class AuditPart(Block):
    """The whole of audit.json, schema 1."""

    gold: Part[GoldPart] = GoldPart()
    accuracy: Part[SharePart] = SharePart()
    classes: Rows[SharePart] = Field(default_factory=list)
    acceptance: Part[AcceptancePart] = AcceptancePart()
    alternative_annotator: Part[AlternativePart] = AlternativePart()
    notes: Rows[Said] = Field(default_factory=list)


def shares(audit: AuditPart | None) -> Table | None:
    """Accuracy and every label's share, with the committee's guesses and from the human labels alone."""
    if audit is None:
        return None
    columns: list[Column[SharePart]] = [
        Column("Share of", lambda part: part.label or "right labels", number=False),
        Column("Over all labels", value_of("value"), words.percent, extra=interval_of("value_interval")),
        Column("Human labels alone", value_of("alone"), words.percent, extra=interval_of("alone_interval")),
        Column("Human labels saved", value_of("saved"), words.percent, small="for an interval as wide", absent="–"),
        Column("The committee says", value_of("committee"), words.percent, absent="–"),
    ]
    rows = [audit.accuracy.model_copy(update={"label": None}), *audit.classes]
    return tabulate("What a few human labels prove", rows, columns, hide_caption=True)
