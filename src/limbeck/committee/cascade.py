"""Protocol `cascade`: the first worker answers every item; the others, one after another, only what is still in doubt.

What counts as doubt is learned on a pilot, a random share of the items that everybody answers. Knows nothing of rounds,
ledgers' files or of any concrete worker.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from limbeck.agent import Worker
from limbeck.aggregation.base import PILOT, Aggregate, Aggregator, Booleans, Floats, Integers, VoteTable, tabulate
from limbeck.committee.base import (
    Allowed,
    Answers,
    Around,
    Kept,
    Settled,
    as_aggregated,
    calibrations,
    check_names,
    interview,
)
from limbeck.committee.doubt import certainty
from limbeck.committee.worth import Rival, Worth
from limbeck.errors import ConfigError
from limbeck.evaluation import Estimate, accuracy, compare
from limbeck.records import Item, Vote

# Fewer items than these teach nothing about doubt: a smaller pilot is filled up.
LEAST = 30


@dataclass(frozen=True, slots=True)
class Cascade:
    """An item goes from worker to worker until asking on would hardly change its label.

    After each worker the answers so far are aggregated. How sure that label is of being the one that the whole
    committee would give is read from the pilot: Platt scaling of the aggregate's confidence (see `certainty`). An item
    rests as soon as this reaches `sure`. With `calibrate="gold"` it counts as settled where the whole committee would
    not put a wrong label right; pilot items without gold count as before.

    The pilot of one call is the share of its items with the lowest hashes of their ids, so it is a random sample,
    whoever selected the items, and the same after a restart. Its votes are flagged "pilot": what is learned about
    workers (calibration, weights, accuracy) is learned there, for the other answers of the later workers are on hard
    items only. A vote beyond the pilot keeps in its trace how sure the cascade was when it asked on.

    Attributes:
        workers: the cheapest first, with different names; at least two.
        labels: of the task.
        aggregator: votes → labels, as the run uses it.
        prior: expected share of each label, or None for uniform.
        sure: how sure a label must be, 0 to 1.
        pilot: share of the items that everybody answers; at least 30 items are taken.
        calibrate: agreement or gold.

    Raises:
        ConfigError: when two workers have the same name, or there are fewer than two.
    """

    workers: tuple[Worker, ...]
    labels: tuple[str, ...]
    aggregator: Aggregator
    prior: Sequence[float] | None = None
    sure: float = 0.9
    pilot: float = 0.1
    calibrate: str = "agreement"

    def __post_init__(self) -> None:
        check_names(self.workers)
        if len(self.workers) < 2:
            raise ConfigError("a cascade needs at least two workers", hint="Add an agent, or use protocol vote.")

    @property
    def voters(self) -> tuple[Worker, ...]:
        """All of them."""
        return self.workers

    @property
    def fewest(self) -> tuple[float, ...]:
        """All items for the first worker, the pilot for the others."""
        return (1.0, *(self.pilot for _ in self.workers[1:]))

    @property
    def most(self) -> tuple[float, ...]:
        """All items, for each worker."""
        return (1.0,) * len(self.workers)

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
        order = sorted(items, key=lambda item: (_hash(item.id), item.id))
        size = max(LEAST, round(self.pilot * len(items)))
        pilot, alive = order[:size], order[size:]
        for worker in self.workers:
            if not (yield from interview(worker, pilot, kept=kept, around=around, allowed=allowed, mark=_flagged)):
                return
        for stage, worker in enumerate(self.workers):
            doubt: Mapping[str, float] = {}
            if stage and alive:
                with around(worker):
                    doubt = self._doubtful(stage, alive, items=order, kept=kept, earlier=earlier)
                rests = len(alive) - len(doubt)
                alive = [item for item in alive if item.id in doubt]
                for later in self.workers[stage:]:
                    yield Answers(later, (), rests)
            told = {item: {"stage": stage, "certainty": sure, "needed": self.sure} for item, sure in doubt.items()}

            def mark(vote: Vote, told: Mapping[str, Any] = told) -> Vote:
                decision = told.get(vote.item)
                return vote if decision is None else replace(vote, trace={**(vote.trace or {}), "cascade": decision})

            if not (yield from interview(worker, alive, kept=kept, around=around, allowed=allowed, mark=mark)):
                return

    def _doubtful(
        self, stage: int, alive: Sequence[Item], *, items: Sequence[Item], kept: Kept, earlier: Sequence[str]
    ) -> dict[str, float]:
        """Those of the items that go on to the next worker, each with how sure its label is."""
        here = {item.id for item in items}
        votes = [vote for vote in kept.votes(items=earlier) if PILOT in vote.flags and vote.item not in here]
        before = list(dict.fromkeys(vote.item for vote in votes))
        votes += kept.votes(items=[item.id for item in items])
        rows = [*before, *(item.id for item in items)]
        first = {worker.name for worker in self.workers[:stage]}
        confidence, chosen, pilot = self._conclude([vote for vote in votes if vote.worker in first], rows)
        _, final, _ = self._conclude([vote for vote in votes if PILOT in vote.flags], rows)
        gold = self._gold({item.id: item.gold for item in items}, rows)
        settled = self._settled(chosen, final, gold)
        sure = certainty(confidence[pilot], settled[pilot])(confidence)
        place = {item: row for row, item in enumerate(rows)}
        return {item.id: float(sure[place[item.id]]) for item in alive if not sure[place[item.id]] >= self.sure}

    def _conclude(self, votes: Sequence[Vote], rows: Sequence[str]) -> tuple[Floats, Integers, Booleans]:
        """Confidence and label of each row, and which rows are the pilot's."""
        methods = calibrations(self)
        table = tabulate(votes, labels=self.labels, items=rows, calibration=methods, prior=self.prior)
        found = self.aggregator(table).probabilities
        return found.max(axis=1), np.asarray(found.argmax(axis=1)), table.common_rows

    def _gold(self, known: Mapping[str, str | None], rows: Sequence[str]) -> Integers:
        """Index of each row's gold label; -1 where there is none, or it must not be looked at."""
        place = {label: i for i, label in enumerate(self.labels)} if self.calibrate == "gold" else {}
        return np.array([place.get(known.get(row) or "", -1) for row in rows], np.int64)

    def _settled(self, chosen: Integers, final: Integers, gold: Integers) -> Booleans:
        """Where asking everybody would not have changed the label; with gold, not have put it right."""
        return np.asarray(np.where(gold >= 0, (chosen == gold) | (final != gold), chosen == final))

    def settle(self, table: VoteTable, found: Aggregate, votes: Sequence[Vote]) -> Settled:  # noqa: ARG002
        """The aggregated votes as they are."""
        return as_aggregated(found)

    def worth(self, table: VoteTable, votes: Sequence[Vote], gold: Integers, *, rng: np.random.Generator) -> Worth:
        """What was saved, and what it cost in labels: the pilot is labelled once more as if it were no pilot.

        Each half of it is judged by what the other half taught.
        """
        pilot = table.part(table.common_rows)
        labels, final = self._rehearse(pilot, gold[table.common_rows])
        items = len({vote.item for vote in votes})
        spent = {
            worker.name: [vote.usage.tokens for vote in votes if vote.worker == worker.name and PILOT in vote.flags]
            for worker in self.workers
        }
        known = gold[table.common_rows]
        each = {name: float(np.mean(own)) for name, own in spent.items() if own}
        tokens = sum(vote.usage.tokens for vote in votes)
        return Worth(
            protocol="cascade",
            votes=(len(votes), items * len(self.workers)),
            tokens=(tokens, sum(items * one for one in each.values())),
            agreement=accuracy(final, labels, rng=rng),
            difference=compare(known, labels, final, rng=rng).difference,
            rival=self._rival(pilot, labels, known, each=each, tokens=tokens / items, rng=rng),
        )

    def _rival(
        self,
        pilot: VoteTable,
        labels: Integers,
        gold: Integers,
        *,
        each: Mapping[str, float],
        tokens: float,
        rng: np.random.Generator,
    ) -> Rival:
        """The vote of the first workers whose answers cost no more than `tokens` an item; `each` is what one costs."""
        names = [worker.name for worker in self.workers if worker.name in pilot.workers]
        if not names:
            return Rival((), None, Estimate(None, reason="nobody was asked about these items"))
        prices = np.cumsum([each.get(name, 0.0) for name in names])
        count = max(1, int((prices <= tokens).sum()))
        found = self.aggregator(pilot.part(~np.zeros(len(labels), np.bool_), names[:count])).probabilities
        difference = compare(gold, labels, np.asarray(found.argmax(axis=1)), rng=rng).difference
        return Rival(tuple(names[:count]), float(prices[count - 1]) / tokens if tokens else None, difference)

    def _rehearse(self, pilot: VoteTable, gold: Integers) -> tuple[Integers, Integers]:
        """Labels of the pilot's items as the cascade would give them, and those that everybody together gives."""
        final = np.asarray(self.aggregator(pilot).probabilities.argmax(axis=1))
        labels, half = final.copy(), np.arange(len(final)) % 2 == 0
        resting = np.zeros(len(final), np.bool_)
        known = gold if self.calibrate == "gold" else np.full(len(gold), -1)
        for stage in range(1, len(self.workers)):
            names = [worker.name for worker in self.workers[:stage] if worker.name in pilot.workers]
            found = self.aggregator(pilot.part(~np.zeros(len(final), np.bool_), names)).probabilities
            confidence, chosen = found.max(axis=1), np.asarray(found.argmax(axis=1))
            settled = self._settled(chosen, final, known)
            for fitted, judged in ((half, ~half), (~half, half)):
                rests = judged & ~resting & (certainty(confidence[fitted], settled[fitted])(confidence) >= self.sure)
                labels[rests] = chosen[rests]
                resting |= rests
        return labels, final


def _hash(item: str) -> bytes:
    return hashlib.blake2b(item.encode(), digest_size=8).digest()


def _flagged(vote: Vote) -> Vote:
    return replace(vote, flags=(*vote.flags, PILOT))
