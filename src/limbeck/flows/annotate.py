"""annotate: the committee answers items, and every batch of votes is on the disk before the next one begins.

Knows nothing of rounds, labels or students, nor of any concrete worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from limbeck.agent import Worker
from limbeck.committee import Committee
from limbeck.flows.job import Budget, Notify, Progress
from limbeck.ledger import Ledger
from limbeck.meter import Meter, combine
from limbeck.records import Item, Usage


class Purse:
    """What is left of a budget of tokens and seconds, counted over all attempts at a run."""

    def __init__(self, budget: Budget, ledger: Ledger, meter: Meter) -> None:
        self._budget, self._ledger, self._meter = budget, ledger, meter
        self._tokens = ledger.tokens() if budget.tokens is not None else 0

    def spend(self, usage: Usage) -> None:
        """Take note of what a batch cost."""
        self._tokens += usage.tokens

    def empty(self) -> str | None:
        """Why no further batch may be asked, or None."""
        if self._budget.tokens is not None and self._tokens >= self._budget.tokens:
            return f"the budget of {self._budget.tokens:,} tokens is spent"
        if self._budget.seconds is not None:
            rows = [*self._ledger.phases(), *self._meter.rows()]
            if combine(rows)["wall_s"] >= self._budget.seconds:
                return f"the budget of {self._budget.seconds:,.0f} seconds is spent"
        return None


def annotate(
    committee: Committee,
    items: Sequence[Item],
    *,
    ledger: Ledger,
    meter: Meter,
    notify: Notify,
    purse: Purse,
    phase: str = "annotate",
    earlier: Sequence[str] = (),
) -> str | None:
    """Ask the committee about items; what the ledger holds already is not asked again.

    Args:
        committee: who answers.
        items: what is asked.
        ledger: keeps the votes.
        meter: books what they cost on `phase`.
        notify: is told how far it is.
        purse: the budget.
        phase: annotate or evaluate.
        earlier: ids of the items that were asked before, in an earlier round.

    Returns:
        Why it stopped before the end (a spent budget), or None.

    Raises:
        RunError: when a worker keeps failing or the ledger cannot be written; votes so far are kept.
    """
    total, done, failed = len(items) * len(committee.workers), 0, 0
    refused: str | None = None
    notify(Progress(phase, done, total))

    def around(worker: Worker) -> AbstractContextManager[None]:
        return meter.phase(phase, model=worker.model)

    def allowed() -> bool:
        nonlocal refused
        refused = purse.empty()
        return refused is None

    for answers in committee.ask(items, kept=ledger, around=around, allowed=allowed, earlier=earlier):
        usage = sum((vote.usage for vote in answers.votes), Usage())
        with around(answers.worker):
            meter.add_tokens(prefilled=usage.prefilled, decoded=usage.decoded, reused=usage.reused)
            ledger.append(answers.votes)
        purse.spend(usage)
        done += len(answers.votes) + answers.known
        failed += sum(vote.failed for vote in answers.votes)
        # Later rounds of a debate come on top of what was foreseen.
        notify(Progress(phase, done, max(done, total), failed))
    return refused
