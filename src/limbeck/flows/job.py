"""Everything a run needs, put together by whoever starts it; the flows know no part by name.

Knows nothing of task files' syntax, of folders or of how the parts are made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limbeck.aggregation.base import Aggregator, Refiner
from limbeck.committee import Committee
from limbeck.encoder import Encoder
from limbeck.pool import Pool
from limbeck.selection.base import Selector
from limbeck.selection.stopping import Rule
from limbeck.students.base import Teacher
from limbeck.students.robust import Robust
from limbeck.task import Task


@dataclass(frozen=True, slots=True)
class Budget:
    """When to stop asking: whichever ends first; None = no limit."""

    items: int | None = None
    tokens: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the item budget is spread over rounds.

    Attributes:
        rounds: number of rounds, at least 1.
        start: share of the items asked in the first round.
        cold: selector of the first round, and its name.
        selector: selector of the others, and its name.
        needs: the parts of `Evidence` that the selector cannot do without; while one is absent, `cold` chooses.
        stop: rules of which the first that wants to ends the rounds.
        taught: whether a student is expected; while there is none, `cold` chooses.
    """

    rounds: int
    start: float
    cold: tuple[str, Selector]
    selector: tuple[str, Selector]
    needs: frozenset[str] = frozenset()
    stop: tuple[Rule, ...] = ()
    taught: bool = True

    def sizes(self, items: int) -> list[int]:
        """Items of each round; they sum up to `items`, and none is empty."""
        rounds = min(self.rounds, items)
        if rounds == 1:
            return [items]
        first = min(max(1, round(self.start * items)), items - rounds + 1)
        rest, extra = divmod(items - first, rounds - 1)
        return [first, *(rest + (i < extra) for i in range(rounds - 1))]


@dataclass(frozen=True, slots=True)
class Job:
    """The parts of one run.

    Attributes:
        task: what is asked.
        pool: the items that may be asked.
        test: items with gold that are used for evaluation only, or None.
        committee: who answers.
        aggregator: votes → labels.
        prior: expected share of each label, or None for uniform.
        accept: confidence from which a label is accepted.
        schedule: which items, in how many rounds.
        budget: when to stop.
        teach: makes a teacher for a round; takes the tuning of an earlier student, or None. None: nothing is taught.
        distil: teaches the student that is kept; None: the last round's is kept.
        robust: prepares the labels for the student that is kept.
        encoder: for selection, or None.
        min_confidence: labels below it do not teach.
        seed: of everything random.
        refine: makes the committee's labels better by where the texts lie, and the encoder that says where; or None.
        facts: what the report tells and the flows do not use: task file, assets, versions.
    """

    task: Task
    pool: Pool
    test: Pool | None
    committee: Committee
    aggregator: Aggregator
    aggregate: str
    prior: Sequence[float] | None
    accept: float
    schedule: Schedule
    budget: Budget
    teach: Callable[[Any], Teacher] | None
    distil: Teacher | None
    robust: Robust
    encoder: Encoder | None
    min_confidence: float
    seed: int
    facts: Mapping[str, Any]
    refine: tuple[Refiner, Encoder] | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a phase is: `done` of `total` units, of which `failed` failed."""

    phase: str
    done: int
    total: int
    failed: int = 0


Notify = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Take no notice."""
