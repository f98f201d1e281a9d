"""A model that was exported to OpenVINO before, by optimum-intel or OpenVINO GenAI: a folder with model and tokenizer.

Knows nothing of GGUF files or of how the model is run.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from limbeck.assets.base import checksum
from limbeck.engines.folder import read_table
from limbeck.engines.openvino import OpenVinoEngine
from limbeck.engines.tokenizer_json import FolderTokenizer
from limbeck.errors import EngineError

MODEL = ("openvino_model.xml", "openvino_model.bin")
# Where a configuration may say how long a row can be.
LENGTHS = ("max_position_embeddings", "n_positions", "n_ctx", "seq_length")


def load(folder: Path, *, threads: int | None = None) -> OpenVinoEngine:
    """An engine for such a folder.

    Args:
        folder: holds `openvino_model.xml`, `openvino_model.bin`, `config.json` and `tokenizer.json`.
        threads: see `OpenVinoEngine`.

    Raises:
        EngineError: when a file is missing, or the model is not a stateful causal language model.
    """
    lost = [name for name in (*MODEL, "config.json", "tokenizer.json") if not (folder / name).is_file()]
    if lost:
        raise EngineError(
            f"{folder.name}: lacks {', '.join(lost)}",
            hint="A folder exported to OpenVINO holds model, configuration and tokenizer; export it anew.",
        )
    config = read_table(folder / "config.json")
    longest = next((config[name] for name in LENGTHS if isinstance(config.get(name), int) and config[name] > 0), None)
    if longest is None:
        raise EngineError(
            f"{folder.name}: config.json does not say how long a row can be",
            hint="Add max_position_embeddings to it.",
        )
    lines = "".join(f"{checksum(folder / name).sha256} {name}\n" for name in MODEL)
    source = hashlib.sha256(lines.encode()).hexdigest()
    return OpenVinoEngine(folder, FolderTokenizer(folder), context=longest, source=source, threads=threads)
