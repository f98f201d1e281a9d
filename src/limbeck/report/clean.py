"""How labels that are partly wrong were learned, and which are probably right, as it stands in metrics.json.

Knows nothing of HTML or of how the numbers were made.
"""

from __future__ import annotations

from pydantic import Field

from limbeck.report.block import Block, Interval, Number, Said, Table


class NoisePart(Block):
    """How labels that are partly wrong were made ready for the student."""

    strategy: Said = None
    chosen_by: Said = None
    left_out: Number = None
    scores: Table[Number] = Field(default_factory=dict)
    leads: Table[Number] = Field(default_factory=dict)


class CleanPart(Block):
    """The labels that are probably right."""

    threshold: Number = None
    items: Number = None
    share: Number = None
    expected_accuracy: Number = None
    accuracy: Number = None
    accuracy_interval: Interval = None
