"""Wall time, CPU, memory, GPU, tokens and energy, per phase and per model.

Knows nothing of what is being measured, nor of where the result is kept.
"""

from __future__ import annotations

from limbeck.meter.phases import PhaseUse, combine
from limbeck.meter.sampler import Meter

__all__ = ["Meter", "PhaseUse", "combine"]
