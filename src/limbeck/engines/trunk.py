"""A pretrained encoder (BERT and its kin) on PyTorch, without its output layer, for whoever teaches it a task.

Knows nothing of labels, of how it is taught or of what becomes of it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoModel

from limbeck.engines.folder import open_folder
from limbeck.engines.pretrained import context, load_model
from limbeck.errors import EngineError

UNUSED = ("pooler.",)  # many folders lack it, and the mean over the tokens needs none


@dataclass(frozen=True, slots=True)
class Trunk:
    """A pretrained encoder and its tokenizer.

    Attributes:
        name: as the user wrote it.
        digest: sha256 over the files it was loaded from, 64 hex digits.
        tokenizer: the text of its tokenizer.json.
        context: the longest row, in tokens.
        model: as it was loaded; never changed.
    """

    name: str
    digest: str
    tokenizer: str
    context: int
    model: Any

    def copy(self) -> Any:
        """A torch module of its own; `(input_ids, attention_mask)` give `last_hidden_state` [rows, tokens, width]."""
        return copy.deepcopy(self.model)


def load(path: Path, *, name: str, checksums: Mapping[str, str] | None = None) -> Trunk:
    """A trunk from a model folder: config.json, tokenizer.json and safetensors.

    Args:
        path: the folder.
        name: what the user calls it.
        checksums: file → sha256 where known already.

    Raises:
        EngineError: when the folder is refused, damaged, or holds no encoder.
    """
    folder = open_folder(path, checksums)
    reads_on = any(kind.endswith(("ForCausalLM", "LMHeadModel")) for kind in folder.architectures)
    if reads_on or folder.config.get("is_encoder_decoder"):
        what = ", ".join(folder.architectures) or "an encoder with a decoder"
        raise EngineError(
            f"{path.name}: is no encoder but {what}", hint="Take a model of the BERT family for `student.model`."
        )
    model = load_model(AutoModel, folder, device="cpu", dtype="float32", unused=UNUSED)
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    # The other ways of computing attention are told apart by what is in a batch, which no exported model can be.
    model.set_attn_implementation("eager")
    try:
        table = (path / "tokenizer.json").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise EngineError(f"{path.name}: has no tokenizer.json that can be read") from error
    return Trunk(name, folder.digest, table, context(model), model)
