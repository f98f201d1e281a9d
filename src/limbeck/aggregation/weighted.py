"""A vote in which better workers count more.

Knows nothing of prompts or models; the probabilities behind the votes only break ties.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from limbeck.aggregation.base import (
    LEAST_WEIGHT,
    Aggregate,
    Floats,
    Integers,
    VoteTable,
    count_votes,
    known_gold,
    log_odds,
    normalise_rows,
    share_right,
    share_votes,
)
from limbeck.errors import ConfigError


class Weighted:
    """Share of the workers' weight behind each label as posterior; ties as in `share_votes`.

    Weights are given by name; or, without gold, come from the agreement with the weighted vote itself, repeated until
    nothing changes (with one round and scale "share" this is "worker agreement with aggregate"); an agreement is
    smoothed by `smoothing` further answers at chance 1/K. With gold they come from the accuracy on gold items, where
    the agreement stands for `prior_strength` further answers: a few gold labels move the weights a little. Scale
    "odds" weighs by ln(accuracy · (K−1) / (1−accuracy)), optimal for independent errors (Nitzan & Paroush 1982);
    "share" by the accuracy as it is. No estimated weight is below 0.01.

    Args:
        weights: worker → weight ≥ 0; None = estimate.
        rounds: most rounds of estimation without gold.
        scale: how an accuracy becomes a weight.
        smoothing: number of answers at chance added to each worker's own.
        prior_strength: number of answers, as right as a worker's agreement, added to its answers on gold items.

    Raises:
        ConfigError: a negative or infinite weight, rounds < 1, smoothing or prior_strength < 0, or an unknown scale.
    """

    def __init__(
        self,
        weights: Mapping[str, float] | None = None,
        *,
        rounds: int = 20,
        scale: Literal["odds", "share"] = "odds",
        smoothing: float = 2.0,
        prior_strength: float = 10.0,
    ) -> None:
        if weights is not None and not all(np.isfinite(weight) and weight >= 0 for weight in weights.values()):
            raise ConfigError("A worker's weight is negative or not finite.", hint="Give weights ≥ 0.")
        if rounds < 1 or min(smoothing, prior_strength) < 0 or scale not in ("odds", "share"):
            raise ConfigError(
                f"Weighted cannot use rounds={rounds}, smoothing={smoothing}, scale={scale!r}.",
                hint="rounds ≥ 1, smoothing ≥ 0, scale 'odds' or 'share'.",
            )
        self.weights = None if weights is None else dict(weights)
        self.rounds = rounds
        self.scale = scale
        self.smoothing = smoothing
        self.prior_strength = prior_strength

    def __call__(self, table: VoteTable, gold: Integers | None = None) -> Aggregate:
        """Aggregate `table`; gold items fit the weights unless these were given.

        Raises:
            ConfigError: weights were given and a worker of the table has none.
        """
        k = len(table.labels)
        weights = self._given(table.workers) if self.weights is not None else self._estimate(table, k, gold)
        return Aggregate(share_votes(table, weights=weights), weights)

    def _given(self, workers: tuple[str, ...]) -> Floats:
        assert self.weights is not None
        missing = [worker for worker in workers if worker not in self.weights]
        if missing:
            raise ConfigError(f"No weight was given for {', '.join(missing)}.", hint="Give every worker a weight ≥ 0.")
        return np.array([self.weights[worker] for worker in workers], dtype=np.float64)

    def _estimate(self, table: VoteTable, k: int, gold: Integers | None) -> Floats:
        choices = table.choices
        known = known_gold(gold, len(choices))
        odds = self.scale == "odds"
        common = choices[table.common_rows]
        shares = _agreement(common, k, smoothing=self.smoothing, rounds=self.rounds, odds=odds)
        if gold is not None and known.any():
            answered = (choices[known] >= 0).sum(axis=0)
            hits = (choices[known] == gold[known, None]).sum(axis=0)
            shares = (hits + self.prior_strength * shares) / (answered + self.prior_strength)
        return log_odds(shares, k) if odds else np.maximum(shares, LEAST_WEIGHT)


def _agreement(choices: Integers, k: int, *, smoothing: float, rounds: int, odds: bool) -> Floats:
    """Each worker's share of agreement with the vote weighted by that very agreement, shape [W].

    The first round is the plain majority. Labels that tie for the lead share the credit; items with a single vote are
    left out, or a worker would agree with itself. `odds`: weigh by `log_odds` of the agreement, else by the agreement.
    """
    several = (choices >= 0).sum(axis=1) > 1
    weights = np.ones(choices.shape[1])
    shares = weights
    for _ in range(rounds):
        mass = count_votes(choices, k, weights=weights)
        # Equal weights summed in another order differ in the last digits; they are ties all the same.
        winners = (mass >= mass.max(axis=1, keepdims=True) - 1e-9).astype(np.float64)
        previous, shares = shares, share_right(choices, normalise_rows(winners), several, smoothing=smoothing)
        weights = log_odds(shares, k) if odds else np.maximum(shares, LEAST_WEIGHT)
        if np.allclose(shares, previous, rtol=0, atol=1e-9):
            break
    return shares
