"""A linear student: logistic regression over a sentence encoder's vector and hashed word and character n-grams.

Knows nothing of agents, votes, ledgers, or of where its texts and soft labels come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from limbeck.encoder import Encoder
from limbeck.errors import StudentError
from limbeck.students.base import Floats, folds_of, what_counts
from limbeck.students.card import model_card
from limbeck.students.features import BUCKET_BITS, Grams
from limbeck.students.lessons import LEAST, MOST, SHARES, features, lesson_of
from limbeck.students.pairs import paired_width, unordered
from limbeck.students.saved import AGAIN, SETTINGS, Arrays, read_student, write_student
from limbeck.students.softmax import Tuning, fit, tune

Floats32 = npt.NDArray[np.float32]

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
UNTUNED = Tuning(strength=1.0, temperature=1.0)
ROWS = 8192  # predicted at once


class Facts(BaseModel):
    """What is told about the training of a student.

    Attributes:
        texts: how many texts of positive weight it learned from.
        shares: each label's weighted share of the labels.
        log_loss: of cross-validated predictions against the labels given, in nats; None where none were made.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    texts: int
    shares: tuple[float, ...]
    log_loss: float | None


@dataclass(frozen=True, slots=True)
class LinearStudent:
    """A trained linear student.

    Attributes:
        labels: names of the labels.
        tuning: hand it to the next `LinearTeacher` to skip the search.
        facts: about the training.
        pairs: whether an example is a pair of texts.
        grams: the kinds of n-grams it looks at.
        coefficients: intercept, encoder's dimensions, n-grams; shape [1 + D + F, K], float32.
        encoder: None where it looks at n-grams only.
    """

    labels: tuple[str, ...]
    tuning: Tuning
    facts: Facts
    grams: tuple[Grams, ...]
    coefficients: Floats32
    encoder: Encoder | None
    pairs: bool = False

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Calibrated probabilities, shape [texts, labels]; each row sums to 1."""
        result = np.empty((len(texts), len(self.labels)))
        for start in range(0, len(texts), ROWS):
            dense, thin = features(texts[start : start + ROWS], self.grams, self.encoder, pairs=self.pairs)
            width = dense.shape[1]
            scores = thin @ self.coefficients[1 + width :] + dense @ self.coefficients[1 : 1 + width]
            scores = (scores + self.coefficients[0]).astype(np.float64)
            result[start : start + ROWS] = softmax(scores / self.tuning.temperature, axis=1)
        return result

    def save(self, folder: Path, *, card: Mapping[str, str] | None = None) -> None:
        """Write `student.safetensors`, `student.json` and `MODEL_CARD.md`.

        Args:
            folder: made where it is missing; an older student in it is replaced.
            card: more for the model card: whose labels, how many, of what, under which terms.

        Raises:
            StudentError: when the folder cannot be written.
        """
        arrays: Arrays = {"coefficients": self.coefficients}
        for grams in self.grams:
            arrays |= {f"{grams.kind}.buckets": grams.buckets, f"{grams.kind}.idf": grams.idf}
        document = _Document(
            format="limbeck-linear-student",
            schema_version=1,
            labels=self.labels,
            strength=self.tuning.strength,
            temperature=self.tuning.temperature,
            facts=self.facts,
            encoder=None if self.encoder is None else self.encoder.identity,
            pairs=self.pairs,
        )
        write_student(folder, arrays, settings=document.model_dump(mode="json"), card=self._card(card or {}))

    def _card(self, card: Mapping[str, str]) -> str:
        features = [f"{len(grams.buckets)} hashed n-grams of {grams.kind}, weighted by TF-IDF" for grams in self.grams]
        if self.encoder is not None:
            features.append(f"the vector of the sentence encoder {self.encoder.identity}, needed to load it")
        if self.pairs:
            features.append("what both texts of a pair have and what only one has, of words and of the vectors")
        loss = "not measured: too few texts, or settings given" if self.facts.log_loss is None else None
        facts = {
            "Texts learned from": f"{self.facts.texts}",
            "Strength (C)": f"{self.tuning.strength:g}",
            "Temperature": f"{self.tuning.temperature:.3f}",
            "Log-loss to the labels given, cross-validated (nats)": loss or f"{self.facts.log_loss:.4f}",
        }
        return model_card(labels=self.labels, shares=self.facts.shares, features=features, facts=facts, card=card)


class LinearTeacher:
    """Makes linear students; everything is chosen from the labels given, by cross-validation.

    N-grams are counted on all texts once, also for the folds: no label is looked at there. Equal texts share a fold.

    Args:
        encoder: None = n-grams only.
        tuning: of an earlier student; skips the search, about ten times quicker.
        strengths: candidates for the regularisation (scikit-learn's C), ascending.
        folds: of the cross-validation, ≥ 3.
        least: texts that an n-gram must occur in (1 below 100 texts).
        most: n-grams kept; bounds the size of the student.
        pairs: whether an example is a pair of texts (see `pairs`).
    """

    def __init__(
        self,
        encoder: Encoder | None,
        *,
        tuning: Tuning | None = None,
        strengths: Sequence[float] = STRENGTHS,
        folds: int = 3,
        least: int = LEAST,
        most: int = MOST,
        pairs: bool = False,
    ) -> None:
        self._encoder = encoder
        self._tuning = tuning
        self._strengths = tuple(strengths)
        self._folds = folds
        self._least = least
        self._most = most
        self._pairs = pairs

    def fit(
        self,
        texts: Sequence[str],
        targets: Floats,
        *,
        labels: Sequence[str],
        weights: Floats | None = None,
        rng: np.random.Generator,
    ) -> LinearStudent:
        """Learn from soft labels, as `Teacher.fit`; `rng` draws the folds.

        Raises:
            StudentError: when nothing can be learned: fewer than two texts that count, or one label only.
        """
        texts, targets, weights, shares = what_counts(texts, targets, weights, labels=labels)
        lesson, grams = lesson_of(
            texts,
            targets,
            weights,
            encoder=self._encoder,
            least=self._least,
            most=self._most,
            pairs=self._pairs,
        )
        tuning, loss = self._tuning or UNTUNED, None
        with threadpool_limits(
            1, user_api="blas"
        ):  # on products this small, threads wait for each other: 10 times slower
            if self._tuning is None and len(texts) >= 5 * self._folds:
                tuning, loss = tune(lesson, self._drawn(texts, rng), strengths=self._strengths)
            coefficients = fit(lesson, strength=tuning.strength).astype(np.float32)
        facts = Facts(texts=len(texts), shares=tuple(shares.tolist()), log_loss=loss)
        return LinearStudent(tuple(labels), tuning, facts, grams, coefficients, self._encoder, self._pairs)

    def _drawn(self, texts: Sequence[str], rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """The folds; a pair is in the same one in either order."""
        return folds_of(unordered(texts) if self._pairs else texts, self._folds, rng=rng)


def load_student(folder: Path, *, encoder: Encoder | None) -> LinearStudent:
    """Read a student that `LinearStudent.save` wrote; it predicts exactly as before.

    Args:
        folder: of the student.
        encoder: the one it was taught with (see `encoder_of`); not looked at where it was taught without.

    Raises:
        StudentError: when files are missing, damaged or of another kind, or the encoder is not the right one.
    """
    arrays, document = _read(folder)
    if document.encoder is None:
        encoder = None
    elif encoder is None or encoder.identity != document.encoder:
        given = "none" if encoder is None else encoder.identity
        raise StudentError(
            f"the student in {folder} was taught with the encoder {document.encoder}, and is given {given}",
            hint="Load it with the encoder it was taught with.",
        )
    return _assembled(folder, arrays, document=document, encoder=encoder)


def encoder_of(folder: Path) -> str | None:
    """Identity of the encoder that the student in this folder needs; raises StudentError as `load_student`."""
    return _read(folder)[1].encoder


class _Document(BaseModel):
    """What `student.json` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    format: Literal["limbeck-linear-student"]
    schema_version: Literal[1]
    labels: tuple[str, ...] = Field(min_length=2)
    strength: float = Field(gt=0)
    temperature: float = Field(gt=0)
    facts: Facts
    encoder: str | None
    pairs: bool = False


def _read(folder: Path) -> tuple[Arrays, _Document]:
    arrays, settings = read_student(folder)
    try:
        return arrays, _Document.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StudentError(f"{folder / SETTINGS}: {place or 'document'}: {first['msg']}", hint=AGAIN) from error


def _assembled(folder: Path, arrays: Arrays, *, document: _Document, encoder: Encoder | None) -> LinearStudent:
    width = 0 if encoder is None else encoder.width
    if document.pairs:
        width = paired_width(width)
    kinds: dict[str, type[np.number[Any]]] = {"coefficients": np.float32}
    for kind in SHARES:
        kinds |= {f"{kind}.buckets": np.int32, f"{kind}.idf": np.float32}
    whole = arrays.keys() == kinds.keys() and all(arrays[name].dtype == kind for name, kind in kinds.items())
    if whole:
        grams = tuple(Grams(kind, arrays[f"{kind}.buckets"], arrays[f"{kind}.idf"]) for kind in SHARES)
        rows = 1 + width + sum(len(one.buckets) for one in grams)
        whole = arrays["coefficients"].shape == (rows, len(document.labels)) and all(
            one.buckets.shape == one.idf.shape == (len(one.buckets),)
            and bool(((one.buckets >= 0) & (one.buckets < 1 << BUCKET_BITS)).all())
            for one in grams
        )
    whole = whole and len(document.facts.shares) == len(document.labels)
    if not whole or not all(np.isfinite(array).all() for array in arrays.values()):
        raise StudentError(f"the arrays in {folder} do not fit its settings", hint=AGAIN)
    tuning = Tuning(document.strength, document.temperature)
    coefficients = arrays["coefficients"]
    return LinearStudent(document.labels, tuning, document.facts, grams, coefficients, encoder, document.pairs)
