"""Multinomial logistic regression on soft labels, with its strength and temperature chosen by cross-validation.

Knows nothing of texts, of files or of what the features mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

COARSE, FINE = 1e-4, 1e-8  # relative gain of one step at which the search ends: while comparing, and for good
STEPS = 300
HOTTEST = 20.0  # temperatures are sought between 1/HOTTEST and HOTTEST


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learned from: features, targets and how much each row counts.

    Attributes:
        dense: features that are rarely zero, shape [N, D].
        thin: features that are mostly zero, shape [N, F].
        targets: probabilities over the labels, shape [N, K].
        weights: shape [N], > 0.
    """

    dense: Floats
    thin: sparse.csr_matrix
    targets: Floats
    weights: Floats

    def rows(self, places: Places) -> Lesson:
        """The lesson of some rows only."""
        return Lesson(self.dense[places], self.thin[places], self.targets[places], self.weights[places])

    def logits(self, coefficients: Floats) -> Floats:
        """Scores of the labels, shape [N, K], for coefficients [1 + D + F, K] whose first row is the intercept."""
        width = self.dense.shape[1]
        scores = self.thin @ coefficients[1 + width :] + self.dense @ coefficients[1 : 1 + width]
        return np.asarray(scores + coefficients[0])


@dataclass(frozen=True, slots=True)
class Tuning:
    """What cross-validation chose: `strength` as scikit-learn's C, and the temperature that divides the scores."""

    strength: float
    temperature: float


def fit(lesson: Lesson, *, strength: float, start: Floats | None = None, tolerance: float = FINE) -> Floats:
    """Coefficients, shape [1 + D + F, K], that minimise Σ w · cross-entropy + ‖coefficients‖² / (2 · strength).

    The intercept is not penalised; weights are scaled to mean 1. Found by L-BFGS (Liu & Nocedal 1989).
    """
    count, width = lesson.dense.shape
    labels = lesson.targets.shape[1]
    size = 1 + width + lesson.thin.shape[1]
    shares = lesson.weights / lesson.weights.sum()
    turned = lesson.thin.T.tocsr()
    penalty = 1.0 / (strength * count)

    def loss(flat: Floats) -> tuple[float, Floats]:
        coefficients = flat.reshape(size, labels)
        logits = lesson.logits(coefficients)
        entropy = -float(shares @ (lesson.targets * log_softmax(logits, axis=1)).sum(axis=1))
        slopes = (softmax(logits, axis=1) - lesson.targets) * shares[:, None]
        gradient = np.concatenate([slopes.sum(axis=0)[None], lesson.dense.T @ slopes, turned @ slopes])
        gradient[1:] += penalty * coefficients[1:]
        return entropy + 0.5 * penalty * float((coefficients[1:] ** 2).sum()), gradient.ravel()

    if start is None:  # the best without features: the labels' shares alone
        start = np.zeros((size, labels))
        start[0] = np.log(np.maximum(shares @ lesson.targets, 1e-9))
    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "ftol": tolerance})
    return np.asarray(found.x).reshape(size, labels)


def tune(lesson: Lesson, folds: Places, *, strengths: Sequence[float]) -> tuple[Tuning, float]:
    """Strength and temperature by cross-validation on the lesson's own targets, and their log-loss in nats.

    The smallest strength counts whose log-loss is within one standard error of the best (Breiman et al. 1984,
    Classification and Regression Trees, section 3.4.3): the labels may be wrong, and the log-loss to them keeps falling
    while a student learns the teachers' mistakes by heart.

    Args:
        lesson: all rows.
        folds: the fold that each row is left out in, shape [N].
        strengths: candidates, ascending. The search stops at the first that is worse than the one before it.
    """
    strength, logits = cross_validate(lesson, folds, strengths=strengths)
    temperature = cool(logits, lesson)
    return Tuning(strength, temperature), log_loss(logits / temperature, lesson)


def cross_validate(lesson: Lesson, folds: Places, *, strengths: Sequence[float]) -> tuple[float, Floats]:
    """The strength that `tune` finds, and the scores of each row by a student that was not taught on it, [N, K]."""
    splits = _splits(lesson, folds)
    starts: list[Floats | None] = [None] * len(splits)
    tried: list[tuple[float, Floats]] = []
    for strength in strengths:
        logits = np.empty_like(lesson.targets)
        for place, (others, here) in enumerate(splits):
            found = fit(others, strength=strength, start=starts[place], tolerance=COARSE)
            logits[here] = lesson.rows(here).logits(found)
            starts[place] = found
        loss = log_loss(logits, lesson)
        if tried and loss >= tried[-1][0]:
            break
        tried.append((loss, logits))
    enough = tried[-1][0] + _standard_error(tried[-1][1], lesson)
    place = next(i for i, (loss, _) in enumerate(tried) if loss <= enough)
    return strengths[place], tried[place][1]


def left_out(lesson: Lesson, folds: Places, *, strength: float) -> Floats:
    """Scores of each row by a student that was not taught on it, shape [N, K]."""
    logits = np.empty_like(lesson.targets)
    for others, here in _splits(lesson, folds):
        logits[here] = lesson.rows(here).logits(fit(others, strength=strength, tolerance=COARSE))
    return logits


def cool(logits: Floats, lesson: Lesson) -> float:
    """The temperature with the lowest log-loss (Guo et al. 2017), from predictions on rows that were left out."""
    limit = float(np.log(HOTTEST))
    found = minimize_scalar(
        lambda heat: log_loss(logits / np.exp(heat), lesson), bounds=(-limit, limit), method="bounded"
    )
    return float(np.exp(found.x))


def log_loss(logits: Floats, lesson: Lesson) -> float:
    """Weighted mean cross-entropy to the targets, in nats."""
    return float(np.average(_losses(logits, lesson), weights=lesson.weights))


def _splits(lesson: Lesson, folds: Places) -> list[tuple[Lesson, Places]]:
    """Of each fold: the lesson of the other rows, and the rows left out."""
    return [(lesson.rows(np.flatnonzero(folds != fold)), np.flatnonzero(folds == fold)) for fold in np.unique(folds)]


def _standard_error(logits: Floats, lesson: Lesson) -> float:
    """Of the weighted mean that `log_loss` is."""
    losses, shares = _losses(logits, lesson), lesson.weights / lesson.weights.sum()
    return float(np.sqrt((shares**2 * (losses - shares @ losses) ** 2).sum()))


def _losses(logits: Floats, lesson: Lesson) -> Floats:
    """Each row's cross-entropy to its targets, shape [N], in nats."""
    return np.asarray(-(lesson.targets * log_softmax(logits, axis=1)).sum(axis=1))
