"""What every selector sees and gives: evidence about the items nobody has labelled yet in, the ids to ask next out.

Knows nothing of engines, agents, files or of any single selector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about the candidates.

    Attributes:
        ids: the candidates, length N.
        embeddings: unit vectors of the candidates, shape [N, D], float32; None where no encoder is used.
        probabilities: the current student's opinion, shape [N, K]; None before there is a student.
        members: opinions of M students, one for each agent's own votes, shape [M, N, K]; None before there are any.
        labelled: unit vectors of the items labelled so far, shape [L, D]; L may be 0; None where no encoder is used.
    """

    ids: tuple[str, ...]
    embeddings: npt.NDArray[np.float32] | None = None
    probabilities: Floats | None = None
    members: Floats | None = None
    labelled: npt.NDArray[np.float32] | None = None


class Selector(Protocol):
    """One way to choose what to ask next."""

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """Return min(n, N) different ids of `evidence.ids`, most wanted first."""
        ...
