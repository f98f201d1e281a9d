"""The job on Transformers, in one batched loop.

Each question is read once, several at a time, padded on the left; `batch_repeat_interleave` gives each of its k
branches the cache. Only the last token is projected, in `inference_mode`; paths that have ended leave the batch once a
quarter of it has. Knows nothing of limbeck's engine.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache
from transformers.utils.logging import disable_progress_bar

from job import Outcome, Run, Weights

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    f"{form}, {questions} questions at a time": {"form": form, "questions": questions}
    for form in ("bfloat16", "float32")
    for questions in (1, 4, 10)
}


def open_model(weights: Weights, form: str, threads: int = 2) -> Any:
    torch.set_num_threads(threads)
    disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(weights.torch(), dtype=getattr(torch, form)).eval()


def make(weights: Weights, *, form: str, questions: int, k: int, limit: int, longest: int) -> Run:  # noqa: ARG001
    model = open_model(weights, form)
    ends = torch.tensor(sorted(weights.tokenizer.end))

    @torch.inference_mode()
    def run(prompts: Sequence[Sequence[int]], k: int, limit: int) -> Outcome:
        paths: list[list[list[int]]] = [[] for _ in prompts]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        reading = 0.0
        for start in range(0, len(order), questions):
            part = order[start : start + questions]
            begun = time.perf_counter()
            width = max(len(prompts[i]) for i in part)
            ids = torch.tensor([[0] * (width - len(prompts[i])) + list(prompts[i]) for i in part])
            mask = torch.tensor([[0] * (width - len(prompts[i])) + [1] * len(prompts[i]) for i in part])
            cache = DynamicCache(config=model.config)
            logits = model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=(mask.cumsum(1) - 1).clamp(min=0),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            first = logits.topk(k, dim=1).indices.reshape(-1)
            reading += time.perf_counter() - begun
            cache.batch_repeat_interleave(k)
            found = _branches(model, cache, first=first, mask=mask.repeat_interleave(k, 0), limit=limit, ends=ends)
            for place, i in enumerate(part):
                paths[i] = found[place * k : place * k + k]
        return Outcome(paths, sum(map(len, prompts)), reading)

    return run


def _branches(
    model: Any, cache: Any, *, first: torch.Tensor, mask: torch.Tensor, limit: int, ends: torch.Tensor
) -> list[list[int]]:
    """Greedy paths from these first tokens."""
    written = torch.full((len(first), limit), -1)
    alive, tokens, places = torch.arange(len(first)), first, mask.sum(1)
    over = torch.isin(first, ends)
    written[:, 0] = torch.where(over, -1, first)
    for step in range(1, limit):
        if bool(over.all()):
            break
        if int(over.sum()) * 4 >= len(over):
            kept = (~over).nonzero().reshape(-1)
            cache.batch_select_indices(kept)
            alive, tokens, places, mask, over = alive[kept], tokens[kept], places[kept], mask[kept], over[kept]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        logits = model(
            input_ids=tokens[:, None],
            attention_mask=mask,
            position_ids=places[:, None],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        tokens, places = logits.argmax(1), places + 1
        over = over | torch.isin(tokens, ends)
        written[alive, step] = torch.where(over, -1, tokens)
    return [[token for token in row if token >= 0] for row in written.tolist()]
