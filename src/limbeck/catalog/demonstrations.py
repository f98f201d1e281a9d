"""The `examples` of an agent → which worked examples an item's prompt shows.

An item never sees itself among them, nor a text of the test set. Knows nothing of prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from limbeck.agent.demonstrated import Examples
from limbeck.agent.prompt import in_order
from limbeck.catalog.data import Data
from limbeck.catalog.models import Models
from limbeck.encoder import Encoder
from limbeck.errors import ConfigError
from limbeck.flows.demonstrations import from_committee, from_people, from_student
from limbeck.flows.run import STUDENT
from limbeck.ledger import Ledger
from limbeck.records import Item
from limbeck.selection.vectors import k_means, nearest
from limbeck.task import ExamplesSection, Task, render_item

ENCODER = "all-minilm-l6-v2"
MOST_GROUPS = 16  # a group more is a prefix more to compute
MOST_CANDIDATES = 10_000  # beyond, a sample is drawn by the seed
Chooser = Callable[[Sequence[Item]], list[Examples]]


def chooser(
    wanted: ExamplesSection, task: Task, *, data: Data, models: Models, avoid: Collection[str], seed: int
) -> Chooser:
    """What each item is shown.

    Args:
        wanted: the section, with a number above 0 and a source.
        task: what is asked.
        data: reads files.
        models: opens encoders and students.
        avoid: texts that must never be shown: those of the test set.
        seed: of every draw.

    Raises:
        LimbeckError: when the source cannot be read, or holds no example.
    """
    known = [pair for pair in dict.fromkeys(_candidates(wanted, task, data, models)) if pair[0] not in avoid]
    if not known:
        raise ConfigError(
            f"{wanted.source}: no worked example of source {wanted.origin} is there",
            hint="Label some items by `limbeck gold`, or take another source. Texts of the test set are never shown.",
        )
    if wanted.choose in ("nearest", "diverse"):
        rng = np.random.default_rng(seed)
        drawn = [known[i] for i in np.sort(rng.permutation(len(known))[:MOST_CANDIDATES])]
        return _by_place(drawn, task, models.encoder(ENCODER), wanted=wanted, rng=rng)
    ranked = in_order(known, choose=wanted.choose, seed=seed)
    return lambda items: [_without(ranked, render_item(task, item), wanted.number) for item in items]


def _candidates(wanted: ExamplesSection, task: Task, data: Data, models: Models) -> list[tuple[str, str]]:
    assert wanted.source is not None  # the task file's own rule: examples need a source
    if wanted.origin == "column":
        pool = data.pool(wanted.source, task, limit=None, named=False)
        return [
            (render_item(task, item), item.gold) for item in pool if item.gold is not None and task.knows(item.gold)
        ]
    folder = models.place(wanted.source)
    with Ledger.read(folder) as view:
        if wanted.origin == "gold":
            return from_people(view, task)
        if wanted.origin == "confident":
            return from_committee(view, task)
        return from_student(view, task, models.student(folder / STUDENT))


def _by_place(
    known: list[tuple[str, str]], task: Task, encoder: Encoder, *, wanted: ExamplesSection, rng: np.random.Generator
) -> Chooser:
    """Nearest: an item's group is the nearest cluster of examples, and shows what lies nearest to its centre.

    Diverse: one group for all, which shows the example nearest to the centre of each of as many clusters.
    """
    vectors = encoder.encode([text for text, _ in known])
    single = wanted.choose == "diverse"
    count = wanted.number if single else max(1, min(MOST_GROUPS, len(known) // wanted.number))
    centres = k_means(vectors, min(count, len(known)), iterations=15, rng=rng)
    near = np.argsort(-(centres @ vectors.T), axis=1, kind="stable")
    if single:
        # The first of every cluster, then the second of every cluster: what remains when an item is among them.
        ranked = list(dict.fromkeys(known[i] for i in near.T.ravel()))
        return lambda items: [_without(ranked, render_item(task, item), wanted.number) for item in items]
    groups = [[known[i] for i in row] for row in near]

    def choose(items: Sequence[Item]) -> list[Examples]:
        texts = [render_item(task, item) for item in items]
        places = nearest(encoder.encode(texts), centres)[0]
        return [_without(groups[place], text, wanted.number) for place, text in zip(places, texts, strict=True)]

    return choose


def _without(ranked: Sequence[tuple[str, str]], text: str, number: int) -> Examples:
    """The first examples that are not the text itself, the last of them next to the question."""
    return tuple([pair for pair in ranked[: number + 1] if pair[0] != text][:number])
