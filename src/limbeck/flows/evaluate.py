"""evaluate: labels and student against gold and against people, as the blocks of metrics.json.

Gold is used here and nowhere else. Knows nothing of files, models or of how the labels came about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.aggregation.answers import Answers
from limbeck.aggregation.base import ASIDE, VoteTable, round_of
from limbeck.committee.worth import Worth
from limbeck.evaluation import (
    Estimate,
    acceptance,
    accuracy,
    against_people,
    calibration_error,
    confusion,
    coverage_curve,
    diagnose,
    macro_f1,
    mean_absolute_error,
    panel_warning,
    per_class,
    quadratic_kappa,
    rank_agreement,
    reliability,
)
from limbeck.evaluation.intervals import undefined
from limbeck.evaluation.raters import krippendorff_alpha
from limbeck.flows.verdict import chosen, on_scale
from limbeck.flows.words import estimate, plain
from limbeck.records import Item, Vote
from limbeck.task import Task

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


SAVED = ("votes_if_all", "votes_saved", "tokens_if_all", "tokens_saved", "agreement_with_all", "gain_over_all")
RIVAL = ("equal_tokens_agents", "equal_tokens_price", "gain_at_equal_tokens", "steps")


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known about some items.

    Attributes:
        items: the items.
        gold: index of each item's gold label, -1 where unknown, shape [n].
        counts: how many people chose each label, shape [n, K].
        undecided: how many people chose none of the labels, shape [n].
    """

    items: tuple[Item, ...]
    gold: Integers
    counts: Integers
    undecided: Integers

    @classmethod
    def of(cls, items: Sequence[Item], labels: Sequence[str]) -> Truth:
        """Gold and people's choices of items as arrays."""
        place = {label: i for i, label in enumerate(labels)}
        counts = np.zeros((len(items), len(labels)), np.int64)
        undecided = np.zeros(len(items), np.int64)
        for row, item in enumerate(items):
            for label, people in (item.people or {}).items():
                if label in place:
                    counts[row, place[label]] += people
                else:
                    undecided[row] += people
        gold = np.array([place.get(item.gold or "", -1) for item in items], np.int64)
        return cls(tuple(items), gold, counts, undecided)

    @classmethod
    def of_answers(cls, items: Sequence[Item], answers: Answers) -> Truth:
        """Gold of items as columns of the answers that they got."""
        shape = (len(items), len(answers.table.labels))
        gold = answers.columns([item.gold for item in items])
        return cls(tuple(items), gold, np.zeros(shape, np.int64), np.zeros(len(items), np.int64))


NO_LABELS = "an open question has no labels"


def score(probabilities: Floats, truth: Truth, task: Task, *, on: str, seed: int) -> dict[str, Any]:
    """How right a worker is: the block that committee and student share.

    Args:
        probabilities: shape [n, K].
        truth: of the same n items.
        task: its labels, length K, and its kind.
        on: what the items are: "test" or "pool".
        seed: of the bootstrap.
    """
    rng = np.random.default_rng((seed, 3_000_000))
    gold, predicted, labels = truth.gold, chosen(task, probabilities), task.labels
    block: dict[str, Any] = {"on": on, "n": int((gold >= 0).sum())}
    block |= estimate("accuracy", accuracy(gold, predicted, rng=rng))
    f1 = undefined(NO_LABELS) if task.open else macro_f1(gold, predicted, len(labels), rng=rng)
    block |= estimate("macro_f1", f1)
    block |= estimate("ece", calibration_error(gold, probabilities, rng=rng, chosen=predicted))
    block["per_class"] = [
        {"label": one.label, "support": one.support, "predicted": one.predicted}
        | estimate("precision", one.precision)
        | estimate("recall", one.recall)
        | estimate("f1", one.f1)
        for one in (() if task.open else per_class(gold, predicted, labels, rng=rng))
    ]
    block["confusion"] = [] if task.open else confusion(gold, predicted, len(labels)).tolist()
    block["reliability"] = [
        {"low": one.low, "high": one.high, "count": one.count, "confidence": one.confidence}
        | ({} if one.count else {"confidence_reason": "no item in this bin"})
        | plain(one.accuracy)
        for one in reliability(gold, probabilities, rng=rng, chosen=predicted)
    ]
    block["coverage_curve"] = [
        {"coverage": one.coverage} | plain(one.accuracy)
        for one in coverage_curve(gold, probabilities, rng=rng, chosen=predicted)
    ]
    return block | people(probabilities, truth, rng=rng) | _on_scale(task, probabilities, truth, rng=rng)


