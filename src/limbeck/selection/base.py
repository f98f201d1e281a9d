"""What every selector sees and gives: evidence about the items nobody has labelled yet in, the ids to ask next out.

Knows nothing of engines, agents, files or of any single selector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from limbeck.errors import RunError

Floats = npt.NDArray[np.float64]
_Array = TypeVar("_Array", bound=npt.NDArray[Any])


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


def needed(values: _Array | None, *, what: str, selector: str, hint: str) -> _Array:
    """The evidence that this selector cannot do without.

    Raises:
        RunError: when it is absent.
    """
    if values is None:
        raise RunError(f"the selector {selector} needs {what}, and there are none yet", hint=hint)
    return values


def random_ranks(ids: tuple[str, ...], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A random rank for each candidate, shape [N], to break ties by; it hangs on the ids, not on their order."""
    ranks = np.empty(len(ids), dtype=np.int64)
    ranks[sorted(range(len(ids)), key=ids.__getitem__)] = rng.permutation(len(ids))
    return ranks


def highest(scores: Floats, n: int, *, ids: tuple[str, ...], rng: np.random.Generator) -> list[str]:
    """The ids of the n highest scores, highest first, ties in random order.

    Raises:
        RunError: when there is not exactly one finite score for each id.
    """
    if scores.shape != (len(ids),) or not np.isfinite(scores).all():
        raise RunError(
            f"{len(ids)} candidates need as many finite scores, and the scores are not",
            hint="The opinions that the selector was given hold NaN or belong to other items.",
        )
    order = np.lexsort((random_ranks(ids, rng), -scores))
    return [ids[place] for place in order[:n]]
