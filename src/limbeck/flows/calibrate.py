"""calibrate: what people answered decides how votes and hidden states are read, for all labels of a run.

No model is needed: votes and states are in the ledger. Gold of a data set's column is never looked at here, only what
people answered. Knows nothing of how people are asked, of files or of any concrete calibrator.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from limbeck.aggregation.base import Aggregator, Floats, VoteTable, tabulate
from limbeck.calibrators.base import Material
from limbeck.calibrators.candidates import COMMITTEE, candidates
from limbeck.calibrators.features import Scale
from limbeck.calibrators.mending import Mending, mend
from limbeck.calibrators.selection import Chosen, Trial, choose
from limbeck.committee.base import calibrations
from limbeck.flows.answers import read_gold
from limbeck.flows.job import Job
from limbeck.ledger import LedgerView
from limbeck.records import Label

# Keys of the ledger: see `unseen`; and `token` when labels, and when the student, last learned from answers.
UNSEEN, READ, USED = "unseen", "gold read", "gold used"
OWN = "gold"  # how a label came about that a person gave
NOBODY = "nobody was asked; workers count by how often they agree with workers unlike them"


@dataclass(frozen=True, slots=True)
class Terms:
    """How a run reads votes.

    Attributes:
        labels: of the task.
        calibration: worker → how its scores are calibrated.
        aggregator: votes → labels.
        aggregate: its name.
        prior: expected share of each label, or None.
        accept: confidence from which a label is accepted.
        seed: of everything random.
    """

    labels: tuple[str, ...]
    calibration: Mapping[str, str]
    aggregator: Aggregator
    aggregate: str
    prior: Sequence[float] | None
    accept: float
    seed: int

    @classmethod
    def of(cls, job: Job) -> Terms:
        """Those of a job."""
        about = (job.task.labels, calibrations(job.committee), job.aggregator, job.aggregate)
        return cls(*about, job.prior, job.accept, job.seed)

    @classmethod
    def kept(cls, facts: Mapping[str, Any], aggregator: Aggregator) -> Terms:
        """Those of a finished run, from what it knows about its task."""
        prior = None if facts["prior"] is None else [facts["prior"][label] for label in facts["labels"]]
        about = (tuple(facts["labels"]), facts["calibration"], aggregator, facts["aggregate"])
        return cls(*about, prior, facts["accept"], facts["reproduce"]["seed"])


@dataclass(frozen=True, slots=True)
class Reading:
    """What gold taught, ready for other items of the same task.

    Attributes:
        chosen: the calibrator, and why it was chosen.
        scales: worker → the scale of its states.
        gold: item → label, of the items that were learned from.
        mending: what gold shows of each worker.
    """

    chosen: Chosen
    scales: Mapping[str, Scale]
    gold: Mapping[str, str]
    mending: Mending

    def posterior(self, view: LedgerView, table: VoteTable) -> Floats:
        """Posterior over labels of the table's items, shape [I, K]; gold is not put in."""
        material = _material(table, _states(view, table), self.scales)
        return self.chosen.calibrated(material, np.arange(len(table.items)))


def read(view: LedgerView, table: VoteTable, terms: Terms) -> Reading | None:
    """Learn from people's answers about the table's items; None where there are none."""
    place = {label: i for i, label in enumerate(terms.labels)}
    answered = read_gold(view)
    gold = np.array([place.get(answered.get(item, ""), -1) for item in table.items], np.int64)
    if not (gold >= 0).any():
        return None
    material, scales = material_of(view, table)
    tried = candidates(terms.aggregator, states=bool(scales))
    chosen = choose(tried, material, gold, rng=np.random.default_rng((terms.seed, 7_000_000)))
    known = {item: answered[item] for item, k in zip(table.items, gold, strict=True) if k >= 0}
    return Reading(chosen, scales, known, mend(table, gold))


def material_of(view: LedgerView, table: VoteTable) -> tuple[Material, dict[str, Scale]]:
    """Votes and states of the table's items, and the scale that the states themselves give each worker."""
    states = _states(view, table)
    scales = {worker: Scale.of(own) for worker, own in states.items()}
    return _material(table, states, scales), scales


def relabel(given: Sequence[Label], probabilities: Floats, reading: Reading | None, terms: Terms) -> tuple[Label, ...]:
    """The labels that follow from gold; an item that a person labelled keeps the person's label.

    Args:
        given: labels without gold.
        probabilities: see `Reading.posterior`, of the same items.
        reading: what gold taught, or None.
        terms: of the run.
    """
    gold = {} if reading is None else reading.gold
    how = terms.aggregate
    if reading is not None and reading.chosen.name != COMMITTEE:
        how = f"{reading.chosen.name}, learned from {len(gold)} gold labels"
    found = []
    for label, row in zip(given, probabilities, strict=True):
        own = gold.get(label.item)
        row = np.eye(len(terms.labels))[terms.labels.index(own)] if own is not None else row
        best = int(row.argmax())
        confidence = float(row[best])
        found.append(
            replace(
                label,
                label=terms.labels[best],
                probabilities=tuple(row.tolist()),
                confidence=confidence,
                accepted=confidence >= terms.accept,
                how=how if own is None else OWN,
            )
        )
    return tuple(found)


