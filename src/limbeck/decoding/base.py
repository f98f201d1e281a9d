"""What every decoder is: something that draws one answer for each prompt from next-token scores.

Knows nothing of tasks, labels' names or of any concrete engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from limbeck.engines.base import Engine, Floats, Remote

# A batch holds at most so many rows and so many tokens, padding included: measured best on two cores for 135M and 0.5B.
# Rows that are branches count apart: they share what was read.
ROWS, TOKENS, BRANCHES = 32, 1024, 100


@dataclass(frozen=True, slots=True)
class Draw:
    """What a decoder found for one prompt.

    Attributes:
        scores: log-probability of each option, in nats, in the order of the options; None with a `reason`, and for
            answers that are no options.
        prefilled: tokens read for this prompt alone, the shared prefix not counted.
        decoded: tokens generated for this prompt.
        reason: why there is no answer.
        answer: the answer in its canonical form, where it is no option.
        rationale: the reasoning text before the answer.
        trace: every decision behind the answer, as JSON values: `why` it stopped, `confidence` (the winner's share of
            the weight), `planned` branches, and `branches`, all that were started (see `Branch`).
        state: the model's last hidden state from which the scores came, shape [width]; None where it was not asked for.
    """

    scores: tuple[float, ...] | None
    prefilled: int
    decoded: int = 0
    reason: str | None = None
    answer: str | None = None
    rationale: str | None = None
    trace: Mapping[str, Any] | None = None
    state: Floats | None = field(default=None, compare=False, repr=False)


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

    @property
    def width(self) -> int:
        """The rows that one prompt may become, for planning batches."""
        ...

    def __call__(self, engine: Engine | Remote, bodies: Sequence[Sequence[int]]) -> list[Draw]:
        """Answer the prompts that continue the engine's single row.

        Args:
            engine: holds one row, the prefix that all prompts share.
            bodies: what follows the prefix in each prompt, none of them empty.

        Raises:
            EngineError: when the engine cannot answer.
        """
        ...


def plan_batches(sizes: Sequence[int], width: int, *, branches: int = BRANCHES) -> list[list[int]]:
    """Cut prompts into batches of like length, the longest first: a machine too small for them says so at once.

    Args:
        sizes: tokens of each prompt, in an order that settles ties.
        width: rows that one prompt may become (`Decoder.width`).
        branches: rows of a batch at most, where a prompt becomes several.

    Returns:
        Numbers of the prompts of each batch.
    """
    order = sorted(range(len(sizes)), key=lambda i: -sizes[i])
    rows = ROWS if width == 1 else max(1, branches // width)
    found: list[list[int]] = []
    while order:
        size = max(1, min(rows, TOKENS // max(1, sizes[order[0]])))
        found.append(order[:size])
        order = order[size:]
    return found
