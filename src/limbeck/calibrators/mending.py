"""Which workers gold shows to be worthless or to take one label for another, and the votes mended accordingly.

Knows nothing of how votes become labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import bdtrc

from limbeck.aggregation.base import Integers, VoteTable

# Answers on gold below which nothing is concluded about a worker.
ENOUGH = 10
# Chance of seeing such a gain by renaming a worker's labels although nothing is gained.
RISK = 0.01


@dataclass(frozen=True, slots=True)
class Mending:
    """What gold showed.

    Attributes:
        dropped: workers that are right no oftener than by chance.
        renamed: worker → which label is meant by each label that it gives, shape [K].
    """

    dropped: tuple[str, ...] = ()
    renamed: Mapping[str, Integers] | None = None

    def __call__(self, table: VoteTable) -> VoteTable:
        """The table without the dropped workers, and with what the others mean."""
        kept = [worker for worker in table.workers if worker not in self.dropped]
        table = table.part(np.arange(len(table.items)), kept)
        choices, probabilities = table.choices.copy(), table.probabilities.copy()
        for worker, meant in (self.renamed or {}).items():
            if worker in kept:
                column = kept.index(worker)
                voted = choices[:, column] >= 0
                choices[voted, column] = meant[choices[voted, column]]
                # Into the row's own order: what stood at label k stands at the label that k means.
                probabilities[:, column, meant] = table.probabilities[:, column]
        return replace(table, choices=choices, probabilities=probabilities)


def mend(table: VoteTable, gold: Integers) -> Mending:
    """Hold every worker against gold.

    A worker's labels are renamed where a renaming found on one half of its gold answers is oftener right on the other
    half, and the other way round, than the labels as they are: a sign test at the level 0.01. A worker is dropped where
    it then agrees with gold no oftener than its answers would by chance (Cohen's kappa ≤ 0). With fewer than 10 answers
    on gold neither is done, and where nobody would be left nobody is dropped.

    Args:
        table: calibrated votes.
        gold: index of each item's gold label, -1 where unknown, shape [I].
    """
    k = len(table.labels)
    dropped, renamed = [], {}
    for column, worker in enumerate(table.workers):
        both = (gold >= 0) & (table.choices[:, column] >= 0)
        if both.sum() < ENOUGH:
            continue
        said, true = table.choices[both, column], gold[both]
        if (meant := _renaming(said, true, k)) is not None:
            renamed[worker], said = meant, meant[said]
        if _kappa(said, true, k) <= 0:
            dropped.append(worker)
    if len(dropped) == len(table.workers):
        dropped = []
    return Mending(tuple(dropped), {worker: meant for worker, meant in renamed.items() if worker not in dropped})


def _renaming(said: Integers, true: Integers, k: int) -> Integers | None:
    """What each label means, or None where it is not shown to mean another one."""
    half = np.arange(len(said)) % 2 == 0
    better = worse = 0
    for fitted, judged in ((half, ~half), (~half, half)):
        meant = _best(said[fitted], true[fitted], k)[said[judged]]
        was, now = said[judged] == true[judged], meant == true[judged]
        better, worse = better + int((now & ~was).sum()), worse + int((was & ~now).sum())
    # Under "nothing is gained" better and worse are equally likely.
    return _best(said, true, k) if bdtrc(better - 1, better + worse, 0.5) < RISK else None


def _best(said: Integers, true: Integers, k: int) -> Integers:
    counts = np.zeros((k, k))
    np.add.at(counts, (said, true), 1.0)
    # Where counts do not tell, a label means itself.
    return np.asarray(linear_sum_assignment(counts + 1e-3 * np.eye(k), maximize=True)[1])


def _kappa(said: Integers, true: Integers, k: int) -> float:
    """Agreement beyond what the shares of labels alone give, not divided by its largest value."""
    shares = np.bincount(said, minlength=k) / len(said), np.bincount(true, minlength=k) / len(true)
    return float((said == true).mean() - shares[0] @ shares[1])
