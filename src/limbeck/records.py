"""The shared words: Item, Usage, Vote and Label. Everybody who answers is a worker, and every answer is a Vote.

Knows nothing of files, models or any other part of the package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# A worker whose name begins so is a person.
PERSON = "person:"
# What stands between the two texts of a pair where both are one string, as students read them.
BETWEEN = "\n\x1e\n"
# How a set of labels is written as one: joined, or as none.
AND, NOTHING = "|", "(none)"
# Flag of a vote without a label that is no failure: the worker has nothing to say of this item.
ABSTAINED = "abstained"


@dataclass(frozen=True, slots=True)
class Item:
    """One text of the pool.

    Attributes:
        id: hash of the content (32 hex digits), or the value of the id column.
        fields: column name → text, in the order of the source.
        gold: the true label where the source has one; used for evaluation only.
        people: label → number of people who chose it; a name that is no label of the task counts as "undecided".
        count: how many equal rows of the source were merged into this item.
    """

    id: str
    fields: Mapping[str, str]
    gold: str | None = None
    people: Mapping[str, int] | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer cost: tokens computed, generated and reused from a shared prefix, and wall seconds."""

    prefilled: int = 0
    decoded: int = 0
    reused: int = 0
    seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prefilled + other.prefilled,
            self.decoded + other.decoded,
            self.reused + other.reused,
            self.seconds + other.seconds,
        )

    @property
    def tokens(self) -> int:
        """Tokens that were really computed."""
        return self.prefilled + self.decoded


@dataclass(frozen=True, slots=True)
class Vote:
    """One worker's answer to one item.

    Attributes:
        key: hash of everything that changes the answer; the ledger keeps one vote per key.
        item: id of the item.
        worker: name of the agent or student, or `person:` and a person's name.
        label: the chosen label, or None with a `reason`.
        reason: why there is no label.
        scores: raw log-probability of each label in the order of the task's labels, shape [labels], in nats.
        baseline: what the same prompt scores without the item's content, shape [labels]; set by calibration methods
            that need one.
        rationale: the reasoning text behind the label, if the decoder gave one.
        trace: the decisions behind the answer as JSON values, such as the branches of CoT-decoding and why it stopped;
            the ledger keeps it apart and gives it when it is asked for it (`LedgerView.traces`).
        flags: things a reader must know, such as "truncated".
        usage: what the answer cost.
        state: what the worker's model made of the item before it answered: a vector as little-endian float16. The
            ledger keeps it apart and gives it when it is asked for it (`LedgerView.states`).
    """

    key: str
    item: str
    worker: str
    label: str | None
    reason: str | None = None
    scores: tuple[float, ...] | None = None
    baseline: tuple[float, ...] | None = None
    rationale: str | None = None
    trace: Mapping[str, Any] | None = field(default=None, hash=False)
    flags: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    state: bytes | None = field(default=None, repr=False)

    @property
    def failed(self) -> bool:
        """Whether the worker should have given a label and gave none."""
        return self.label is None and ABSTAINED not in self.flags

    @property
    def of_person(self) -> bool:
        """Whether a person gave it."""
        return self.worker.startswith(PERSON)


@dataclass(frozen=True, slots=True)
class Label:
    """The aggregated answer to one item.

    Attributes:
        item: id of the item.
        label: the winner, or None with `how` saying why.
        probabilities: posterior over the task's labels, shape [labels], sums to 1 (all equal where nobody voted).
        confidence: probability of the winner, 0 to 1.
        accepted: whether the confidence reaches the task's threshold.
        how: how it was reached: the aggregator's name, or "no votes".
    """

    item: str
    label: str | None
    probabilities: tuple[float, ...]
    confidence: float
    accepted: bool
    how: str


def set_name(labels: Sequence[str], applies: Iterable[bool]) -> str:
    """A set of labels as one name, such as `a|b`, in the order of the labels."""
    return AND.join(label for label, one in zip(labels, applies, strict=True) if one) or NOTHING
