"""Fine-tuning an encoder on soft and partly wrong labels, on PyTorch; what comes out needs PyTorch no more.

Knows nothing of agents, votes, ledgers, or of where the encoder comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import sparse
from scipy.special import log_softmax, softmax

from limbeck.students.base import Floats, folds_of, what_counts
from limbeck.students.encoder import EncoderStudent, Facts, Reader
from limbeck.students.network import Rows, ask, export, teach
from limbeck.students.softmax import Lesson, cool, log_loss
from limbeck.students.training import Recipe

FOLDS = 2
LEAST = 20  # texts from which on some can be left out
FLOOR = 1e-6  # of a probability, before its logarithm is taken


class Pretrained(Protocol):
    """An encoder to begin from."""

    @property
    def name(self) -> str:
        """As the user wrote it."""
        ...

    @property
    def digest(self) -> str:
        """sha256 over its files."""
        ...

    @property
    def tokenizer(self) -> str:
        """The text of its tokenizer.json."""
        ...

    @property
    def context(self) -> int:
        """The longest row, in tokens."""
        ...

    def copy(self) -> Any:
        """A torch module of its own."""
        ...


@dataclass(frozen=True, slots=True)
class EncoderTeacher:
    """Makes encoder students.

    The encoder is taught on each half of the texts and asked about the other half. What it says there, cooled to the
    labels given, is pooled with them (geometric mean), and the student that is kept learns the pooled labels: where a
    lone label contradicts what the others teach, it loses weight. Two networks that correct each other's labels are
    the idea of co-teaching (Han et al., NeurIPS 2018); here the halves never see each other's texts.

    Attributes:
        trunk: the encoder to begin from.
        epochs: passes over the texts.
        learning_rate: of the encoder's top layer; lower layers learn more slowly, the new one faster.
        batch: texts of one step.
        max_tokens: of one text; what is beyond does not count.
    """

    trunk: Pretrained
    epochs: int = 3
    learning_rate: float = 1e-4
    batch: int = 32
    max_tokens: int = 128

    def fit(
        self,
        texts: Sequence[str],
        targets: Floats,
        *,
        labels: Sequence[str],
        weights: Floats | None = None,
        rng: np.random.Generator,
    ) -> EncoderStudent:
        """Learn from soft labels, as `Teacher.fit`; `rng` draws the halves and the seeds of the networks.

        Raises:
            StudentError: when nothing can be learned: fewer than two texts that count, or one label only.
        """
        texts, targets, weights, shares = what_counts(texts, targets, weights, labels=labels)
        longest = min(self.max_tokens, self.trunk.context)
        rows = Reader(self.trunk.tokenizer, longest=longest).rows(texts)
        seeds = rng.integers(2**31, size=FOLDS + 1).tolist()
        recipe = Recipe(self.epochs, self.learning_rate, self.batch)
        temperature, loss = 1.0, None
        if len(set(texts)) >= LEAST:
            folds = folds_of(texts, FOLDS, rng=rng)
            lesson = Lesson(np.empty((len(rows), 0)), sparse.csr_matrix((len(rows), 0)), targets, weights)
            logits = self._left_out(rows, lesson, folds, recipe=recipe, seeds=seeds)
            temperature = cool(logits, lesson)
            loss = log_loss(logits / temperature, lesson)
            targets = softmax((np.log(targets + FLOOR) + log_softmax(logits / temperature, axis=1)) / 2, axis=1)
        network = teach(self.trunk.copy(), rows, targets, weights=weights, recipe=recipe, seed=seeds[-1])
        graph, numbers = export(network)
        facts = Facts(
            labels=tuple(labels),
            shares=tuple(shares.tolist()),
            temperature=temperature,
            max_tokens=longest,
            model=self.trunk.name,
            digest=self.trunk.digest,
            texts=len(texts),
            epochs=self.epochs,
            log_loss=loss,
        )
        return EncoderStudent(facts, graph=graph, weights=numbers, tokenizer=self.trunk.tokenizer)

    def _left_out(self, rows: Rows, lesson: Lesson, folds: Any, *, recipe: Recipe, seeds: Sequence[int]) -> Floats:
        """Logits of each row by a network that was not taught on it, shape [rows, K]."""
        logits = np.empty_like(lesson.targets)
        for fold in range(FOLDS):
            here, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            part = lesson.rows(others)
            known = [rows[int(i)] for i in others]
            network = teach(
                self.trunk.copy(), known, part.targets, weights=part.weights, recipe=recipe, seed=seeds[fold]
            )
            logits[here] = ask(network, [rows[int(i)] for i in here])
        return logits
