"""What every selector sees and gives: evidence about the items that may be asked in, the ids to ask next out.

Knows nothing of engines, agents, files or of any single selector.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from limbeck.errors import RunError

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]
_Array = TypeVar("_Array", bound=npt.NDArray[Any])

_ENCODER = "Name an encoder in the task file, or choose a selector that needs none."
_FIRST = "Ask a first batch with Random or KCentre and train a student on it."


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about the candidates, and about the items that were labelled so far.

    Attributes:
        ids: the candidates, length N.
        embeddings: unit vectors of the candidates, shape [N, D], float32; None where no encoder is used.
        probabilities: the current student's opinion, shape [N, K]; None before there is a student.
        members: opinions of M students, one for each agent's own votes, shape [M, N, K]; None before there are any.
        labelled: unit vectors of the items labelled so far, shape [L, D]; L may be 0; None where no encoder is used.
        asked: ids of these L items, in the same order.
        posterior: the committee's belief about them, shape [L, K], uniform where nobody voted; None: not told.
        taught: the current student's opinion of them, shape [L, K]; None before there is a student.
        open: which of them some worker has not answered yet, shape [L]; None: none.
        classes: how many labels the task has; None: not told.
        values: the number that each label stands for on a scale, shape [K]; None where the labels are no scale.
        note: is told, in a sentence, where a selector does less than its name says, such as looking at a sample.
    """

    ids: tuple[str, ...]
    embeddings: npt.NDArray[np.float32] | None = None
    probabilities: Floats | None = None
    members: Floats | None = None
    labelled: npt.NDArray[np.float32] | None = None
    asked: tuple[str, ...] = ()
    posterior: Floats | None = None
    taught: Floats | None = None
    open: Booleans | None = None
    classes: int | None = None
    values: Floats | None = None
    note: Callable[[str], None] = logging.getLogger("limbeck.selection").warning


class Selector(Protocol):
    """One way to choose what to ask next."""

    def __call__(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[str]:
        """Return min(n, N) different ids of `evidence.ids`, most wanted first.

        A selector that asks again may give open ids of `evidence.asked` in their place.
        """
        ...


def needed(values: _Array | None, *, what: str, selector: str, hint: str) -> _Array:
    """The evidence that this selector cannot do without.

    Raises:
        RunError: when it is absent.
    """
    if values is None:
        raise RunError(f"the selector {selector} needs {what}, and there are none yet", hint=hint)
    return values


def opinions(evidence: Evidence, selector: str) -> Floats:
    """The student's probabilities, shape [N, K].

    Raises:
        RunError: when there is no student yet, or its opinions are not one finite row for each candidate.
    """
    found = needed(evidence.probabilities, what="a student's probabilities", selector=selector, hint=_FIRST)
    return _finite(found, len(evidence.ids), what="opinions", selector=selector, hint=_FIRST)


def about_labelled(values: Floats | None, evidence: Evidence, *, what: str, selector: str) -> Floats:
    """Opinions of the labelled items, shape [L, K], L > 0.

    Raises:
        RunError: when nothing is labelled, or they are absent, not finite or of other items.
    """
    found = needed(values if evidence.asked else None, what=what, selector=selector, hint=_FIRST)
    return _finite(found, len(evidence.asked), what=what, selector=selector, hint=_FIRST)


def vectors_by_id(evidence: Evidence, selector: str) -> tuple[Places, npt.NDArray[np.float32]]:
    """The places of the candidates in the order of their ids, and their vectors in that order, shape [N, D].

    Rounding differs with a row's place, and near ties would otherwise hang on the order of the candidates.

    Raises:
        RunError: when there are no vectors, or they are not one finite row for each candidate.
    """
    vectors = needed(evidence.embeddings, what="embeddings", selector=selector, hint=_ENCODER)
    _finite(vectors, len(evidence.ids), what="vectors", selector=selector, hint=_ENCODER)
    order = places_by_id(evidence.ids)
    in_order = bool((order == np.arange(len(order))).all())
    return order, vectors if in_order else vectors[order]


def places_by_id(ids: tuple[str, ...]) -> Places:
    """Places of the ids in ascending order of the ids, shape [N]."""
    return np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)


def at_most(evidence: Evidence, most: int, *, selector: str, rng: np.random.Generator) -> Evidence:
    """The evidence of at most `most` candidates, drawn by lot; says so where that leaves any out."""
    count = len(evidence.ids)
    if count <= most:
        return evidence
    evidence.note(f"{selector} chose among {most:,} of {count:,} candidates, drawn by lot: all would take too long")
    rows = np.sort(np.argsort(random_ranks(evidence.ids, rng))[:most])
    return replace(
        evidence,
        ids=tuple(evidence.ids[row] for row in rows),
        embeddings=None if evidence.embeddings is None else evidence.embeddings[rows],
        probabilities=None if evidence.probabilities is None else evidence.probabilities[rows],
        members=None if evidence.members is None else evidence.members[:, rows],
    )


def random_ranks(ids: tuple[str, ...], rng: np.random.Generator) -> Places:
    """A random rank for each candidate, shape [N], to break ties by; it hangs on the ids, not on their order."""
    ranks = np.empty(len(ids), dtype=np.int64)
    ranks[places_by_id(ids)] = rng.permutation(len(ids))
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


def _finite(values: _Array, rows: int, *, what: str, selector: str, hint: str) -> _Array:
    if len(values) != rows or not all(np.isfinite(values[i : i + 65_536]).all() for i in range(0, rows, 65_536)):
        raise RunError(f"{selector} was given {len(values)} {what}, not {rows} finite ones", hint=hint)
    return values
