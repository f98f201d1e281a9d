"""Masked language models (BERT and its kin) on PyTorch: what may stand at the masks of whole texts.

Knows nothing of patterns, labels or of how an answer is made of the scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForMaskedLM

from limbeck.engines.base import Floats
from limbeck.engines.folder import open_folder
from limbeck.engines.pretrained import Focus, context, identity, load_model
from limbeck.engines.tokenizer_json import FolderTokenizer
from limbeck.errors import EngineError


class MaskedModel:
    """One masked model; it keeps `Cloze` and has no state.

    Args:
        model: a masked language model of the transformers package.
        tokenizer: text ↔ tokens of the same model.
        context: the longest row, in tokens.
        name: what is computed, for keys.

    Raises:
        EngineError: when the tokenizer has no mask.
    """

    def __init__(self, model: Any, tokenizer: FolderTokenizer, *, context: int, name: str) -> None:
        self._model, self._tokenizer, self._context, self._name = model, tokenizer, context, name
        if tokenizer.mask is None:
            raise EngineError("this model's tokenizer has no mask token", hint="Take a model of the BERT family.")
        self._mask = tokenizer.mask
        self._focus = Focus(model)

    @property
    def tokenizer(self) -> FolderTokenizer:
        """Text ↔ tokens of the model."""
        return self._tokenizer

    @property
    def context(self) -> int:
        """The longest row, in tokens."""
        return self._context

    @property
    def identity(self) -> str:
        """The digest of the model's files, the engine, its versions, the number format and the kind of device."""
        return self._name

    @property
    def mask(self) -> int:
        """The mask token."""
        return self._mask

    @property
    def close(self) -> list[int]:
        """What every row must end with."""
        return list(self._tokenizer.close)

    @property
    def unknown(self) -> int | None:
        """The token for what the vocabulary cannot spell."""
        return self._tokenizer.unknown

    def fill(self, rows: Sequence[Sequence[int]]) -> list[Floats]:
        """Logits at the masks of each row; see `Cloze.fill`."""
        longest = max(map(len, rows), default=0)
        if longest > self._context:
            raise EngineError(f"fill: a row of {longest} tokens is longer than the context of {self._context}")
        if not rows or not all(self._mask in row for row in rows):
            raise EngineError("fill: a row without a mask has nothing to fill")
        real = np.arange(longest) < np.array([[len(row)] for row in rows])
        ids = np.full(real.shape, self._model.config.pad_token_id or 0, np.int64)
        ids[real] = np.concatenate([np.asarray(row, np.int64) for row in rows])
        masks = (ids == self._mask) & real
        self._focus.places = tuple(self._tensor(places) for places in np.nonzero(masks))
        try:
            with torch.inference_mode():
                out = self._model(input_ids=self._tensor(ids), attention_mask=self._tensor(real.astype(np.int64)))
        except RuntimeError as error:  # no memory left, as a rule
            raise EngineError(f"the model failed on {len(rows)} rows: {str(error).strip().splitlines()[0]}") from error
        finally:
            self._focus.places = None
        logits = out.logits[:, 0].float().cpu().numpy()
        return np.split(logits, np.cumsum(masks.sum(axis=1))[:-1])

    def _tensor(self, values: Any) -> Any:
        return torch.from_numpy(values).to(self._model.device)


def load(
    path: Path, *, checksums: Mapping[str, str] | None = None, device: str | None = None, dtype: str | None = None
) -> MaskedModel:
    """A masked model from a model folder: config.json, tokenizer.json and safetensors.

    Args:
        path: the folder.
        checksums: file → sha256 where known already.
        device: see `load_model`.
        dtype: see `load_model`.

    Raises:
        EngineError: when the folder is refused, damaged, or holds no masked language model.
    """
    folder = open_folder(path, checksums)
    if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in folder.architectures):
        raise EngineError(
            f"{path.name}: is no masked model but {', '.join(folder.architectures)}", hint="Use `engine: transformers`."
        )
    tokenizer = FolderTokenizer(path)
    model = load_model(AutoModelForMaskedLM, folder, device=device, dtype=dtype)
    return MaskedModel(model, tokenizer, context=context(model), name=identity("masked", model, folder))
