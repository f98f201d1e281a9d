"""A model as Transformers has it: a folder in float32 made from the Q8_0 file, and how it is opened.

Knows nothing of the job.
"""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from limbeck.bench.weights import Weights


def folder(weights: Weights) -> Path:
    """The Transformers folder, written at first use."""

    def write(target: Path) -> None:
        disable_progress_bar()
        file = weights.q8_0()
        with redirect_stderr(StringIO()):  # a bar of its own that nothing else turns off
            read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
        # A model read from GGUF counts as quantised and will not be saved; its numbers in a plain one will.
        config = type(read.config)(**{k: v for k, v in read.config.to_dict().items() if k != "quantization_config"})
        plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        plain.load_state_dict(read.state_dict())
        plain.save_pretrained(target)
        AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(target)

    return weights.form("transformers", write)


def open_model(weights: Weights, form: str, threads: int) -> Any:
    """The model in `bfloat16` or `float32` on so many threads."""
    torch.set_num_threads(threads)
    disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(folder(weights), dtype=getattr(torch, form)).eval()
