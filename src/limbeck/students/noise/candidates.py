"""Candidate-set labels: only that the truth is among a row's likeliest labels is believed, and which one is learned.

Partial-label learning by progressive identification (PRODEN, Lv et al., ICML 2020, arXiv 2002.08053).
Knows nothing of how students of other kinds learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from limbeck.students.noise.base import Given, second_opinions
from limbeck.students.softmax import Floats, Lesson


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of a row share its certainty as students that were not taught on it see them.

    In the paper a network judges the rows that it is being taught; here students judge the rows they never saw, so
    that nothing is believed because it was learned by heart.

    Attributes:
        cover: a row's candidates are its likeliest labels that together have at least this probability.
        rounds: how often the shares are found anew.
    """

    cover: float = 0.9
    rounds: int = 3

    def __call__(self, given: Given, *, rng: np.random.Generator) -> Lesson:  # noqa: ARG002
        """The lesson with targets on the candidates only. Rows that are certain stay so, and count as they did."""
        among = candidates(given.lesson.targets, self.cover)
        lesson = given.taught(among / among.sum(axis=1, keepdims=True))
        for _ in range(self.rounds):
            seen = second_opinions(lesson, given.folds, tuning=given.tuning)
            lesson = given.taught(_within(seen.opinions, among))
        return lesson


def candidates(targets: Floats, cover: float) -> npt.NDArray[np.bool_]:
    """The smallest set of each row's likeliest labels that has at least `cover` of its probability, shape [N, K]."""
    order = np.argsort(-targets, axis=1, kind="stable")
    before = np.cumsum(np.take_along_axis(targets, order, axis=1), axis=1)
    before = np.concatenate([np.zeros((len(targets), 1)), before[:, :-1]], axis=1)
    found = np.zeros(targets.shape, bool)
    np.put_along_axis(found, order, before < cover - 1e-9, axis=1)
    return found


def _within(opinions: Floats, among: npt.NDArray[np.bool_]) -> Floats:
    shares = np.where(among, np.maximum(opinions, 1e-12), 0.0)
    found: Floats = shares / shares.sum(axis=1, keepdims=True)
    return found
