"""Protocol `critic`: everybody answers alone; then one agent checks the label and may veto it.

A vetoed label's votes do not count: the item goes to the next best label that somebody gave, and to people where none
is left. Knows nothing of rounds of selection, ledgers' files or of any concrete worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from limbeck.agent import Listener, Remark, Said, Worker
from limbeck.aggregation.base import (
    ABOUT,
    ASIDE,
    Aggregate,
    Aggregator,
    Booleans,
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
    calibrations,
    carry_out,
    check_names,
    interview,
)
from limbeck.committee.opinions import given, opinions, sides, split
from limbeck.committee.verdicts import LABELS as YES_NO
from limbeck.committee.verdicts import doubts
from limbeck.committee.worth import Outcome, Worth, beside_plain_vote
from limbeck.errors import ConfigError
from limbeck.records import Item, Vote

LEAD, CLOSE = "A reader gave this answer:", "Is this answer right, yes or no?"
# What an item keeps of its posterior when all its labels are vetoed: enough to tell the best, too little to teach.
SHRED = 1e-3


@dataclass(frozen=True, slots=True)
class Criticism:
    """First a plain vote; then the critic checks the best label of each item, and the next best where it vetoed that.

    The critic reads the text, the label and a reason where there is one, and "yes" and "no" are scored. A model prefers
    one of the two words whatever it reads: its scores are shifted so that, over all checks, it agrees as often as the
    committee is confident, and at least half of the time (see `verdicts.doubts`). A label is vetoed where "no" is
    likelier than `sure`. Each check is kept as the critic's vote, flagged with the label that it is about.

    Attributes:
        voters: with different names.
        critic: who checks; none of them. Its labels are "yes" and "no".
        labels: of the task.
        aggregator: votes → labels, as the run uses it.
        prior: expected share of each label, or None for uniform.
        check: which items: those on which the voters differ (`split`), or `all`.
        sure: how likely "no" must be for a veto, 0 to 1.

    Raises:
        ConfigError: when two workers have the same name, there are too few voters, or the critic cannot be shown
            answers.
    """

    voters: tuple[Worker, ...]
    critic: Worker
    labels: tuple[str, ...]
    aggregator: Aggregator
    prior: Sequence[float] | None = None
    check: str = "split"
    sure: float = 0.5

    def __post_init__(self) -> None:
        check_names(self.workers)
        if len(self.voters) < 1 + (self.check == "split"):
            raise ConfigError(
                "a critic of split items needs at least two voters", hint="Add an agent, or write check: all."
            )
        if not isinstance(self.critic, Listener):
            raise ConfigError(
                f"{self.critic.name} reads no answers: it cannot check any", hint="Name a language model."
            )

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The voters, and the critic."""
        return (*self.voters, self.critic)

    @property
    def fewest(self) -> tuple[float, ...]:
        """All items for the voters; for the critic all or none."""
        return (*(1.0 for _ in self.voters), float(self.check == "all"))

    @property
    def most(self) -> tuple[float, ...]:
        """All items for the voters, and for the critic each label that a voter can give."""
        return (*(1.0 for _ in self.voters), float(min(len(self.labels), len(self.voters))))

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
        here = {item.id: item for item in items}
        every = list(dict.fromkeys([*here, *earlier]))
        names, keys = {worker.name for worker in self.voters}, set[str]()
        for turn in range(len(self.labels)):
            with around(self.critic):
                votes = [v for v in kept.votes(items=every) if v.worker in names or self._counts(v, here, keys)]
                told = self._next(self._table(votes, every), votes, here, turn=turn)
            if not turn:
                yield Answers(self.critic, (), len(items) - len(told))
            if not told:
                return
            assert isinstance(self.critic, Listener)  # checked when it was made
            critic = self.critic.informed(told)
            with around(critic):
                plan = critic.plan([here[item] for item in told])
            keys |= {question.key for batch in plan for question in batch}

            def mark(vote: Vote, told: Mapping[str, Remark] = told) -> Vote:
                return replace(vote, flags=(*vote.flags, ASIDE, f"{ABOUT}{told[vote.item].answers[0].label}"))

            if not (yield from carry_out(critic, plan, kept=kept, around=around, allowed=allowed, mark=mark)):
                return

    def _counts(self, vote: Vote, here: Mapping[str, Item], keys: set[str]) -> bool:
        """Whether a check was there before this asking, or belongs to it: a restart must find what was found then."""
        return vote.worker == self.critic.name and (vote.item not in here or vote.key in keys)

    def _next(
        self, table: VoteTable, votes: Sequence[Vote], here: Mapping[str, Item], *, turn: int
    ) -> dict[str, Remark]:
        """The items to be checked now, and the best label of each that was not vetoed."""
        found = self.aggregator(table).probabilities
        vetoed, checked = self._verdicts(table, found, votes)
        left = given(table) & ~vetoed
        best = np.where(left, found, -1.0).argmax(axis=1)
        rows = np.arange(len(table.items))
        alive = (left.any(axis=1) & ~checked[rows, best]) & (split(table) if self.check == "split" else True)
        if turn:
            alive &= vetoed.any(axis=1)
        heard = opinions(table, [vote for vote in votes if vote.worker != self.critic.name])
        told = {}
        for row in np.flatnonzero(alive).tolist():
            if (item := table.items[row]) in here:
                label = self.labels[best[row]]
                said = next(one for one in sides(heard[row], item) if one.label == label)
                told[item] = Remark(f"check of {label}", LEAD, (Said(label, said.reason),), close=CLOSE)
        return told

    def _verdicts(self, table: VoteTable, found: Floats, votes: Sequence[Vote]) -> tuple[Booleans, Booleans]:
        """Which labels of which items are vetoed, and which were checked, both of shape [I, K]."""
        row_of, column_of = ({one: i for i, one in enumerate(names)} for names in (table.items, self.labels))
        last: dict[tuple[int, int], tuple[float, float]] = {}
        checked = np.zeros(found.shape, np.bool_)
        for vote in votes:
            about = next((flag.removeprefix(ABOUT) for flag in vote.flags if flag.startswith(ABOUT)), None)
            if vote.worker == self.critic.name and about in column_of and vote.item in row_of:
                place = row_of[vote.item], column_of[about]
                checked[place] = True
                if vote.scores is not None and len(vote.scores) == len(YES_NO):
                    last[place] = (vote.scores[0], vote.scores[1])
        vetoed = np.zeros(found.shape, np.bool_)
        if last:
            rows, columns = np.array(list(last)).T
            doubt = doubts(
                np.array(list(last.values())), columns, found[rows, columns], shift=self.critic.calibration != "none"
            )
            vetoed[rows, columns] = doubt > self.sure
        return vetoed, checked

    def _table(self, votes: Sequence[Vote], rows: Sequence[str]) -> VoteTable:
        return tabulate(votes, labels=self.labels, items=rows, calibration=calibrations(self), prior=self.prior)

    def settle(self, table: VoteTable, found: Aggregate, votes: Sequence[Vote]) -> Settled:
        """The aggregated votes without those for vetoed labels."""
        vetoed, _ = self._verdicts(table, found.probabilities, votes)
        struck = vetoed.any(axis=1)
        left = given(table) & ~vetoed
        people: Booleans = np.asarray(struck & ~left.any(axis=1))
        probabilities = found.probabilities.copy()
        moved = struck & ~people
        probabilities[moved] = normalise_rows(np.where(vetoed, 0.0, found.probabilities)[moved] * left[moved])
        k = len(self.labels)
        probabilities[people] = SHRED * found.probabilities[people] + (1 - SHRED) / k
        how = {row: "vetoed" if people[row] else self.critic.name for row in np.flatnonzero(struck).tolist()}
        return Settled(probabilities, how, people)

    def worth(self, table: VoteTable, votes: Sequence[Vote], gold: Integers, *, rng: np.random.Generator) -> Worth:
        """What the critic changed, against the plain vote."""
        found = self.aggregator(table)
        own = [vote for vote in votes if vote.item in set(table.items)]
        vetoed, checked = self._verdicts(table, found.probabilities, own)
        settled = self.settle(table, found, own)
        steps = (
            ("items", len(table.items)),
            ("split", int(split(table).sum())),
            ("checked", int(checked.any(axis=1).sum())),
            ("vetoed", int(vetoed.any(axis=1).sum())),
            ("left to people", int(settled.people.sum())),
        )
        first = [vote for vote in votes if vote.worker != self.critic.name]
        names = tuple(worker.name for worker in self.voters)
        outcome = Outcome("critic", names, found.probabilities, settled.probabilities, steps)
        return beside_plain_vote(outcome, votes, first, gold, rng=rng)
