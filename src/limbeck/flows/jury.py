"""What the steps of the loop are judged by: labels that no student learns, and that no step can move.

People's answers where there are enough of them, else the committee's labels of items drawn at random from those that
were not asked yet. The labelled items themselves would be a poor measure: rounds choose what the student finds hard. A
gold column never judges here: it must not decide what is kept, so it is left for the figures beside the decision.
Knows nothing of steps or of students.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from limbeck.evaluation import Estimate
from limbeck.evaluation.intervals import mean_estimate, undefined
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.job import Budget, Job, Notify
from limbeck.flows.lesson import Lesson, conclude
from limbeck.ledger import Ledger
from limbeck.meter import Meter

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEAST = 30  # answers of people, or fresh items, from which on they judge
PEOPLE, FRESH, OWN = "people's answers", "the committee's labels of fresh items", "the committee's own labels"
DRAWN = "at random"


@dataclass(frozen=True, slots=True)
class Jury:
    """Labels that judge.

    Attributes:
        on: what they are.
        shares: how sure each label of each judging item is, shape [J, K]; one-hot where people said it.
        texts: of the judging items, where these are no labelled items; the student is asked about them.
        rows: of the labelled items, where these judge, shape [J]; students are asked that were not taught them.
    """

    on: str
    shares: Floats
    texts: tuple[str, ...] = ()
    rows: Integers | None = None

    def right(self, opinion: Floats, *, seed: int) -> Estimate:
        """The share of judging items on which an opinion, [J, K], is expected to be right."""
        if not len(self.shares):
            return undefined("nobody judges")
        return mean_estimate(self._credit(opinion), rng=np.random.default_rng((seed, 10_000_000)))

    def gain(self, after: Floats, before: Floats, *, seed: int, barred: Collection[int] = ()) -> Estimate:
        """How much more often the opinion after is expected to be right than the one before, paired over items.

        Args:
            after: shape [J, K].
            before: shape [J, K].
            seed: of the bootstrap.
            barred: rows of labelled items that must not judge.
        """
        kept = np.ones(len(self.shares), np.bool_) if self.rows is None else ~np.isin(self.rows, list(barred))
        if not kept.any():
            return undefined("nobody judges")
        difference = self._credit(after)[kept] - self._credit(before)[kept]
        return mean_estimate(difference, rng=np.random.default_rng((seed, 11_000_000)))

    def _credit(self, opinion: Floats) -> Floats:
        return np.asarray(self.shares[np.arange(len(opinion)), opinion.argmax(axis=1)], np.float64)


def own_jury(job: Job, lesson: Lesson, gold: Mapping[str, str]) -> Jury:
    """The labelled items as judges: those that people answered where there are enough, else all of them.

    Args:
        job: the parts.
        lesson: what the committee said before the first step.
        gold: item → label that people gave.
    """
    place = {label: i for i, label in enumerate(job.task.labels)}
    answers = np.array([place.get(gold.get(label.item, ""), -1) for label in lesson.labels], np.int64)
    rows = np.flatnonzero(answers >= 0)
    if len(rows) >= LEAST:
        return Jury(PEOPLE, np.eye(len(place))[answers[rows]], rows=rows)
    return Jury(OWN, lesson.probabilities, rows=np.arange(len(answers)))


def fresh_jury(
    job: Job, folder: Path, *, asked: Collection[str], count: int, meter: Meter, notify: Notify
) -> Jury | None:
    """Items that were not asked yet, drawn at random and labelled by the run's committee; None where there are few.

    Args:
        job: the run's parts.
        folder: of these items' votes; what is in it is not asked again.
        asked: ids of the labelled items.
        count: how many are drawn at most.
        meter: running.
        notify: is told of progress.

    Raises:
        RunError: when a worker keeps failing.
    """
    free = [row for row, item in enumerate(job.pool.ids) if item not in asked]
    if min(count, len(free)) < LEAST:
        return None
    with Ledger.open(folder) as ledger:
        try:
            drawn = np.sort(np.random.default_rng((job.seed, 13_000_000)).permutation(free)[:count])
            items = [job.pool[int(row)] for row in drawn]
            ledger.start_round(0, strategy=DRAWN, selected=[item.id for item in items])
            ledger.add_items(items)
            purse = Purse(Budget(), ledger, meter)
            annotate(job.committee, items, ledger=ledger, meter=meter, notify=notify, purse=purse, phase="judge")
        finally:
            ledger.add_phases(meter.drain())
        lesson = conclude(job, ledger, [item.id for item in items])
    texts = job.pool.texts([job.pool.index(label.item) for label in lesson.labels])
    return Jury(FRESH, lesson.probabilities, texts=tuple(texts))
