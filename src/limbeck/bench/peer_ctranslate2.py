"""The job on CTranslate2 in int8: `return_alternatives` branches at the first token and continues each path greedily.

One question a call: in a batch of prompts of unequal length the library branches where the shortest one ends, and with
alternatives its `max_length` counts the prompt. Calls are asynchronous, so that several workers of fewer threads can be
tried beside one worker of all threads.
Knows nothing of limbeck's engine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import ctranslate2

from limbeck.bench.base import Opener, Outcome, Prompt, Run, Shape, outcome
from limbeck.bench.pretrained import folder as transformers_folder
from limbeck.bench.weights import Weights
from limbeck.errors import EngineError

CONVERTER = "from ctranslate2.converters.transformers import main; main()"


def variants(weights: Weights, shape: Shape) -> Mapping[str, Opener]:
    """Two ways to compute in 8 bits, and the threads in one worker or shared among several."""
    return {
        f"{form}, {workers} x {shape.threads // workers} threads": partial(
            opened, weights, shape, form=form, workers=workers
        )
        for form in ("int8", "int8_float32")
        for workers in sorted({1, max(1, shape.threads // 2), shape.threads})
    }


@contextmanager
def opened(weights: Weights, shape: Shape, *, form: str, workers: int) -> Iterator[Run]:
    """One variant."""
    place = converted(weights)
    model = ctranslate2.Generator(
        str(place), device="cpu", compute_type=form, inter_threads=workers, intra_threads=shape.threads // workers
    )
    pieces = [str(it) for it in json.loads((place / "vocabulary.json").read_text(encoding="utf-8"))]
    ends = weights.tokenizer.end

    def run(prompts: Sequence[Prompt], k: int, limit: int) -> Outcome:
        calls = [
            model.generate_batch(
                [[pieces[token] for token in prompt.tokens]],
                beam_size=1,
                sampling_topk=1,
                num_hypotheses=k,
                return_alternatives=True,
                max_length=len(prompt.tokens) + limit - 1,
                include_prompt_in_result=False,
                end_token=sorted(ends),
                asynchronous=True,
            )[0]
            for prompt in prompts
        ]
        paths = [[[t for t in path if t not in ends] for path in it.result().sequences_ids] for it in calls]
        return outcome(paths, weights.tokenizer, read=sum(len(prompt.tokens) for prompt in prompts))

    yield run


def converted(weights: Weights) -> Path:
    """A CTranslate2 folder in its 8-bit form, made from the Transformers folder at first use."""

    def write(target: Path) -> None:
        command = [sys.executable, "-c", CONVERTER, "--model", str(transformers_folder(weights))]
        done = subprocess.run(
            [*command, "--output_dir", str(target), "--quantization", "int8"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise EngineError(f"CTranslate2 cannot convert {weights.source.name}: {last}")

    return weights.form("ctranslate2-int8", write)
