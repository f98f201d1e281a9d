"""What a run cost, as metrics.json has it.

Knows nothing of HTML or of how the numbers were found.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from limbeck.report.block import Block, Number, Part, Rows, Said


class PhasePart(Block):
    """What one phase cost."""

    name: Said = None
    model: Said = None
    wall_s: Number = None
    cpu_s: Number = None
    peak_rss_bytes: Number = None
    tokens: Number = None


class TokensPart(Block):
    """Tokens computed, generated and reused."""

    prefilled: Number = None
    decoded: Number = None
    reused: Number = None


class ResourcesPart(Block):
    """What the run cost."""

    wall_s: Number = None
    cpu_s: Number = None
    peak_rss_bytes: Number = None
    energy_j: Number = None
    energy_method: Said = None
    gpu: Any = None
    phases: Rows[PhasePart] = Field(default_factory=list)
    tokens: Part[TokensPart] = TokensPart()
