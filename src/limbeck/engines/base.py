"""The one operation of every local engine: extend rows of tokens, get the scores of what comes next.

Knows nothing of prompts, labels or strategies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


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

    def spell(self, tokens: Sequence[int]) -> list[bytes]:
        """The bytes of each token, none for a control token; joined they are the text that the tokens stand for."""
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


@runtime_checkable
class Seeing(Protocol):
    """An engine that also shows what it scored from; this costs no further pass."""

    def hidden(self) -> Floats:
        """The last hidden state, before the output projection, after the last token of each row of the last `extend`.

        Returns:
            Shape [rows, width], float32; the width is the model's own.
        """
        ...


@dataclass(frozen=True, slots=True)
class Peaks:
    """The likeliest next tokens of each row, most likely first.

    Attributes:
        tokens: shape [rows, k].
        logs: their log-probabilities at temperature 1, in nats, shape [rows, k].
    """

    tokens: Integers
    logs: Floats


@dataclass(slots=True)
class Path:
    """One continuation of a row, token by token.

    Attributes:
        tokens: what was generated, without the token that ended it.
        logs: log-probability of each token at temperature 1, from the raw logits, in nats.
        margins: probability of the likeliest minus that of the second likeliest token, at each place, likewise.
        end: why it ended: "end" (the model said so), "stop" (a stop text came, or a run-on was cut), "length" (the
            limit), "dropped" (nobody needed the rest), "broken" (scores that are no numbers); "" while it grows.
    """

    tokens: list[int]
    logs: list[float]
    margins: list[float]
    end: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a remote engine is to continue a row.

    Attributes:
        limit: tokens at most.
        stops: texts that end it; what comes before them is kept.
        sampling: `temperature`, `top_p`, `top_k`, `min_p` where given; without a temperature it is greedy.
        seed: of the draws, or None.
    """

    limit: int
    stops: tuple[str, ...] = ()
    sampling: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None


@runtime_checkable
class Remote(Protocol):
    """A model behind a server: it holds rows as an engine does, but its scores come a few at a time.

    A "token" is a piece of text that this side numbers itself, so rows can be built before the server is asked.
    """

    @property
    def tokenizer(self) -> Tokenizer:
        """Text ↔ pieces."""
        ...

    @property
    def context(self) -> int:
        """The longest row, in pieces."""
        ...

    @property
    def identity(self) -> str:
        """What is computed, for keys: the model and everything else that changes the scores."""
        ...

    def hold(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> None:
        """Continue rows of the previous call, some of them by nothing; nothing is sent."""
        ...

    def peaks(self, k: int) -> Peaks:
        """The k likeliest next pieces of each row.

        Raises:
            EngineError: when the server gives no log-probabilities, or none after all retries.
        """
        ...

    def complete(self, wishes: Sequence[Wish]) -> list[Path]:
        """Continue each row as wished; a path's margins are NaN where the server gives no log-probabilities.

        Raises:
            EngineError: when the server does not answer after all retries.
        """
        ...

    def score(self, options: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
        """Log-probability of each option after each row, shape [rows, options], in nats.

        Raises:
            EngineError: when the server gives no log-probabilities.
        """
        ...

    def reset(self) -> None:
        """Forget everything: one empty row again."""
        ...

    def snapshot(self) -> Any:
        """The rows as an opaque value."""
        ...

    def restore(self, state: Any) -> None:
        """Go back to rows that `snapshot` gave."""
        ...


def advance(engine: Engine | Remote, row: Sequence[int]) -> None:
    """Continue the engine's only row, whatever comes next."""
    if isinstance(engine, Remote):
        engine.hold([row], [0])
    else:
        engine.extend([row], [0])


class Cloze(Protocol):
    """A masked model: it reads whole texts and tells what may stand at their masks. It keeps no state."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Text ↔ tokens of the model."""
        ...

    @property
    def context(self) -> int:
        """The longest row, in tokens."""
        ...

    @property
    def identity(self) -> str:
        """What is computed, for keys: the model's files and everything else that changes the scores."""
        ...

    @property
    def mask(self) -> int:
        """The mask token."""
        ...

    @property
    def close(self) -> list[int]:
        """What every row must end with; `tokenizer.start` is what it must begin with."""
        ...

    @property
    def unknown(self) -> int | None:
        """The token for what the vocabulary cannot spell, or None where it can spell all."""
        ...

    def fill(self, rows: Sequence[Sequence[int]]) -> list[Floats]:
        """Logits at the masks of each row, in order: one array of shape [masks of the row, vocabulary] for each row.

        Raises:
            EngineError: for a row without a mask, or longer than the context.
        """
        ...
