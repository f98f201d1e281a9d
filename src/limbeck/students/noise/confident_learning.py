"""Confident learning: how often is label i really j, and which labels are those errors.

Northcutt, Jiang & Chuang, Journal of Artificial Intelligence Research 70, 2021, arXiv 1911.00068.
Knows nothing of students.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from limbeck.students.noise.base import Given, one_hot
from limbeck.students.softmax import Floats, Lesson, Places


@dataclass(frozen=True, slots=True)
class ConfidentLearning:
    """Prune by noise rate; what is left is weighed so that each true label keeps its share.

    Attributes:
        hard: whether the likeliest label is taught, as in the paper, or the probabilities.
    """

    hard: bool = True

    def __call__(self, given: Given, *, rng: np.random.Generator) -> Lesson:  # noqa: ARG002
        """The lesson without the rows that are probably wrong."""
        labels = given.opinions.shape[1]
        choices = given.choices
        joint = joint_estimate(choices, given.opinions)
        kept = ~noisy_rows(choices, given.opinions, joint)
        found = np.maximum(np.diag(joint), 1e-12)
        factors = np.where(np.diag(joint) > 0, joint.sum(axis=0) / found, 1.0)
        weights = given.lesson.weights * kept * factors[choices]
        return given.taught(one_hot(choices, labels) if self.hard else given.lesson.targets, weights)


def confident_joint(choices: Places, opinions: Floats) -> npt.NDArray[np.int64]:
    """Counts of rows labelled i that are confidently j, shape [K, K].

    A row is confidently j when its probability of j is at least the mean one among rows labelled j; of several such
    labels the likeliest counts.
    """
    labels = opinions.shape[1]
    mine = one_hot(choices, labels)
    sizes = mine.sum(axis=0)
    least = np.where(sizes > 0, (mine * opinions).sum(axis=0) / np.maximum(sizes, 1), np.inf)
    above = np.where(opinions >= least - 1e-6, opinions, -1.0)
    counted = above.max(axis=1) >= 0
    counts = np.zeros((labels, labels), np.int64)
    np.add.at(counts, (choices[counted], above.argmax(axis=1)[counted]), 1)
    return counts


def joint_estimate(choices: Places, opinions: Floats) -> Floats:
    """Joint probability of the label given (row) and the true one (column), shape [K, K]; sums to 1."""
    counts = confident_joint(choices, opinions).astype(np.float64)
    sizes = np.bincount(choices, minlength=len(counts)).astype(np.float64)
    # A label of which no row is confident stays as it was given.
    counts += np.diag(np.where((counts.sum(axis=1) == 0) & (sizes > 0), 1.0, 0.0))
    rows = np.maximum(counts.sum(axis=1), 1e-12)
    return np.asarray(counts * (sizes / rows / sizes.sum())[:, None])


def noisy_rows(choices: Places, opinions: Floats, joint: Floats) -> npt.NDArray[np.bool_]:
    """Which rows to prune, shape [N]: of those labelled i, as many as are really j, first where j beats i most."""
    labels = opinions.shape[1]
    rows = np.arange(len(choices))
    found = np.zeros(len(choices), bool)
    for given in range(labels):
        mine = rows[choices == given]
        for true in range(labels):
            count = round(float(joint[given, true]) * len(choices))
            if true != given and count:
                margin = opinions[mine, true] - opinions[mine, given]
                found[mine[np.argsort(-margin, kind="stable")[:count]]] = True
    return found
