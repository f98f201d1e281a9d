"""Linear heads on what the models made of the texts: what few gold labels buy beyond the zero-shot scores.

The pass that scored the labels already holds a better annotator than its scores. What is believed without gold is the
prior; a head corrects it. Knows nothing of the other calibrators.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import softmax

from limbeck.aggregation.base import Aggregator, Floats, Integers
from limbeck.calibrators.base import LEAST, Calibrated, Calibrator, Material, beliefs, known
from limbeck.calibrators.features import loudness, matrix
from limbeck.calibrators.mending import Mending, mend
from limbeck.calibrators.regression import Around, Correction, regress

FACTORS, INTERCEPT = 4.0, 2.0
ROWS = 4096  # read at once


@dataclass(frozen=True, slots=True)
class Joined:
    """One head on the states and scores of all workers together, around the committee without gold.

    Attributes:
        aggregator: votes → labels, as the run uses it.
        states: prior variance of each worker's states; 0 = scores only, which is matrix scaling of all of them (Kull et
            al. 2019, arXiv 1910.12656) around the committee.
        scores: prior variance that all scores share.
    """

    aggregator: Aggregator
    states: float = 3.0
    scores: float = 5.0

    def __call__(self, material: Material, gold: Integers) -> Calibrated:
        """Learn the head; see `Calibrator.__call__`."""
        mending = mend(material.table, gold)
        mended = material.of(mending(material.table))
        # Loud opinions are to count no more than quiet ones.
        terms = replace(self, scores=self.scores / loudness(mended.table) ** 2)
        rows = np.flatnonzero(known(gold))
        around = _around(terms, mended, rows, beliefs(self.aggregator, mended.table))
        return Head(terms, mending, regress(around, gold[rows], intercept=INTERCEPT, factors=FACTORS))


@dataclass(frozen=True, slots=True)
class Head:
    """What `Joined` learned."""

    terms: Joined
    mending: Mending
    learned: Correction

    def __call__(self, material: Material, rows: Integers) -> Floats:
        """Posterior over labels, shape [rows, K]."""
        mended = material.of(self.mending(material.table))
        scores = beliefs(self.terms.aggregator, mended.table)
        pieces = [rows[start : start + ROWS] for start in range(0, max(len(rows), 1), ROWS)]
        return np.concatenate([self.learned(_around(self.terms, mended, piece, scores)) for piece in pieces])


def _around(terms: Joined, material: Material, rows: Integers, scores: Floats) -> Around:
    features = matrix(material, rows, scores=terms.scores, states=terms.states)
    return Around(scores[rows], scores[rows, None], features)


@dataclass(frozen=True, slots=True)
class Apart:
    """A head for each worker on its own states and scores, around its own opinion; their logarithms are averaged.

    Attributes:
        aggregator: makes a worker's votes its opinion.
        states: prior variance of a worker's states.
        scores: prior variance that a worker's scores share.
    """

    aggregator: Aggregator
    states: float = 10.0
    scores: float = 5.0

    def __call__(self, material: Material, gold: Integers) -> Calibrated:
        """Learn the heads; see `Calibrator.__call__`."""
        head = Joined(self.aggregator, self.states, self.scores)
        dropped = mend(material.table, gold).dropped
        kept = [worker for worker in material.table.workers if worker not in dropped]
        return Heads({worker: head(_alone(material, worker), gold) for worker in kept})


@dataclass(frozen=True, slots=True)
class Heads:
    """What `Apart` learned: worker → its head."""

    heads: Mapping[str, Calibrated]

    def __call__(self, material: Material, rows: Integers) -> Floats:
        """Posterior over labels, shape [rows, K]."""
        return pooled([head(_alone(material, worker), rows) for worker, head in self.heads.items()])


def _alone(material: Material, worker: str) -> Material:
    return material.of(material.table.part(np.arange(len(material.table.items)), [worker]))


@dataclass(frozen=True, slots=True)
class Both:
    """Several calibrators, the logarithms of what they find averaged: where they err differently, errors cancel.

    Attributes:
        parts: at least one.
    """

    parts: tuple[Calibrator, ...]

    def __call__(self, material: Material, gold: Integers) -> Calibrated:
        """Learn each; see `Calibrator.__call__`."""
        found = [part(material, gold) for part in self.parts]
        return lambda other, rows: pooled([one(other, rows) for one in found])


def pooled(found: Sequence[Floats]) -> Floats:
    """The normalised geometric mean of posteriors, shape [rows, K]."""
    return np.asarray(softmax(np.mean([np.log(np.maximum(one, LEAST)) for one in found], axis=0), axis=1))
