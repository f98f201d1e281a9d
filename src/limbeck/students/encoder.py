"""A fine-tuned encoder as a student: an OpenVINO model and its tokenizer. Predicting and loading need no torch.

Knows nothing of how it was taught, of agents, votes or ledgers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import openvino as ov
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.special import softmax
from tokenizers import Tokenizer

from limbeck.encoder import Encoder
from limbeck.errors import StudentError
from limbeck.records import BETWEEN
from limbeck.students.base import Floats
from limbeck.students.card import model_card
from limbeck.students.saved import AGAIN, SETTINGS, read_files, write_files

FORMAT: Final = "limbeck-encoder-student"
GRAPH, WEIGHTS, TOKENIZER = "student.xml", "student.bin", "tokenizer.json"
MAX_CHARACTERS = 20_000  # far more than 512 tokens need; keeps a text of megabytes from being tokenised whole
BATCH_TOKENS = 1024  # padded tokens of one batch
PART = 4096  # texts tokenised at once


class Facts(BaseModel):
    """What is told about a student and how it was taught; kept in `student.json`.

    Attributes:
        labels: names of the labels.
        shares: each label's weighted share of the labels given.
        temperature: divides the logits.
        max_tokens: what is beyond them does not count.
        model: name of the encoder it began as.
        digest: sha256 over that encoder's files, 64 hex digits.
        texts: how many texts of positive weight it learned from.
        epochs: how often it went through them.
        log_loss: of predictions on texts left out, against the labels given, in nats; None where none were made.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    format: Literal["limbeck-encoder-student"] = FORMAT
    schema_version: Literal[1] = 1
    labels: tuple[str, ...] = Field(min_length=2)
    shares: tuple[float, ...]
    temperature: float = Field(gt=0)
    max_tokens: int = Field(ge=1)
    model: str
    digest: str
    texts: int
    epochs: int
    log_loss: float | None


