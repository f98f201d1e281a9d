"""limbeck and one peer in turns, and what comes of it.

The peer is tried in each of its variants on a few prompts, and the best one plays. Then the two take turns, and a ratio
is only ever made of turns of the same run. Knows nothing of files, of names of models or of any library.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from limbeck.assets.base import Say
from limbeck.bench.base import OWN, Job, Opener, Outcome, Prompt, Run


def alone(mine: Run, prompts: Sequence[Prompt], job: Job) -> dict[str, Any]:
    """limbeck without a peer."""
    mine(prompts[:1], min(2, job.k), 4)
    turns = [timed(mine, prompts, job) for _ in range(job.rounds)]
    return figures([seconds for seconds, _ in turns], turns[-1][1], prompts)


def contest(
    mine: Run, name: str, variants: Mapping[str, Opener], prompts: Sequence[Prompt], *, job: Job, say: Say
) -> dict[str, Any]:
    """What limbeck and a peer did in turns, and the ratio of their speeds.

    Args:
        mine: limbeck, ready.
        name: of the peer.
        variants: of the peer.
        prompts: for both; a peer that is to do `few` gets the first ones.
        job: how much is done.
        say: is told of each turn.
    """
    few = prompts[: fewer(name, prompts, job)]
    trial = best_variant(variants, few[: job.trial], job, say)
    spent: dict[str, list[float]] = {OWN: [], name: []}
    found: dict[str, Outcome] = {}
    with variants[trial["variant"]]() as theirs:
        for run in (mine, theirs):
            run(prompts[:1], min(2, job.k), 4)
        for _ in range(job.rounds):
            for who, run, asked in ((OWN, mine, prompts), (name, theirs, few)):
                seconds, found[who] = timed(run, asked, job)
                spent[who].append(seconds)
                say(f"  {who}: {seconds:.1f} s, {found[who].written / seconds:.0f} tokens a second")
        del theirs, run
    gc.collect()
    ours, other = figures(spent[OWN], found[OWN], prompts), figures(spent[name], found[name], few)
    return {
        **trial,
        OWN: ours,
        name: other,
        "limbeck is times faster": _ratio(ours["tokens per second"], other["tokens per second"]),
        "prompt tokens saved against one reading a branch": job.k * _size(prompts) - found[OWN].read,
        "same greedy path, first half": agreement(found[OWN], found[name]),
    }


def fewer(name: str, prompts: Sequence[Prompt], job: Job) -> int:
    """How many prompts a peer gets."""
    return min(len(prompts), job.few) if name in job.slow else len(prompts)


def timed(run: Run, prompts: Sequence[Prompt], job: Job) -> tuple[float, Outcome]:
    """Seconds that the job takes, and its outcome."""
    begun = time.perf_counter()
    outcome = run(prompts, job.k, job.tokens)
    return time.perf_counter() - begun, outcome


def best_variant(variants: Mapping[str, Opener], prompts: Sequence[Prompt], job: Job, say: Say) -> dict[str, Any]:
    """Every variant's tokens per second on a few prompts, and the best one."""
    speeds: dict[str, float] = {}
    if len(variants) > 1:
        for name, opened in variants.items():
            with opened() as run:
                run(prompts[:1], job.k, 4)
                seconds, outcome = timed(run, prompts, job)
                del run
            gc.collect()
            speeds[name] = outcome.written / seconds
            say(f"    {name}: {speeds[name]:.0f} tokens a second")
    best = max(speeds, key=lambda name: speeds[name]) if speeds else next(iter(variants))
    return {"variant": best, "trial, tokens per second": speeds}


def figures(seconds: Sequence[float], outcome: Outcome, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """One side's turns; the best of them counts."""
    best = min(seconds)
    return {
        "seconds": list(seconds),
        "questions": len(prompts),
        "seconds per question": best / len(prompts),
        "tokens written": outcome.written,
        "tokens per second": outcome.written / best,
        "prompt tokens": _size(prompts),
        "prompt tokens read": outcome.read,
        "prompt tokens per second": outcome.read / outcome.reading if outcome.reading else None,
    }


def agreement(first: Outcome, second: Outcome) -> float:
    """How much of the first half of the greedy paths' texts is the same, from their beginnings."""
    shares = []
    for mine, theirs in zip(first.greedy, second.greedy, strict=False):
        half = mine[: max(1, len(mine) // 2)]
        same = takewhile(lambda pair: pair[0] == pair[1], zip(half, theirs, strict=False))
        shares.append(sum(1 for _ in same) / max(1, len(half)))
    return sum(shares) / len(shares)


def _ratio(ours: float, theirs: float) -> float | None:
    return ours / theirs if theirs else None


def _size(prompts: Sequence[Prompt]) -> int:
    return sum(len(prompt.tokens) for prompt in prompts)
