"""What a worker is shown behind an item's text: answers that others gave. They are data, as the text is.

A reason is put on one line and cut, so that it cannot look like a part of the prompt. Knows nothing of prompts, tokens
or of who shows it to whom.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from limbeck.engines.base import HOLE

LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: a label, and the reason behind it where one was given."""

    label: str
    reason: str | None = None

    def line(self, words: Mapping[str, str]) -> str:
        """The answer on one line, the label by the word that stands for it."""
        reason = " ".join((self.reason or "").replace(HOLE, "\ufffd").split())
        if len(reason) > LONGEST_REASON:
            reason = reason[:LONGEST_REASON].rstrip() + " …"
        word = words.get(self.label, self.label)
        return f"- {word}: {reason}" if reason else f"- {word}"


@dataclass(frozen=True, slots=True)
class Remark:
    """Answers to one item, to be shown behind its text.

    Attributes:
        occasion: when it is shown, such as "round 1": part of the vote's key, since the same may be shown twice.
        lead: the line above the answers.
        answers: in the order shown; at least one.
        own: what the reader itself answered before, or None.
        close: the line below them, or nothing.
    """

    occasion: str
    lead: str
    answers: tuple[Said, ...]
    own: Said | None = None
    close: str = ""

    def text(self, words: Mapping[str, str]) -> str:
        """All of it; `words` maps a label to the word that the reader knows it by."""
        lines = [self.lead, *(answer.line(words) for answer in self.answers)]
        if self.own is not None:
            lines = ["Your first answer:", self.own.line(words), *lines]
        return "\n\n" + "\n".join([*lines, *([self.close] if self.close else [])])
