"""How right the labels are: accuracy, F1 per class and on average, confusion, Brier score and log loss.

Knows nothing of workers, votes or of how the labels came about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limbeck.errors import DataError
from limbeck.evaluation.intervals import Booleans, Estimate, Floats, Integers, bootstrap, mean_estimate, undefined

NO_GOLD = "no item has a gold label"
# Probabilities below this would make the log loss infinite.
LEAST_PROBABILITY = 1e-12


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One label's scores.

    Attributes:
        label: the label.
        precision: right ones among those predicted; undefined when it was never predicted.
        recall: found ones among those in gold; undefined when it is not in gold.
        f1: 2·tp / (2·tp + fp + fn); undefined when it is in neither.
        support: how many gold items have it.
        predicted: how many of these items were given it.
    """

    label: str
    precision: Estimate
    recall: Estimate
    f1: Estimate
    support: int
    predicted: int


def known(gold: Integers, other: Integers | Floats) -> Booleans:
    """Which items have gold; raises DataError when the two arrays differ in length."""
    if gold.shape[0] != other.shape[0]:
        raise DataError(
            f"{gold.shape[0]} gold labels stand against {other.shape[0]} answers.", hint="Pass one of each per item."
        )
    return np.asarray(gold >= 0)


def accuracy(gold: Integers, predicted: Integers, *, rng: np.random.Generator) -> Estimate:
    """Share of items whose label is the gold one.

    Args:
        gold: label indices, shape [n]; -1 = unknown, left out.
        predicted: label indices, shape [n]; -1 = no label, which counts as wrong.
        rng: source of the bootstrap.
    """
    rows = known(gold, predicted)
    if not rows.any():
        return undefined(NO_GOLD)
    return mean_estimate((gold[rows] == predicted[rows]).astype(np.float64), rng=rng)


def macro_f1(gold: Integers, predicted: Integers, k: int, *, rng: np.random.Generator) -> Estimate:
    """Mean F1 over the labels that occur in gold or among the predictions, each label counting the same.

    A label in gold that is never predicted (or the other way round) counts with F1 = 0; a label in neither is left
    out, in each resample anew. Arguments as in `accuracy`; k is the number of labels.
    """
    rows = known(gold, predicted)
    if not rows.any():
        return undefined(NO_GOLD)

    def statistic(sums: Floats) -> Floats:
        hit, wanted, given = np.split(sums, 3, axis=1)
        present = wanted + given > 0
        f1 = np.divide(2 * hit, wanted + given, out=np.zeros_like(hit), where=present)
        return np.asarray(f1.sum(axis=1) / present.sum(axis=1))

    return bootstrap(_hits(gold[rows], predicted[rows], k), statistic, rng=rng)


def per_class(
    gold: Integers, predicted: Integers, labels: Sequence[str], *, rng: np.random.Generator
) -> tuple[ClassScore, ...]:
    """Precision, recall and F1 of every label, with counts. Arguments as in `accuracy`."""
    rows = known(gold, predicted)
    k = len(labels)
    hits = _hits(gold[rows], predicted[rows], k)
    table = []
    for index, label in enumerate(labels):
        own = hits[:, [index, k + index, 2 * k + index]]
        table.append(
            ClassScore(
                label=label,
                precision=bootstrap(own, lambda s: s[:, 0] / s[:, 2], rng=rng, reason=_unless(own, 2, "predicted")),
                recall=bootstrap(own, lambda s: s[:, 0] / s[:, 1], rng=rng, reason=_unless(own, 1, "in gold")),
                f1=bootstrap(
                    own,
                    lambda s: 2 * s[:, 0] / (s[:, 1] + s[:, 2]),
                    rng=rng,
                    reason=_unless(own, slice(1, 3), "in gold or predicted"),
                ),
                support=int(own[:, 1].sum()),
                predicted=int(own[:, 2].sum()),
            )
        )
    return tuple(table)


def confusion(gold: Integers, predicted: Integers, k: int) -> Integers:
    """Counts [gold, predicted], shape [K, K]; items without gold or without a label are left out."""
    rows = known(gold, predicted) & (predicted >= 0)
    flat = np.bincount(gold[rows] * k + predicted[rows], minlength=k * k)
    return flat.reshape(k, k).astype(np.int64)


def log_loss(gold: Integers, probabilities: Floats, *, rng: np.random.Generator) -> Estimate:
    """Mean negative log-probability of the gold label, in nats; a probability is at least 1e-12."""
    rows = known(gold, probabilities)
    if not rows.any():
        return undefined(NO_GOLD)
    given = probabilities[rows, gold[rows]]
    return mean_estimate(-np.log(np.maximum(given, LEAST_PROBABILITY)), rng=rng)


def brier(gold: Integers, probabilities: Floats, *, rng: np.random.Generator) -> Estimate:
    """Mean squared distance between the probabilities and the one-hot gold, summed over labels: 0 to 2 (Brier 1950)."""
    rows = known(gold, probabilities)
    if not rows.any():
        return undefined(NO_GOLD)
    target = np.eye(probabilities.shape[1])[gold[rows]]
    return mean_estimate(((probabilities[rows] - target) ** 2).sum(axis=1), rng=rng)


def _hits(gold: Integers, predicted: Integers, k: int) -> Floats:
    """One row per item: right label, gold label and given label, each one-hot over the labels, shape [n, 3K]."""
    wanted = np.eye(k)[gold]
    # The extra row is all zero: no label was given (-1).
    given = np.vstack([np.eye(k), np.zeros(k)])[predicted]
    return np.hstack([wanted * given, wanted, given])


def _unless(hits: Floats, columns: int | slice, what: str) -> str | None:
    if not len(hits):
        return NO_GOLD
    return None if hits[:, columns].any() else f"the label is never {what}"
