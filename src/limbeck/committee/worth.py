"""What a protocol gained over plain voting, and over what plain voting gives for the same tokens.

Plain voting at equal tokens is the vote, on the same items, of as many of the task's workers as the protocol's tokens
would have paid for, in the order of the task file. Where a protocol spends more than all of them cost together, it is
the vote of all of them, and its lower price is told. Knows nothing of any protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limbeck.aggregation.base import Floats, Integers
from limbeck.evaluation import Estimate, accuracy, compare
from limbeck.records import Vote


@dataclass(frozen=True, slots=True)
class Rival:
    """The plain vote that the protocol's tokens would have paid for.

    Attributes:
        workers: who votes in it.
        price: its tokens as a share of the protocol's, at most 1; None where neither computed any.
        difference: accuracy of the protocol's labels minus that of this vote's, on the same items; needs gold.
    """

    workers: tuple[str, ...]
    price: float | None
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Worth:
    """What a protocol gained over asking everybody about everything, each of them alone.

    Attributes:
        protocol: its name.
        votes: cast, and what there would have been in a plain vote of everybody about every item.
        tokens: computed, and those of that plain vote (where it was not held, estimated from the items that everybody
            was asked about).
        agreement: share of items that would have got the same label; measured where everybody was asked.
        difference: accuracy of the protocol's labels minus that of everybody's, on the same items; needs gold.
        rival: the plain vote for the same tokens.
        steps: what the protocol did on the items that are judged: what is counted, and how many items.
    """

    protocol: str
    votes: tuple[int, int]
    tokens: tuple[int, float]
    agreement: Estimate
    difference: Estimate
    rival: Rival
    steps: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The labels of a protocol that begins with a plain vote, beside those of that vote.

    Attributes:
        protocol: its name.
        voters: who voted.
        before: posterior of the plain vote, shape [I, K].
        after: posterior in the end, shape [I, K].
        steps: see `Worth`.
    """

    protocol: str
    voters: tuple[str, ...]
    before: Floats
    after: Floats
    steps: tuple[tuple[str, int], ...]


def beside_plain_vote(
    outcome: Outcome, votes: Sequence[Vote], first: Sequence[Vote], gold: Integers, *, rng: np.random.Generator
) -> Worth:
    """The worth of such a protocol; `first` are those of the run's votes that the plain vote consists of."""
    plain, final = outcome.before.argmax(axis=1), outcome.after.argmax(axis=1)
    spent, cost = sum(vote.usage.tokens for vote in votes), sum(vote.usage.tokens for vote in first)
    difference = compare(gold, final, plain, rng=rng).difference
    return Worth(
        protocol=outcome.protocol,
        votes=(len(votes), len(first)),
        tokens=(spent, float(cost)),
        agreement=accuracy(plain, final, rng=rng),
        difference=difference,
        rival=Rival(outcome.voters, cost / spent if spent else None, difference),
        steps=outcome.steps,
    )
