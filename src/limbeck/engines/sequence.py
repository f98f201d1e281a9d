"""A sequence-classification model (BERT and its kin) on PyTorch: whole texts in, the probability of each label out.

Knows nothing of tasks, votes or of what the labels mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification

from limbeck.engines.folder import open_folder
from limbeck.engines.pretrained import context, identity, load_model
from limbeck.errors import EngineError

ROWS = 32


class SequenceModel:
    """A classifier that was trained elsewhere.

    Attributes:
        labels: its labels, in the order of the probabilities.
        identity: the digest of its files, the versions, the number format and the kind of device.
    """

    def __init__(self, model: Any, tokenizer: Tokenizer, *, labels: tuple[str, ...], identity: str) -> None:
        self._model, self._tokenizer = model, tokenizer
        self.labels, self.identity = labels, identity

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Probabilities, shape [texts, labels]; what a text has beyond the model's context does not count."""
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        rows = [one.ids for one in self._tokenizer.encode_batch(clean)]
        found = np.zeros((len(rows), len(self.labels)))
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for start in range(0, len(order), ROWS):
            part = order[start : start + ROWS]
            found[part] = self._shares([rows[i] for i in part])
        return found

    def _shares(self, rows: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
        real = np.arange(max(map(len, rows))) < np.array([[len(row)] for row in rows])
        ids = np.full(real.shape, self._model.config.pad_token_id or 0, np.int64)
        ids[real] = np.concatenate([np.asarray(row, np.int64) for row in rows])
        place = self._model.device
        with torch.inference_mode():
            out = self._model(
                input_ids=torch.from_numpy(ids).to(place),
                attention_mask=torch.from_numpy(real.astype(np.int64)).to(place),
            )
        shares: npt.NDArray[np.float64] = out.logits.double().softmax(-1).cpu().numpy()
        return shares


def load(path: Path, *, checksums: Mapping[str, str] | None = None) -> SequenceModel:
    """A classifier from a model folder: config.json, tokenizer.json and safetensors.

    Raises:
        EngineError: when the folder is refused, damaged, or holds no classifier of one label to a text.
    """
    folder = open_folder(path, checksums)
    if not any(name.endswith("ForSequenceClassification") for name in folder.architectures):
        what = ", ".join(folder.architectures) or "unknown"
        raise EngineError(f"{path.name}: is no classifier of texts but {what}", hint="Name it under `model` instead?")
    model = load_model(AutoModelForSequenceClassification, folder)
    if model.config.num_labels < 2 or model.config.problem_type in ("regression", "multi_label_classification"):
        raise EngineError(f"{path.name}: gives a text a number or several labels, and one label is needed")
    try:
        tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    except Exception as error:  # tokenizers raises the bare Exception for every fault of the file
        raise EngineError(f"{path.name}: tokenizer.json cannot be used: {error}") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(context(model))
    labels = tuple(str(model.config.id2label[i]) for i in range(model.config.num_labels))
    return SequenceModel(model, tokenizer, labels=labels, identity=identity("sequence", model, folder))