class Reader:
    """Texts to tokens.

    Args:
        table: the text of a tokenizer.json.
        longest: tokens of one text, at most.

    Raises:
        StudentError: when it is no tokenizer.
    """

    def __init__(self, table: str, *, longest: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_str(table)
        except Exception as error:  # tokenizers raises the bare Exception for every fault of the file
            raise StudentError(f"{TOKENIZER} cannot be used: {error}", hint=AGAIN) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(longest)

    def rows(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of each text, at least one; a pair is read as one, its texts parted as the encoder learned it."""
        found: list[list[int]] = []
        for start in range(0, len(texts), PART):
            part = [_clean(text) for text in texts[start : start + PART]]
            found += [one.ids or [0] for one in self._tokenizer.encode_batch_fast(part)]
        return found


def _clean(text: str) -> str | tuple[str, str]:
    first, between, second = text.partition(BETWEEN)
    cut = [one[:MAX_CHARACTERS].encode("utf-8", "replace").decode() for one in (first, second)]
    return (cut[0], cut[1]) if between else cut[0]


class EncoderStudent:
    """A trained student.

    Args:
        facts: its labels and settings.
        graph: the OpenVINO model's XML.
        weights: the OpenVINO model's weights.
        tokenizer: the text of its tokenizer.json.

    Raises:
        StudentError: when the parts are damaged or do not belong together.
    """

    def __init__(self, facts: Facts, *, graph: bytes, weights: bytes, tokenizer: str) -> None:
        self.facts = facts
        self._files = {GRAPH: graph, WEIGHTS: weights, TOKENIZER: tokenizer.encode()}
        self._reader = Reader(tokenizer, longest=facts.max_tokens)
        self._model = _read_model(graph, weights, labels=len(facts.labels))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in the order of the probabilities."""
        return self.facts.labels

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Calibrated probabilities, shape [texts, labels]; each row sums to 1.

        They depend on the other texts of the call by rounding only.
        """
        logits = np.empty((len(texts), len(self.labels)))
        rows = self._reader.rows(texts)
        batch: list[int] = []
        for place in sorted(range(len(rows)), key=lambda place: len(rows[place])):
            if batch and (len(batch) + 1) * len(rows[place]) > BATCH_TOKENS:
                logits[batch] = self._infer([rows[i] for i in batch])
                batch = []
            batch.append(place)
        if batch:
            logits[batch] = self._infer([rows[i] for i in batch])
        found: Floats = softmax(logits / self.facts.temperature, axis=1)
        return found

    def save(self, folder: Path, *, card: Mapping[str, str] | None = None) -> None:
        """Write model, tokenizer, `student.json` and `MODEL_CARD.md`.

        Args:
            folder: made where it is missing; an older student in it is replaced.
            card: more for the model card: whose labels, how many, of what, under which terms.

        Raises:
            StudentError: when the folder cannot be written.
        """
        write_files(folder, self._files, settings=self.facts.model_dump(mode="json"), card=self._card(card or {}))

    def _infer(self, rows: Sequence[Sequence[int]]) -> Any:
        ids, mask = (np.zeros((len(rows), max(map(len, rows))), np.int64) for _ in range(2))
        for place, row in enumerate(rows):
            ids[place, : len(row)], mask[place, : len(row)] = row, 1
        feed = {"input_ids": ids, "attention_mask": mask}
        return self._request.infer(feed, share_inputs=True)[0]

    @cached_property
    def _request(self) -> Any:
        """Compiled at the first text; bfloat16 is refused, so that probabilities are the same on any processor."""
        options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        return ov.Core().compile_model(self._model, "CPU", options).create_infer_request()

    def _card(self, card: Mapping[str, str]) -> str:
        told = self.facts
        loss = "not measured: too few texts" if told.log_loss is None else f"{told.log_loss:.4f}"
        facts = {
            "Texts learned from": f"{told.texts}",
            "Began as": f"{told.model} (sha256 {told.digest})",
            "Epochs": f"{told.epochs}",
            "Temperature": f"{told.temperature:.3f}",
            "Log-loss to the labels given, on texts left out (nats)": loss,
        }
        features = [f"the first {told.max_tokens} tokens of a text"]
        return model_card(
            labels=told.labels, shares=told.shares, features=features, facts=facts, card=card, kind="fine-tuned encoder"
        )


def load_student(folder: Path, *, encoder: Encoder | None = None) -> EncoderStudent:  # noqa: ARG001
    """Read a student that `EncoderStudent.save` wrote; it predicts exactly as before.

    Args:
        folder: of the student.
        encoder: not looked at: the student holds its own.

    Raises:
        StudentError: when files are missing, damaged or of another kind.
    """
    files, settings = read_files(folder, (GRAPH, WEIGHTS, TOKENIZER))
    try:
        facts = Facts.model_validate(settings)
        table = files[TOKENIZER].decode()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StudentError(f"{folder / SETTINGS}: {place or 'document'}: {first['msg']}", hint=AGAIN) from error
    except UnicodeDecodeError as error:
        raise StudentError(f"{folder / TOKENIZER} is not UTF-8", hint=AGAIN) from error
    if len(facts.shares) != len(facts.labels):
        raise StudentError(f"{folder / SETTINGS}: shares and labels do not fit", hint=AGAIN)
    return EncoderStudent(facts, graph=files[GRAPH], weights=files[WEIGHTS], tokenizer=table)


def _read_model(graph: bytes, weights: bytes, *, labels: int) -> Any:
    try:
        model = ov.Core().read_model(graph, weights)
        inputs = {port.get_any_name() for port in model.inputs}
        shape = model.outputs[0].partial_shape
    except (RuntimeError, IndexError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise StudentError(f"{GRAPH} and {WEIGHTS} are no model: {why}", hint=AGAIN) from error
    fits = inputs == {"input_ids", "attention_mask"} and shape.rank.is_static and len(shape) == 2
    if not fits or shape[1].is_dynamic or shape[1].get_length() != labels:
        raise StudentError(f"{GRAPH} does not give {labels} numbers for a text", hint=AGAIN)
    return model
