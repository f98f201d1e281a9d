"""Whether a generated text is well formed: of the right length, made of words, not caught in a loop, no prompt in it.

Knows nothing of what the text should say.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# Letters among the characters that are no blanks: prose has 0.9 and more, lists of numbers and markup have less.
LETTERS = 0.7
# A word so often in a row, or a run of so many words that comes twice, is a loop.
IN_A_ROW, RUN = 3, 4


@dataclass(frozen=True, slots=True)
class Bounds:
    """Words that a text may have, both ends included."""

    least: int
    most: int


def flaw(text: str, bounds: Bounds, echoes: Sequence[str] = ()) -> str | None:
    """What is wrong with the form of a text, or None.

    Args:
        text: without blanks around it.
        bounds: of its length in words.
        echoes: words of the prompt that must not stand in it, such as "Sentiment:"; case does not matter.
    """
    said = text.split()
    if len(said) < bounds.least:
        return "too short"
    if len(said) > bounds.most:
        return "too long"
    if any(echo.casefold() in text.casefold() for echo in echoes):
        return "repeats the prompt"
    if "\ufffd" in text or any(not c.isprintable() for c in text if c not in "\n\t"):
        return "broken characters"
    solid = [c for c in text if not c.isspace()]
    # Some scripts write words with combining marks; they count as letters.
    if sum(unicodedata.category(c)[0] in "LM" for c in solid) < LETTERS * len(solid):
        return "hardly any words"
    return "loops" if _loops([word.casefold() for word in said]) else None


def _loops(said: Sequence[str]) -> bool:
    row = any(len(set(said[i : i + IN_A_ROW])) == 1 for i in range(len(said) - IN_A_ROW + 1))
    runs = [tuple(said[i : i + RUN]) for i in range(len(said) - RUN + 1)]
    return row or len(set(runs)) < len(runs)
