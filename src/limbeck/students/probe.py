"""A probe: a linear head on the hidden states of one agent's language model (Alain & Bengio 2016, arXiv 1610.01644).

It learns from states that the labelling pass left behind, so teaching it needs no further pass; to label a new text,
the agent's prompt is read once. Knows nothing of agents, prompts, engines, votes or ledgers: states are handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy import sparse
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from limbeck.errors import StudentError
from limbeck.students.base import Floats, folds_of, what_counts
from limbeck.students.card import model_card
from limbeck.students.saved import AGAIN, SETTINGS, read_student, write_student
from limbeck.students.softmax import Lesson, Tuning, fit, tune

FORMAT = "limbeck-probe-student"
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
UNTUNED = Tuning(strength=10.0, temperature=1.0)
FOLDS = 3
Floats32 = npt.NDArray[np.float32]


class Seer(Protocol):
    """Texts → hidden states."""

    @property
    def identity(self) -> str:
        """Hash of everything that changes a state."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """How texts are read, as JSON values, so that it can be done again elsewhere."""
        ...

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float16]:
        """The state of each text, shape [texts, width]."""
        ...


class Facts(BaseModel):
    """What a probe's `student.json` holds beside its numbers.

    Attributes:
        labels: names of the labels.
        strength: scikit-learn's C, as cross-validation chose it.
        temperature: divides the scores.
        texts: how many texts of positive weight it learned from.
        shares: each label's weighted share of the labels.
        log_loss: of cross-validated predictions against the labels given, in nats; None where none were made.
        agent: whose states it reads.
        model: its model, and the engine that runs it.
        seen: `Seer.identity`.
        frame: `Seer.settings`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    format: Literal["limbeck-probe-student"] = "limbeck-probe-student"
    schema_version: Literal[1] = 1
    labels: tuple[str, ...] = Field(min_length=2)
    strength: float = Field(gt=0)
    temperature: float = Field(gt=0)
    texts: int
    shares: tuple[float, ...]
    log_loss: float | None
    agent: str
    model: tuple[str, str]
    seen: str
    frame: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ProbeStudent:
    """A trained probe.

    Attributes:
        facts: its labels and settings.
        mean: of the states it learned from, shape [width].
        size: what each dimension is divided by, shape [width].
        coefficients: intercept and one row for each dimension, shape [1 + width, K].
        seer: texts → states.
    """

    facts: Facts
    mean: Floats32
    size: Floats32
    coefficients: Floats32
    seer: Seer

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in the order of the probabilities."""
        return self.facts.labels

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Calibrated probabilities, shape [texts, labels]; each row sums to 1."""
        if not texts:
            return np.zeros((0, len(self.labels)))
        states = (self.seer.encode(texts) - self.mean) / self.size
        scores = (states @ self.coefficients[1:] + self.coefficients[0]).astype(np.float64)
        return np.asarray(softmax(scores / self.facts.temperature, axis=1))

    def save(self, folder: Path, *, card: Mapping[str, str] | None = None) -> None:
        """Write `student.safetensors`, `student.json` and `MODEL_CARD.md`; the language model is not among them.

        Raises:
            StudentError: when the folder cannot be written.
        """
        told, (model, engine) = self.facts, self.facts.model
        text = model_card(
            labels=told.labels,
            shares=told.shares,
            features=[
                f"the last hidden state of {model} behind the prompt of the agent {told.agent}, needed to load it"
            ],
            facts={
                "Texts learned from": f"{told.texts}",
                "Language model": f"{model} on {engine}",
                "Strength (C)": f"{told.strength:g}",
                "Temperature": f"{told.temperature:.3f}",
                "Log-loss to the labels given, cross-validated (nats)": "not measured: too few texts"
                if told.log_loss is None
                else f"{told.log_loss:.4f}",
            },
            card=card or {},
            kind="probe",
        )
        arrays = {"mean": self.mean, "size": self.size, "coefficients": self.coefficients}
        write_student(folder, arrays, settings=told.model_dump(mode="json"), card=text)


