"""The embedded engine's two phases beside the machine's limits: reading prompts, and decoding 10, 40 and 100 branches.

Knows nothing of rivals or of questions: tokens are drawn at random, which costs an engine the same.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.assets.base import Say
from limbeck.bench.roofline import Phase, achieved, machine, sizes
from limbeck.engines.base import Engine

PROMPT, BRANCHES, STEPS = 64, 10, 32


def measure(engine: Engine, folder: Path, *, threads: int, say: Say) -> dict[str, Any]:
    """Bandwidth, roofs, and what each phase achieves of them.

    Args:
        engine: runs the model of the folder.
        folder: holds the converted model.
        threads: that the engine uses.
        say: is told of each phase.
    """
    model, limits = sizes(folder), machine(threads)
    found: dict[str, Any] = {
        "bytes per second": limits.bytes_per_second,
        "operations per second of a large product": dict(limits.roofs),
        "weights, bytes": model.weight_bytes,
    }
    phases = {"reading 512 tokens": reading(engine)}
    phases |= {f"decoding {rows} branches": decoding(engine, rows) for rows in (10, 40, 100)}
    for name, phase in phases.items():
        found[name] = achieved(model, phase, limits)
        say(f"  {name}: {phase.speed:.0f} tokens a second")
    return found


def reading(engine: Engine, prompts: int = 8) -> Phase:
    """Several prompts in one call; the fastest of five."""
    times = []
    size = _vocabulary(engine)
    for turn in range(5):
        rows = _draw((prompts, PROMPT), size, seed=turn)
        engine.reset()
        begun = time.perf_counter()
        engine.extend(rows, [0] * prompts)
        times.append(time.perf_counter() - begun)
    tokens = prompts * PROMPT
    return Phase(rows=tokens, projected=prompts, cached=tokens, speed=tokens / min(times))


def decoding(engine: Engine, rows: int) -> Phase:
    """Steps of all branches of as many questions as that needs; the median step, first one left out."""
    questions, size = rows // BRANCHES, _vocabulary(engine)
    engine.reset()
    engine.extend(_draw((questions, PROMPT), size, seed=0), [0] * questions)
    parents: Sequence[int] = [row // BRANCHES for row in range(rows)]
    times = []
    for step in range(STEPS):
        tokens = _draw((rows, 1), size, seed=step)
        begun = time.perf_counter()
        engine.extend(tokens, parents)
        times.append(time.perf_counter() - begun)
        parents = range(rows)
    engine.reset()
    cached = questions * PROMPT + rows * STEPS // 2
    return Phase(rows=rows, projected=rows, cached=cached, speed=rows / float(np.median(times[1:])))


def _vocabulary(engine: Engine) -> int:
    engine.reset()
    return int(engine.extend([engine.tokenizer.encode("a")], [0]).shape[1])


def _draw(shape: tuple[int, int], size: int, *, seed: int) -> list[list[int]]:
    drawn = np.random.default_rng(seed).integers(0, size, shape)
    return [list(map(int, row)) for row in drawn]
