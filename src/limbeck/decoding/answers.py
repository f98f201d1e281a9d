"""Kinds of answers: where in a generated text the answer stands, and which answers are the same.

Every kind finds the last answer of a text, as a span of characters with a canonical value; two answers are the same
when their values are equal, so votes group rightly ("1,000", "1000" and "$1000.00" are one answer). Knows nothing of
models, tokens or of how the text came about.
"""

from __future__ import annotations

import decimal
import re
import unicodedata
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Span:
    """An answer in a text.

    Attributes:
        start: of its first character.
        end: behind its last character.
        value: its canonical form.
    """

    start: int
    end: int
    value: str


class AnswerKind(Protocol):
    """One kind of answer."""

    @property
    def identity(self) -> str:
        """What is looked for, for keys."""
        ...

    @property
    def cue(self) -> str | None:
        """Words that ask a finished text for its answer, where the answer cannot be recognised by its form alone."""
        ...

    def find(self, text: str) -> Span | None:
        """The last answer in a text, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Words:
    """One of some fixed words, such as labels: whole words, whatever their case; the longest one counts.

    A denied word ("not positive") is no answer. `words` maps a value to the word that stands for it.
    """

    words: tuple[tuple[str, str], ...]
    name: str = "words"
    cue: str | None = None

    @classmethod
    def of(cls, words: Mapping[str, str] | Sequence[str], name: str = "words") -> Words:
        """Words by value, or words that are their own values."""
        pairs = words.items() if isinstance(words, Mapping) else ((word, word) for word in words)
        return cls(tuple((value, word.strip()) for value, word in pairs), name)

    @property
    def identity(self) -> str:
        """The name and the words."""
        return f"{self.name}:{dict(self.words)!r}"

    def find(self, text: str) -> Span | None:
        """The last word that is not denied."""
        values = {_fold(word): value for value, word in self.words}
        longest_first = sorted(values, key=len, reverse=True)
        pattern = "|".join(r"\s+".join(map(re.escape, word.split())) for word in longest_first)
        last = None
        for found in re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", text, re.IGNORECASE):
            if not _DENIED.search(text, max(0, found.start() - _NEAR), found.start()):
                last = found
        return None if last is None else Span(last.start(), last.end(), values[_fold(last.group())])


YES_NO = Words((("yes", "yes"), ("no", "no")), "yes-no")


@dataclass(frozen=True, slots=True)
class Number:
    """A number: integers, decimals, fractions; with thousands' commas, currency or per cent signs around it.

    The sign and the digits are the answer; what stands around them is not.
    """

    identity: str = "number"
    cue: str | None = None

    def find(self, text: str) -> Span | None:
        """The last number."""
        last = _last(_NUMBER.finditer(text))
        return None if last is None else Span(last.start(), last.end(), _number(last.group()))


@dataclass(frozen=True, slots=True)
class Option:
    """The letter of an option, such as `B`, `(b)` or `B)`; a bare small letter or the article "A" is none."""

    letters: str = "ABCDE"
    cue: str | None = None

    @property
    def identity(self) -> str:
        """The letters."""
        return f"option:{self.letters}"

    def find(self, text: str) -> Span | None:
        """The last letter that stands as an option."""
        capital = f"[{re.escape(self.letters.upper())}]"
        either = f"[{re.escape(self.letters.upper() + self.letters.lower())}]"
        # A capital before a small word begins a sentence: "A dog".
        pattern = rf"\(({either})\)|(?<![\w'’])({capital})(?=[).:,;\]]|\s*$|\s+[^a-z\s]|\s*\n)"
        last = _last(re.finditer(pattern, text))
        if last is None:
            return None
        group = 1 if last.group(1) else 2
        return Span(last.start(group), last.end(group), last.group(group).upper())


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a regular expression of the user finds: its first group where it has one.

    Values are equal when their words are, whatever case and blanks.
    """

    expression: str
    cue: str | None = None

    @property
    def identity(self) -> str:
        """The expression."""
        return f"pattern:{self.expression}"

    def find(self, text: str) -> Span | None:
        """The last match that is not empty."""
        last = None
        for found in re.finditer(self.expression, text, re.MULTILINE):
            group = 1 if found.re.groups and found.group(1) is not None else 0
            if found.group(group).strip():
                last = Span(found.start(group), found.end(group), _fold(found.group(group)))
        return last


