"""Logarithmic opinion pool: the workers' calibrated probabilities multiplied, each raised to its own exponent.

Knows nothing of prompts, models or of how the probabilities were calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from limbeck.aggregation.base import (
    Aggregate,
    Booleans,
    Floats,
    Integers,
    VoteTable,
    known_gold,
    log_odds,
    normalise_rows,
    share_right,
)
from limbeck.errors import ConfigError

# A probability of zero becomes this: one worker alone must not veto a label.
LEAST_PROBABILITY = 1e-12
# Answers at chance that are added to every count of agreement.
SMOOTHING = 2.0
# Items on which two workers are taken to have had nothing in common, added to those that both voted on.
UNRELATED = 50.0
ROUNDS = 10


class OpinionPool:
    """Posterior ∝ Π_w p_w ^ t_w (Genest & Zidek 1986, Statistical Science 1(1)), the exponents t_w found as follows.

    - Given: a weight per worker is its exponent.
    - Without gold, three or more workers: each worker's log-probabilities are brought to one size (root mean square 1
      over its votes), because how sure a model sounds is no measure of how right it is. Then it counts by the log-odds
      of its agreement with the pool, in which it counts half, divided by how many times it is there (see `repeated`),
      until that settles. Two workers agree with each other equally well, so nothing shows the better one: their
      log-probabilities count as they are.
      In both cases one factor on all exponents then makes the mean confidence equal to the workers' mean agreement
      with the pool (smoothed), which stands in for its accuracy. A lone worker is returned as it is.
    - With gold: the exponents ≥ 0 of the greatest likelihood on gold items, with a Gaussian prior around the ones
      without gold (unit of exponent: that of log-probabilities of size 1), so a few gold labels move them a little.

    Agreement rewards workers that err together; without the division, five prompts of one model would outvote a better
    worker unlike them. `Aggregate.weights` is each worker's share of the pool: exponent × size of its
    log-probabilities, sum 1.

    Args:
        weights: worker → exponent ≥ 0; None = found as above.
        prior_strength: precision of the prior around the exponents without gold, > 0.

    Raises:
        ConfigError: a weight that is negative or not finite, or prior_strength ≤ 0.
    """

    def __init__(self, weights: Mapping[str, float] | None = None, *, prior_strength: float = 10.0) -> None:
        if weights is not None and not all(np.isfinite(weight) and weight >= 0 for weight in weights.values()):
            raise ConfigError("A worker's exponent is negative or not finite.", hint="Give exponents ≥ 0.")
        if not prior_strength > 0:
            raise ConfigError(f"prior_strength is {prior_strength}.", hint="Give a number above 0.")
        self.weights = None if weights is None else dict(weights)
        self.prior_strength = prior_strength

    def __call__(self, table: VoteTable, gold: Integers | None = None) -> Aggregate:
        """Aggregate `table`; gold items fit the exponents unless these were given, and are not clamped.

        Raises:
            ConfigError: weights were given and a worker of the table has none.
        """
        logs, size = _unit_logs(table)
        if self.weights is not None:
            missing = [worker for worker in table.workers if worker not in self.weights]
            if missing:
                raise ConfigError(f"No weight was given for {', '.join(missing)}.", hint="Give every worker one.")
            exponents = np.array([self.weights[worker] for worker in table.workers]) * size
        else:
            exponents = _without_gold(table, logs, size)
            known = known_gold(gold, len(table.items)) & (table.choices >= 0).any(axis=1)
            if gold is not None and known.any():
                exponents = _fit(logs[known], gold[known], exponents, self.prior_strength)
        total = exponents.sum()
        return Aggregate(_pool(logs, exponents), exponents / total if total > 0 else exponents)


def _unit_logs(table: VoteTable) -> tuple[Floats, Floats]:
    """Centred log-probabilities of size 1, shape [I, W, K], 0 without a vote; and each worker's own size, shape [W]."""
    voted = (table.choices >= 0)[:, :, None]
    sized = voted & table.common_rows[:, None, None]
    logs = np.log(np.maximum(np.where(voted, table.probabilities, 1.0), LEAST_PROBABILITY))
    logs -= logs.mean(axis=2, keepdims=True)
    votes = np.maximum(sized.sum(axis=(0, 2)), 1)
    size = np.sqrt((np.where(sized, logs, 0.0) ** 2).sum(axis=(0, 2)) / votes)
    return logs / np.where(size > 0, size, 1.0)[None, :, None], size


def _without_gold(table: VoteTable, logs: Floats, size: Floats) -> Floats:
    rows = table.common_rows  # the other items were asked of some workers only, because they were hard
    choices, logs = table.choices[rows], logs[rows]
    active = (choices >= 0).any(axis=0)
    if active.sum() < 2:
        return size
    exponents = size if active.sum() == 2 else _settle(choices, logs, size)
    return exponents * _confidence_factor(choices, logs, exponents)


