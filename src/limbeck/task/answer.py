"""Answer text → label: tolerant of case, blanks and punctuation, and silent where two readings are possible.

Knows nothing of prompts or of how the text came about.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from limbeck.task.question import Task

_NEGATIONS = frozenset({"not", "never", "non", "nor", "neither", "isn't", "isnt", "cannot", "can't"})
_UNSEEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufe0e\ufe0f\ufeff]")


def parse_label(task: Task, text: str) -> str | None:
    """The one label that `text` names, else None.

    A label counts where it stands as whole words; inside a longer label's words it does not count. The answer is None
    when no label or more than one is named, or when the label is denied ("not positive").
    """
    for fold in _FOLDS:
        folded = [fold(label) for label in task.labels]
        if all(folded) and len(set(folded)) == len(folded):
            return _named(task.labels, folded, fold(text))
    return _named(task.labels, list(task.labels), text)


def _named(labels: Sequence[str], folded: Sequence[str], text: str) -> str | None:
    found: set[str] = set()
    free = text
    for word, label in sorted(zip(folded, labels, strict=True), key=lambda pair: len(pair[0]), reverse=True):
        for start in _standing(word, free):
            before = text[:start].split()[-2:]
            if _NEGATIONS.intersection(before) and not _NEGATIONS.intersection(folded):
                return None
            found.add(label)
            # What a longer label took is no place for a shorter one.
            free = free[:start] + "\0" * len(word) + free[start + len(word) :]
    return found.pop() if len(found) == 1 else None


def _standing(word: str, text: str) -> list[int]:
    """Where `word` stands in `text` with no letter or digit growing on either side."""
    places = []
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if not _joined(text[start - 1 : start], word[0]) and not _joined(word[-1], text[end : end + 1]):
            places.append(start)
        start = text.find(word, end)
    return places


def _joined(left: str, right: str) -> bool:
    # Scripts that write no blanks between words cannot show where one ends.
    return bool(left and right) and all(one.isalnum() and not _unspaced(one) for one in (left, right))


def _unspaced(character: str) -> bool:
    return "\u0e00" <= character <= "\u0eff" or "\u3040" <= character <= "\u9fff" or character >= "\U00020000"


def _spaces(text: str) -> str:
    return " ".join(_UNSEEN.sub("", unicodedata.normalize("NFKC", text)).replace("\u2019", "'").split())


def _caseless(text: str) -> str:
    return _spaces(text).casefold()


def _loose(text: str) -> str:
    words = (" " if unicodedata.category(one).startswith("P") and one != "'" else one for one in _caseless(text))
    return " ".join("".join(words).split())


# From the most tolerant to the least; the first under which all labels still differ is used.
_FOLDS: tuple[Callable[[str], str], ...] = (_loose, _caseless, _spaces)
