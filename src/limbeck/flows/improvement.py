"""Everything that the loop needs beside a run's own parts, put together by whoever starts it.

Knows nothing of task files' syntax, of folders or of how the parts are made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from limbeck.agent import Worker
from limbeck.committee.base import Kept
from limbeck.encoder import Encoder
from limbeck.flows.commission import Commission
from limbeck.flows.job import Job
from limbeck.records import Vote

# Worked examples (text, label) and the ending of the names → the run's language agents, shown these examples.
Reinforce = Callable[[Sequence[tuple[str, str]], str], tuple[Worker, ...]]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried.

    Attributes:
        rounds: at most.
        items: share of the labelled items that are asked again in a round, 0 to 1.
        examples: demonstrations in a prompt.
        synthetic: accepted synthetic examples wanted in a round, per label on average.
        judges: items that are drawn to judge the steps, and labelled by the committee.
        least: gain in accuracy (1 = all) per minute that a step must exceed to be kept.
    """

    rounds: int = 2
    items: float = 0.2
    examples: int = 4
    synthetic: int = 30
    judges: int = 300
    least: float = 0.0

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Improvement:
    """The parts of the loop.

    Attributes:
        job: of the run.
        reinforce: makes agents with demonstrations; none where no agent of the run reads a prompt.
        commission: makes the parts of a synthesis; may raise what is wrong with them.
        encoder: says which items are alike, or None.
        effort: how much is tried.
    """

    job: Job
    reinforce: Reinforce
    commission: Callable[[], Commission]
    encoder: Encoder | None
    effort: Effort


@dataclass(frozen=True, slots=True)
class Joined:
    """Votes of several ledgers as of one."""

    parts: Sequence[Kept]

    def has(self, keys: Collection[str]) -> set[str]:
        """Those of the keys whose vote was kept."""
        return set().union(*(part.has(keys) for part in self.parts))

    def votes(self, worker: str | None = None, items: Iterable[str] | None = None) -> Iterator[Vote]:
        """Votes, ledger by ledger, each in the order they were cast."""
        wanted = None if items is None else list(items)
        for part in self.parts:
            yield from part.votes(worker, wanted)
