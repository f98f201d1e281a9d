"""Samples of a run's labelled items to ask people about, each with the chance with which it was drawn.

A sample is written into the ledger before the first question, so that `audit` knows what the answers can speak for.
Knows nothing of people or of their answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from limbeck.errors import ConfigError, RunError
from limbeck.evaluation import chances, doubt, draw, spread
from limbeck.flows.export import QUEUE, waiting
from limbeck.flows.run import FACTS, STATE
from limbeck.ledger import Ledger, LedgerView
from limbeck.records import Label

DRAWS = "gold"
CHOICES = ("random", "stratified", "uncertain", QUEUE)
Choice = Literal["random", "stratified", "uncertain", "queue"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample of the labelled items.

    Attributes:
        choose: how it was drawn.
        items: ids in the order of asking, which is by chance: however many are answered, they are a sample too.
        odds: the chance with which each was drawn, in (0, 1].
        of: how many labelled items there were.
        seed: of the draw.
    """

    choose: str
    items: tuple[str, ...]
    odds: tuple[float, ...]
    of: int
    seed: int

    @property
    def equal(self) -> bool:
        """Whether all items had the same chance."""
        return self.choose not in ("uncertain", QUEUE)

    @property
    def by_chance(self) -> bool:
        """Whether chance chose the items, so that they can speak for others."""
        return self.choose != QUEUE


def draws(view: LedgerView) -> list[Drawn]:
    """The samples drawn in this run, the oldest first."""
    return [
        Drawn(one["choose"], tuple(one["items"]), tuple(one["odds"]), one["of"], one["seed"])
        for one in view.meta(DRAWS, [])
    ]


def drawn(ledger: Ledger, n: int, *, choose: Choice = "stratified", seed: int = 0) -> Drawn:
    """The run's sample of this kind with at least n items, drawn now as far as it is not there yet.

    `random` gives every labelled item the same chance. So does `stratified`, which also gives every label and level of
    confidence its share. `uncertain` gives doubtful items a higher chance. A sample with equal chances grows when more
    are wanted, and stays one with equal chances. `queue` is no sample: it takes the labels that were not accepted, the
    least sure first, so that people settle them; what they answer says nothing of the other labels.

    Args:
        ledger: of a finished run.
        n: how many items; all labelled ones when there are fewer.
        choose: see above.
        seed: of a sample that is drawn anew.

    Raises:
        RunError: nothing is labelled yet.
        ConfigError: a sample by doubt should grow, which would leave its chances unknown; or the queue is empty.
    """
    labels = labelled(ledger)
    known = draws(ledger)
    old = next((one for one in known if one.choose == choose), None)
    n = min(n, len(labels))
    if choose == QUEUE:
        new = _queued(labels, n)
        ledger.set_meta(DRAWS, [asdict(one) for one in (*(one for one in known if one is not old), new)])
        return new
    if old is not None and len(old.items) >= n:
        return old
    if old is not None and not old.equal:
        raise ConfigError(
            f"{len(old.items)} items were drawn by doubt before, and such a sample cannot grow",
            hint="Answer these, or draw a sample of another kind beside them: --choose random",
        )
    new = _grown(labels, old, n, choose=choose, seed=seed if old is None else old.seed)
    kept = [one for one in known if one.choose != choose]
    ledger.set_meta(DRAWS, [asdict(one) for one in (*kept, new)])
    return new


def facts_of(view: LedgerView) -> Mapping[str, Any]:
    """What the run knows about its task.

    Raises:
        RunError: the run is not finished: labels could still change.
    """
    facts = view.meta(FACTS)
    if facts is None or view.meta(STATE) != "finished":
        raise RunError(
            f"{view.path.parent}: this run is not finished", hint="Finish it first: the same `limbeck run` goes on."
        )
    return dict(facts)


def labelled(view: LedgerView) -> list[Label]:
    """The labels of a run.

    Raises:
        RunError: there is none yet.
    """
    found = [label for label in view.labels() if label.label is not None]
    if not found:
        raise RunError(f"{view.path.parent}: nothing is labelled yet", hint="Finish the run first: limbeck run TASK")
    return found


def _queued(labels: Sequence[Label], n: int) -> Drawn:
    """The first n of those that wait for people."""
    queue = waiting(labels)[:n]
    if not queue:
        raise ConfigError(
            "every label was accepted, so none waits for people",
            hint="Which labels are accepted is decided by committee.accept, or by a critic.",
        )
    return Drawn(QUEUE, tuple(label.item for label in queue), (1.0,) * len(queue), len(labels), 0)


def _grown(labels: Sequence[Label], old: Drawn | None, n: int, *, choose: Choice, seed: int) -> Drawn:
    """A sample of n labelled items that holds the old one."""
    before = () if old is None else old.items
    rng = np.random.default_rng((seed, 6_000_000, len(before)))
    taken = set(before)
    free = [label for label in labels if label.item not in taken]
    probabilities = np.array([label.probabilities for label in free])
    size = doubt(probabilities) if choose == "uncertain" else np.ones(len(free))
    odds = chances(size, n - len(before))
    order = spread(probabilities, rng) if choose == "stratified" else rng.permutation(len(free))
    rows = rng.permutation(draw(odds, order, rng))
    own = odds[rows].tolist() if choose == "uncertain" else [n / len(labels)] * n
    return Drawn(choose, (*before, *(free[row].item for row in rows)), tuple(own), len(labels), seed)