def unseen(reading: Reading | None) -> dict[str, list[float]]:
    """Item → posterior as it was found without the person's answer to it: what an audit must judge."""
    if reading is None:
        return {}
    rows = reading.chosen.unseen.tolist()
    return dict(zip(reading.gold, rows, strict=True))


def blind(view: LedgerView, given: Sequence[Label], names: Sequence[str]) -> list[Label]:
    """Labels of a run as they would be if nobody had answered about these very items.

    An audit holds labels against answers; a label that is the answer itself would always be right.
    """
    without = view.meta(UNSEEN) or {}
    found = []
    for label in given:
        if (row := without.get(label.item)) is not None:
            best = int(np.argmax(row))
            label = replace(label, label=names[best], probabilities=tuple(row), confidence=row[best])
        found.append(label)
    return found


def token(view: LedgerView) -> str:
    """A hash of people's answers so far, "" where there are none."""
    gold = sorted(read_gold(view).items())
    return hashlib.sha256(json.dumps(gold).encode()).hexdigest()[:16] if gold else ""


def stale(view: LedgerView) -> bool:
    """Whether people answered since the run was last finished: its student has not learned that yet."""
    return bool(view.meta(USED, "") != token(view))


def told(reading: Reading | None, table: VoteTable, *, before: Floats, after: Floats) -> dict[str, Any]:
    """What gold changed and why, as JSON values.

    Args:
        reading: what gold taught, or None.
        table: the votes.
        before: posterior without gold, shape [I, K].
        after: with gold, shape [I, K].
    """
    if reading is None:
        return {"answers": 0, "used": COMMITTEE, "why": NOBODY, "changed": 0, "candidates": [], "workers": []}
    chosen = reading.chosen
    return {
        "answers": len(reading.gold),
        "used": chosen.name,
        "why": chosen.why,
        "changed": int((before.argmax(axis=1) != after.argmax(axis=1)).sum()),
        "candidates": [_trial(trial) for trial in chosen.trials],
        "workers": [_worker(worker, table, reading) for worker in table.workers],
    }


def _trial(trial: Trial) -> dict[str, Any]:
    numbers = {"loss": trial.loss, "accuracy": trial.accuracy, "gain": trial.gain, "error": trial.error}
    return (
        {"name": trial.name}
        | numbers
        | ({} if trial.note is None else {f"{key}_reason": trial.note for key in numbers})
    )


def _worker(worker: str, table: VoteTable, reading: Reading) -> dict[str, Any]:
    column = table.workers.index(worker)
    row = {item: i for i, item in enumerate(table.items)}
    pairs = [(int(table.choices[row[item], column]), label) for item, label in reading.gold.items()]
    right = [table.labels[choice] == label for choice, label in pairs if choice >= 0]
    renamed = (reading.mending.renamed or {}).get(worker)
    meant = None if renamed is None else {table.labels[k]: table.labels[int(to)] for k, to in enumerate(renamed)}
    found = {"name": worker, "answers": len(right), "accuracy": float(np.mean(right)) if right else None}
    if not right:
        found["accuracy_reason"] = "it answered none of the items with gold"
    return found | {"dropped": worker in reading.mending.dropped, "means": meant}


def _material(table: VoteTable, states: Mapping[str, Any], scales: Mapping[str, Scale]) -> Material:
    blank = {
        worker: np.full((len(table.items), len(scale.mean)), np.nan, np.float16) for worker, scale in scales.items()
    }
    scaled = {worker: scale(states.get(worker, blank[worker])) for worker, scale in scales.items()}
    return Material(table, {worker: own for worker, own in scaled.items() if worker in table.workers})


def _states(view: LedgerView, table: VoteTable) -> dict[str, Any]:
    """Worker → its states on the table's items, float16, shape [I, width]; NaN where there is none."""
    row = {item: i for i, item in enumerate(table.items)}
    found: dict[str, Any] = {}
    for worker in table.workers:
        # The last vote of a worker on an item counts.
        keys = {vote.item: vote.key for vote in view.votes(worker, items=table.items)}
        place = {key: row[item] for item, key in keys.items()}
        for key, body in view.states(place):
            state = np.frombuffer(body, "<f2")
            if worker not in found:
                found[worker] = np.full((len(row), len(state)), np.nan, np.float16)
            # After a change of the model under one name, only states of the same width belong together.
            if len(state) == found[worker].shape[1]:
                found[worker][place[key]] = state
    return found


def votes_table(view: LedgerView, items: Sequence[str], terms: Terms) -> VoteTable:
    """The committee's votes on these items, calibrated as the run does; those of people are left out."""
    votes = [vote for vote in view.votes(items=items) if not vote.of_person]
    return tabulate(votes, labels=terms.labels, items=items, calibration=terms.calibration, prior=terms.prior)
