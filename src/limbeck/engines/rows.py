"""The bookkeeping of a session whose rows are ragged: padding on the right, a mask with holes, explicit positions.

What was padding once stays masked for ever, so that a batch computes what each row alone would compute.
Knows nothing of how scores are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from limbeck.engines.base import Integers
from limbeck.errors import EngineError


@dataclass(frozen=True, slots=True)
class Rows:
    """What a session has read so far; a fresh one holds one empty row.

    Attributes:
        mask: which places of the key/value cache are real tokens (1) and which padding (0), shape [rows, places].
        lengths: tokens of each row, shape [rows].
    """

    mask: Integers = field(default_factory=lambda: np.zeros((1, 0), np.int64))
    lengths: Integers = field(default_factory=lambda: np.zeros(1, np.int64))

    def grow(self, rows: Sequence[Sequence[int]], parents: Sequence[int], *, context: int) -> Step:
        """What to compute so that each parent is continued by its row; see `Engine.extend`.

        Raises:
            EngineError: for an empty row, a parent that does not exist, or a row longer than the context.
        """
        origin = np.asarray(parents, np.int64)
        sizes = np.fromiter((len(row) for row in rows), np.int64, len(rows))
        if len(sizes) == 0 or sizes.min() == 0:
            raise EngineError("extend: a row without tokens cannot be scored")
        if len(origin) != len(sizes) or origin.min() < 0 or origin.max() >= len(self.lengths):
            raise EngineError(f"extend: a parent does not exist; the engine holds {len(self.lengths)} rows")
        start = self.lengths[origin]
        longest = int((start + sizes).max())
        if longest > context:
            raise EngineError(f"extend: a row of {longest} tokens is longer than the context of {context}")
        width = int(sizes.max())
        real = np.arange(width) < sizes[:, None]
        ids = np.zeros(real.shape, np.int64)
        ids[real] = np.concatenate([np.asarray(row, np.int64) for row in rows])
        mask = np.concatenate([self.mask[origin], real.astype(np.int64)], axis=1)
        # Padding may stand beyond the last position that the model knows; it is masked, so any position will do.
        positions = np.minimum(start[:, None] + np.arange(width), context - 1)
        return Step(Rows(mask, start + sizes), origin, ids, positions, sizes - 1)


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a model over new, padded tokens.

    Attributes:
        rows: the session afterwards.
        origin: the old row of each new one, shape [rows].
        ids: new tokens, shape [rows, width].
        positions: of the new tokens, shape [rows, width].
        last: index of each row's last real token among the new ones, shape [rows].
    """

    rows: Rows
    origin: Integers
    ids: Integers
    positions: Integers
    last: Integers
