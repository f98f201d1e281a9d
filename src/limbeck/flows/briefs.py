"""What is asked of the author next: a label, attributes by lot, and the seeds that the accepted texts cover least.

Knows nothing of models, of votes or of what becomes of a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from limbeck.agent.author import Brief
from limbeck.aggregation.base import Floats
from limbeck.encoder import Encoder
from limbeck.flows.commission import Terms
from limbeck.quality import closeness
from limbeck.quality.likeness import Vectors
from limbeck.records import Item
from limbeck.task import Task, render_item

# A label keeps at least so many seeds for each that a prompt shows, however unsure the committee is of them.
CHOICE = 10


class Briefs:
    """Makes briefs.

    Args:
        task: the labels.
        terms: how many seeds and which attributes.
        anchors: real items, length A.
        posterior: the committee's of each, shape [A, K].
        encoder: texts → vectors, or None: seeds are then only those used least.
        seeds: ids of the anchors that may be seeds; None = all.
    """

    def __init__(
        self,
        task: Task,
        terms: Terms,
        *,
        anchors: Sequence[Item],
        posterior: Floats,
        encoder: Encoder | None,
        seeds: Collection[str] | None = None,
    ) -> None:
        self._terms, self._anchors, self._labels = terms, anchors, task.labels
        texts = [render_item(task, item) for item in anchors]
        self._vectors: Vectors | None = None if encoder is None else encoder.encode(texts)
        fits = [
            terms.words.least <= len(text.split()) <= terms.words.most and (seeds is None or item.id in seeds)
            for text, item in zip(texts, anchors, strict=True)
        ]
        self._seeds = {
            label: _surest(posterior[:, place], posterior.argmax(axis=1) == place, np.array(fits, np.bool_), terms)
            for place, label in enumerate(task.labels)
        }
        self._uses: Counter[tuple[str, str]] = Counter()

    def used(self, label: str, seeds: Iterable[str]) -> None:
        """Take note of the seeds (ids) of an earlier attempt at a label."""
        self._uses.update((label, seed) for seed in seeds)

    def plan(
        self, labels: Sequence[str], *, first: int, accepted: Mapping[str, Vectors], rng: np.random.Generator
    ) -> list[Brief]:
        """A brief for each label.

        Args:
            labels: the intended ones.
            first: number of the first attempt.
            accepted: label → vectors of the texts accepted so far.
            rng: of attributes and ties.
        """
        covered = {label: self._covered(accepted[label]) for label in sorted(set(labels))}
        return [self._brief(label, first + i, covered[label], rng) for i, label in enumerate(labels)]

    def _brief(self, label: str, number: int, covered: Floats, rng: np.random.Generator) -> Brief:
        own = self._seeds[label]
        uses = [self._uses[label, self._anchors[place].id] for place in own]
        order = np.lexsort((rng.random(len(own)), covered[own], np.array(uses)))[: self._terms.examples]
        shown: list[tuple[Item, str]] = []
        others = [other for other in self._labels if other != label and len(self._seeds[other])]
        for place in own[order].tolist():
            if others:  # what the label is not, shown beside it
                other = others[int(rng.integers(len(others)))]
                shown.append((self._anchors[int(rng.choice(self._seeds[other]))], other))
            shown.append((self._anchors[place], label))
            self._uses[label, self._anchors[place].id] += 1
        drawn = [(name, values[int(rng.integers(len(values)))]) for name, values in self._terms.attributes.items()]
        return Brief(number, label, tuple(drawn), tuple(shown))

    def _covered(self, accepted: Vectors) -> Floats:
        """How near the nearest accepted text is to each anchor, shape [A]; 0 for all without an encoder."""
        if self._vectors is None:
            return np.zeros(len(self._anchors))
        return closeness(self._vectors, accepted).astype(np.float64)


def _surest(share: Floats, winner: np.ndarray, fits: np.ndarray, terms: Terms) -> np.ndarray:
    """Places of the anchors that show a label: all that would be accepted, or the surest few."""
    places = np.flatnonzero(winner & fits)
    places = places[np.argsort(-share[places], kind="stable")]
    return places[: max(int((share[places] >= terms.accept).sum()), CHOICE * terms.examples)]
