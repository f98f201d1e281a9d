"""Texts to sparse numbers: hashed TF-IDF of word and character n-grams, made by array operations without a vocabulary.

Knows nothing of labels, encoders or of any student. N-grams that share one of 2^20 buckets are one feature.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Numbers = npt.NDArray[np.uint64]
Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]

MAX_CHARACTERS = 20_000  # of one text; what is beyond does not count
PART = 1_000_000  # characters turned into n-grams at once
BUCKET_BITS = 20
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd: multiplying loses nothing
WORD = re.compile(r"\w+")
CHARACTER_GRAMS = (3, 4, 5)


@dataclass(frozen=True, slots=True)
class Grams:
    """TF-IDF of one kind of n-gram, fitted.

    Attributes:
        kind: "words" (1- and 2-grams) or "characters" (3- to 5-grams inside words, with the blanks around them).
        buckets: hash buckets that are features, ascending, shape [F], int32.
        idf: inverse document frequency of each, shape [F], float32.
    """

    kind: str
    buckets: npt.NDArray[np.int32]
    idf: npt.NDArray[np.float32]

    def matrix(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Features of the texts, shape [texts, F], float32; rows have length 1, or 0 where no n-gram is known."""
        column = np.full(1 << BUCKET_BITS, -1, dtype=np.int64)
        column[self.buckets] = np.arange(len(self.buckets))
        parts = [sparse.csr_matrix((0, len(self.buckets)), dtype=np.float32)]
        for part in _parts(texts):
            rows, buckets = PAIRS[self.kind](part)
            columns = column[buckets]
            known = columns >= 0
            counts = _counts(rows[known], columns[known], shape=(len(part), len(self.buckets)))
            counts.data = (1 + np.log(counts.data)) * self.idf[counts.indices]
            squares = np.asarray(counts.multiply(counts).sum(axis=1)).ravel()
            lengths = np.sqrt(np.where(squares > 0, squares, 1)).astype(np.float32)
            counts.data /= np.repeat(lengths, np.diff(counts.indptr))
            parts.append(counts)
        return sparse.vstack(parts, format="csr", dtype=np.float32)


def fit_grams(texts: Sequence[str], kind: str, *, least: int, most: int) -> Grams:
    """Choose the features: the `most` buckets found in most texts, each in at least `least`. No label is looked at."""
    found = np.zeros(1 << BUCKET_BITS, dtype=np.int64)
    for part in _parts(texts):
        rows, buckets = PAIRS[kind](part)
        counts = _counts(rows, buckets, shape=(len(part), len(found)))
        found += np.bincount(counts.indices, minlength=len(found))
    order = np.argsort(-found, kind="stable")[:most]
    kept = np.sort(order[found[order] >= max(1, least)])
    idf = np.log((1 + len(texts)) / (1 + found[kept])) + 1
    return Grams(kind, kept.astype(np.int32), idf.astype(np.float32))


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in order, cut to their limit and lower-cased, in parts of bounded size."""
    part: list[str] = []
    size = 0
    for text in texts:
        lower = text[:MAX_CHARACTERS].lower()
        if part and size + len(lower) > PART:
            yield part
            part, size = [], 0
        part.append(lower)
        size += len(lower)
    if part:
        yield part


def _word_pairs(texts: Sequence[str]) -> Pairs:
    """(row, bucket) of every word and of every two words that follow each other."""
    words = [WORD.findall(text) for text in texts]
    lengths = [len(found) for found in words]
    rows = np.repeat(np.arange(len(texts)), lengths)
    hashes = (zlib.crc32(word.encode("utf-8", "surrogatepass")) for found in words for word in found)
    singles = np.fromiter(hashes, dtype=np.uint64, count=sum(lengths)) + np.uint64(1)
    doubles = singles[:-1] * FACTOR + singles[1:]
    inside = rows[:-1] == rows[1:]
    return np.concatenate([rows, rows[:-1][inside]]), _buckets(np.concatenate([singles, doubles[inside]]))


def _character_pairs(texts: Sequence[str]) -> Pairs:
    """(row, bucket) of every run of 3 to 5 characters that holds a blank at most at its ends.

    A text begins and ends with a blank, so no such run reaches into the next text.
    """
    padded = [f" {' '.join(text.split())} " for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    places = np.repeat(np.arange(len(texts)), [len(text) for text in padded])
    blanks = np.concatenate([[0], np.cumsum(codes == ord(" "))])  # blanks before each place
    rows, values = [], []
    for size in CHARACTER_GRAMS:
        starts = np.arange(max(0, len(codes) - size + 1))
        starts = starts[blanks[starts + size - 1] == blanks[starts + 1]]
        value = np.full(len(starts), size, dtype=np.uint64)
        for step in range(size):
            value = value * FACTOR + codes[starts + step]
        rows.append(places[starts])
        values.append(value)
    return np.concatenate(rows), _buckets(np.concatenate(values))


def _buckets(values: Numbers) -> npt.NDArray[np.int64]:
    """Spread numbers over the buckets (the finishing steps of Steele, Lea & Flood's SplitMix, 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (values >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)


def _counts(
    rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], *, shape: tuple[int, int]
) -> sparse.csr_matrix:
    """How often each column occurs in each row."""
    counts = sparse.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
    counts.sum_duplicates()
    return counts


PAIRS: Mapping[str, Callable[[Sequence[str]], Pairs]] = {"words": _word_pairs, "characters": _character_pairs}
