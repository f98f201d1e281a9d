"""Guidance: what a prompt makes likelier than another prompt does, made likelier still.

The scores after the wanted prompt are moved away from those after a contrasting one, by which the same text would be
continued: (1 + γ) · log p(token | wanted) − γ · log p(token | contrast), as in classifier-free guidance for language
models (Sanchez et al. 2023, arXiv 2306.17806). What the wanted prompt finds implausible stays out (Li et al. 2022,
Contrastive decoding, arXiv 2210.15097). Knows nothing of labels or of any concrete engine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from limbeck.engines.base import Engine, Floats, Tokenizer

# Share of the likeliest token's probability below which a token is implausible. The paper's 0.1 is for one best text;
# many texts under it are too much alike.
PLAUSIBLE = 0.03


class Guided:
    """An engine whose every row is two rows of another: the wanted one, and behind all of those the contrasting one.

    Args:
        engine: computes both.
        strength: γ, 0 or more; 0 leaves the scores as they are, but for what is implausible.
    """

    def __init__(self, engine: Engine, strength: float) -> None:
        self._engine, self._strength = engine, strength
        self._count = 1

    @property
    def tokenizer(self) -> Tokenizer:
        """The engine's."""
        return self._engine.tokenizer

    @property
    def context(self) -> int:
        """The engine's."""
        return self._engine.context

    @property
    def identity(self) -> str:
        """The engine's, and how strong the guidance is."""
        return f"guided:{self._strength:g}:{self._engine.identity}"

    def start(self, wanted: Sequence[Sequence[int]], contrast: Sequence[Sequence[int]]) -> Floats:
        """Begin pairs of rows from the engine's only row; guided logits, shape [pairs, vocabulary]."""
        self._count = len(wanted)
        return self._guide(self._engine.extend([*wanted, *contrast], [0] * (2 * len(wanted))))

    def extend(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> Floats:
        """Continue pairs of rows, both by the same tokens; see `Engine.extend`."""
        shifted = [parent + self._count for parent in parents]
        self._count = len(rows)
        return self._guide(self._engine.extend([*rows, *rows], [*parents, *shifted]))

    def reset(self) -> None:
        """Forget everything: one empty row again."""
        self._engine.reset()
        self._count = 1

    def snapshot(self) -> Any:
        """The state as an opaque value."""
        return self._engine.snapshot(), self._count

    def restore(self, state: Any) -> None:
        """Go back to a state that `snapshot` gave."""
        kept, self._count = state
        self._engine.restore(kept)

    def _guide(self, logits: Floats) -> Floats:
        half = len(logits) // 2
        wanted, contrast = logits[:half], logits[half:]
        guided = np.empty_like(wanted)
        for row in range(half):  # one row at a time fits the cache
            own = _log_softmax(wanted[row])
            np.subtract((1 + self._strength) * own, self._strength * _log_softmax(contrast[row]), out=guided[row])
            guided[row, own < own.max() + math.log(PLAUSIBLE)] = -np.inf
        return guided


def _log_softmax(row: Floats) -> Floats:
    shifted = row - row.max()
    logs: Floats = shifted - np.log(np.exp(shifted).sum(dtype=np.float32))
    return logs
