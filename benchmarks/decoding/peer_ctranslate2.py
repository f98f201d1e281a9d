"""The job on CTranslate2 in int8: `return_alternatives` branches at the first token and continues each path greedily.

One question a call: in a batch of prompts of unequal length the library branches where the shortest one ends, and with
alternatives its `max_length` counts the prompt. Calls are asynchronous, so that two workers of one thread each can be
tried beside one worker of two threads.
Knows nothing of limbeck's engine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import ctranslate2

from job import Outcome, Run, Weights

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    f"{form}, {workers} x {2 // workers} threads": {"form": form, "workers": workers}
    for form in ("int8", "int8_float32")
    for workers in (1, 2)
}


def make(weights: Weights, *, form: str, workers: int, k: int, limit: int, longest: int) -> Run:  # noqa: ARG001
    folder = weights.ctranslate2()
    model = ctranslate2.Generator(
        str(folder), device="cpu", compute_type=form, inter_threads=workers, intra_threads=2 // workers
    )
    pieces = [str(it) for it in _vocabulary(folder)]
    ends = weights.tokenizer.end

    def run(prompts: Sequence[Sequence[int]], k: int, limit: int) -> Outcome:
        calls = [
            model.generate_batch(
                [[pieces[token] for token in prompt]],
                beam_size=1,
                sampling_topk=1,
                num_hypotheses=k,
                return_alternatives=True,
                max_length=len(prompt) + limit - 1,
                include_prompt_in_result=False,
                end_token=sorted(ends),
                asynchronous=True,
            )[0]
            for prompt in prompts
        ]
        paths = [[[t for t in path if t not in ends] for path in it.result().sequences_ids] for it in calls]
        return Outcome(paths, sum(map(len, prompts)))

    return run


def _vocabulary(folder: Any) -> list[str]:
    return list(json.loads((folder / "vocabulary.json").read_text(encoding="utf-8")))