def _on_scale(task: Task, probabilities: Floats, truth: Truth, *, rng: np.random.Generator) -> dict[str, Any]:
    """How far the labels are from gold, where they stand on a scale."""
    said = on_scale(task, probabilities)
    if task.scale is None or said is None:
        return {}
    given, values = chosen(task, probabilities), np.array(task.scale.values)
    block = estimate("mean_absolute_error", mean_absolute_error(truth.gold, given, values, rng=rng))
    block |= estimate("quadratic_kappa", quadratic_kappa(truth.gold, given, values, rng=rng))
    return block | estimate("spearman", rank_agreement(truth.gold, said, rng=rng))


def people(probabilities: Floats, truth: Truth, *, rng: np.random.Generator) -> dict[str, Any]:
    """Agreement with people's own ratings, where the items carry them."""
    if not (truth.counts.any() or truth.undecided.any()):
        return {"people": None, "people_reason": "no item was rated by people"}
    found = against_people(probabilities, truth.counts, truth.undecided, rng=rng)
    return {
        "people": {"distance_name": "total variation distance", "raters_per_item": found.raters_per_item}
        | estimate("rater_accuracy", found.rater_accuracy)
        | estimate("distance", found.distance)
        | estimate("rank_correlation", found.rank_correlation)
    }


def panel(
    table: VoteTable,
    probabilities: Floats,
    *,
    truth: Truth,
    task: Task,
    accepted: tuple[float, Booleans],
    seed: int,
) -> tuple[dict[str, Any], str | None]:
    """How alike the workers are and what accepting costs, and the warning when the panel is not worth its price.

    Args:
        table: each worker's answers when it was asked alone.
        probabilities: of the committee's labels, shape [I, K].
        truth: of the same items.
        accepted: the threshold, and which items were accepted, shape [I].
        seed: of the bootstrap.
    """
    rng = np.random.default_rng((seed, 4_000_000))
    threshold, taken = accepted
    given = chosen(task, probabilities)
    # A label that is left to people reaches no threshold.
    sure = np.where(taken[:, None], probabilities, -1.0)
    reached = acceptance(truth.gold, sure, threshold, rng=rng, chosen=given)
    # Where some workers were asked about the hard items only, they are compared on those that everybody answered.
    gold, choices = truth.gold[table.common_rows], table.choices[table.common_rows]
    found = diagnose(choices, len(table.labels), rng=rng, gold=gold if (gold >= 0).any() else None)
    block: dict[str, Any] = {"accept": threshold}
    for name in ("agreement", "error_correlation", "effective_votes", "both_wrong_agreement"):
        block |= estimate(name, getattr(found, name))
    block |= estimate("coverage", reached.coverage) | estimate("accepted_accuracy", reached.accuracy)
    known = gold >= 0
    if known.any():
        right = (choices[known] == gold[known, None]).mean(axis=0)
        best = int(right.argmax())
        block |= {"best_agent": table.workers[best], "best_agent_accuracy": float(right[best])}
    else:
        block |= {"best_agent": None, "best_agent_reason": "no item has a gold label"}
        block |= {"best_agent_accuracy": None, "best_agent_accuracy_reason": "no item has a gold label"}
    warning = panel_warning(gold, given[table.common_rows], choices, table.workers, rng=rng)
    if task.scale is not None:
        block |= estimate("ordinal_alpha", krippendorff_alpha(choices, len(table.labels), level="ordinal", rng=rng))
    return block, warning


