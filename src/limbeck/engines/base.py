"""The one operation of every local engine: extend rows of tokens, get the scores of what comes next.

Knows nothing of prompts, labels or strategies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


# Where an item's text goes in a prompt. A code point that Unicode keeps free for such use and no text may contain.
HOLE = "\ufdd0"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat: who speaks (`system`, `user` or `assistant`) and what."""

    role: str
    content: str


class Tokenizer(Protocol):
    """Text ↔ tokens of one model."""

    def encode(self, text: str) -> list[int]:
        """Tokens of plain text. Control tokens that stand in the text are spelt out as text, never obeyed."""
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of the tokens; bytes that are no UTF-8 become U+FFFD."""
        ...

    def frame(self, messages: Sequence[Message]) -> tuple[list[int], list[int]]:
        """Tokens of a conversation before and after the one `HOLE` in it, ending where the assistant begins to speak.

        Contents are data: control tokens in them are spelt out as text.

        Raises:
            EngineError: when the model has no chat template, its template fails, or the hole is not there once.
        """
        ...

    @property
    def start(self) -> list[int]:
        """What plain text must begin with (the model's BOS token, or nothing)."""
        ...

    @property
    def end(self) -> frozenset[int]:
        """Tokens that end an answer."""
        ...


class Engine(Protocol):
    """One stateful session with one model.

    The state is a list of rows; each row is the tokens read so far. A fresh engine has one empty row.
    """

    @property
    def tokenizer(self) -> Tokenizer:
        """Text ↔ tokens of the engine's model."""
        ...

    @property
    def context(self) -> int:
        """The longest row, in tokens."""
        ...

    @property
    def identity(self) -> str:
        """What is computed, for keys: model file's sha256 and everything else that changes the scores."""
        ...

    def extend(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> Floats:
        """Continue rows of the previous call.

        Args:
            rows: token lists, one for each new row, ragged, none of them empty.
            parents: the row of the previous call that each new row continues.

        Returns:
            Logits after the last token of each new row, shape [len(rows), vocabulary], float32.

        Raises:
            EngineError: for an empty row, a parent that does not exist, or a row longer than the context.
        """
        ...

    def reset(self) -> None:
        """Forget everything: one empty row again."""
        ...

    def snapshot(self) -> Any:
        """The state as an opaque value."""
        ...

    def restore(self, state: Any) -> None:
        """Go back to a state that `snapshot` gave."""
        ...
