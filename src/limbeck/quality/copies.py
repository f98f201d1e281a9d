"""Near-copies among many texts: MinHash finds candidates, the exact overlap of their shingles decides.

Broder 1997, On the resemblance and containment of documents; banding as in Leskovec, Rajaraman & Ullman, Mining of
Massive Datasets, chapter 3. Knows nothing of where the texts come from, beyond the name that a caller gives.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Characters of a shingle.
SIZE = 5
# 42 bands of 3 rows: a pair that overlaps by 0.5 is found with probability 0.996, by 0.6 and more practically always.
BANDS, ROWS = 42, 3
PRIME = np.uint64((1 << 31) - 1)


def shingles(text: str, size: int = SIZE) -> frozenset[str]:
    """All runs of `size` characters of a text, without regard to case, marks and blanks; a shorter text is one."""
    plain = " ".join(re.findall(r"\w+", text.casefold()))
    if len(plain) <= size:
        return frozenset({plain} - {""})
    return frozenset(plain[i : i + size] for i in range(len(plain) - size + 1))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared shingles over all shingles of two texts, 0 to 1; 0 where both are empty."""
    union = len(one | other)
    return len(one & other) / union if union else 0.0


@dataclass(frozen=True, slots=True)
class Copy:
    """The nearest text of a sieve: under which name it was put in, what it says, and how much overlaps, 0 to 1."""

    name: str
    text: str
    overlap: float


class Sieve:
    """Texts by their MinHash, so that a new one is held against those few that may be near it.

    Args:
        threshold: overlap from which a text is a near-copy, above 0 to 1; pairs below 0.4 may be missed.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._texts: list[tuple[str, str]] = []
        self._buckets: dict[tuple[int, bytes], list[int]] = {}

    def add(self, texts: Iterable[str], name: str) -> None:
        """Put texts in; a later near-copy is told under `name`. A text without any letter or digit is left out."""
        for text in texts:
            found = shingles(text)
            if found:
                for key in _keys(found):
                    self._buckets.setdefault(key, []).append(len(self._texts))
                self._texts.append((name, text))

    def find(self, text: str) -> Copy | None:
        """The text inside that overlaps most, if it is a near-copy; of equals the one put in first."""
        found = shingles(text)
        if not found:
            return None
        places = sorted({place for key in _keys(found) for place in self._buckets.get(key, ())})
        near = [(jaccard(found, shingles(self._texts[place][1])), -place) for place in places]
        if not near or max(near)[0] < self.threshold:
            return None
        overlap, place = max(near)
        return Copy(*self._texts[-place], overlap)


def _keys(found: frozenset[str]) -> list[tuple[int, bytes]]:
    """The band's number and its MinHash values, for each band."""
    hashes = np.fromiter((_number(one) for one in found), np.uint64, len(found))
    least = ((hashes[:, None] * _FACTORS + _SHIFTS) % PRIME).min(axis=0).astype(np.uint32)
    return [(band, least[band * ROWS : (band + 1) * ROWS].tobytes()) for band in range(BANDS)]


def _number(shingle: str) -> int:
    # Not hash(), which differs from one process to the next. Below 2³¹, so that a product fits 64 bits.
    digest = hashlib.blake2b(shingle.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "little") >> 1


def _permutations() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Universal hash functions a·x + b modulo a prime, the same in every process."""
    rng = np.random.default_rng(0x5EED)
    return tuple(rng.integers(1, int(PRIME), BANDS * ROWS, dtype=np.uint64) for _ in range(2))  # type: ignore[return-value]


_FACTORS, _SHIFTS = _permutations()
