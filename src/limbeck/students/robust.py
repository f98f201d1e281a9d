"""Labels that are partly wrong, made ready for a student of any kind: what to learn, how much of it, and what is clean.

Knows nothing of agents, votes or ledgers, or of what kind of student learns from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from limbeck.encoder import Encoder
from limbeck.students.base import Floats, folds_of
from limbeck.students.lessons import lesson_of
from limbeck.students.noise.base import Given, Strategy, pool, second_opinions
from limbeck.students.noise.choice import Choice, choose
from limbeck.students.pairs import unordered
from limbeck.students.softmax import Places

FOLDS = 3
LEAST = 30  # different texts from which on second opinions are asked
CLEAN = 0.8  # probability of being right from which on a label is in the clean set
FAINT = 1e-6  # weight of a text that does not teach, but of which an opinion is wanted


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a student should learn.

    Attributes:
        targets: probabilities over the labels, shape [N, K].
        weights: shape [N]; 0 = left out.
        clean: probability that each text's likeliest label is right, shape [N]; None where too few texts could tell.
        strategy: name of the one used.
        choice: how it was chosen, where that was left open.
    """

    targets: Floats
    weights: Floats
    clean: Floats | None
    strategy: str
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class Robust:
    """Prepares labels by one noise-robust strategy, or by the best of several.

    Second opinions come from linear students, whatever kind of student learns in the end: each is taught on two thirds
    of the texts and asked about the others.

    Attributes:
        strategies: name → strategy. One is used; of several the best is chosen, the first unless another is clearly
            better.
        encoder: of the linear students; None = n-grams only.
        pairs: whether an example is a pair of texts (see `pairs`).
    """

    strategies: Mapping[str, Strategy]
    encoder: Encoder | None
    pairs: bool = False

    def __call__(
        self,
        texts: Sequence[str],
        targets: Floats,
        weights: Floats,
        *,
        gold: Places | None = None,
        rng: np.random.Generator,
    ) -> Prepared:
        """Prepare labels.

        Args:
            texts: length N.
            targets: probabilities over the labels, shape [N, K], rows sum to 1.
            weights: shape [N], ≥ 0; 0 = does not teach.
            gold: position of the label that people gave to a text, shape [N]; -1 = nobody was asked.
            rng: the only source of randomness.
        """
        taught = [text for text, weight in zip(texts, weights, strict=True) if weight > 0]
        names = list(self.strategies)
        if len(set(taught)) < LEAST or (targets[weights > 0].max(axis=0) > 1e-9).sum() < 2:
            return Prepared(targets, weights, None, "soft")
        with threadpool_limits(1, user_api="blas"):  # on products this small, threads wait for each other
            given = self._given(texts, targets, weights, gold=gold, rng=rng)
            choice = choose(given, self.strategies, rng=rng) if len(names) > 1 else None
            name = choice.name if choice else names[0]
            lesson = self.strategies[name](given, rng=rng)
        rows = np.arange(len(texts))
        clean = pool(targets, given.opinions)[rows, targets.argmax(axis=1)]
        # Those of a lesson are softened a little: a strategy that leaves them alone gives back the labels themselves.
        learned = targets if lesson.targets is given.lesson.targets else lesson.targets
        kept = np.where(weights > 0, lesson.weights, 0.0)
        if (kept > 0).sum() < 2 or (learned[kept > 0].max(axis=0) > 1e-9).sum() < 2:
            return Prepared(targets, weights, clean, "soft", choice)
        return Prepared(learned, kept, clean, name, choice)

    def _given(
        self, texts: Sequence[str], targets: Floats, weights: Floats, *, gold: Places | None, rng: np.random.Generator
    ) -> Given:
        lesson, _ = lesson_of(texts, targets, np.maximum(weights, FAINT), encoder=self.encoder, pairs=self.pairs)
        drawn = folds_of(unordered(texts) if self.pairs else texts, FOLDS, rng=rng)
        return second_opinions(lesson, drawn, gold=gold)
