"""Co-teaching: two students that see different things pick for each other the labels to learn from.

Knows nothing of what the features are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from limbeck.students.noise.base import Given, losses_of
from limbeck.students.softmax import COARSE, Floats, Lesson, Places, fit


@dataclass(frozen=True, slots=True)
class CoTeaching:
    """Each row counts as often as a student picked it for the other: not at all, half, or whole.

    Han et al., Co-teaching, NeurIPS 2018, arXiv 1804.06872. There, two networks differ by their random beginnings;
    a linear student has one best answer, so here they differ by what they see: the dense features and the sparse ones
    (two halves of the sparse ones, drawn by lot, where there are no dense ones), as in co-training.

    Attributes:
        rounds: how often they pick for each other. The share left out grows in equal steps up to the last round.
        forget: the share left out in the end; None: as many as the committee's own doubt says are wrong.
    """

    rounds: int = 5
    forget: float | None = None

    def __call__(self, given: Given, *, rng: np.random.Generator) -> Lesson:
        """The lesson with weights of rows that nobody picked set to 0."""
        pair = views(given.lesson, rng=rng)
        share = doubt(given.lesson) if self.forget is None else self.forget
        picked = [np.ones(len(given.lesson.targets), bool) for _ in pair]
        starts: list[Floats | None] = [None, None]
        for round_ in range(1, self.rounds + 1):
            kept = 1 - share * round_ / self.rounds
            picks = []
            for place, view in enumerate(pair):
                rows = np.flatnonzero(picked[place])
                start = starts[place] = fit(
                    view.rows(rows), strength=given.tuning.strength, start=starts[place], tolerance=COARSE
                )
                picks.append(smallest(losses_of(given.choices, _chances(view, start)), given.choices, share=kept))
            picked = picks[::-1]
        weights = given.lesson.weights * (picked[0].astype(np.float64) + picked[1]) / 2
        return given.taught(given.lesson.targets, weights)


def doubt(lesson: Lesson) -> float:
    """The share of wrong labels that the labels themselves admit: one minus their mean certainty."""
    return float(1 - lesson.targets.max(axis=1).mean())


def views(lesson: Lesson, *, rng: np.random.Generator) -> tuple[Lesson, Lesson]:
    """The same rows seen by two: one has the dense features, the other the sparse ones."""
    nothing = np.empty((len(lesson.targets), 0))
    if lesson.dense.shape[1]:
        return replace(lesson, thin=lesson.thin[:, :0]), replace(lesson, dense=nothing)
    side = rng.permutation(lesson.thin.shape[1]) % 2
    columns = lesson.thin.tocsc()
    first, second = (columns[:, np.flatnonzero(side == one)].tocsr() for one in (0, 1))
    return replace(lesson, thin=first), replace(lesson, thin=second)


def smallest(losses: Floats, choices: Places, *, share: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """The rows with the smallest losses, shape [N]: the same share of each label, or a rare one would be forgotten."""
    found = np.zeros(len(losses), bool)
    for label in np.unique(choices):
        mine = np.flatnonzero(choices == label)
        found[mine[np.argsort(losses[mine], kind="stable")[: max(1, round(share * len(mine)))]]] = True
    return found


def _chances(view: Lesson, coefficients: Floats) -> Floats:
    logits = view.logits(coefficients)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