def protocol(worth: Worth | None) -> dict[str, Any]:
    """What the committee's protocol gained over plain voting, where it is another one."""
    if worth is None:
        names, reason = (*SAVED, *RIVAL), "everybody was asked about everything"
        return {"protocol": "vote"} | dict.fromkeys(names) | {f"{name}_reason": reason for name in names}
    cast, all_votes = worth.votes
    spent, all_tokens = worth.tokens
    block: dict[str, Any] = {"protocol": worth.protocol, "votes_if_all": all_votes, "votes_saved": 1 - cast / all_votes}
    block |= {"tokens_if_all": all_tokens, "tokens_saved": 1 - spent / all_tokens if all_tokens else None}
    if not all_tokens:
        block["tokens_saved_reason"] = "no token was computed for the items that everybody answered"
    block |= estimate("agreement_with_all", worth.agreement) | estimate("gain_over_all", worth.difference)
    block |= {"equal_tokens_agents": list(worth.rival.workers), "equal_tokens_price": worth.rival.price}
    if worth.rival.price is None:
        block["equal_tokens_price_reason"] = "no token was computed"
    steps = [{"step": name, "items": count} for name, count in worth.steps]
    return block | estimate("gain_at_equal_tokens", worth.rival.difference) | {"steps": steps}


def workers(
    table: VoteTable,
    votes: Sequence[Vote],
    truth: Truth,
    *,
    weights: Mapping[str, float | None],
    on: str,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Each worker on its own: how right it was, before and after calibration, and what it cost.

    Args:
        table: calibrated first answers on the items of `truth`; need not hold every worker.
        votes: all votes of the run, also on other items.
        truth: gold of the table's items.
        weights: every worker of the committee → how much it counted, or None where it cast no vote that could count.
        on: what the table's items are.
        seed: of the bootstrap.
    """
    rng = np.random.default_rng((seed, 5_000_000))
    rows = table.common_rows
    place = {item.id: gold for item, gold, common in zip(truth.items, truth.gold.tolist(), rows, strict=True) if common}
    index = {label: i for i, label in enumerate(table.labels)}
    found = {}
    for name, weight in weights.items():
        cast = [vote for vote in votes if vote.worker == name]
        # An agent that was mended between two attempts answered some items twice: the last answer counts, both cost.
        own = list({vote.item: vote for vote in cast}.values())
        alone = list({vote.item: vote for vote in cast if _alone(vote)}.values())
        pairs = [(place[v.item], index[v.label]) for v in alone if v.label is not None and place.get(v.item, -1) >= 0]
        seconds = sum(vote.usage.seconds for vote in cast)
        if name in table.workers:
            # Who had nothing to say of an item was not wrong about it; who failed to answer was.
            silent = {vote.item for vote in own if vote.label is None and not vote.failed}
            spoke = rows & np.array([item not in silent for item in table.items], np.bool_)
            right = accuracy(truth.gold[spoke], table.choices[spoke, table.workers.index(name)], rng=rng)
        else:
            judging = any(ASIDE in vote.flags for vote in cast)
            reason = "it did not vote" if judging else "it was not asked about these items"
            right = Estimate(None, reason=reason)
        block = {"on": on} | estimate("accuracy", right)
        block["accuracy_raw"] = float(np.mean([a == b for a, b in pairs])) if pairs else None
        if not pairs:
            block["accuracy_raw_reason"] = "no item with a label of its own has a gold label"
        found[name] = block | {
            "votes": len(own),
            "abstained": sum(vote.label is None for vote in own),
            "failed": sum(vote.failed for vote in own),
            "truncated": sum("truncated" in vote.flags for vote in own),
            "tokens": sum(vote.usage.tokens for vote in cast),
            "reused": sum(vote.usage.reused for vote in cast),
            "seconds": seconds,
            "items_per_second": len(cast) / seconds if seconds > 0 else None,
            "weight": weight,
            "changed_by_calibration": _changed(table, name, alone),
        }
        if not seconds > 0:
            found[name]["items_per_second_reason"] = "its answers took no measurable time"
        if weight is None:
            found[name]["weight_reason"] = "it cast no vote that could count"
    return found


def _alone(vote: Vote) -> bool:
    """Whether a vote was cast before the worker was shown anything, and on the item's label."""
    return not round_of(vote) and ASIDE not in vote.flags


def _changed(table: VoteTable, worker: str, votes: Sequence[Vote]) -> float:
    """Share of a worker's labels on the table's items that calibration changed."""
    index = {label: i for i, label in enumerate(table.labels)}
    row = {item: i for i, item in enumerate(table.items)}
    column = table.workers.index(worker) if worker in table.workers else 0
    pairs = [(table.choices[row[v.item], column], index[v.label]) for v in votes if v.label and v.item in row]
    return float(np.mean([after != before for after, before in pairs])) if pairs else 0.0
