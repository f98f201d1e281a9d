"""Votes on several labels: each label is a question of its own, with two answers, and has a table of its own.

Knows nothing of any single aggregator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from limbeck.aggregation.base import Aggregator, Booleans, Floats, VoteTable, tabulate
from limbeck.records import Vote, set_name

# What is chosen where nothing else is said: the set with the best expected F1.
F1, PRIOR = "f1", "prior"


@dataclass(frozen=True, slots=True)
class Units:
    """One table of two columns, "applies" and "does not", for each label.

    Attributes:
        labels: names of the labels, length K.
        tables: of the same items and workers.
        shares: to how many of the texts each label is expected to apply, shape [K].
        cut: how thresholds are found: f1, prior, or a number.
    """

    labels: tuple[str, ...]
    tables: tuple[VoteTable, ...]
    shares: tuple[float, ...]
    cut: str | float

    def aggregate(self, aggregator: Aggregator) -> tuple[Floats, Floats]:
        """Probability of each label, shape [I, K], and how much each worker counted on average, shape [W]."""
        found = [aggregator(table) for table in self.tables]
        return np.column_stack([one.probabilities[:, 0] for one in found]), np.mean([o.weights for o in found], axis=0)

    def thresholds(self, marginals: Floats) -> Floats:
        """From which probability each label is given, [n, K] → [K]."""
        return np.array(
            [threshold(column, share, self.cut) for column, share in zip(marginals.T, self.shares, strict=True)]
        )

    def sets(self) -> list[Vote]:
        """What each worker says after calibration and with thresholds of its own, as votes for sets of labels."""
        found = []
        items, workers = self.tables[0].items, self.tables[0].workers
        for column, worker in enumerate(workers):
            marginals = np.column_stack([table.probabilities[:, column, 0] for table in self.tables])
            rows = np.flatnonzero(~np.isnan(marginals).any(axis=1))
            applies = marginals[rows] >= self.thresholds(marginals[rows])
            for row, chosen in zip(rows.tolist(), applies, strict=True):
                found.append(Vote(f"{worker}/{row}", items[row], worker, set_name(self.labels, chosen)))
        return found


def tabulate_units(
    votes: Iterable[Vote],
    *,
    labels: Sequence[str],
    items: Sequence[str],
    calibration: Mapping[str, str],
    shares: Sequence[float],
    cut: str | float = PRIOR,
    relative: bool = True,
) -> Units:
    """Votes whose scores are the log-odds of each label → a table for each label.

    Args:
        votes: the records; one without scores is missing.
        labels: names, length K.
        items: ids of the rows.
        calibration: worker → method. `batch` takes out what a label is given whatever the text says, and lets its mean
            be what `shares` says.
        shares: to how many of the texts each label is expected to apply, shape [K].
        cut: see `Units`.
        relative: whether `batch` first takes out what a text makes a worker say of all labels alike.
    """
    centre = {worker for worker, method in calibration.items() if relative and method == "batch"}
    scored = [_centred(vote) if vote.worker in centre else vote for vote in votes if vote.scores]
    tables = []
    for place, (label, share) in enumerate(zip(labels, shares, strict=True)):
        own = [replace(vote, label=None, scores=_halves(vote.scores[place])) for vote in scored if vote.scores]
        names = (label, f"not {label}")
        prior = [share, 1 - share]
        tables.append(tabulate(own, labels=names, items=items, calibration=calibration, prior=prior))
    return Units(tuple(labels), tuple(tables), tuple(shares), cut)


def threshold(probabilities: Floats, share: float, cut: str | float) -> float:
    """From which probability a label is given.

    `f1`: so that the expected F1 over these texts is highest, with 2 Σ p / (m + Σ p) for it (the plug-in rule; Lipton,
    Elkan & Narayanaswamy 2014, arXiv 1402.1892). `prior`: so that it is given to the expected share of them.

    Args:
        probabilities: that it applies, shape [n].
        share: to how many of the texts it is expected to apply.
        cut: f1, prior or a number.
    """
    if not isinstance(cut, str):
        return cut
    if not len(probabilities):
        return 0.5
    falling = np.sort(probabilities)[::-1]
    if cut == PRIOR:
        return float(falling[max(1, round(share * len(falling))) - 1])
    sums = falling.cumsum()
    return float(falling[int((2 * sums / (np.arange(1, len(falling) + 1) + sums[-1])).argmax())])


def set_confidence(marginals: Floats, applies: Booleans) -> Floats:
    """Probability of each set if labels were independent, [n, K] → [n]."""
    return np.asarray(np.where(applies, marginals, 1 - marginals).prod(axis=1))


def _centred(vote: Vote) -> Vote:
    """The vote with log-odds relative to their mean over the labels."""
    odds = np.array(vote.scores, np.float64)
    return replace(vote, scores=tuple((odds - odds.mean()).tolist()))


def _halves(odds: float) -> tuple[float, float]:
    """Log-probabilities of yes and no."""
    return float(-np.logaddexp(0, -odds)), float(-np.logaddexp(0, odds))
