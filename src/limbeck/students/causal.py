"""A small causal language model as a student: adapters beside a model that stays as it is. Needs torch to predict.

Knows nothing of how it was taught, of agents, votes or ledgers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.special import softmax

from limbeck.errors import StudentError
from limbeck.students.base import Floats
from limbeck.students.card import model_card
from limbeck.students.lora import Row, restored, score
from limbeck.students.saved import AGAIN, SETTINGS, read_student, write_student

FORMAT: Final = "limbeck-causal-student"
MAX_CHARACTERS = 20_000
LABEL, REASON = ("[label] ", "\nAnswer:"), ("[rationale] ", "\nReason:")  # before and after the text
PART = 1024  # texts asked at once


class Tokens(Protocol):
    """Text ↔ tokens, as far as a student needs it."""

    def encode(self, text: str) -> list[int]:
        """Tokens of plain text."""
        ...

    @property
    def start(self) -> list[int]:
        """What a row must begin with."""
        ...

    @property
    def end(self) -> frozenset[int]:
        """Tokens that end an answer."""
        ...


class Base(Protocol):
    """A causal language model to begin from."""

    @property
    def name(self) -> str:
        """As the user wrote it."""
        ...

    @property
    def digest(self) -> str:
        """sha256 over its files."""
        ...

    @property
    def tokenizer(self) -> Tokens:
        """Text ↔ tokens."""
        ...

    @property
    def context(self) -> int:
        """The longest row, in tokens."""
        ...

    def copy(self) -> Any:
        """A torch module of its own."""
        ...


class Facts(BaseModel):
    """What is told about a student and how it was taught; kept in `student.json`.

    Attributes:
        labels: names of the labels.
        shares: each label's weighted share of the labels given.
        max_tokens: of a text; what is beyond does not count.
        model: name of the language model that the adapters belong to.
        digest: sha256 over that model's files, 64 hex digits.
        rank: of the adapters.
        texts: how many texts of positive weight it learned from.
        rationales: how many of them came with a rationale.
        alpha: the share of the loss that was about rationales; 0 where there were none.
        epochs: how often it went through them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    format: Literal["limbeck-causal-student"] = FORMAT
    schema_version: Literal[1] = 1
    labels: tuple[str, ...] = Field(min_length=2)
    shares: tuple[float, ...]
    max_tokens: int = Field(ge=1)
    model: str
    digest: str
    rank: int = Field(ge=1)
    texts: int
    rationales: int
    alpha: float
    epochs: int


class CausalStudent:
    """A trained student.

    Args:
        facts: its labels and settings.
        adapters: name → numbers.
        base: the language model that they belong to.

    Raises:
        StudentError: when that is another model.
    """

    def __init__(self, facts: Facts, adapters: Mapping[str, npt.NDArray[Any]], *, base: Base) -> None:
        if base.digest != facts.digest:
            raise StudentError(
                f"the student was taught on {facts.model} (sha256 {facts.digest[:16]}…), "
                f"and {base.name} here is another model (sha256 {base.digest[:16]}…)",
                hint="Bring the model that it was taught on; its name and sha256 stand in the model card.",
            )
        self.facts, self._adapters, self._base = facts, adapters, base

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in the order of the probabilities."""
        return self.facts.labels

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Probabilities, shape [texts, labels]: what the model gives to each label's tokens, over all labels."""
        found = np.empty((len(texts), len(self.labels)))
        answers = answers_of(self._base.tokenizer, self.labels)
        for start in range(0, len(texts), PART):
            part = texts[start : start + PART]
            prompts = [prompt(self._base.tokenizer, text, LABEL, most=self.facts.max_tokens) for text in part]
            scores = score(self._network, [Row(one, answer) for one in prompts for answer in answers])
            found[start : start + PART] = softmax(scores.reshape(len(part), -1), axis=1)
        return found

    def save(self, folder: Path, *, card: Mapping[str, str] | None = None) -> None:
        """Write the adapters as safetensors, `student.json` and `MODEL_CARD.md`; the language model is not copied.

        Raises:
            StudentError: when the folder cannot be written.
        """
        settings = self.facts.model_dump(mode="json")
        write_student(folder, dict(self._adapters), settings=settings, card=self._card(card or {}))

    @cached_property
    def _network(self) -> Any:
        """Made at the first text."""
        try:
            return restored(self._base.copy(), self._adapters, rank=self.facts.rank)
        except ValueError as error:
            raise StudentError(f"the student does not fit {self._base.name}: {error}", hint=AGAIN) from error

    def _card(self, card: Mapping[str, str]) -> str:
        told = self.facts
        reasons = f"{told.rationales}, α = {told.alpha:g}" if told.rationales else "none: taught by labels only"
        facts = {
            "Texts learned from": f"{told.texts}",
            "Rationales": reasons,
            "Needs the model": f"{told.model} (sha256 {told.digest})",
            "Rank of the adapters": f"{told.rank}",
            "Epochs": f"{told.epochs}",
            "Temperature": "none: probabilities are the model's own",
        }
        features = [f"the first {told.max_tokens} tokens of a text"]
        kind = "causal language model"
        return model_card(labels=told.labels, shares=told.shares, features=features, facts=facts, card=card, kind=kind)


def prompt(tokens: Tokens, text: str, around: tuple[str, str], *, most: int) -> tuple[int, ...]:
    """The tokens of a text, `most` at most, between two words of the task."""
    clean = text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
    before, after = (tokens.encode(part) for part in around)
    return (*tokens.start, *before, *tokens.encode(clean)[:most], *after)


def answers_of(tokens: Tokens, labels: Sequence[str]) -> list[tuple[int, ...]]:
    """Each label's tokens as an answer, with the token that ends it: no label may be the beginning of another."""
    return [(*tokens.encode(f" {label}"), *ending(tokens)) for label in labels]


def ending(tokens: Tokens) -> tuple[int, ...]:
    """The token that ends an answer, or nothing where a model has none."""
    return (min(tokens.end),) if tokens.end else ()


def load_student(folder: Path, *, find: Callable[[str], Base]) -> CausalStudent:
    """Read a student that `CausalStudent.save` wrote; it predicts exactly as before.

    Args:
        folder: of the student.
        find: name of a language model → the model.

    Raises:
        StudentError: when files are missing, damaged or of another kind, or the model is another one.
    """
    arrays, settings = read_student(folder)
    try:
        facts = Facts.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StudentError(f"{folder / SETTINGS}: {place or 'document'}: {first['msg']}", hint=AGAIN) from error
    if len(facts.shares) != len(facts.labels) or not all(np.isfinite(array).all() for array in arrays.values()):
        raise StudentError(f"the arrays in {folder} do not fit its settings", hint=AGAIN)
    return CausalStudent(facts, arrays, base=find(facts.model))
