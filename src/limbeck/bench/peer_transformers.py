"""The job on Transformers, in one batched loop.

Each question is read once, several at a time, padded on the left; `batch_repeat_interleave` gives each of its k
branches the cache. Only the last token is projected, in `inference_mode`; paths that have ended leave the batch once a
quarter of it has. Knows nothing of limbeck's engine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from inspect import signature
from typing import Any

import torch
from transformers import DynamicCache

from limbeck.bench.base import Opener, Outcome, Prompt, Run, Shape, outcome
from limbeck.bench.pretrained import open_model
from limbeck.bench.weights import Weights


def variants(weights: Weights, shape: Shape) -> Mapping[str, Opener]:
    """Two precisions, and one question or several at a time."""
    return {
        f"{form}, {questions} questions at a time": partial(opened, weights, shape, form=form, questions=questions)
        for form in ("bfloat16", "float32")
        for questions in (1, 4, 10)
    }


@contextmanager
def opened(weights: Weights, shape: Shape, *, form: str, questions: int) -> Iterator[Run]:
    """One variant."""
    model = open_model(weights, form, shape.threads)
    ends = torch.tensor(sorted(weights.tokenizer.end))

    def run(prompts: Sequence[Prompt], k: int, limit: int) -> Outcome:
        paths: list[list[list[int]]] = [[] for _ in prompts]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i].tokens))
        reading = 0.0
        with torch.inference_mode():
            for start in range(0, len(order), questions):
                part = order[start : start + questions]
                begun = time.perf_counter()
                first, cache, mask = _read(model, [prompts[i].tokens for i in part], k)
                reading += time.perf_counter() - begun
                cache.batch_repeat_interleave(k)
                found = _branches(model, cache, first=first, mask=mask.repeat_interleave(k, 0), limit=limit, ends=ends)
                for place, i in enumerate(part):
                    paths[i] = found[place * k : place * k + k]
        read = sum(len(prompt.tokens) for prompt in prompts)
        return outcome(paths, weights.tokenizer, read=read, reading=reading)

    yield run


def _read(model: Any, prompts: Sequence[Sequence[int]], k: int) -> tuple[Any, Any, Any]:
    """The k likeliest tokens after each prompt in one row, the cache, and its mask."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    cache = DynamicCache(config=model.config)
    logits = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
        use_cache=True,
        logits_to_keep=1,
        **_memory(model, cache),
    ).logits[:, -1]
    return logits.topk(k, dim=1).indices.reshape(-1), cache, mask


def _memory(model: Any, cache: Any) -> dict[str, Any]:
    """The cache under the name that this version of the library gives it."""
    return {"cache" if "cache" in signature(model.forward).parameters else "past_key_values": cache}


def _branches(model: Any, cache: Any, *, first: Any, mask: Any, limit: int, ends: Any) -> list[list[int]]:
    """Greedy paths from these first tokens."""
    written = torch.full((len(first), limit), -1)
    memory = _memory(model, cache)
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
            use_cache=True,
            logits_to_keep=1,
            **memory,
        ).logits[:, -1]
        tokens, places = logits.argmax(1), places + 1
        over = over | torch.isin(tokens, ends)
        written[alive, step] = torch.where(over, -1, tokens)
    return [[token for token in row if token >= 0] for row in written.tolist()]
