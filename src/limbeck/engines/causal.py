"""A pretrained causal language model on PyTorch, for whoever teaches it a task: from a model folder or a GGUF file.

Knows nothing of labels, of how it is taught or of what becomes of it.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM

from limbeck.engines.base import Tokenizer
from limbeck.engines.container import Container
from limbeck.engines.folder import open_folder
from limbeck.engines.pretrained import context, load_model
from limbeck.engines.tokenizer_json import FolderTokenizer
from limbeck.engines.tokens import ByteTokenizer
from limbeck.errors import EngineError


@dataclass(frozen=True, slots=True)
class Causal:
    """A pretrained causal language model and its tokenizer.

    Attributes:
        name: as the user wrote it.
        digest: sha256 over the files it was loaded from, 64 hex digits.
        tokenizer: text ↔ tokens.
        context: the longest row, in tokens.
        model: as it was loaded; never changed.
    """

    name: str
    digest: str
    tokenizer: Tokenizer
    context: int
    model: Any

    def copy(self) -> Any:
        """A torch module of its own, in float32."""
        return copy.deepcopy(self.model)


def load(path: Path, *, name: str, checksums: Mapping[str, str] | None = None) -> Causal:
    """A model from a folder with safetensors, or from a GGUF file or a folder that holds one.

    Numbers of a GGUF file are read as they are, in float32; those of 4 bits stay as coarse as they were.

    Args:
        path: the file or folder.
        name: what the user calls it.
        checksums: file → sha256 where known already.

    Raises:
        EngineError: when it is refused, damaged, or no causal model.
    """
    files = [path] if path.suffix == ".gguf" else sorted(path.glob("*.gguf"))
    if files:
        return _of_gguf(files[0], name, (checksums or {}).get(files[0].name))
    folder = open_folder(path, checksums)
    if not any(kind.endswith(("ForCausalLM", "LMHeadModel")) for kind in folder.architectures):
        what = ", ".join(folder.architectures) or "something unknown"
        raise EngineError(
            f"{path.name}: is no causal language model but {what}", hint="Take a model such as SmolLM2 or DistilGPT-2."
        )
    model = load_model(AutoModelForCausalLM, folder, device="cpu", dtype="float32")
    return Causal(name, folder.digest, FolderTokenizer(path), context(model), model)


def _of_gguf(file: Path, name: str, sha256: str | None) -> Causal:
    try:
        tokenizer = ByteTokenizer(Container(file).values("tokenizer."))
        transformers.utils.logging.disable_progress_bar()
        with redirect_stderr(StringIO()):  # a bar of its own that nothing else turns off
            model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).eval()
        with file.open("rb") as content:
            digest = sha256 or hashlib.file_digest(content, "sha256").hexdigest()
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EngineError(
            f"{file.name}: transformers {transformers.__version__} cannot read this file: {first}",
            hint="Take the model as a folder with safetensors, or hf:owner/name.",
        ) from error
    return Causal(name, digest, tokenizer, context(model), model)
