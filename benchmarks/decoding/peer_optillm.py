"""The job as optillm's `cot_decode` does it, unchanged: k separate generations, each of which reads the prompt again.

Its file is loaded by itself, since the package's own import starts a server and wants dozens of other packages; install
it with `pip install --no-deps optillm`. It runs on Transformers in bfloat16. The tokenizer's chat template is the bare
message, so that it reads the very prompt that the others read. What it generates is noted by a thin shell around
`model.generate`, since it hands back its best path only. Knows nothing of limbeck's engine.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from job import Outcome, Run, Weights
from peer_transformers import open_model

VARIANTS: Mapping[str, Mapping[str, Any]] = {"as it ships, bfloat16": {"form": "bfloat16"}}


def shipped() -> Any:
    """optillm's own function."""
    package = importlib.util.find_spec("optillm")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'optillm'")
    file = Path(next(iter(package.submodule_search_locations))) / "cot_decoding.py"
    spec = importlib.util.spec_from_file_location("optillm_cot_decoding", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.cot_decode


def make(weights: Weights, *, form: str, k: int, limit: int, longest: int) -> Run:  # noqa: ARG001
    cot_decode = shipped()
    model = open_model(weights, form)
    tokenizer = AutoTokenizer.from_pretrained(weights.torch())
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    ends, decode = weights.tokenizer.end, weights.tokenizer.decode
    generate = model.generate
    noted: list[tuple[list[int], int]] = []

    def note(start: torch.Tensor, **options: Any) -> Any:
        output = generate(start, **options)
        noted.append((output.sequences[0].tolist(), start.shape[1]))
        return output

    model.generate = note

    def run(prompts: Sequence[Sequence[int]], k: int, limit: int) -> Outcome:
        paths, read = [], 0
        for prompt in prompts:
            noted.clear()
            message = [{"role": "user", "content": decode(prompt)}]
            # It counts new tokens after the branch's first one.
            with contextlib.redirect_stdout(None):
                cot_decode(model, tokenizer, message, k=k, max_new_tokens=limit - 1)
            read += noted[0][1] - 1 + sum(width for _, width in noted)
            found = [whole[width - 1 :] for whole, width in noted]
            paths.append([[token for token in path if token not in ends] for path in found])
        return Outcome(paths, read)

    return run