@dataclass(frozen=True, slots=True)
class ProbeTeacher:
    """Makes probes; strength and temperature are chosen by cross-validation on the labels given.

    Attributes:
        seer: texts → states.
        agent: whose states these are.
        model: its model, and the engine that runs it.
        known: text → its state, where the labelling pass left it; other texts are read anew.
    """

    seer: Seer
    agent: str
    model: tuple[str, str]
    known: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def recalling(self, known: Mapping[str, bytes]) -> ProbeTeacher:
        """The same with states that need not be computed: text → little-endian float16."""
        return replace(self, known=known)

    def fit(
        self,
        texts: Sequence[str],
        targets: Floats,
        *,
        labels: Sequence[str],
        weights: Floats | None = None,
        rng: np.random.Generator,
    ) -> ProbeStudent:
        """Learn from soft labels, as `Teacher.fit`; `rng` draws the folds.

        Raises:
            StudentError: when nothing can be learned: fewer than two texts that count, or one label only.
        """
        texts, targets, weights, shares = what_counts(texts, targets, weights, labels=labels)
        states = self._states(texts)
        mean, size = states.mean(axis=0), states.std(axis=0)
        # A dimension that hardly varies would only be noise made large.
        size = np.where(size > 1e-6 * max(float(size.max()), 1e-30), size, np.inf) * np.sqrt(states.shape[1])
        lesson = Lesson((states - mean) / size, sparse.csr_matrix((len(texts), 0)), targets, weights)
        tuning, loss = UNTUNED, None
        with threadpool_limits(1, user_api="blas"):
            if len(texts) >= 5 * FOLDS:
                tuning, loss = tune(lesson, folds_of(texts, FOLDS, rng=rng), strengths=STRENGTHS)
            coefficients = fit(lesson, strength=tuning.strength)
        facts = Facts(
            labels=tuple(labels),
            strength=tuning.strength,
            temperature=tuning.temperature,
            texts=len(texts),
            shares=tuple(shares.tolist()),
            log_loss=loss,
            agent=self.agent,
            model=self.model,
            seen=self.seer.identity,
            frame=dict(self.seer.settings),
        )
        # What never varied has a coefficient of zero already; its divisor must be a number.
        size = np.where(np.isfinite(size), size, 1.0)
        kept: list[Floats32] = [one.astype(np.float32) for one in (mean, size, coefficients)]
        return ProbeStudent(facts, kept[0], kept[1], kept[2], self.seer)

    def _states(self, texts: Sequence[str]) -> Floats:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        read = dict(zip(new, self.seer.encode(new), strict=True)) if new else {}
        found = [read[text] if text in read else np.frombuffer(self.known[text], "<f2") for text in texts]
        if len({len(state) for state in found}) > 1:
            raise StudentError(
                "the states of these texts come from unlike models",
                hint="The agent's model changed during the run; a new run folder begins afresh.",
            )
        return np.stack(found).astype(np.float64)


def facts_of(folder: Path) -> Facts:
    """What a kept probe needs to be loaded; raises StudentError where the folder is damaged or of another kind."""
    return _read(folder)[1]


def load_student(folder: Path, *, seer: Seer) -> ProbeStudent:
    """Read a probe that `ProbeStudent.save` wrote; it predicts as before.

    Args:
        folder: of the student.
        seer: reads texts as the probe's agent did (`Facts.model`, `Facts.frame`).

    Raises:
        StudentError: when files are missing, damaged or of another kind, or the seer is not the right one.
    """
    arrays, facts = _read(folder)
    if seer.identity != facts.seen:
        raise StudentError(
            f"the probe in {folder} was taught by another version of {facts.model[0]}, its engine or its prompt",
            hint="Run the same `limbeck run` again with a new folder, or install the versions of assets.lock.json.",
        )
    width = len(arrays.get("mean", ()))
    shapes = {"mean": (width,), "size": (width,), "coefficients": (1 + width, len(facts.labels))}
    whole = arrays.keys() == shapes.keys() and all(
        arrays[name].shape == shape and arrays[name].dtype == np.float32 and bool(np.isfinite(arrays[name]).all())
        for name, shape in shapes.items()
    )
    if not whole or len(facts.shares) != len(facts.labels) or not (arrays["size"] > 0).all():
        raise StudentError(f"the arrays in {folder} do not fit its settings", hint=AGAIN)
    return ProbeStudent(facts, arrays["mean"], arrays["size"], arrays["coefficients"], seer)


def _read(folder: Path) -> tuple[dict[str, npt.NDArray[Any]], Facts]:
    arrays, settings = read_student(folder)
    try:
        return arrays, Facts.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StudentError(f"{folder / SETTINGS}: {place or 'document'}: {first['msg']}", hint=AGAIN) from error
