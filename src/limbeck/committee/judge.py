"""Protocol `judge`: everybody answers alone; where the answers differ, one agent decides between them.

A judge prefers the place where an answer stands (Zheng et al. 2023, arXiv 2306.05685), so the sides are shuffled, and
shown in both orders. Knows nothing of rounds of selection, ledgers' files or of any concrete worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from limbeck.agent import Listener, Remark, Said, Worker
from limbeck.aggregation.base import (
    ASIDE,
    Aggregate,
    Aggregator,
    Floats,
    Integers,
    VoteTable,
    normalise_rows,
    tabulate,
)
from limbeck.committee.base import (
    Allowed,
    Answers,
    Around,
    Kept,
    Settled,
    as_aggregated,
    calibrations,
    carry_out,
    check_names,
    interview,
)
from limbeck.committee.opinions import given, opinions, sides, split
from limbeck.committee.worth import Outcome, Worth, beside_plain_vote
from limbeck.errors import ConfigError
from limbeck.records import Item, Vote

LEAD = "Readers do not agree. Their answers:"
ORDERS = ("order 1", "order 2")


@dataclass(frozen=True, slots=True)
class Judging:
    """First a plain vote of the voters; then the judge, on the items on which they differ.

    The judge sees the text and each label that somebody gave, once, with a reason where there is one, and answers as an
    annotator does. Its labels' scores are calibrated over all items it judged, taken between the given labels only, and
    averaged over both orders of the sides: that is the posterior. It is no voter: who voted would judge their own
    answer. Where it fails, the vote stands.

    Attributes:
        voters: with different names; at least two.
        judge: who decides; none of them.
        labels: of the task.
        aggregator: votes → labels, as the run uses it.
        prior: expected share of each label, or None for uniform.
        both_orders: whether the judge is asked twice, the second time with the sides in reverse.

    Raises:
        ConfigError: when two workers have the same name, there are fewer than two voters, or the judge cannot be shown
            answers.
    """

    voters: tuple[Worker, ...]
    judge: Worker
    labels: tuple[str, ...]
    aggregator: Aggregator
    prior: Sequence[float] | None = None
    both_orders: bool = True

    def __post_init__(self) -> None:
        check_names(self.workers)
        if len(self.voters) < 2:
            raise ConfigError("a judge decides between at least two voters", hint="Add an agent beside the judge.")
        if not isinstance(self.judge, Listener):
            raise ConfigError(f"{self.judge.name} reads no answers, so it cannot judge", hint="Name a language model.")

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The voters, and the judge."""
        return (*self.voters, self.judge)

    @property
    def fewest(self) -> tuple[float, ...]:
        """All items for the voters, none for the judge."""
        return (*(1.0 for _ in self.voters), 0.0)

    @property
    def most(self) -> tuple[float, ...]:
        """All items for the voters, and for the judge in each order."""
        return (*(1.0 for _ in self.voters), 1.0 + self.both_orders)

    def ask(
        self,
        items: Sequence[Item],
        *,
        kept: Kept,
        around: Around,
        allowed: Allowed = lambda: True,
        earlier: Sequence[str] = (),
    ) -> Iterator[Answers]:
        """All answers that are still missing; see `Committee.ask`."""
        for worker in self.voters:
            if not (yield from interview(worker, items, kept=kept, around=around, allowed=allowed)):
                return
        assert isinstance(self.judge, Listener)  # checked when it was made
        with around(self.judge):
            shown = self._split(items, kept=kept, earlier=earlier)
        yield Answers(self.judge, (), len(items) - len(shown))
        for turn, order in enumerate(ORDERS[: 1 + self.both_orders]):
            step = -1 if turn else 1
            told = {item: Remark(order, LEAD, answers[::step]) for item, answers in shown.items()}
            judge = self.judge.informed(told)
            with around(judge):
                plan = judge.plan([item for item in items if item.id in told])

            def mark(vote: Vote, order: str = order, step: int = step) -> Vote:
                seen = [answer.label for answer in shown[vote.item][::step]]
                trace = {**(vote.trace or {}), "judge": {"shown": seen}}
                return replace(vote, flags=(*vote.flags, ASIDE, order), trace=trace)

            if not (yield from carry_out(judge, plan, kept=kept, around=around, allowed=allowed, mark=mark)):
                return

    def _split(self, items: Sequence[Item], *, kept: Kept, earlier: Sequence[str]) -> dict[str, tuple[Said, ...]]:
        """Each item on which the voters differ, and their answers in the judge's first order."""
        here, names = [item.id for item in items], {worker.name for worker in self.voters}
        every = list(dict.fromkeys([*here, *earlier]))
        votes = [vote for vote in kept.votes(items=every) if vote.worker in names]
        table = self._table(votes, every).part(np.arange(len(here)))
        heard = opinions(table, votes)
        apart = split(table)
        return {item: sides(heard[row], item) for row, item in enumerate(table.items) if apart[row]}

    def _table(self, votes: Sequence[Vote], rows: Sequence[str]) -> VoteTable:
        return tabulate(votes, labels=self.labels, items=rows, calibration=calibrations(self), prior=self.prior)

    def settle(self, table: VoteTable, found: Aggregate, votes: Sequence[Vote]) -> Settled:
        """The judge's opinion where the voters differ and it gave one; elsewhere the aggregated votes."""
        orders = self._orders(table, votes)
        opinion = sum(np.nan_to_num(one) for one in orders) if orders else np.zeros_like(found.probabilities)
        rows = np.flatnonzero(split(table) & (np.asarray(opinion).sum(axis=1) > 0))
        probabilities = found.probabilities.copy()
        probabilities[rows] = normalise_rows(np.asarray(opinion)[rows])
        return replace(
            as_aggregated(found), probabilities=probabilities, how=dict.fromkeys(rows.tolist(), self.judge.name)
        )

    def _orders(self, table: VoteTable, votes: Sequence[Vote]) -> list[Floats]:
        """The judge's opinion in each order that it was asked in, between the labels given, [I, K]; NaN where none."""
        found = []
        for order in ORDERS:
            own = [replace(v, flags=()) for v in votes if v.worker == self.judge.name and order in v.flags]
            if own:
                asked = self._table(own, table.items).probabilities[:, 0]
                between = np.where(given(table), asked, 0.0)
                total = between.sum(axis=1, keepdims=True)
                found.append(np.where(np.isnan(asked) | (total <= 0), np.nan, between / np.where(total > 0, total, 1)))
        return found

    def worth(self, table: VoteTable, votes: Sequence[Vote], gold: Integers, *, rng: np.random.Generator) -> Worth:
        """What the judge changed, against the plain vote of the voters."""
        found = self.aggregator(table)
        own = [vote for vote in votes if vote.item in set(table.items)]
        settled = self.settle(table, found, own)
        orders = self._orders(table, own)
        steps = [("items", len(table.items)), ("split", int(split(table).sum())), ("judged", len(settled.how))]
        if len(orders) == len(ORDERS):
            both = ~np.isnan(orders[0]).any(axis=1) & ~np.isnan(orders[1]).any(axis=1)
            turned = orders[0][both].argmax(axis=1) != orders[1][both].argmax(axis=1)
            steps.append(("judged otherwise in the other order", int(turned.sum())))
        first = [vote for vote in votes if vote.worker != self.judge.name]
        names = tuple(worker.name for worker in self.voters)
        outcome = Outcome("judge", names, found.probabilities, settled.probabilities, tuple(steps))
        return beside_plain_vote(outcome, votes, first, gold, rng=rng)
