"""Strengths of systems from judgements in pairs, ties included: the Bradley–Terry model as Davidson extended it.

Knows nothing of what was compared or who judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from limbeck.errors import DataError
from limbeck.evaluation.intervals import Estimate, Floats, Integers, undefined

FIRST, SECOND, TIE = 0, 1, 2
_NO_BOUND = "a system never won against the others, or never lost: its strength has no bound"
_STEPS, _FURTHEST = 100, 12.0
_NORMAL = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Strengths:
    """What the model says.

    Attributes:
        systems: log-strength of each system, sum 0, with 95 % intervals; a difference of ln 2 is odds of 2 : 1.
        tie: Davidson's ν; two equal systems tie with chance ν / (2 + ν). None where there is no fit.
        reason: why there is no fit.
    """

    systems: tuple[Estimate, ...]
    tie: float | None = None
    reason: str | None = None


def davidson(comparisons: Integers, m: int) -> Strengths:
    """Fit strengths by maximum likelihood (Davidson 1970, JASA 65:317; Bradley & Terry 1952).

    Intervals are Wald's with errors clustered by item: several people who judge one item are not independent.

    Args:
        comparisons: one row per judgement, shape [c, 4]: item, first system, second system, outcome (0 = first wins,
            1 = second wins, 2 = tie).
        m: number of systems.

    Raises:
        DataError: rows that name no system or outcome.
    """
    if comparisons.ndim != 2 or comparisons.shape[1] != 4:
        raise DataError(f"Comparisons of shape {comparisons.shape}.", hint="Pass item, first, second, outcome.")
    item, first, second, outcome = comparisons.T
    sides = comparisons[:, 1:3]
    if len(item) and (sides.min() < 0 or sides.max() >= m or (first == second).any() or not (outcome <= TIE).all()):
        raise DataError("A comparison names no pair of systems.", hint=f"Systems are 0 to {m - 1}, outcomes 0 to 2.")
    if reason := _why_not(first, second, outcome, m):
        return Strengths((undefined(reason, len(item)),) * m, reason=reason)
    ties = bool((outcome == TIE).any())
    # Parameters: log-strengths, and log ν where there are ties.
    free = m + ties
    design = np.zeros((len(item), 3, free))
    rows = np.arange(len(item))
    design[rows, FIRST, first] = design[rows, SECOND, second] = 1
    design[rows, TIE, first] = design[rows, TIE, second] = 0.5
    if ties:
        design[:, TIE, m] = 1
    beta = _fit(design, outcome, m, ties=ties)
    if beta is None:
        return Strengths((undefined(_NO_BOUND, len(item)),) * m, reason=_NO_BOUND)
    gradient, hessian = _slopes(design, outcome, beta, ties=ties)
    _, cluster = np.unique(item, return_inverse=True)
    scores = np.zeros((cluster.max() + 1, free))
    np.add.at(scores, cluster, gradient)
    bread = np.linalg.inv(hessian)
    groups = len(scores)
    covariance = bread @ (scores.T @ scores) @ bread * (groups / max(groups - 1, 1))
    return Strengths(
        tuple(_estimate(beta[s], covariance[s, s], groups) for s in range(m)), math.exp(beta[m]) if ties else 0.0
    )


def _fit(design: Floats, outcome: Integers, m: int, *, ties: bool) -> Floats | None:
    """Newton's steps to the maximum; None where it lies at infinity, as ties alone may make it."""
    beta = np.zeros(design.shape[2])
    for _ in range(_STEPS):
        gradient, hessian = _slopes(design, outcome, beta, ties=ties)
        step = np.linalg.solve(hessian, gradient.sum(axis=0))
        step *= min(1.0, 1.0 / max(np.abs(step).max(), 1e-12))
        beta += step
        beta[:m] -= beta[:m].mean()
        if np.abs(step).max() < 1e-10:
            return beta
        if np.abs(beta).max() > _FURTHEST:
            return None
    return beta


def _why_not(first: Integers, second: Integers, outcome: Integers, m: int) -> str | None:
    """Strengths are finite when everybody can be reached from everybody by wins and ties (Ford 1957)."""
    if not len(first):
        return "no pair was judged"
    if (outcome == TIE).all():
        return "all judgements are ties"
    beats = np.eye(m, dtype=np.bool_)
    beats[first[outcome != SECOND], second[outcome != SECOND]] = True
    beats[second[outcome != FIRST], first[outcome != FIRST]] = True
    for _ in range(m):
        beats = (beats.astype(np.int64) @ beats.astype(np.int64)) > 0
    return None if beats.all() else _NO_BOUND


def _slopes(design: Floats, outcome: Integers, beta: Floats, *, ties: bool) -> tuple[Floats, Floats]:
    """Slope of the log-likelihood at each judgement, shape [c, P], and the information, shape [P, P]."""
    logits = design @ beta
    if not ties:
        logits[:, TIE] = -np.inf
    chance = np.exp(logits - logits.max(axis=1, keepdims=True))
    chance /= chance.sum(axis=1, keepdims=True)
    mean = (chance[:, :, None] * design).sum(axis=1)
    gradient = design[np.arange(len(outcome)), outcome] - mean
    information = np.einsum("co,cop,coq->pq", chance, design, design) - mean.T @ mean
    # A constant added to all strengths changes nothing; holding their sum makes the matrix invertible.
    m = information.shape[0] - ties
    information[:m, :m] += 1.0
    return gradient, information


def _estimate(value: float, variance: float, groups: int) -> Estimate:
    if groups < 2:
        return Estimate(float(value), n=groups, reason="one item: no interval")
    reach = _NORMAL * math.sqrt(max(variance, 0.0))
    return Estimate(float(value), float(value - reach), float(value + reach), groups)
