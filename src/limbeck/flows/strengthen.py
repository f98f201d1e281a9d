"""Write synthetic examples where the student is weak: of the labels, and near the items, that it gets wrong most.

Knows nothing of other steps or of what the examples are worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from limbeck.flows.commission import Commission
from limbeck.flows.job import Notify
from limbeck.flows.standing import Standing
from limbeck.flows.synthesize import synthesize
from limbeck.ledger import Ledger, LedgerView
from limbeck.meter import Meter
from limbeck.records import Item

WEAK, SEEDS = "asked before", 10  # SEEDS: of each label for every example in a prompt


def strengthen(
    commission: Commission,
    folder: Path,
    *,
    standing: Standing,
    ledger: LedgerView,
    count: int,
    stamp: str,
    meter: Meter,
    notify: Notify,
) -> str | None:
    """Write, going on where an earlier call ended.

    The anchors are items that the committee was asked about already, so calibrating it costs nothing: some at random,
    and the clean items of the weakest regions, which alone are shown to the author.

    Args:
        commission: the parts of the synthesis.
        folder: of the step.
        standing: what is known before.
        ledger: with the committee's votes on the labelled items.
        count: accepted examples wanted, all labels together.
        stamp: of all that must stay the same for the folder to be continued.
        meter: running.
        notify: is told of progress.

    Returns:
        Why fewer were accepted than wanted, or None.
    """
    wanted = shares(standing, count)
    seeds = weakest(standing, SEEDS * max(1, commission.terms.examples))
    rng = np.random.default_rng((commission.seed, 12_000_000))
    rest = [standing.ids[row] for row in rng.permutation(len(standing.ids)).tolist()]
    anchors = list(dict.fromkeys([*seeds, *rest[: commission.terms.anchors]]))
    with Ledger.open(folder) as own:
        own.add_items(list[Item](ledger.items(anchors)))
        workers = {worker.name for worker in commission.committee.workers}
        own.append([vote for vote in ledger.votes(items=anchors) if vote.worker in workers])
        own.start_round(0, strategy=WEAK, selected=anchors)
    parts = replace(commission, seeds=frozenset(seeds))
    return synthesize(parts, folder, per_label=wanted, meter=meter, fingerprint=stamp, notify=notify)


def shares(standing: Standing, count: int) -> dict[str, int]:
    """How many examples of each label: in proportion to how weak the student is on it, by largest remainders."""
    winners = standing.lesson.probabilities.argmax(axis=1)
    miss = 1 - standing.opinion[np.arange(len(winners)), winners]
    weak = np.array(
        [miss[winners == label].mean() if (winners == label).any() else 1.0 for label in range(len(standing.labels))]
    )
    quota = count * weak / weak.sum() if weak.sum() > 0 else np.full(len(weak), count / len(weak))
    given = np.floor(quota).astype(np.int64)
    for label in np.argsort(given - quota, kind="stable")[: count - int(given.sum())]:
        given[label] += 1
    return {name: int(number) for name, number in zip(standing.labels, given, strict=True) if number}


def weakest(standing: Standing, each: int) -> Sequence[str]:
    """Ids of the clean items in the weakest regions, so many of each label."""
    weak, usable = standing.weakness(), standing.clean()
    winners = standing.lesson.probabilities.argmax(axis=1)
    found: list[str] = []
    for label in range(len(standing.labels)):
        rows = np.flatnonzero(usable & (winners == label))
        found += [standing.ids[row] for row in rows[np.argsort(-weak[rows], kind="stable")][:each].tolist()]
    return found
