"""limbeck's side of the contest: the whole job on its embedded engine.

Knows nothing of its rivals.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from job import Outcome, Run, Weights
from limbeck.engines.base import Engine
from limbeck.engines.openvino import OpenVinoEngine, load


def open_engine(weights: Weights, cache: Path) -> OpenVinoEngine:
    return load(weights.source, cache)


def make(engine: Engine, *, questions: int = 4) -> Run:
    """So many questions at a time: one ragged reading, then all their branches in one batch.

    This is the place to put `limbeck.decoding.cot` in: whatever takes (prompts, k, limit) and gives an `Outcome`.
    """

    def run(prompts: Sequence[Sequence[int]], k: int, limit: int) -> Outcome:
        paths: list[list[list[int]]] = [[] for _ in prompts]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        reading = 0.0
        for start in range(0, len(order), questions):
            part = order[start : start + questions]
            begun = time.perf_counter()
            engine.reset()
            logits = engine.extend([prompts[i] for i in part], [0] * len(part))
            reading += time.perf_counter() - begun
            first = np.argsort(-logits, axis=1)[:, :k]
            found = _branches(
                engine, first.reshape(-1).tolist(), parents=np.repeat(np.arange(len(part)), k), limit=limit
            )
            for place, i in enumerate(part):
                paths[i] = found[place * k : place * k + k]
        return Outcome(paths, sum(map(len, prompts)), reading)

    return run


def _branches(engine: Engine, tokens: list[int], *, parents: np.ndarray, limit: int) -> list[list[int]]:
    """Greedy paths from these first tokens; a path that has ended leaves the batch."""
    ends = engine.tokenizer.end
    paths: list[list[int]] = [[] for _ in tokens]
    alive = list(range(len(tokens)))
    while True:
        going = []
        for row, (path, token) in enumerate(zip(alive, tokens, strict=True)):
            if token not in ends:
                paths[path].append(token)
                if len(paths[path]) < limit:
                    going.append(row)
        alive = [alive[row] for row in going]
        if not alive:
            return paths
        logits = engine.extend([[tokens[row]] for row in going], [int(parents[row]) for row in going])
        tokens, parents = logits.argmax(1).tolist(), np.arange(len(alive))
