"""What every aggregator takes and gives: a table of votes in, a posterior per item out.

Knows nothing of engines, agents, files or of any single aggregator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from limbeck.aggregation.calibration import calibrate
from limbeck.errors import DataError
from limbeck.records import Vote

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Vectors = npt.NDArray[np.float32]

# Flag of votes on items that were drawn at random for everybody to answer; others may have been asked of some only.
PILOT = "pilot"
# Flag of answers that are no votes on the item's label: a judge's, a critic's, or a second answer that failed.
ASIDE = "aside"
# A flag that begins so names a later round of asking, whose votes take the place of the worker's votes before.
ROUND = "round "
# A flag that begins so names the label that an answer is about.
ABOUT = "about "
# A worker at or below chance speaks where nobody else does, and outvotes nobody who beats chance.
LEAST_WEIGHT = 0.01


@dataclass(frozen=True, slots=True)
class VoteTable:
    """The votes of some workers on some items as arrays.

    Attributes:
        items: ids of the items, length I.
        workers: names of the workers, length W.
        labels: names of the labels, length K.
        choices: chosen label's index, shape [I, W]; -1 where the worker gave no label.
        probabilities: calibrated probabilities, shape [I, W, K]; each row sums to 1, and is one-hot for a worker that
            gives only labels; NaN where the worker gave no label.
        common: which rows were drawn at random for everybody to answer, shape [I]; None = all. Only there can workers
            be compared: elsewhere some were asked about the hard items only.
    """

    items: tuple[str, ...]
    workers: tuple[str, ...]
    labels: tuple[str, ...]
    choices: Integers
    probabilities: Floats
    common: Booleans | None = None

    @property
    def common_rows(self) -> Booleans:
        """Which rows were drawn for everybody to answer, shape [I]."""
        return np.ones(len(self.items), np.bool_) if self.common is None else self.common

    def part(self, rows: Booleans | Integers, workers: Sequence[str] | None = None) -> VoteTable:
        """The table of some rows, and of some workers in the order given."""
        names = self.workers if workers is None else tuple(workers)
        columns = [self.workers.index(name) for name in names]
        items = tuple(np.array(self.items, dtype=object)[rows])
        common = None if self.common is None else self.common[rows]
        choices, probabilities = self.choices[rows][:, columns], self.probabilities[rows][:, columns]
        return VoteTable(items, names, self.labels, choices, probabilities, common)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What an aggregator found.

    Attributes:
        probabilities: posterior over labels, shape [I, K]; each row sums to 1; uniform where nobody voted.
        weights: how much each worker counted, shape [W], ≥ 0; how to read it is the aggregator's own statement.
    """

    probabilities: Floats
    weights: Floats


class Aggregator(Protocol):
    """One way to turn votes into labels. Hyper-parameters go to the constructor; nothing is left on `self`."""

    def __call__(self, table: VoteTable, gold: Integers | None = None) -> Aggregate:
        """Aggregate `table`; `gold` ([I], -1 = unknown) clamps or calibrates where the method can use it."""
        ...


def round_of(vote: Vote) -> str:
    """The flag of the later round that a vote was cast in; empty for a first answer."""
    return next((flag for flag in vote.flags if flag.startswith(ROUND)), "")


class Refiner(Protocol):
    """One way to make labels better by where the texts lie. Hyper-parameters go to the constructor."""

    def __call__(self, posterior: Floats, vectors: Vectors) -> Floats:
        """A posterior, shape [I, K], and the texts' unit vectors, shape [I, D] → a posterior, shape [I, K]."""
        ...


