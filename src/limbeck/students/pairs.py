"""Pairs of texts as a student looks at them: what both have, and what only one of them has.

A pair is one string, its two texts joined by `records.BETWEEN`. Knows nothing of labels or of any student.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limbeck.encoder import Encoder
from limbeck.records import BETWEEN

Floats32 = npt.NDArray[np.float32]

WORD = re.compile(r"\w+")
MAX_CHARACTERS = 20_000  # of each text; what is beyond does not count
# Marks of the words that both texts have, the first alone, the second alone: letters no word begins with by itself.
BOTH, FIRST, SECOND = "0_", "1_", "2_"
OVERLAPS = 3


def split(text: str) -> tuple[str, str]:
    """The two texts of a pair; a text that is none has an empty second one."""
    first, _, second = text.partition(BETWEEN)
    return first[:MAX_CHARACTERS], second[:MAX_CHARACTERS]


def unordered(texts: Sequence[str]) -> list[str]:
    """Each pair with its texts in one fixed order, by which a pair is known again in the other one."""
    return [BETWEEN.join(sorted(split(text))) for text in texts]


def marked(texts: Sequence[str]) -> list[str]:
    """Each pair's words in their order, marked by whether both texts have them, for counting n-grams."""
    found = []
    for text in texts:
        one, two = (WORD.findall(part.lower()) for part in split(text))
        common = set(one) & set(two)
        words = [
            (BOTH if word in common else mark) + word for part, mark in ((one, FIRST), (two, SECOND)) for word in part
        ]
        found.append(" ".join(words))
    return found


def compared(texts: Sequence[str], encoder: Encoder | None) -> Floats32:
    """Overlaps of the words, and with an encoder u, v, |u − v|, u·v by dimension, and the cosine; [texts, width].

    The features of two vectors as in InferSent (Conneau et al. 2017, arXiv 1705.02364).
    """
    parts = [split(text) for text in texts]
    overlaps = np.array([_overlaps(*part) for part in parts], dtype=np.float32).reshape(len(texts), OVERLAPS)
    if encoder is None:
        return overlaps
    vectors = encoder.encode([text for part in parts for text in part])
    u, v = vectors[0::2], vectors[1::2]
    # Products of unit vectors' entries are smaller than the entries by the root of their number.
    products = u * v * np.float32(np.sqrt(encoder.width))
    cosine = (u * v).sum(axis=1, keepdims=True)
    return np.hstack([overlaps, cosine, u, v, np.abs(u - v), products]).astype(np.float32)


def paired_width(width: int) -> int:
    """Columns of `compared` for an encoder of this width; 0 = no encoder."""
    return OVERLAPS + (4 * width + 1 if width else 0)


def _overlaps(first: str, second: str) -> tuple[float, float, float]:
    """Common words as a share of all words, of the first text's and of the second's."""
    one, two = (set(WORD.findall(text.lower())) for text in (first, second))
    common = len(one & two)
    return common / max(1, len(one | two)), common / max(1, len(one)), common / max(1, len(two))
