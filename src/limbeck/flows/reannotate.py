"""Ask the language agents again about what is doubtful, now with demonstrations from the clean set.

Their votes are those of further workers, in a ledger of the step's own. Knows nothing of other steps or of what the
votes are worth.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from limbeck.committee.vote import Voting
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.improvement import Improvement
from limbeck.flows.job import Budget, Notify
from limbeck.flows.standing import Standing
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.task import render_item

DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class Reasked:
    """Who was asked again.

    Attributes:
        workers: name of each further worker → how its scores are to be calibrated.
        shown: ids of the items shown to them.
        items: ids of the items that they answered.
    """

    workers: Mapping[str, str]
    shown: tuple[str, ...]
    items: tuple[str, ...]


def reannotate(
    parts: Improvement,
    folder: Path,
    *,
    standing: Standing,
    barred: Collection[str],
    meter: Meter,
    notify: Notify,
) -> Reasked | str:
    """Ask, going on where an earlier call ended.

    Args:
        parts: of the loop.
        folder: of the step; its name ends the workers' names.
        standing: what is known before.
        barred: ids of items that were asked again before.
        meter: running.
        notify: is told of progress.

    Returns:
        Who was asked what; or why nobody could be.

    Raises:
        RunError: when a worker keeps failing.
    """
    job, effort = parts.job, parts.effort
    shown = standing.demonstrations(effort.examples)
    if not shown:
        return "no label is clean, so there is nothing to demonstrate"
    with Ledger.open(folder) as ledger:
        try:
            if not (chosen := standing.doubtful(effort.items, barred={*barred, *shown})):
                return "no item is left to be asked again"
            ledger.start_round(0, strategy=DOUBT, selected=chosen)
            told = [(render_item(job.task, job.pool[item]), standing.label_of(item)) for item in shown]
            with meter.phase("load"):
                workers = parts.reinforce(told, f"+{folder.name}")
            if not workers:
                return "no agent of this task reads demonstrations"
            items = [job.pool[item] for item in chosen]
            ledger.add_items(items)
            purse = Purse(Budget(), ledger, meter)
            annotate(Voting(workers), items, ledger=ledger, meter=meter, notify=notify, purse=purse)
        finally:
            ledger.add_phases(meter.drain())
    return Reasked({worker.name: worker.calibration for worker in workers}, tuple(shown), tuple(chosen))