def _settle(choices: Integers, logs: Floats, size: Floats) -> Floats:
    """Exponents by agreement with a pool in which the worker, and what repeats it, counts half.

    If it counted whole, a worker might run away with the pool by agreeing with itself; without it, a constant worker
    and one that is always wrong would decide which of the others are right.
    """
    k, voted = logs.shape[2], choices >= 0
    # An item with one vote only would let a worker agree with itself.
    several = voted.sum(axis=1) > 1
    speaks = (size > 0).astype(np.float64)
    repeats = repeated(logs, voted, _winner(logs, speaks))
    exponents: Floats = speaks / repeats.sum(axis=1)
    for _ in range(ROUNDS):
        repeats = repeated(logs, voted, _winner(logs, exponents))
        pools = np.einsum("ivk,wv->wik", logs * exponents[:, None], 1 - repeats / 2, optimize=True).round(9)
        leads = (pools == pools.max(axis=2, keepdims=True)).astype(np.float64)
        shares = np.array(
            [
                share_right(choices[:, [w]], normalise_rows(lead), several, smoothing=SMOOTHING)[0]
                for w, lead in enumerate(leads)
            ]
        )
        previous = exponents
        exponents = speaks * log_odds(shares, k) / repeats.sum(axis=1)
        if np.allclose(exponents, previous, rtol=0, atol=1e-9):
            break
    return exponents


def repeated(logs: Floats, voted: Booleans, winners: Integers) -> Floats:
    """The share of what each worker says that every other says too, shape [W, W], 1 on the diagonal.

    It is the squared correlation of what the two say beyond the label: of their log-probabilities, less their means
    over the items of the same label, where both voted; 50 more items without any correlation are counted in, for few
    items correlate by chance. The sum of a row tells how many times a worker is there: five equal prompts count as 5
    each, three different prompts of one small model as about 1.6, a worker unlike them as 1.1.

    Args:
        logs: log-probabilities, 0 where a worker did not vote, shape [I, W, K].
        voted: who voted, shape [I, W].
        winners: the label of each item, shape [I].
    """
    own = voted.astype(np.float64)
    beyond = np.zeros_like(logs)
    for label in np.unique(winners):
        rows = winners == label
        means = logs[rows].sum(axis=0) / np.maximum(own[rows].sum(axis=0), 1)[:, None]
        beyond[rows] = np.where(voted[rows][:, :, None], logs[rows] - means, 0.0)
    product = np.einsum("iwk,ivk->wv", beyond, beyond, optimize=True)
    spread = np.einsum("iwk,iv->wv", beyond**2, own, optimize=True)  # of w, on the items that v voted on too
    both = np.sqrt(spread * spread.T)
    alike = np.clip(np.divide(product, both, out=np.zeros_like(both), where=both > 1e-12), 0, 1)
    shared = own.T @ own
    shares = np.asarray(alike**2 * shared / (shared + UNRELATED), np.float64)
    np.fill_diagonal(shares, 1.0)
    return shares


def _winner(logs: Floats, exponents: Floats) -> Integers:
    # Rounded, so that a tie stays a tie in whatever order the workers are summed.
    return np.asarray(np.einsum("iwk,w->ik", logs, exponents).round(9).argmax(axis=1))


def _confidence_factor(choices: Integers, logs: Floats, exponents: Floats) -> float:
    """The factor that makes the mean confidence the smoothed share of votes which agree with the pool."""
    evidence = np.einsum("iwk,w->ik", logs, exponents)
    voted = choices >= 0
    rows = voted.any(axis=1)
    k = evidence.shape[1]
    hits = (voted & (choices == _winner(logs, exponents)[:, None])).sum()
    target = max((hits + SMOOTHING / k) / (voted.sum() + SMOOTHING), 1 / k + 0.01)
    behind = evidence[rows] - evidence[rows].max(axis=1, keepdims=True)
    low, high = -7.0, 7.0
    # The mean confidence grows with the factor, so halving the (logarithmic) bracket finds it.
    for _ in range(40):
        middle = (low + high) / 2
        sure = (1 / np.exp(behind * np.exp(middle)).sum(axis=1)).mean()
        low, high = (middle, high) if sure < target else (low, middle)
    return float(np.exp((low + high) / 2))


def _fit(logs: Floats, gold: Integers, start: Floats, strength: float) -> Floats:
    """Exponents ≥ 0 of the greatest posterior on gold items, by coordinate-wise Newton steps (the goal is convex)."""
    exponents = start.copy()
    rows = np.arange(len(gold))
    for _ in range(200):
        before = exponents.copy()
        for worker in range(logs.shape[1]):
            own = logs[:, worker]
            p = _pool(logs, exponents)
            mean = (p * own).sum(axis=1)
            slope = (own[rows, gold] - mean).sum() - strength * (exponents[worker] - start[worker])
            bend = ((p * own * own).sum(axis=1) - mean**2).sum() + strength
            # A Newton step may overshoot where the curve is flat; steps of at most 1 cannot run away.
            exponents[worker] = max(exponents[worker] + float(np.clip(slope / bend, -1.0, 1.0)), 0.0)
        if np.abs(exponents - before).max(initial=0.0) < 1e-8:
            break
    return exponents


def _pool(logs: Floats, exponents: Floats) -> Floats:
    evidence = np.einsum("iwk,w->ik", logs, exponents)
    return normalise_rows(np.exp(evidence - evidence.max(axis=1, keepdims=True)))
