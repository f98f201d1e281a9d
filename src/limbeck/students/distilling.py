"""Teaching a small causal language model labels and the reasons for them: Distilling Step-by-Step.

Hsieh et al., Findings of ACL 2023, arXiv 2305.02301.
Knows nothing of agents, ledgers, or of where the model comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from limbeck.students.base import Floats, what_counts
from limbeck.students.causal import LABEL, REASON, Base, CausalStudent, Facts, answers_of, ending, prompt
from limbeck.students.lora import Row, kept, teach
from limbeck.students.training import Recipe

DOUBT = 0.05  # a label of less probability is not taught


@dataclass(frozen=True, slots=True)
class CausalTeacher:
    """Makes causal students.

    The model learns two tasks, told apart by a word before the text: to give the label, and, where there is a
    rationale, to write it. A doubtful label is taught with each of its likely answers, by their probabilities.

    Attributes:
        trunk: the language model to begin from.
        alpha: the share of the loss that is about rationales; without any there is none.
        rank: of the adapters.
        epochs: passes over the texts.
        learning_rate: the highest.
        batch: rows of one step.
        max_tokens: of one text and of one rationale; what is beyond does not count.
        rationales: text → why it has its label.
    """

    trunk: Base
    alpha: float = 0.5
    rank: int = 8
    epochs: int = 3
    learning_rate: float = 5e-4
    batch: int = 16
    max_tokens: int = 128
    rationales: Mapping[str, str] = field(default_factory=dict)

    def with_rationales(self, rationales: Mapping[str, str]) -> CausalTeacher:
        """The same teacher, which knows why some texts have their label."""
        return replace(self, rationales=rationales)

    def fit(
        self,
        texts: Sequence[str],
        targets: Floats,
        *,
        labels: Sequence[str],
        weights: Floats | None = None,
        rng: np.random.Generator,
    ) -> CausalStudent:
        """Learn from soft labels, as `Teacher.fit`; `rng` draws the seed of adapters, order and dropout.

        Raises:
            StudentError: when nothing can be learned: fewer than two texts that count, or one label only.
        """
        texts, targets, weights, shares = what_counts(texts, targets, weights, labels=labels)
        most = min(self.max_tokens, max(8, self.trunk.context // 2 - 64))
        reasons = [self.rationales.get(text, "").strip() for text in texts]
        alpha = self.alpha if any(reasons) else 0.0
        rows = self._labels(texts, targets, weights * (1 - alpha), labels=labels, most=most)
        rows += self._reasons(texts, reasons, weights * alpha, most=most)
        mean = sum(row.weight for row in rows) / len(rows)
        rows = [replace(row, weight=row.weight / mean) for row in rows if row.weight > 0]
        recipe = Recipe(self.epochs, self.learning_rate, self.batch)
        seed = int(rng.integers(2**31))
        network = teach(self.trunk.copy(), rows, rank=self.rank, recipe=recipe, seed=seed)
        facts = Facts(
            labels=tuple(labels),
            shares=tuple(shares.tolist()),
            max_tokens=most,
            model=self.trunk.name,
            digest=self.trunk.digest,
            rank=self.rank,
            texts=len(texts),
            rationales=sum(map(bool, reasons)),
            alpha=alpha,
            epochs=self.epochs,
        )
        return CausalStudent(facts, kept(network), base=self.trunk)

    def _labels(
        self, texts: Sequence[str], targets: Floats, weights: Floats, *, labels: Sequence[str], most: int
    ) -> list[Row]:
        answers = answers_of(self.trunk.tokenizer, labels)
        first = targets == targets.max(axis=1, keepdims=True)
        likely = np.where(first | (targets >= DOUBT), targets, 0.0)
        likely /= likely.sum(axis=1, keepdims=True)
        return [
            Row(told, answers[place], float(weight * row[place]))
            for told, row, weight in zip(
                (prompt(self.trunk.tokenizer, text, LABEL, most=most) for text in texts), likely, weights, strict=True
            )
            for place in np.flatnonzero(row)
        ]

    def _reasons(self, texts: Sequence[str], reasons: Sequence[str], weights: Floats, *, most: int) -> list[Row]:
        """A rationale's tokens count by their mean, or a long one would outweigh its label."""
        tokens, rows = self.trunk.tokenizer, []
        for text, reason, weight in zip(texts, reasons, weights, strict=True):
            if reason:
                answer = (*tokens.encode(f" {reason}")[:most], *ending(tokens))
                rows.append(Row(prompt(tokens, text, REASON, most=most), answer, float(weight / len(answer))))
        return rows
