"""From a posterior to the one answer that a task of its kind wants.

Knows nothing of how the posterior came about.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from limbeck.aggregation.units import set_confidence
from limbeck.evaluation import expected, point
from limbeck.records import set_name
from limbeck.task import Task

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def chosen(task: Task, probabilities: Floats) -> Integers:
    """Index of the label that each posterior means, [N, K] → [N]: the likeliest, or a scale's point.

    Where the columns are answers to an open question, or sets of labels, the last one is none of them.
    """
    if task.open is not None or task.several is not None:
        return np.asarray(probabilities[:, :-1].argmax(axis=1))
    if task.scale is None:
        return np.asarray(probabilities.argmax(axis=1))
    return point(probabilities, np.array(task.scale.values), task.scale.point)


def sureness(probabilities: Floats, choice: Integers) -> Floats:
    """Probability of the label that was chosen, [N, K] and [N] → [N]."""
    return np.asarray(probabilities[np.arange(len(choice)), choice])


def on_scale(task: Task, probabilities: Floats) -> Floats | None:
    """Expected value of each posterior on the task's scale, [N, K] → [N]; None where there is no scale."""
    return None if task.scale is None else expected(probabilities, np.array(task.scale.values))


def packed(applies: npt.NDArray[np.bool_]) -> Integers:
    """A number for each set of labels, [N, K] → [N]; equal sets have equal numbers."""
    return np.asarray(applies @ (1 << np.arange(applies.shape[1], dtype=np.int64)), np.int64)


def named(task: Task, probabilities: Floats, thresholds: Floats | None = None) -> list[tuple[str, float]]:
    """Label and its probability for each of a student's opinions, [N, K]; a set where there are thresholds, [K]."""
    if thresholds is not None:
        applies = probabilities >= thresholds
        sure = set_confidence(probabilities, applies).tolist()
        return [(set_name(task.labels, row), one) for row, one in zip(applies, sure, strict=True)]
    choice = chosen(task, probabilities)
    return [
        (task.labels[place], one)
        for place, one in zip(choice.tolist(), sureness(probabilities, choice).tolist(), strict=True)
    ]