@dataclass(frozen=True, slots=True)
class Phrase:
    """A short free answer: what follows the cue, up to the end of the sentence or line.

    The cue is put behind a finished text, and the answer is what the model then says (Wang & Zhou 2024, section 2.3).
    Values are equal when their words are, without articles, case and punctuation (as SQuAD's measure has it).
    """

    cue: str | None = "So the answer is"

    @property
    def identity(self) -> str:
        """The cue."""
        return f"phrase:{self.cue}"

    def find(self, text: str) -> Span | None:
        """The first phrase behind the last cue; without a cue in the text, its first phrase."""
        at = text.rfind(self.cue) if self.cue else -1
        found = _PHRASE.search(text, at + len(self.cue or "") if at >= 0 else 0)
        said = found.group(1).rstrip() if found else ""
        return Span(found.start(1), found.start(1) + len(said), _bare(said)) if found and _bare(said) else None


def align(text: str, value: str) -> Span | None:
    """Where a phrase's value stands last in a text, word by word, or None."""
    words = [(found.start(), found.end(), _bare(found.group())) for found in re.finditer(r"\S+", text)]
    kept = [word for word in words if word[2]]
    wanted = value.split()
    for start in range(len(kept) - len(wanted), -1, -1):
        if [word[2] for word in kept[start : start + len(wanted)]] == wanted:
            first, last = kept[start], kept[start + len(wanted) - 1]
            head = len(text[first[0] : first[1]]) - len(text[first[0] : first[1]].lstrip(_MARKS))
            tail = len(text[last[0] : last[1]]) - len(text[last[0] : last[1]].rstrip(_MARKS))
            return Span(first[0] + head, last[1] - tail, value)
    return None


def _last(matches: Iterator[re.Match[str]]) -> re.Match[str] | None:
    return next(iter(deque(matches, maxlen=1)), None)


_MARKS = "\"'“”‘’«»()[]{}.,;:!?*_`"
_DENIED = re.compile(r"(?:\bnot|\bnever|n['’]t|\bneither|\bnor|\bcannot)\s+(?:\w+\s+)?$", re.IGNORECASE)
_PHRASE = re.compile(r"[\s:\"'“‘*]*([^\n.!?]*(?:\.(?=\d)[^\n.!?]*)*)")
_NUMBER = re.compile(
    r"(?<![\w.])[-−]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:/[1-9]\d{0,11}(?![\d.,]*\d))?(?!\d)"
)
_NEAR = 40  # characters before a word in which it can be denied
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def _number(text: str) -> str:
    """A number without useless zeros and commas; a fraction as a decimal where that is exact, else in lowest terms."""
    whole = text.replace(",", "").replace("−", "-")
    if "/" not in whole:
        return _plain(whole)
    value = Fraction(whole.split("/")[0]) / int(whole.split("/")[1])
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest > 1:
        return str(value)
    with decimal.localcontext(prec=200):
        return _plain(format(decimal.Decimal(value.numerator) / value.denominator, "f"))


def _plain(text: str) -> str:
    sign, digits = text[:1].strip("0123456789."), text.lstrip("-")
    whole, _, part = digits.partition(".")
    shown = (whole.lstrip("0") or "0") + ("." + part.rstrip("0")).rstrip(".")
    return shown if shown == "0" else sign + shown


def _fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _bare(text: str) -> str:
    """Words without articles and punctuation."""
    words = "".join(" " if unicodedata.category(one).startswith("P") else one for one in _fold(text))
    return " ".join(_ARTICLES.sub("", words).split())
