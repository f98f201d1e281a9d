"""The job as optillm's `cot_decode` does it, unchanged: k separate generations, each of which reads the prompt again.

Its file is loaded by itself, since the package's own import starts a server and wants dozens of other packages; install
it with `pip install --no-deps optillm`. It runs on Transformers in bfloat16. The tokenizer's chat template is the bare
message, so that it reads the very prompt that the others read. What it generates is noted by a thin shell around
`model.generate`, since it hands back its best path only. Knows nothing of limbeck's engine.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from limbeck.bench.base import Opener, Outcome, Prompt, Run, Shape, outcome
from limbeck.bench.pretrained import folder, open_model
from limbeck.bench.weights import Weights
from limbeck.errors import MissingExtra


def variants(weights: Weights, shape: Shape) -> Mapping[str, Opener]:
    """As it ships.

    Raises:
        MissingExtra: when optillm is not installed.
    """
    return {"as it ships, bfloat16": partial(opened, weights, shape, cot_decode=shipped())}


def shipped() -> Any:
    """optillm's own function."""
    package = importlib.util.find_spec("optillm")
    if package is None or not package.submodule_search_locations:
        raise MissingExtra("optillm is not installed", hint="pip install --no-deps optillm")
    file = Path(next(iter(package.submodule_search_locations))) / "cot_decoding.py"
    spec = importlib.util.spec_from_file_location("optillm_cot_decoding", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.cot_decode


@contextlib.contextmanager
def opened(weights: Weights, shape: Shape, *, cot_decode: Any) -> Iterator[Run]:
    """The one variant."""
    model = open_model(weights, "bfloat16", shape.threads)
    tokenizer = AutoTokenizer.from_pretrained(folder(weights))
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    ends, start = weights.tokenizer.end, tuple(weights.tokenizer.start)
    generate = model.generate
    noted: list[tuple[list[int], int]] = []

    def note(start: Any, **options: Any) -> Any:
        output = generate(start, **options)
        noted.append((output.sequences[0].tolist(), start.shape[1]))
        return output

    model.generate = note

    def run(prompts: Sequence[Prompt], k: int, limit: int) -> Outcome:
        paths, read = [], 0
        for prompt in prompts:
            noted.clear()
            message = [{"role": "user", "content": tokenizer.decode(_unbegun(prompt.tokens, start))}]
            # It counts new tokens after the branch's first one.
            with contextlib.redirect_stdout(None):
                cot_decode(model, tokenizer, message, k=k, max_new_tokens=limit - 1)
            read += noted[0][1] - 1 + sum(width for _, width in noted)
            found = [whole[width - 1 :] for whole, width in noted]
            paths.append([[token for token in path if token not in ends] for path in found])
        return outcome(paths, weights.tokenizer, read=read)

    yield run


def _unbegun(tokens: Sequence[int], start: Sequence[int]) -> list[int]:
    """Tokens without those that its tokenizer puts in front by itself."""
    return list(tokens[len(start) :] if tuple(tokens[: len(start)]) == tuple(start) else tokens)
