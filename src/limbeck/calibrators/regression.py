"""Softmax regression around given scores: what few gold labels teach is added to what is believed without them.

Knows nothing of votes, states or of where the features come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from limbeck.aggregation.base import Floats, Integers

STEPS, GAIN = 300, 1e-7


@dataclass(frozen=True, slots=True)
class Around:
    """What is believed, and what may correct it.

    Attributes:
        scores: log-probabilities without gold, shape [N, K].
        shared: scores of which each gets one factor for all labels, shape [N, S, K].
        features: what gets a coefficient for each label, shape [N, D].
    """

    scores: Floats
    shared: Floats
    features: Floats

    def rows(self, places: Integers) -> Around:
        """Some rows only."""
        return Around(self.scores[places], self.shared[places], self.features[places])


@dataclass(frozen=True, slots=True)
class Correction:
    """What was learned: the intercept of each label [K], a factor of each shared score [S], coefficients [D, K]."""

    intercept: Floats
    factors: Floats
    coefficients: Floats

    def __call__(self, around: Around) -> Floats:
        """Posterior over labels, shape [N, K]."""
        found = around.scores + self.intercept + np.einsum("nsk,s->nk", around.shared, self.factors)
        return np.asarray(softmax(found + around.features @ self.coefficients, axis=1))


def regress(around: Around, gold: Integers, *, intercept: float, factors: float) -> Correction:
    """The correction of the greatest posterior: log-likelihood of gold under a Gaussian prior around no correction.

    Coefficients have precision 1, so how far a feature may correct is said by its size.

    Args:
        around: N rows with gold.
        gold: index of each row's label, shape [N].
        intercept: precision of the prior of each label's intercept, > 0.
        factors: precision of the prior of each shared factor, > 0.
    """
    k, s = around.scores.shape[1], around.shared.shape[1]
    # The solution lies in the span of the rows, so more features than rows need not be searched (a QR of the rows).
    basis, features = _basis(around.features)
    d = features.shape[1]
    target = np.eye(k)[gold]

    def loss(flat: Floats) -> tuple[float, Floats]:
        own, common, rest = flat[:k], flat[k : k + s], flat[k + s :].reshape(d, k)
        scores = around.scores + own + np.einsum("nsk,s->nk", around.shared, common) + features @ rest
        logs = log_softmax(scores, axis=1)
        slopes = np.exp(logs) - target
        value = -(target * logs).sum() + 0.5 * (intercept * own @ own + factors * common @ common + (rest**2).sum())
        parts = (
            slopes.sum(axis=0) + intercept * own,
            np.einsum("nsk,nk->s", around.shared, slopes) + factors * common,
            (features.T @ slopes + rest).ravel(),
        )
        return float(value), np.concatenate(parts)

    start = np.zeros(k + s + d * k)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "ftol": GAIN}).x
    coefficients = found[k + s :].reshape(d, k)
    return Correction(found[:k], found[k : k + s], coefficients if basis is None else basis @ coefficients)


def _basis(features: Floats) -> tuple[Floats | None, Floats]:
    """Axes that span the rows, shape [D, N], and the rows in them, shape [N, N]; as they are where N ≥ D."""
    n, d = features.shape
    if n >= d:
        return None, features
    axes, rows = np.linalg.qr(features.T)
    return axes, np.ascontiguousarray(rows.T)
