"""An engine without a model: what it says is written in a script. For tests, dry runs and demonstrations.

It reads bytes, so every label is several tokens long and each word can be checked by hand. It keeps the contract of
every engine: rows, parents, snapshots, a context that can overflow. Knows nothing of prompts, labels or strategies.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from limbeck.engines.base import HOLE, Floats, Message
from limbeck.errors import EngineError

TURN, ANSWER, STOP = 256, 257, 258
VOCABULARY = 259


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a script.

    Attributes:
        when: a text that must stand in the prompt; the empty text always does.
        say: the answer that becomes likelier.
        weight: by how much, in nats for each byte; negative makes it less likely.
    """

    when: str
    say: str
    weight: float = 4.0


class ByteText:
    """Text ↔ bytes, and three control tokens that no text can produce."""

    start: list[int] = []  # noqa: RUF012 - part of the Tokenizer protocol, never changed
    end = frozenset({STOP})

    def encode(self, text: str) -> list[int]:
        """The bytes of the text."""
        return list(text.encode("utf-8", "replace"))

    def decode(self, tokens: Sequence[int]) -> str:
        """Bytes → text; control tokens are left out."""
        return bytes(token for token in tokens if token < TURN).decode("utf-8", "replace")

    def spell(self, tokens: Sequence[int]) -> list[bytes]:
        """Each byte, and nothing for a control token."""
        return [bytes((token,)) if token < TURN else b"" for token in tokens]

    def frame(self, messages: Sequence[Message]) -> tuple[list[int], list[int]]:
        """Turns with control tokens between them, before and after the hole."""
        before: list[int] = []
        after: list[int] | None = None
        for message in messages:
            first, *rest = message.content.split(HOLE)
            side = before if after is None else after
            side += [TURN, *self.encode(first)]
            if rest:
                after = self.encode(rest[0])
        if after is None:
            raise EngineError("the conversation has no place for a text")
        return before, [*after, ANSWER]


class ScriptedEngine:
    """Scores bytes by a script.

    The prompt's last text decides which lines apply. From the answer's beginning on, each byte that continues a line's
    `say` gets the line's weight; every other byte stays at 0.

    Args:
        lines: the script.
        context: the longest row, in bytes.
    """

    def __init__(self, lines: Sequence[Line], *, context: int = 4096) -> None:
        self._lines = tuple(lines)
        self._context = context
        self._rows: list[tuple[int, ...]] = [()]

    @classmethod
    def load(cls, path: Path) -> ScriptedEngine:
        """Read a script: a JSON list of objects with `when`, `say` and, if wanted, `weight`.

        Raises:
            EngineError: when the file is missing or no such list.
        """
        try:
            lines = [Line(**line) for line in json.loads(path.read_text(encoding="utf-8"))]
            return cls([Line(str(line.when), str(line.say), float(line.weight)) for line in lines])
        except (OSError, ValueError, TypeError) as error:
            raise EngineError(
                f"{path}: not a script: {error}", hint='A script looks like [{"when": "good", "say": "positive"}].'
            ) from error

    @property
    def tokenizer(self) -> ByteText:
        """Text ↔ bytes."""
        return ByteText()

    @property
    def context(self) -> int:
        """The longest row, in bytes."""
        return self._context

    @property
    def identity(self) -> str:
        """A hash of the script."""
        script = json.dumps([asdict(line) for line in self._lines], sort_keys=True)
        return f"scripted:{hashlib.sha256(script.encode()).hexdigest()[:16]}"

    def extend(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> Floats:
        """Continue rows of the previous call; see `Engine.extend`."""
        if len(rows) != len(parents) or not all(0 <= parent < len(self._rows) for parent in parents):
            raise EngineError(f"extend: a parent does not exist; the engine holds {len(self._rows)} rows")
        if not rows or not all(rows):
            raise EngineError("extend: a row without tokens cannot be scored")
        grown = [(*self._rows[parent], *row) for row, parent in zip(rows, parents, strict=True)]
        longest = max(map(len, grown))
        if longest > self._context:
            raise EngineError(f"extend: a row of {longest} tokens is longer than the context of {self._context}")
        self._rows = grown
        return np.stack([self._scores(row) for row in grown])

    def hidden(self) -> Floats:
        """Which lines of the script apply to each row, 1 or 0, shape [rows, lines]; see `Seeing.hidden`."""
        read = [bytes(token if token < TURN else 0 for token in row) for row in self._rows]
        return np.array([[line.when.encode() in row for line in self._lines] for row in read], np.float32)

    def reset(self) -> None:
        """Forget everything: one empty row again."""
        self._rows = [()]

    def snapshot(self) -> list[tuple[int, ...]]:
        """The rows."""
        return list(self._rows)

    def restore(self, state: list[tuple[int, ...]]) -> None:
        """Go back to rows that `snapshot` gave."""
        self._rows = list(state)

    def _scores(self, row: tuple[int, ...]) -> Floats:
        read = bytes(token if token < TURN else 0 for token in row)
        scores = np.zeros(VOCABULARY, np.float32)
        for line in self._lines:
            if line.when.encode() not in read:
                continue
            for said in (line.say.encode(), b" " + line.say.encode()):
                done = next(n for n in range(len(said), -1, -1) if read.endswith(said[:n]))
                scores[said[done] if done < len(said) else STOP] += line.weight
        return scores
