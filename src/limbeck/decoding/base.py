"""What every decoder is: something that draws one answer for each prompt from next-token scores.

Knows nothing of tasks, labels' names or of any concrete engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from limbeck.engines.base import Engine


@dataclass(frozen=True, slots=True)
class Draw:
    """What a decoder found for one prompt.

    Attributes:
        scores: log-probability of each option, in nats, in the order of the options; None with a `reason`.
        prefilled: tokens read for this prompt alone, the shared prefix not counted.
        decoded: tokens generated for this prompt.
        reason: why there are no scores.
    """

    scores: tuple[float, ...] | None
    prefilled: int
    decoded: int = 0
    reason: str | None = None


class Decoder(Protocol):
    """One way to draw answers. Hyper-parameters go to the constructor; nothing is left on `self`."""

    @property
    def identity(self) -> str:
        """What is computed, for keys: the decoder's name and all its parameters."""
        ...

    @property
    def reach(self) -> int:
        """The most tokens an answer may add to a prompt."""
        ...

    def __call__(self, engine: Engine, bodies: Sequence[Sequence[int]]) -> list[Draw]:
        """Answer the prompts that continue the engine's single row.

        Args:
            engine: holds one row, the prefix that all prompts share.
            bodies: what follows the prefix in each prompt, none of them empty.
        """
        ...
