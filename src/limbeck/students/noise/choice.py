"""Which strategy is best here: each is tried on texts held out, and the first stays unless another is clearly better.

Knows nothing of any single strategy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from limbeck.students.noise.base import Given, Strategy, second_opinions
from limbeck.students.softmax import COARSE, Floats, Places, fit

LEAST_GOLD = 20  # answers of people from which on they decide
INNER = 3  # folds inside of a fold


@dataclass(frozen=True, slots=True)
class Choice:
    """The strategy chosen.

    Attributes:
        name: of it.
        by: what the score was reckoned from.
        scores: strategy → mean score on texts held out, 0 to 1.
        leads: strategy → how far it is ahead of the first, in standard errors of the difference; 0 for the first.
    """

    name: str
    by: str
    scores: Mapping[str, float]
    leads: Mapping[str, float]


def choose(given: Given, strategies: Mapping[str, Strategy], *, rng: np.random.Generator) -> Choice:
    """Choose by cross-validation over the folds given.

    With answers of people for 20 rows or more, the score is the share of these that students get right. Without, it is
    the mean probability that the labels give to what students say of rows held out: a doubtful label counts as
    doubtful. Labels cannot tell of their own common errors, so a strategy must be ahead of the first by more than one
    standard error (Breiman et al. 1984).

    Args:
        given: labels and second opinions.
        strategies: name → strategy; the first stays where none is clearly better.
        rng: draws the folds inside of folds.
    """
    return judge(given, held_out(given, strategies, rng=rng))


def judge(given: Given, said: Mapping[str, Places]) -> Choice:
    """Choose by what students of each strategy say of rows held out, shape [N] each."""
    rows = np.flatnonzero(given.gold >= 0)
    by = "answers of people"
    if len(rows) < LEAST_GOLD:
        rows, by = np.arange(len(given.folds)), "labels held out"
    if by == "labels held out":
        points = {name: given.lesson.targets[rows, one[rows]] for name, one in said.items()}
    else:
        points = {name: (one[rows] == given.gold[rows]).astype(np.float64) for name, one in said.items()}
    first = next(iter(points))
    leads = {name: _lead(one - points[first]) for name, one in points.items()}
    scores = {name: float(one.mean()) for name, one in points.items()}
    clear = [name for name in points if leads[name] > 1]
    return Choice(max(clear, key=scores.__getitem__, default=first), by, scores, leads)


def held_out(given: Given, strategies: Mapping[str, Strategy], *, rng: np.random.Generator) -> dict[str, Places]:
    """Strategy → the label that a student says of each row without the row, its label or its gold, shape [N]."""
    said = {name: np.zeros(len(given.folds), np.int64) for name in strategies}
    for fold in np.unique(given.folds):
        others, here = np.flatnonzero(given.folds != fold), np.flatnonzero(given.folds == fold)
        part = given.lesson.rows(others)
        inner = rng.permutation(len(others)) % INNER
        known = second_opinions(part, inner, tuning=given.tuning)
        asked = given.lesson.rows(here)
        for name, strategy in strategies.items():
            lesson = strategy(known, rng=rng)
            kept = np.flatnonzero(lesson.weights > 0)
            if len(kept):
                found = fit(lesson.rows(kept), strength=given.tuning.strength, tolerance=COARSE)
                said[name][here] = asked.logits(found).argmax(axis=1)
    return said


def _lead(gains: Floats) -> float:
    """Mean gain in its standard errors; 0 where nothing differs."""
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else 0.0
    return float(gains.mean()) / error if error > 0 else 0.0
