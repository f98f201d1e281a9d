"""Several labels for one text: the committee's belief in each, the sets that follow, and how right they are.

Knows nothing of rounds, students or files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.aggregation.answers import Answers, tabulate_answers
from limbeck.aggregation.base import Aggregator
from limbeck.aggregation.units import set_confidence, tabulate_units
from limbeck.evaluation import calibration_error, coverage_curve, reliability
from limbeck.evaluation.scores import accuracy
from limbeck.evaluation.sets import hamming_loss, macro_f1_of_sets, micro_f1, per_label
from limbeck.flows.words import estimate, plain
from limbeck.records import NOTHING, Item, Vote, set_name
from limbeck.task import Task

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
# These names sort before every worker's, and the committee's first, so that its set is each item's first answer; what
# workers said before calibration is an answer too, so that it can be held against gold.
TOGETHER, RAW = "\0", "\0raw "


@dataclass(frozen=True, slots=True)
class Beliefs:
    """What the committee believes of some items.

    Attributes:
        marginals: probability of each label, shape [I, K].
        thresholds: from which probability a label is given, shape [K].
        confidence: probability of each item's set if labels were independent, shape [I].
        weights: how much each worker counted on average over the labels, shape [W].
        answers: the workers' sets as answers; the first of each item is the committee's.
    """

    marginals: Floats
    thresholds: Floats
    confidence: Floats
    weights: Floats
    answers: Answers

    @property
    def posterior(self) -> Floats:
        """The committee's set with its confidence, and the rest for anything else; shape [I, columns]."""
        found = np.zeros((len(self.confidence), len(self.answers.table.labels)))
        found[:, 0], found[:, -1] = self.confidence, 1 - self.confidence
        return found


def believe(
    task: Task, votes: Sequence[Vote], *, items: Sequence[str], calibration: Mapping[str, str], aggregator: Aggregator
) -> Beliefs:
    """Aggregate the workers' votes on each label by itself, and find where each label begins to be given."""
    assert task.several is not None
    told: dict[str, Any] = {"shares": task.several.shares, "cut": task.several.cut, "relative": task.several.relative}
    units = tabulate_units(votes, labels=task.labels, items=items, calibration=calibration, **told)
    marginals, weights = units.aggregate(aggregator)
    thresholds = units.thresholds(marginals)
    applies = marginals >= thresholds
    joint = [
        Vote(f"{TOGETHER}/{item}", item, TOGETHER, set_name(task.labels, row))
        for item, row in zip(items, applies, strict=True)
    ]
    raw = [replace(vote, worker=RAW + vote.worker, scores=None) for vote in votes]
    answers = tabulate_answers([*joint, *units.sets(), *raw], items=items)
    workers = [name for name in answers.table.workers if not name.startswith("\0")]
    alone = Answers(answers.table.part(np.arange(len(items)), workers), answers.said)
    return Beliefs(marginals, thresholds, set_confidence(marginals, applies), weights, alone)


def applies_of(task: Task, sets: Sequence[str | None]) -> tuple[Booleans, Booleans]:
    """Whether each label is in each set, shape [n, K], and which of the sets are known, shape [n]."""
    known = np.array([one is not None and task.knows(one) for one in sets], np.bool_)
    rows = [set() if one is None or one == NOTHING else set(one.split("|")) for one in sets]
    return np.array([[label in row for label in task.labels] for row in rows], np.bool_).reshape(len(sets), -1), known


def score_sets(
    task: Task, marginals: Floats, thresholds: Floats, items: Sequence[Item], *, on: str, seed: int
) -> dict[str, Any]:
    """How right sets of labels are: the block of metrics.json. `accuracy` is that of whole sets."""
    rng = np.random.default_rng((seed, 3_000_000))
    given = marginals >= thresholds
    wanted, known = applies_of(task, [item.gold for item in items])
    one, two = wanted[known], given[known]
    # A set is right or wrong: two columns, of which the first is what was given.
    sure = set_confidence(marginals, given)
    shares, first = np.column_stack([sure, 1 - sure]), np.zeros(len(items), np.int64)
    right = np.where(known, (wanted != given).any(axis=1).astype(np.int64), -1)
    block: dict[str, Any] = {"on": on, "n": int(known.sum())}
    block |= estimate("accuracy", accuracy(right, first, rng=rng))
    block |= estimate("macro_f1", macro_f1_of_sets(one, two, rng=rng))
    block |= estimate("micro_f1", micro_f1(one, two, rng=rng))
    block |= estimate("hamming_loss", hamming_loss(one, two, rng=rng))
    block |= estimate("ece", calibration_error(right, shares, rng=rng, chosen=first))
    block |= {"labels_per_text": float(given.sum(axis=1).mean()) if len(given) else None}
    block |= {"thresholds": dict(zip(task.labels, thresholds.tolist(), strict=True))}
    block["per_class"] = [
        {"label": score.label, "support": score.support, "predicted": score.predicted}
        | estimate("precision", score.precision)
        | estimate("recall", score.recall)
        | estimate("f1", score.f1)
        for score in per_label(one, two, task.labels, rng=rng)
    ]
    block["confusion"] = []
    block["reliability"] = [
        {"low": bin_.low, "high": bin_.high, "count": bin_.count, "confidence": bin_.confidence} | plain(bin_.accuracy)
        for bin_ in reliability(right, shares, rng=rng, chosen=first)
    ]
    block["coverage_curve"] = [
        {"coverage": point.coverage} | plain(point.accuracy)
        for point in coverage_curve(right, shares, rng=rng, chosen=first)
    ]
    return block | {"people": None, "people_reason": "people's counts are of single labels"}
