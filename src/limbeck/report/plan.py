"""What each agent adds, as it stands in metrics.json.

Knows nothing of HTML or of how the numbers were made.
"""

from __future__ import annotations

from pydantic import Field

from limbeck.report.block import Block, Interval, Number, Rows, Said


class AddedPart(Block):
    """What an agent adds to those before it."""

    agent: Said = None
    seconds: Number = None
    share: Number = None
    gain: Number = None
    gain_interval: Interval = None


class DroppedPart(Block):
    """What the committee would be without an agent."""

    agent: Said = None
    saves: Number = None
    change: Number = None
    change_interval: Interval = None


class PlanPart(Block):
    """Which agent to add next, and which one to drop."""

    measure: Said = None
    path: Rows[AddedPart] = Field(default_factory=list)
    without: Rows[DroppedPart] = Field(default_factory=list)
    drop: Said = None
