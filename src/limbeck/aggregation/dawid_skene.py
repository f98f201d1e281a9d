"""Dawid–Skene: every worker has a confusion matrix, learnt together with the true labels.

Knows nothing of texts, models or of how the votes came about.
"""

from __future__ import annotations

import numpy as np

from limbeck.aggregation.base import (
    Aggregate,
    Booleans,
    Floats,
    Integers,
    VoteTable,
    count_votes,
    known_gold,
    normalise_rows,
)
from limbeck.errors import ConfigError

# A count of zero in a confusion row may make a label very unlikely, never impossible.
LEAST_SHARE = 1e-10


class DawidSkene:
    """Expectation–maximisation for confusion matrices (Dawid & Skene 1979, Applied Statistics 28), with priors.

    Confusion rows have a Dirichlet prior, `diagonal` answers on the true label and `off_diagonal` spread evenly over
    the other K−1 labels; the label shares have `class_prior` items of each label. The M-step adds these counts
    (posterior mean). All three at 0 give the maximum-likelihood estimates of the paper. The start is the share of
    votes. A lone worker teaches nothing about itself, so without gold its own answers are returned; two hardly more:
    the model needs three or more workers, and errs towards the frequent labels where errors are shared.

    `Aggregate.weights` is each worker's expected accuracy on its own votes, 0 for a worker without votes.

    Args:
        diagonal, off_diagonal, class_prior: prior counts ≥ 0.
        soft: take the given label for uncertain, with the vote's probabilities as its likelihood; a one-hot vote
            counts as without it. The start is then the mean of the probabilities.
        iterations: most rounds.
        tolerance: stop when no posterior moves by more than this.

    Raises:
        ConfigError: a negative setting or iterations < 1.
    """

    def __init__(
        self,
        *,
        diagonal: float = 4.0,
        off_diagonal: float = 2.0,
        class_prior: float = 2.0,
        soft: bool = False,
        iterations: int = 200,
        tolerance: float = 1e-6,
    ) -> None:
        if min(diagonal, off_diagonal, class_prior, tolerance) < 0 or iterations < 1:
            raise ConfigError("Dawid–Skene was given a negative setting or no iteration.", hint="Use counts ≥ 0.")
        self.diagonal = diagonal
        self.off_diagonal = off_diagonal
        self.class_prior = class_prior
        self.soft = soft
        self.iterations = iterations
        self.tolerance = tolerance

    def __call__(self, table: VoteTable, gold: Integers | None = None) -> Aggregate:
        """Aggregate `table`; the posterior of an item with gold is fixed to it."""
        k = len(table.labels)
        known = known_gold(gold, len(table.items))
        voted = (table.choices >= 0).any(axis=1)
        posterior = normalise_rows(
            np.nan_to_num(table.probabilities).sum(axis=1) if self.soft else count_votes(table.choices, k)
        )
        _clamp(posterior, gold, known)
        if (table.choices >= 0).any(axis=0).sum() > 1 or known.any():
            confusion: Floats | None = None
            for _ in range(self.iterations):
                previous = posterior
                confusion = self._maximise(table, posterior, confusion)
                shares = normalise_rows(posterior[voted | known].sum(axis=0, keepdims=True) + self.class_prior)
                posterior = self._expect(table, shares, confusion)
                posterior[~voted] = 1.0 / k
                _clamp(posterior, gold, known)
                if np.abs(posterior - previous).max(initial=0.0) <= self.tolerance:
                    break
        return Aggregate(posterior, _accuracy(table.choices, posterior))

    def _maximise(self, table: VoteTable, posterior: Floats, before: Floats | None) -> Floats:
        """Confusion matrices [W, true label, given label] from the posterior, and from those before for soft votes."""
        k = posterior.shape[1]
        prior = np.full((k, k), self.off_diagonal / max(k - 1, 1))
        np.fill_diagonal(prior, self.diagonal)
        confusion = np.empty((len(table.workers), k, k))
        for worker in range(len(table.workers)):
            own = table.choices[:, worker] >= 0
            weight = posterior[own]
            if self.soft and before is not None:
                answers = table.probabilities[own, worker]
                # Which label was given is itself uncertain: share each vote by what the matrix makes likely.
                counts = before[worker] * ((weight / (answers @ before[worker].T)).T @ answers)
            else:
                given = table.choices[own, worker]
                counts = np.array([np.bincount(given, weights=weight[:, z], minlength=k) for z in range(k)])
            # Floored as a count, so that a label never seen as true keeps a row.
            confusion[worker] = normalise_rows(np.maximum(counts + prior, LEAST_SHARE))
        return np.maximum(confusion, LEAST_SHARE)

    def _expect(self, table: VoteTable, shares: Floats, confusion: Floats) -> Floats:
        """Posterior of every item, [I, K]."""
        logs = np.tile(np.log(np.maximum(shares, LEAST_SHARE)), (len(table.items), 1))
        for worker, matrix in enumerate(confusion):
            own = table.choices[:, worker] >= 0
            if self.soft:
                logs[own] += np.log(table.probabilities[own, worker] @ matrix.T)
            else:
                logs[own] += np.log(matrix).T[table.choices[own, worker]]
        logs -= logs.max(axis=1, keepdims=True)
        # Rounded, so that a balanced table stays balanced in whatever order the workers and items are summed.
        return normalise_rows(np.exp(logs.round(12)))


def _clamp(posterior: Floats, gold: Integers | None, known: Booleans) -> None:
    if gold is not None:
        posterior[known] = 0.0
        posterior[known, gold[known]] = 1.0


def _accuracy(choices: Integers, posterior: Floats) -> Floats:
    voted = choices >= 0
    hits = np.where(voted, np.take_along_axis(posterior, np.maximum(choices, 0), axis=1), 0.0).sum(axis=0)
    n = voted.sum(axis=0)
    accuracy: Floats = np.divide(hits, n, out=np.zeros(n.shape), where=n > 0)
    return accuracy
