"""What a text is refused for before anybody is asked about it: its form, and real or accepted texts too near to it.

Knows nothing of labels, votes or of who wrote the text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limbeck.encoder import Encoder
from limbeck.flows.commission import Terms
from limbeck.quality import Sieve, closeness, flaw, pairs_of_words
from limbeck.quality.likeness import Vectors

STALE, CLOSE = "says little that is new", "too near to an accepted text"
POOL, TEST, ACCEPTED = "near-copy of a pool text", "leaked from the test set", "near-copy of an accepted text"


class Screen:
    """Holds what must not be copied.

    Args:
        terms: thresholds.
        encoder: texts → vectors, or None.
        echoes: words of the prompt that no text may hold.
    """

    def __init__(self, terms: Terms, encoder: Encoder | None, echoes: Sequence[str]) -> None:
        self._terms, self._encoder, self._echoes = terms, encoder, echoes
        self._sieve = Sieve(terms.overlap)
        self._known: list[tuple[str, Vectors]] = []
        self._accepted: list[Vectors] = []
        self._said: set[tuple[str, ...]] = set()

    def hold(self, texts: Sequence[str], name: str) -> None:
        """Take in real texts; what is near them is refused as `name`."""
        self._sieve.add(texts, name)
        if self._encoder is not None:
            self._known.append((name, self._encoder.encode(texts)))

    def vectors(self, texts: Sequence[str]) -> list[Vectors | None]:
        """A unit vector for each text, or None for each without an encoder."""
        return [None] * len(texts) if self._encoder is None else list(self._encoder.encode(texts))

    def refusal(self, text: str, vector: Vectors | None) -> str | None:
        """Why a text is not taken, or None."""
        if reason := flaw(text, self._terms.words, self._echoes):
            return reason
        pairs = pairs_of_words(text)
        if len(set(pairs) - self._said) < self._terms.novelty * len(pairs):
            return STALE
        if copy := self._sieve.find(text):
            return copy.name
        if vector is not None:
            for name, known in self._known:
                if float(closeness(vector[None], known)[0]) >= self._terms.cosine:
                    return name
            if self._accepted and float(closeness(vector[None], self.accepted())[0]) >= self._terms.spread:
                return CLOSE
        return None

    def accept(self, text: str, vector: Vectors | None) -> None:
        """From now on nothing near this text is taken."""
        self._sieve.add([text], ACCEPTED)
        self._said.update(pairs_of_words(text))
        if vector is not None:
            self._accepted.append(vector)

    def accepted(self) -> Vectors:
        """Vectors of the accepted texts, shape [n, D]."""
        return np.stack(self._accepted) if self._accepted else np.zeros((0, 1), np.float32)
