"""A finished path as evidence: its text, the answer in it and how sure the model was of just that answer.

Knows nothing of engines, of how paths were grown or of how they vote.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from typing import Any

from limbeck.decoding.answers import AnswerKind, Span, align
from limbeck.decoding.paths import Limits
from limbeck.engines.base import Path, Tokenizer

# A path that was cut short may have been about to say something else.
WHOLE = ("end", "stop")


@dataclass(frozen=True, slots=True)
class Branch:
    """One path of a tree. A tree is the list of them; it is kept with the vote and can be replayed without a model.

    Attributes:
        text: what was generated, run-ons cut off.
        end: why it ended, see `Path.end`.
        tokens: how many were generated, those for asking for the answer included.
        first: probability of the first token, which makes the branch.
        log: mean log-probability of its tokens, in nats.
        answer: canonical value of the answer, or None.
        start: where the answer stands in `text`; None where it does not stand in it.
        stop: behind its last character, likewise.
        margin: Δ, the mean over the answer's tokens of p(likeliest) − p(second), 0 to 1; None without an answer or
            without log-probabilities.
    """

    text: str
    end: str
    tokens: int
    first: float
    log: float
    answer: str | None = None
    start: int | None = None
    stop: int | None = None
    margin: float | None = None

    @property
    def votes(self) -> bool:
        """Whether it ended by itself and has an answer."""
        return self.answer is not None and self.end in WHOLE

    @property
    def rationale(self) -> str | None:
        """The reasoning: the text before the sentence of the answer, else before the answer itself; None if empty."""
        if self.start is None:
            return self.text.strip() or None
        before = self.text[: self.start]
        sentences = list(_SENTENCE.finditer(before))
        kept = before[: sentences[-1].end()] if sentences else _LEADING.sub("", before)
        return kept.strip() or None

    def facts(self) -> dict[str, Any]:
        """The branch as JSON values."""
        return asdict(self)


def of_facts(facts: Mapping[str, Any]) -> Branch:
    """The branch that `Branch.facts` told of."""
    return Branch(**facts)


def read(path: Path, tokenizer: Tokenizer, *, limits: Limits, kind: AnswerKind) -> Branch:
    """Find the answer in a path, and Δ over the tokens it is made of.

    A kind of answer that has to be asked for gets its answer by `read_asked`.
    """
    said = Said.of(path, tokenizer, limits)
    return said.branch(kind.find(said.text) if kind.cue is None else None)


def read_asked(path: Path, asked: Path, tokenizer: Tokenizer, *, limits: Limits, kind: AnswerKind) -> Branch:
    """The same for an answer that the model gave when it was asked for it (`kind.cue`) behind the path.

    The answer is looked for in the path, and Δ is taken there; where it does not stand there, Δ is that of what the
    model said when it was asked.
    """
    said, reply = Said.of(path, tokenizer, limits), Said.of(asked, tokenizer, ONE_LINE)
    cue = kind.cue or ""
    found = kind.find(cue + reply.text)
    there = None if found is None else align(said.text, found.value)
    branch = replace(said.branch(there), tokens=len(path.tokens) + len(asked.tokens))
    if found is None or there is not None:
        return branch
    own = reply.margin(max(0, found.start - len(cue)), found.end - len(cue))
    return replace(branch, answer=found.value, margin=own)


@dataclass(frozen=True, slots=True)
class Said:
    """What a path says, and which token each of its characters came from.

    Characters are followed back by the bytes that each token stands for, never by tokenising anew.
    """

    path: Path
    pieces: Sequence[bytes]
    text: str

    @classmethod
    def of(cls, path: Path, tokenizer: Tokenizer, limits: Limits) -> Said:
        """The text up to the first stop; a byte that is no UTF-8 is one lone surrogate, so that none is lost."""
        pieces = tokenizer.spell(path.tokens)
        whole = b"".join(pieces)
        return cls(path, pieces, whole[: limits.stopped(whole)].decode("utf-8", "surrogateescape"))

    def branch(self, span: Span | None) -> Branch:
        """The path as a branch, with the answer at a place of its text."""
        path = self.path
        known = Branch(
            text=_ESCAPED.sub("\ufffd", self.text),
            end=path.end,
            tokens=len(path.tokens),
            first=math.exp(path.logs[0]) if path.logs else 0.0,
            log=sum(path.logs) / max(1, len(path.logs)),
        )
        if span is None:
            return known
        margin = self.margin(span.start, span.end)
        return replace(known, answer=span.value, start=span.start, stop=span.end, margin=margin)

    def margin(self, start: int, stop: int) -> float | None:
        """Mean margin of the tokens behind some characters; None where the engine told no margins."""
        first, last = (len(self.text[:at].encode("utf-8", "surrogateescape")) for at in (start, stop))
        ends = list(accumulate(map(len, self.pieces)))
        starts = [0, *ends[:-1]]
        inside = [
            m for m, a, b in zip(self.path.margins, starts, ends, strict=True) if a < last and b > first and a < b
        ]
        return sum(inside) / len(inside) if inside and not any(map(math.isnan, inside)) else None


ONE_LINE = Limits(0, ("\n",))
_ESCAPED = re.compile("[\udc80-\udcff]")
_SENTENCE = re.compile(r"[.!?]['\")\]]*\s|\n")
_LEADING = re.compile(r"(?:\b(?:so|thus|therefore|hence),?\s+)?(?:the\s+(?:final\s+)?answer\s+is)?[\s:=$(*'\"]*$", re.I)
