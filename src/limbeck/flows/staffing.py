"""staffing: what each agent of a committee adds, and what it costs; which to drop, and which to add next.

Needs the votes only: every smaller committee is aggregated anew from them. Knows nothing of how the votes came about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.aggregation.base import Aggregator, VoteTable
from limbeck.evaluation.intervals import mean_estimate, undefined
from limbeck.flows.words import estimate

Integers = npt.NDArray[np.int64]
# Committees of every size are tried; with more agents than this that would be too many to be worth the time.
MOST = 12
# An agent may be dropped when that makes fewer than so many labels wrong, with 97.5 % confidence.
MARGIN = 0.01
RIGHT, SAME = "right labels", "labels as the whole committee gives them"


def staffing(
    table: VoteTable, aggregator: Aggregator, gold: Integers, *, seconds: Mapping[str, float], seed: int
) -> dict[str, Any]:
    """The plan, as JSON values.

    `measure` says what is counted: right labels where items have gold, else labels as the whole committee gives them.
    `path` adds one agent at a time, each time the one with which the most is gained. `without` leaves each one out.

    Args:
        table: calibrated votes. Only items that were drawn for everybody are looked at.
        aggregator: votes → labels.
        gold: label of each item, shape [I], -1 = unknown.
        seconds: agent → what one answer takes.
        seed: of the bootstrap.
    """
    table, gold = table.part(table.common_rows), gold[table.common_rows]
    agents = list(table.workers)
    if not 2 <= len(agents) <= MOST or not table.items:
        few = "a committee of one has nobody to drop" if len(agents) < 2 else f"more than {MOST} agents"
        return {"plan": None, "plan_reason": few if table.items else "the committee labelled none of these items"}
    whole = _labels(table, agents, aggregator)
    known = gold >= 0
    truth, measure = (gold, RIGHT) if known.any() else (whole, SAME)
    rows = known if known.any() else np.ones(len(gold), np.bool_)

    def right(members: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.asarray((_labels(table, members, aggregator) == truth)[rows], np.float64)

    rng = np.random.default_rng((seed, 6_000_000))
    cost = {name: seconds.get(name) or 0.0 for name in agents}
    best, path, taken = right(agents), [], list[str]()
    before: npt.NDArray[np.float64] | None = None
    while len(taken) < len(agents):
        tried = {name: right([*taken, name]) for name in agents if name not in taken}
        name = max(tried, key=lambda one: (tried[one].mean(), -cost[one]))
        gain = undefined("nothing came before") if before is None else mean_estimate(tried[name] - before, rng=rng)
        taken, before = [*taken, name], tried[name]
        path.append({"agent": name, "seconds": cost[name], "share": float(before.mean())} | estimate("gain", gain))
    without = []
    for name in agents:
        loss = mean_estimate(right([one for one in agents if one != name]) - best, rng=rng)
        saved = cost[name] / sum(cost.values()) if sum(cost.values()) else None
        told = {"agent": name, "saves": saved} | estimate("change", loss)
        without.append(told if saved is not None else told | {"saves_reason": "no answer took measurable time"})
    plan = {"measure": measure, "path": path, "without": without, "drop": _drop(without, int(rows.sum()))}
    if plan["drop"] is None:
        plan["drop_reason"] = "leaving out any of them costs, or might cost, more than one label in a hundred"
    return {"plan": plan}


def _labels(table: VoteTable, members: Sequence[str], aggregator: Aggregator) -> Integers:
    """Each item's label by some of the agents."""
    part = table.part(np.arange(len(table.items)), sorted(members))
    return np.asarray(aggregator(part).probabilities.argmax(axis=1), np.int64)


def _drop(without: Sequence[Mapping[str, Any]], items: int) -> str | None:
    """The agent that can go: the dearest whose going surely costs less than the margin; None: everybody earns a place.

    Where nothing changed on any item there is no interval; by the rule of three that is enough from 3 / margin items.
    """

    def harmless(one: Mapping[str, Any]) -> bool:
        interval = one["change_interval"]
        return bool(interval[0] > -MARGIN) if interval else one["change"] == 0 and items * MARGIN >= 3

    sure = [one for one in without if harmless(one)]
    return max(sure, key=lambda one: (one["saves"] or 0.0, one["agent"]))["agent"] if sure else None
