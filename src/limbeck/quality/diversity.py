"""How diverse a set of texts is: in its words (distinct-n, self-BLEU) and in a space of vectors (Vendi score).

All three depend on how many texts there are: compare sets of one size. Knows nothing of labels or of how the texts
came about.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# What stands for "no match" in a precision: epsilon smoothing, method 1 of Chen & Cherry 2014, with its epsilon.
EPSILON = 0.1
# Eigenvalues below this share are rounding.
LEAST_SHARE = 1e-10


def words(text: str) -> list[str]:
    """Words and marks of a text, without regard to case."""
    return re.findall(r"\w+|[^\w\s]", text.casefold())


def pairs_of_words(text: str) -> list[tuple[str, ...]]:
    """The pairs that distinct-2 counts: if of each text's pairs a share s was in no text before, distinct-2 is s."""
    return _grams(words(text), 2)


def distinct(texts: Sequence[str], n: int) -> float | None:
    """Different n-grams over all n-grams of the set, 0 to 1 (Li et al. 2016, arXiv 1510.03055); None without any."""
    grams = [gram for text in texts for gram in _grams(words(text), n)]
    return len(set(grams)) / len(grams) if grams else None


def self_bleu(texts: Sequence[str], n: int = 4) -> float | None:
    """Mean BLEU of each text against all others, 0 to 1: high means alike (Zhu et al. 2018, arXiv 1802.01886).

    BLEU is that of Papineni et al. 2002 with n-grams up to `n`, equally weighted, and a precision without any match
    taken as 0.1 matches (Chen & Cherry 2014, method 1). None for fewer than two texts.
    """
    bags = [words(text) for text in texts]
    if len(bags) < 2:
        return None
    counts = [[Counter(_grams(bag, size)) for size in range(1, n + 1)] for bag in bags]
    most = [_highest([own[size] for own in counts]) for size in range(n)]
    lengths = Counter(map(len, bags))
    scores = []
    for i, own in enumerate(counts):
        matched = [
            sum(min(count, most[size][gram].without(i)) for gram, count in own[size].items()) for size in range(n)
        ]
        scores.append(_bleu(matched, [max(1, sum(bag.values())) for bag in own], len(bags[i]), lengths))
    return math.fsum(scores) / len(scores)


def vendi_score(vectors: npt.NDArray[np.float32]) -> float | None:
    """The effective number of different texts, 1 to n (Friedman & Dieng 2023, arXiv 2210.02410); None without any.

    exp of the entropy of the eigenvalues of K / n, where K holds the cosines of all pairs.

    Args:
        vectors: of length 1, shape [n, D].
    """
    if not len(vectors):
        return None
    exact = vectors.astype(np.float64)
    # Both products have the same eigenvalues but for zeros; the smaller one is quicker.
    product = exact @ exact.T if len(exact) <= exact.shape[1] else exact.T @ exact
    shares = np.linalg.eigvalsh(product) / len(exact)
    shares = shares[shares > LEAST_SHARE]
    return float(np.exp(-(shares * np.log(shares)).sum()))


class _Highest:
    """The two highest counts of one n-gram in single texts, and whose the first is."""

    __slots__ = ("first", "owner", "second")

    def __init__(self) -> None:
        self.first = self.second = 0
        self.owner = -1

    def see(self, count: int, owner: int) -> None:
        if count > self.first:
            self.first, self.second, self.owner = count, self.first, owner
        else:
            self.second = max(self.second, count)

    def without(self, text: int) -> int:
        """The highest count in any other text."""
        return self.second if text == self.owner else self.first


def _highest(bags: Sequence[Counter[tuple[str, ...]]]) -> dict[tuple[str, ...], _Highest]:
    found: dict[tuple[str, ...], _Highest] = {}
    for owner, bag in enumerate(bags):
        for gram, count in bag.items():
            found.setdefault(gram, _Highest()).see(count, owner)
    return found


def _bleu(matched: Sequence[int], total: Sequence[int], length: int, lengths: Counter[int]) -> float:
    """BLEU of a text of `length` words; `lengths` counts all texts' lengths, its own among them."""
    if matched[0] == 0:
        return 0.0
    logs = [math.log((hits or EPSILON) / of) for hits, of in zip(matched, total, strict=True)]
    others = [size for size, count in lengths.items() if count > (size == length)]
    nearest = min(others, key=lambda size: (abs(size - length), size))
    penalty = 1.0 if length > nearest else math.exp(1 - nearest / max(1, length))
    return penalty * math.exp(math.fsum(logs) / len(logs))


def _grams(bag: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(bag[i : i + n]) for i in range(len(bag) - n + 1)]
