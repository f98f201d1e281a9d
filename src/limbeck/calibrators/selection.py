"""Which calibrator is used: cross-validation on the gold there is, in favour of the committee without gold.

Knows nothing of how any calibrator works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from limbeck.aggregation.base import Floats, Integers
from limbeck.calibrators.base import LEAST, Calibrated, Calibrator, Material, known

FOLDS, REPEATS = 5, 3
# Gold labels below which nothing but the committee is tried.
FEWEST = 10
# Items without gold that are looked at while learning: more would only cost time.
OTHERS = 1000


@dataclass(frozen=True, slots=True)
class Trial:
    """How one candidate did on gold that it did not see.

    Attributes:
        name: of the candidate.
        loss: mean of −log of the probability of the gold label, in nats.
        accuracy: share of gold items that got their gold label.
        gain: loss of the committee without gold minus its own.
        error: standard error of the gain.
        note: why it was not tried, or None.
    """

    name: str
    loss: float | None = None
    accuracy: float | None = None
    gain: float | None = None
    error: float | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is used, and why.

    Attributes:
        name: of the candidate.
        calibrated: learned from all gold.
        trials: one for each candidate.
        unseen: posterior of each gold item by the chosen candidate, learned without it; mean over the repetitions,
            shape [gold items, K], in the order of the items.
        why: in words.
    """

    name: str
    calibrated: Calibrated
    trials: tuple[Trial, ...]
    unseen: Floats
    why: str


def choose(
    candidates: Mapping[str, Calibrator], material: Material, gold: Integers, *, rng: np.random.Generator
) -> Chosen:
    """The candidate with the lowest cross-validated log-loss, if it beats the first by one standard error.

    The first candidate stands for using no gold (Breiman et al. 1984, section 3.4.3, with the simplest model fixed
    beforehand). The other must also be right on gold at least as often. Folds are stratified by label and drawn anew
    three times.

    Args:
        candidates: name → calibrator, the committee without gold first.
        material: of all items.
        gold: index of each item's gold label, -1 where unknown, shape [I].
        rng: draws the folds, and the items without gold that are looked at.
    """
    # On products this small threads wait for each other.
    with threadpool_limits(1, user_api="blas"):
        return _choose(candidates, *_sample(material, gold, rng), rng)


def _choose(
    candidates: Mapping[str, Calibrator], material: Material, gold: Integers, rng: np.random.Generator
) -> Chosen:
    first = next(iter(candidates))
    rows = np.flatnonzero(known(gold))
    true = gold[rows]
    if len(rows) < FEWEST:
        why = f"{len(rows)} gold labels are too few to learn from; {FEWEST} is the least"
        return _kept(candidates, material, gold, [Trial(name, note=why) for name in candidates], why)
    folds = [stratified(true, FOLDS, rng) for _ in range(REPEATS)]
    unseen = {name: _unseen(calibrator, material, gold, rows, folds) for name, calibrator in candidates.items()}
    losses = {name: -np.log(np.maximum(_of(found, true), LEAST)).mean(axis=0) for name, found in unseen.items()}
    rates = {name: float((found.argmax(axis=2) == true).mean()) for name, found in unseen.items()}
    trials = []
    for name in candidates:
        gains = losses[first] - losses[name]
        error = float(gains.std(ddof=1) / np.sqrt(len(rows)))
        trials.append(Trial(name, float(losses[name].mean()), rates[name], float(gains.mean()), error))
    best = min(trials, key=lambda trial: trial.loss or 0.0)
    won = best.name != first and (best.gain or 0) > (best.error or 0) and rates[best.name] >= rates[first]
    name = best.name if won else first
    calibrated = candidates[name](material, gold)
    return Chosen(name, calibrated, tuple(trials), unseen[name].mean(axis=0), _reason(best, first, won=won))


def stratified(true: Integers, folds: int, rng: np.random.Generator) -> Integers:
    """A fold for each row, shape [n], so that each label is spread over the folds as evenly as can be."""
    order = np.lexsort((rng.random(len(true)), true))
    found = np.empty(len(true), np.int64)
    found[order] = np.arange(len(true)) % folds
    return found


def _sample(material: Material, gold: Integers, rng: np.random.Generator) -> tuple[Material, Integers]:
    """All items with gold, and of the others a sample, in the order they had."""
    rows = np.flatnonzero(known(gold))
    others = rng.permutation(np.flatnonzero(~known(gold)))[:OTHERS]
    kept = np.sort(np.concatenate([rows, others]))
    return (material, gold) if len(kept) == len(gold) else (material.part(kept), gold[kept])


def _unseen(
    calibrator: Calibrator, material: Material, gold: Integers, rows: Integers, folds: Sequence[Integers]
) -> Floats:
    """Posterior of each gold item, learned without its fold, shape [repetitions, gold items, K]."""
    found = np.empty((len(folds), len(rows), len(material.table.labels)))
    for repetition, fold_of in enumerate(folds):
        for fold in np.unique(fold_of):
            left_out = fold_of == fold
            others = gold.copy()
            others[rows[left_out]] = -1
            found[repetition, left_out] = calibrator(material, others)(material, rows[left_out])
    return found


def _of(found: Floats, true: Integers) -> Floats:
    """The probability of each item's gold label, shape [repetitions, gold items]."""
    return found[:, np.arange(len(true)), true]


def _kept(
    candidates: Mapping[str, Calibrator], material: Material, gold: Integers, trials: Sequence[Trial], why: str
) -> Chosen:
    name, calibrator = next(iter(candidates.items()))
    calibrated = calibrator(material, gold)
    return Chosen(name, calibrated, tuple(trials), calibrated(material, np.flatnonzero(known(gold))), why)


def _reason(best: Trial, first: str, *, won: bool) -> str:
    assert best.gain is not None  # every candidate was tried
    assert best.error is not None
    if best.name == first:
        return f"nothing that learned from gold has a lower log-loss on gold that it did not see than {first}"
    told = f"{best.name} lowers the log-loss on gold that it did not see by {best.gain:.3f} ± {best.error:.3f} nats"
    if won:
        return told
    if best.gain > best.error:
        return f"{told}, but is right on it less often than {first}"
    return f"{told}, which is less than one standard error: {first} stays"
