"""How each rater went about it: checks, consistency, drift and pace. Flags are for the reader; nobody is left out.

Knows nothing of systems.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from limbeck.evaluation.conduct import drift, pace, self_consistency
from limbeck.evaluation.intervals import Estimate, undefined
from limbeck.study.judged import Judged
from limbeck.study.store import SKIP

# Shares from which a rater is flagged.
HASTY, UNSURE = 0.2, 0.5


def people(judged: Judged, rng: np.random.Generator) -> list[dict[str, Any]]:
    """One block per rater."""
    criterion = judged.design.criteria[0].name
    drifts = _drifts(judged, criterion, rng)
    paces = pace(judged.seconds())
    found = []
    for rater, moved, speed in zip(judged.raters, drifts, paces, strict=True):
        own = [(question, one) for question, one in judged.answered if question.rater == rater]
        done = [one for _, one in own if one is not None]
        same = self_consistency(*judged.repeated(rater), rng=rng)
        block: dict[str, Any] = {
            "name": rater,
            "pages": len(own),
            "answered": sum(one.kind != SKIP for one in done),
            "skipped": sum(one.kind == SKIP for one in done),
            "median_s": speed.median,
            "hasty": speed.hasty,
            "trend_s": speed.trend,
            "drift": moved.value,
            "drift_interval": moved.interval,
            "drift_reason": moved.reason,
            "consistency": same.value,
            "consistency_n": same.n,
            "consistency_reason": same.reason,
        }
        for role in ("gold", "attention"):
            right, total = judged.checked(rater, role)
            block |= {f"{role}_right": right, f"{role}_asked": total}
        found.append(block | {"flags": _flags(block)})
    return found


def _drifts(judged: Judged, criterion: str, rng: np.random.Generator) -> list[Estimate]:
    if judged.design.method == "pairs":
        return [undefined("a preference has no level that could drift")] * len(judged.raters)
    values, places = judged.values(criterion), judged.places()
    flat = [np.concatenate([one[:, :, side] for side in (0, 1)]) for one in (values, places)]
    return drift(flat[0], flat[1], rng=rng)


def _flags(block: dict[str, Any]) -> list[str]:
    flags = []
    left = block["pages"] - block["answered"] - block["skipped"]
    if left:
        flags.append("never came" if left == block["pages"] else f"left {left} pages open")
    for role in ("gold", "attention"):
        missed = block[f"{role}_asked"] - block[f"{role}_right"]
        if missed:
            flags.append(f"{missed} of {block[f'{role}_asked']} {role} items wrong")
    if (block["hasty"] or 0) > HASTY:
        flags.append("often very fast")
    if block["consistency"] is not None and block["consistency_n"] > 1 and block["consistency"] < UNSURE:
        flags.append("answers to repeated pages differ")
    interval = block["drift_interval"]
    if interval is not None and (interval[0] > 0 or interval[1] < 0):
        flags.append("judged differently towards the end")
    return flags
