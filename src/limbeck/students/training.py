"""What every fine-tuning on PyTorch shares: the recipe, the pace of the learning rate, batches and number format.

Knows nothing of models, texts or labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
import torch

WARM_UP = 0.1
POOL = 16  # batches that are sorted by length together


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is taught: `epochs`, the highest learning `rate`, and `batch`, the rows of one step."""

    epochs: int
    rate: float
    batch: int


def pace(step: int, total: int) -> float:
    """The share of the learning rate at a step: up over the first tenth, then down to nothing."""
    warm = WARM_UP * total
    return min((step + 1) / max(1.0, warm), (total - step) / max(1.0, total - warm))


def batches(lengths: Sequence[int], size: int, *, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Each row once: batches of rows of about one length, in any order."""
    order = rng.permutation(len(lengths))
    found = []
    for start in range(0, len(order), size * POOL):
        part = sorted(order[start : start + size * POOL].tolist(), key=lambda i: lengths[i])
        found += [np.array(part[i : i + size]) for i in range(0, len(part), size)]
    for place in rng.permutation(len(found)):
        yield found[place]


def autocast() -> Any:
    """Products in bfloat16 where the processor multiplies them: half the time (measured on Zen 4)."""
    return torch.autocast("cpu", torch.bfloat16, enabled=_has_bfloat16())


@cache
def _has_bfloat16() -> bool:
    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
