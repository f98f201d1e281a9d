"""How many rows to decode at once: found by a short measurement, remembered for each machine and model.

A wider batch is faster until the caches of its rows outgrow the processor's. Knows nothing of decoders or prompts.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import filelock

from limbeck.engines.base import Engine
from limbeck.errors import EngineError

CANDIDATES = (16, 32, 64, 96, 128, 192)
# Tokens before the measured ones, measured steps, and how near to the best speed is good enough.
READ, STEPS, ENOUGH = 48, 4, 0.9


def measure(engine: Engine, candidates: Sequence[int] = CANDIDATES) -> dict[int, float]:
    """Rows at once → tokens per second, over a few steps behind a short text; the engine is empty afterwards.

    Raises:
        EngineError: when the engine cannot score, or its context is shorter than the measurement.
    """
    text = engine.tokenizer.encode(" and so on" * READ)[:READ]
    speeds = {}
    for rows in candidates:
        engine.reset()
        engine.extend([text], [0])
        engine.extend([text[:1]] * rows, [0] * rows)  # the fork itself is paid once per branch, not per token
        begun = time.perf_counter()
        for _ in range(STEPS):
            engine.extend([text[:1]] * rows, range(rows))
        speeds[rows] = rows * STEPS / (time.perf_counter() - begun)
    engine.reset()
    return speeds


def narrowest(speeds: dict[int, float]) -> int:
    """The fewest rows that come near to the best speed: a wider batch wastes more when its branches end unevenly."""
    best = max(speeds.values())
    return min(rows for rows, speed in speeds.items() if speed >= ENOUGH * best)


def remembered(engine: Engine, path: Path) -> int:
    """Rows at once for an engine on this machine; measured where `path` does not know them yet.

    A file that cannot be read or written only costs the measurement.

    Args:
        engine: is empty afterwards.
        path: JSON file of what was measured before.
    """
    key = f"{platform.node()}:{platform.machine()}:{engine.identity}"
    known = _read(path)
    if isinstance(known.get(key), int) and known[key] > 0:
        return known[key]
    try:
        rows = narrowest(measure(engine))
    except EngineError:
        return CANDIDATES[0]  # a context too short to measure in
    _add(path, key, rows)
    return rows


def _read(path: Path) -> dict[str, int]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _add(path: Path, key: str, rows: int) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_name(path.name + ".lock")):
            partial.write_text(json.dumps(_read(path) | {key: rows}, indent=1) + "\n", encoding="utf-8")
            partial.replace(path)
    except OSError:
        return
