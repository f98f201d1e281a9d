"""What every student is: something that learns from soft labels, predicts without a language model and can be kept.

Knows nothing of agents, ledgers or of any single student.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from limbeck.errors import StudentError

Floats = npt.NDArray[np.float64]


class Student(Protocol):
    """A trained student."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in the order of the probabilities."""
        ...

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Calibrated probabilities, shape [texts, labels]; each row sums to 1."""
        ...

    def save(self, folder: Path, *, card: Mapping[str, str] | None = None) -> None:
        """Write the student as safetensors and JSON with a model card, to which `card` adds; never a pickle."""
        ...


class Teacher(Protocol):
    """One way to make a student. Hyper-parameters go to the constructor; nothing is left on `self`."""

    def fit(
        self,
        texts: Sequence[str],
        targets: Floats,
        *,
        labels: Sequence[str],
        weights: Floats | None = None,
        rng: np.random.Generator,
    ) -> Student:
        """Learn from soft labels.

        Args:
            texts: training texts, length N.
            targets: probabilities over the labels, shape [N, K], rows sum to 1.
            labels: names of the labels, length K.
            weights: how much each text counts, shape [N], ≥ 0; None = all equal.
            rng: the only source of randomness.

        Raises:
            StudentError: when nothing can be learned (no text, one class only).
        """
        ...


@runtime_checkable
class Reasoner(Teacher, Protocol):
    """A teacher whose students learn reasons beside labels."""

    def with_rationales(self, rationales: Mapping[str, str]) -> Teacher:
        """The same teacher, which knows why some texts (keys) have their label."""
        ...


@runtime_checkable
class Recalling(Protocol):
    """A teacher that can use states which votes left behind, and then computes none."""

    @property
    def agent(self) -> str:
        """Whose states it can use."""
        ...

    def recalling(self, known: Mapping[str, bytes]) -> Teacher:
        """The same teacher with these states: text → `Vote.state`."""
        ...


def what_counts(
    texts: Sequence[str], targets: Floats, weights: Floats | None, *, labels: Sequence[str]
) -> tuple[list[str], Floats, Floats, Floats]:
    """The texts of positive weight, their targets [n, K] and weights [n], and each label's share of the labels [K].

    Args:
        texts: training texts, length N.
        targets: probabilities over the labels, shape [N, K].
        weights: shape [N], ≥ 0; None = all equal.
        labels: names of the labels, length K.

    Raises:
        StudentError: when these do not belong together, or nothing can be learned from them.
    """
    weights = np.ones(len(texts)) if weights is None else np.asarray(weights, dtype=np.float64)
    shares = label_shares(targets, weights, count=len(texts), labels=labels)
    used = np.flatnonzero(weights > 0)
    kept = [texts[int(place)] for place in used]
    return kept, np.asarray(targets, dtype=np.float64)[used], weights[used], shares


def label_shares(targets: Floats, weights: Floats, *, count: int, labels: Sequence[str]) -> Floats:
    """Each label's weighted share of the labels given, shape [K].

    Args:
        targets: probabilities over the labels, shape [N, K].
        weights: shape [N], ≥ 0.
        count: of the training texts: N.
        labels: names of the labels, length K.

    Raises:
        StudentError: when these do not belong together, or nothing can be learned from them.
    """
    problem = _misfit(targets, weights, count=count, labels=labels)
    if problem:
        raise StudentError(f"a student cannot be trained: {problem}", hint="Check what the labels were made from.")
    useful = int((weights > 0).sum())
    if useful < 2:
        raise StudentError(
            f"a student needs at least two labelled texts of weight above 0, not {useful}", hint="Label more texts."
        )
    shares: Floats = np.average(targets, axis=0, weights=weights)
    if (shares > 1e-9).sum() < 2:
        only = labels[int(shares.argmax())]
        raise StudentError(f"every text is labelled {only!r}: nothing to tell apart", hint="Label more texts.")
    return shares


def folds_of(texts: Sequence[str], folds: int, *, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """The fold of each text, shape [texts]; equal texts share one, or the student would be asked what it was told."""
    numbers: dict[str, int] = {}
    groups = np.array([numbers.setdefault(text, len(numbers)) for text in texts])
    places: npt.NDArray[np.int64] = (rng.permutation(len(numbers)) % folds)[groups]
    return places


def _misfit(targets: Floats, weights: Floats, *, count: int, labels: Sequence[str]) -> str | None:
    if len(set(labels)) != len(labels) or len(labels) < 2:
        return f"at least two different labels are needed, not {list(labels)}"
    if targets.shape != (count, len(labels)) or weights.shape != (count,):
        return f"{count} texts and {len(labels)} labels, but targets {targets.shape} and weights {weights.shape}"
    if not (np.isfinite(targets).all() and (targets >= 0).all() and np.allclose(targets.sum(axis=1), 1, atol=1e-6)):
        return "targets must be probabilities: at least 0, and each row sums to 1"
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        return "weights must be finite and at least 0"
    return None