def tabulate(
    votes: Iterable[Vote],
    *,
    labels: Sequence[str],
    items: Sequence[str] | None = None,
    calibration: Mapping[str, str] | None = None,
    prior: Sequence[float] | None = None,
) -> VoteTable:
    """Votes → one table, each worker's scores calibrated over its own votes in this table.

    The last vote of a worker on an item counts. A vote with scores takes its label from the calibrated scores (ties go
    to the lowest index), so calibration may change it; without scores its label counts; with neither it is missing.
    Workers are sorted by name, so the order of the votes does not matter (but for repeated ones). A worker that was
    asked about some of the items only, because they were hard, is calibrated on its votes flagged "pilot". Votes of a
    later round answer another prompt, so each round is calibrated by itself. Votes flagged "aside" are left out.

    Args:
        votes: the records; votes on items outside `items` are left out.
        labels: names of the labels in the order of the scores, length K.
        items: ids of the rows; None = the items of the votes, in order of appearance.
        calibration: worker → method (see `calibrate`); a worker not named is not calibrated.
        prior: expected share of each label, shape [K]; None = uniform.

    Raises:
        DataError: a label that is not in `labels`, scores of another length, or a missing baseline.
        ConfigError: an unknown method or an unusable prior.
    """
    wanted = None if items is None else set(items)
    cast = [vote for vote in votes if ASIDE not in vote.flags and (wanted is None or vote.item in wanted)]
    final = {(vote.worker, vote.item): vote for vote in cast}
    rows = list(dict.fromkeys(item for _, item in final)) if items is None else list(items)
    row_of = {item: row for row, item in enumerate(rows)}
    column_of = {worker: column for column, worker in enumerate(sorted({worker for worker, _ in final}))}
    last = {(vote.worker, round_of(vote), vote.item): vote for vote in cast}
    prompts: dict[tuple[str, str], list[Vote]] = {}  # (worker, round) → its votes
    # In the table's order, so that sums over a worker's votes do not depend on the order in which they were cast.
    for (worker, when, _), vote in sorted(last.items(), key=lambda pair: row_of[pair[1].item]):
        prompts.setdefault((worker, when), []).append(vote)

    shape = (len(rows), len(column_of))
    choices = np.full(shape, -1, dtype=np.int64)
    probabilities = np.full((*shape, len(labels)), np.nan)
    pilot = {vote.item for vote in final.values() if PILOT in vote.flags}
    methods, asked = calibration or {}, len({item for _, item in final})
    for (worker, when), own in prompts.items():
        method, sampled = methods.get(worker, "none"), pilot if not when and len(own) < asked else set()
        scored, logs = _calibrated(own, method, len(labels), prior=prior, pilot=sampled)
        counted = np.array([final[worker, vote.item] is vote for vote in scored], np.bool_)
        at = np.array([row_of[vote.item] for vote in scored], np.int64)[counted]
        probabilities[at, column_of[worker]] = np.exp(logs[counted])
        choices[at, column_of[worker]] = logs[counted].argmax(axis=1)
        taken = {vote.item for vote in scored}
        plain = [vote for vote in own if vote.item not in taken and final[worker, vote.item] is vote]
        if plain := [vote for vote in plain if vote.label is not None]:
            at = np.array([row_of[vote.item] for vote in plain], np.int64)
            chosen = _label_indices(plain, labels)
            choices[at, column_of[worker]] = chosen
            probabilities[at, column_of[worker]] = np.eye(len(labels))[chosen]
    common = np.array([item in pilot for item in rows], np.bool_) if pilot else None
    return VoteTable(tuple(rows), tuple(column_of), tuple(labels), choices, probabilities, common)


def _calibrated(
    own: Sequence[Vote], method: str, k: int, *, prior: Sequence[float] | None, pilot: set[str]
) -> tuple[list[Vote], Floats]:
    """One worker's votes that have scores, and their calibrated log-probabilities, shape [n, K]."""
    scored = [vote for vote in own if vote.scores is not None and max(vote.scores, default=0.0) != -np.inf]
    if not scored:
        return [], np.zeros((0, k))
    baseline = None if method in ("none", "batch") else _score_array(scored, k, baseline=True)
    sample = np.array([vote.item in pilot for vote in scored]) if pilot else None
    return scored, calibrate(_score_array(scored, k), method, baseline=baseline, prior=prior, sample=sample)


def _score_array(votes: Sequence[Vote], k: int, *, baseline: bool = False) -> Floats:
    what = "baseline" if baseline else "scores"
    found = [vote.baseline if baseline else vote.scores for vote in votes]
    for vote, values in zip(votes, found, strict=True):
        if values is None or len(values) != k:
            has = "no" if values is None else str(len(values))
            raise DataError(
                f"The vote of {vote.worker!r} on item {vote.item!r} has {has} {what} for {k} labels.",
                hint="The votes belong to another task, or to another decoder: start a new run folder.",
            )
    return np.array(found, dtype=np.float64)


