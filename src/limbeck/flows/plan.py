"""plan: time a pilot of some twenty items and predict what the run will cost. Changes nothing.

Knows nothing of ledgers or of any concrete part.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import psutil

from limbeck.agent import Worker
from limbeck.flows.job import Job, Notify, Progress, silent
from limbeck.records import Item, Usage

PILOT = 20
# Bytes on the disk, measured on the demonstration's folder: for each vote, for each item beside its text (which stands
# there twice), and for student, report and metrics together.
VOTE_BYTES, ITEM_BYTES, FIXED_BYTES = 200, 290, 650_000
# Of a kept state beside its numbers: its key, twice, and what SQLite adds.
STATE_BYTES = 100
# Seconds per item and round to select, embed and teach, measured on the demonstration's first run on two busy cores.
LEARN_SECONDS = 0.002
# Seconds per item to fine-tune an encoder: all-MiniLM-L6-v2, three epochs of sentences of 25 tokens, one core.
DISTIL_SECONDS = 0.06


def plan(job: Job, *, notify: Notify = silent) -> dict[str, Any]:
    """Ask the committee about a pilot and scale up.

    Returns:
        `pilot` (items, seconds by agent), `items`, `votes`, and ranges (value, low, high) for `wall_s`, `tokens`,
        `memory_bytes` and `disk_bytes`, with what they rest on; `states_bytes` is the part of the disk that the
        agents' hidden states take.
    """
    items = min(job.budget.items or len(job.pool), len(job.pool))
    test = len(job.test) if job.test else 0
    chosen = np.random.default_rng(job.seed).permutation(len(job.pool))[:PILOT]
    pilot = [job.pool[int(i)] for i in chosen]
    tried = {}
    for done, worker in enumerate(job.committee.workers):
        notify(Progress("pilot", done, len(job.committee.workers)))
        tried[worker.name] = _try(worker, pilot)
    asked = items + test
    bounds = (job.committee.fewest, job.committee.most)
    wall = _span([one["seconds_per_item"] * asked for one in tried.values()], bounds)
    tokens = _span([one["tokens_per_item"] * asked for one in tried.values()], bounds)
    votes = asked * len(tried)
    rounds = len(job.schedule.sizes(items))
    memory = psutil.Process().memory_info().rss
    text = float(np.mean([len("".join(item.fields.values()).encode()) for item in pilot]))
    states = asked * sum(one["state_bytes"] for one in tried.values())
    disk = votes * VOTE_BYTES + asked * (ITEM_BYTES + 2 * text) + FIXED_BYTES + states
    lengths = [len("".join(item.fields.values())) for item in pilot]
    spread = 1.96 * float(np.std(lengths)) / max(1.0, float(np.mean(lengths)) * len(pilot) ** 0.5)
    learning = LEARN_SECONDS * (len(job.pool) + items * rounds)
    if job.distil is not None:
        learning += DISTIL_SECONDS * items
    return {
        "items": items,
        "test_items": test,
        "votes": votes,
        "rounds": rounds,
        "pilot": {"items": len(pilot), "longest_text": max(lengths), "agents": tried},
        # A pilot's batches are smaller than the run's, which are quicker; other work on the machine makes it slower.
        "wall_s": _range((wall[0] + learning, wall[1] + learning), 0.5, 1.5 + spread),
        "tokens": _range(tokens, 1 - spread, 1 + spread),
        "memory_bytes": _range((memory * 1.3,) * 2, 1 / 1.3, 1.6),
        "disk_bytes": _range((disk,) * 2, 0.7, 1.5),
        "states_bytes": states,
        "rests_on": "a pilot on this machine; the ranges are for texts unlike the pilot's and for other load",
    }


def _try(worker: Worker, pilot: list[Item]) -> dict[str, float]:
    warm, *_ = worker.plan(pilot)
    worker.answer(warm[:1])  # the shared prefix and first-time costs are paid once in a run, not per item
    begun = time.perf_counter()
    votes = [vote for batch in worker.plan(pilot) for vote in worker.answer(batch)]
    seconds = time.perf_counter() - begun
    states = [len(vote.state) + STATE_BYTES for vote in votes if vote.state is not None]
    return {
        "seconds_per_item": seconds / len(pilot),
        "tokens_per_item": sum((vote.usage for vote in votes), Usage()).tokens / len(pilot),
        "state_bytes": sum(states) / len(pilot),
    }


def _span(costs: Sequence[float], bounds: tuple[Sequence[float], Sequence[float]]) -> tuple[float, float]:
    """The sum where each worker is asked as little as the protocol allows, and where as much."""
    least, most = (sum(cost * share for cost, share in zip(costs, shares, strict=True)) for shares in bounds)
    return least, most


def _range(span: tuple[float, float], low: float, high: float) -> Mapping[str, float]:
    least, most = span
    return {"value": (least + most) / 2, "low": max(0.0, least * low), "high": most * high}
