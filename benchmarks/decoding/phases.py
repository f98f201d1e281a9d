"""The embedded engine's two phases beside the machine's limits: reading prompts, and decoding 10, 40 and 100 branches.

    python benchmarks/decoding/phases.py --model FILE.gguf --cache FOLDER

Knows nothing of rivals or of questions: tokens are drawn at random, which costs an engine the same.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.engines.base import Engine
from limbeck.engines.openvino import OpenVinoEngine, load
from roofline import FORMATS, Phase, achieved, bandwidth, roof, sizes

PROMPT, BRANCHES, STEPS = 64, 10, 32


def measure(engine: OpenVinoEngine, cache: Path) -> dict[str, Any]:
    """Bandwidth, roofs, and what each phase achieves of them."""
    model = sizes(cache / engine._source)
    rate, roofs = bandwidth(), {form: roof(form) for form in FORMATS}
    found: dict[str, Any] = {
        "bytes per second": rate,
        "operations per second of a large product": roofs,
        "weights, bytes": model.weight_bytes,
    }
    phases = {"reading 512 tokens": reading(engine)}
    phases |= {f"decoding {rows} branches": decoding(engine, rows) for rows in (10, 40, 100)}
    for name, phase in phases.items():
        found[name] = achieved(model, phase, bytes_per_second=rate, roofs=roofs)
        print(
            f"  {name}: {phase.speed:.0f} tokens a second,"
            f" {found[name]['of the best same-size products']:.0%} of the best same-size products"
            f" ({found[name]['best format']}), {found[name]['of the floor']:.0%} of the floor",
            flush=True,
        )
    return found


def reading(engine: Engine, prompts: int = 8) -> Phase:
    """Several prompts in one call; the fastest of five."""
    times = []
    for turn in range(5):
        rows = _draw(prompts, PROMPT, seed=turn)
        engine.reset()
        begun = time.perf_counter()
        engine.extend(rows, [0] * prompts)
        times.append(time.perf_counter() - begun)
    tokens = prompts * PROMPT
    return Phase(rows=tokens, projected=prompts, cached=tokens, speed=tokens / min(times))


def decoding(engine: Engine, rows: int) -> Phase:
    """Steps of all branches of as many questions as that needs; the median step, first one left out."""
    questions = rows // BRANCHES
    engine.reset()
    engine.extend(_draw(questions, PROMPT, seed=0), [0] * questions)
    parents, times = [row // BRANCHES for row in range(rows)], []
    for step in range(STEPS):
        tokens = _draw(rows, 1, seed=step)
        begun = time.perf_counter()
        engine.extend(tokens, parents)
        times.append(time.perf_counter() - begun)
        parents = list(range(rows))
    cached = questions * PROMPT + rows * STEPS // 2
    return Phase(rows=rows, projected=rows, cached=cached, speed=rows / float(np.median(times[1:])))


def _draw(rows: int, width: int, *, seed: int) -> list[list[int]]:
    drawn = np.random.default_rng(seed).integers(100, 40_000, (rows, width))
    return [list(map(int, row)) for row in drawn]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    options = parser.parse_args()
    print(json.dumps(measure(load(options.model, options.cache), options.cache), indent=1))


if __name__ == "__main__":
    main()