def _label_indices(votes: Sequence[Vote], labels: Sequence[str]) -> list[int]:
    index = {label: position for position, label in enumerate(labels)}
    for vote in votes:
        if vote.label not in index:
            raise DataError(
                f"The vote of {vote.worker!r} on item {vote.item!r} is {vote.label!r}, which is no label of the task.",
                hint=f"The labels are: {', '.join(labels)}.",
            )
    return [index[vote.label] for vote in votes if vote.label is not None]


def count_votes(choices: Integers, k: int, *, weights: Floats | None = None) -> Floats:
    """Sum of the workers' weights behind each label, shape [I, K]; a weight is 1 unless given ([W])."""
    counts = np.zeros((choices.shape[0], k))
    for worker in range(choices.shape[1]):
        voted = np.flatnonzero(choices[:, worker] >= 0)
        counts[voted, choices[voted, worker]] += 1.0 if weights is None else weights[worker]
    return counts


def share_votes(table: VoteTable, *, weights: Floats | None = None) -> Floats:
    """Shares of the (weighted) votes, shape [I, K]; labels that tie for the first place are told apart by confidence.

    Tied labels share their votes in proportion to the workers' summed probabilities for them (weighted alike): equally
    where the workers give labels only. An item without votes is uniform.
    """
    counts = count_votes(table.choices, len(table.labels), weights=weights)
    # Equal weights summed in another order differ in the last digits; they are ties all the same.
    first = counts >= counts.max(axis=1, keepdims=True) - 1e-9
    tied = (first.sum(axis=1) > 1) & (counts.sum(axis=1) > 0)
    each = np.ones(table.choices.shape[1]) if weights is None else weights
    summed = np.einsum("iwk,w->ik", np.nan_to_num(table.probabilities[tied]), each)
    support = np.where(first[tied], summed, 0.0)
    pooled = np.where(first[tied], counts[tied], 0.0).sum(axis=1, keepdims=True)
    counts[tied] = np.where(first[tied], normalise_rows(support) * pooled, counts[tied])
    return normalise_rows(counts)


def normalise_rows(mass: Floats) -> Floats:
    """Rows ≥ 0 → rows that sum to 1; a row without mass becomes uniform."""
    total = mass.sum(axis=1, keepdims=True)
    shares: Floats = np.divide(mass, total, out=np.full_like(mass, 1.0 / mass.shape[1]), where=total > 0)
    return shares


def log_odds(accuracy: Floats, k: int) -> Floats:
    """Weight of a worker that is right with this probability and errs evenly over the other labels: ≥ 0.01.

    ln(a·(K−1) / (1−a)), optimal for independent errors (Nitzan & Paroush 1982).
    """
    inside = np.clip(accuracy, 1e-9, 1 - 1e-9)
    odds: Floats = np.maximum(np.log(inside * max(k - 1, 1) / (1 - inside)), LEAST_WEIGHT)
    return odds


def share_right(choices: Integers, target: Floats, rows: Booleans, *, smoothing: float) -> Floats:
    """Each worker's mean credit, shape [W], on `rows` ([I]), where its choice earns that label's entry of `target`.

    `smoothing` further answers at chance 1/K are counted in; a worker without any answer is at chance.
    """
    k = target.shape[1]
    counted = (choices >= 0) & rows[:, None]
    hits = np.where(counted, np.take_along_axis(target, np.maximum(choices, 0), axis=1), 0.0).sum(axis=0)
    n = counted.sum(axis=0) + smoothing
    shares: Floats = np.divide(hits + smoothing / k, n, out=np.full(n.shape, 1.0 / k), where=n > 0)
    return shares


def known_gold(gold: Integers | None, n: int) -> Booleans:
    """Which of the n items have a gold label."""
    return np.zeros(n, dtype=np.bool_) if gold is None else np.asarray(gold) >= 0
