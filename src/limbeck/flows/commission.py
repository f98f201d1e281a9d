"""Everything that synthesis needs, put together by whoever starts it; the flow knows no part by name.

Knows nothing of task files' syntax, of folders or of how the parts are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from limbeck.agent import Worker
from limbeck.agent.author import Author
from limbeck.aggregation.base import Aggregator
from limbeck.committee import Committee
from limbeck.encoder import Encoder
from limbeck.pool import Pool
from limbeck.quality import Bounds
from limbeck.selection.base import Selector
from limbeck.task import Task


@dataclass(frozen=True, slots=True)
class Terms:
    """What an example must be to be accepted, and what may be spent on it.

    Attributes:
        accept: posterior of the intended label from which the committee agrees.
        anchors: pool texts that the committee reads: they calibrate it, and they are the seeds.
        examples: seeds of the intended label in a prompt; each comes with one of another label.
        attributes: name → values, of which each brief gets one by lot.
        words: bounds of the length.
        overlap: share of shingles from which a text is a near-copy.
        novelty: share of a text's pairs of words that no accepted text holds yet; distinct-2 cannot fall below it.
        spread: cosine of an accepted text's vector from which another text is too near to it.
        cosine: of a real text's vector from which a text is a near-copy of it.
        attempts: texts that may be written for each example wanted, on average.
        tokens: that may be computed in all, or None.
    """

    accept: float
    anchors: int
    examples: int
    attributes: Mapping[str, tuple[str, ...]]
    words: Bounds
    overlap: float
    novelty: float
    spread: float
    cosine: float
    attempts: int
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Commission:
    """The parts of one synthesis.

    Attributes:
        task: what the labels mean.
        pool: real texts: anchors, seeds, and what must not be copied.
        test: texts that must not leak, or None.
        author: writes.
        committee: accepts; other prompts and other workers than the author's.
        aggregator: votes → labels.
        judge: an independent worker that judges what was accepted, or None.
        encoder: texts → vectors, or None: then near-copies are found by their letters alone, and seeds by lot.
        selector: chooses the anchors.
        terms: see there.
        seed: of everything random.
        seeds: ids of the anchors that may be shown to the author, or None: whichever show their label surely.
    """

    task: Task
    pool: Pool
    test: Pool | None
    author: Author
    committee: Committee
    aggregator: Aggregator
    judge: Worker | None
    encoder: Encoder | None
    selector: tuple[str, Selector]
    terms: Terms
    seed: int
    seeds: frozenset[str] | None = None
