"""Where the loop stands: the labels, what a student learns from them, and what it says of texts it was not taught.

Which labels are clean, which items are doubtful and where the student is weak is read from here. Knows nothing of
steps, or of how what stands is judged.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.agent import Recorded
from limbeck.encoder import Encoder
from limbeck.flows.curriculum import Curriculum, Floats, clean, curriculum, doubt, quick, second_opinions, taught
from limbeck.flows.improvement import Joined
from limbeck.flows.job import Job
from limbeck.flows.jury import Jury
from limbeck.flows.lesson import Lesson, conclude
from limbeck.ledger import Ledger, LedgerView

Vectors = npt.NDArray[np.float32]
CHOICE = 50  # the surest clean labels of each label among which the demonstrations differ most
NEIGHBOURS = 10  # of an item, itself among them, over which its region's weakness is the mean


@dataclass(frozen=True, slots=True)
class State:
    """What the steps that are kept have added.

    Attributes:
        workers: name of each further worker → how its scores are to be calibrated.
        voters: names of the folders with their votes.
        shown: ids of the items that were shown as demonstrations.
        made: names of the folders with synthetic examples.
        agreed: labels that a student contradicts do not teach.
    """

    workers: Mapping[str, str]
    voters: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    agreed: bool = False

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> State:
        """From JSON values."""
        lists = {name: tuple(facts[name]) for name in ("voters", "shown", "made")}
        return cls(dict(facts["workers"]), agreed=bool(facts["agreed"]), **lists)

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    def job(self, job: Job) -> Job:
        """The run's parts with the further workers among the committee; these have voted and are not asked any more."""
        further = tuple(Recorded(name, (), calibration=how) for name, how in self.workers.items())
        committee: Any = job.committee  # of any protocol: they are records of their workers
        if not further:
            return job
        # Where somebody judges the voters, the further workers are voters.
        field = "workers" if committee.workers == committee.voters else "voters"
        return replace(job, committee=replace(committee, **{field: (*committee.voters, *further)}))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the loop stands.

    Attributes:
        lesson: the labels.
        course: what a student learns from.
        opinion: what students say of the labelled items, each of those that it was not taught, shape [N, K].
        judged: what is judged: the same for judging items among the labelled ones, or what the student says of others,
            shape [J, K].
        test: what the student says of the test items, shape [T, K]; None without a test set.
        vectors: unit vectors of the labelled items, shape [N, D]; None without an encoder.
        labels: of the task.
    """

    lesson: Lesson
    course: Curriculum
    opinion: Floats
    judged: Floats
    test: Floats | None
    vectors: Vectors | None
    labels: tuple[str, ...]

    @property
    def ids(self) -> list[str]:
        """Of the labelled items."""
        return [label.item for label in self.lesson.labels]

    def label_of(self, item: str) -> str:
        """The committee's label of an item."""
        return str(self.lesson.labels[self.ids.index(item)].label)

    def demonstrations(self, number: int) -> list[str]:
        """Ids of clean items to be shown: the labels in turn, and among the surest of each those least alike.

        Farthest first (Gonzalez 1985), beginning with the surest; without vectors simply the surest. A label without
        any clean item has no demonstration.
        """
        targets = self.lesson.probabilities
        sure, usable = (targets + self.opinion).max(axis=1) / 2, clean(targets, self.opinion)
        queues: list[list[int]] = []
        for label in range(len(self.labels)):
            rows = np.flatnonzero(usable & (targets.argmax(axis=1) == label))
            rows = rows[np.argsort(-sure[rows], kind="stable")][:CHOICE]
            if len(rows):
                queues.append(_apart(rows.tolist(), self.vectors))
        turns = [queue[place] for place in range(number) for queue in queues if place < len(queue)]
        return [self.ids[row] for row in turns[:number]]

    def doubtful(self, share: float, *, barred: Collection[str]) -> list[str]:
        """Ids of the items to be asked again, the most doubtful first: a share of all, none of those barred."""
        order = np.argsort(-doubt(self.lesson.probabilities, self.opinion), kind="stable")
        ids = np.array(self.ids, dtype=object)[order].tolist()
        return [item for item in ids if item not in barred][: round(share * len(ids))]

    def clean(self) -> npt.NDArray[np.bool_]:
        """Which labels are clean, shape [N]."""
        return clean(self.lesson.probabilities, self.opinion)

    def weakness(self) -> Floats:
        """How far students are from the committee's label around each item, 0 to 1, shape [N].

        1 − the probability that they give to it, meant over the item's nearest neighbours in the encoder's space;
        without an encoder, over the items of the same label.
        """
        winners = self.lesson.probabilities.argmax(axis=1)
        miss = 1 - self.opinion[np.arange(len(winners)), winners]
        if self.vectors is None:
            shares = np.bincount(winners, miss, len(self.labels)) / np.maximum(
                np.bincount(winners, None, len(self.labels)), 1
            )
            return np.asarray(shares[winners], np.float64)
        found = np.empty(len(miss))
        most = min(NEIGHBOURS, len(miss))
        for row, vector in enumerate(self.vectors):
            found[row] = miss[np.argpartition(-(self.vectors @ vector), most - 1)[:most]].mean()
        return found


def stand(
    job: Job,
    state: State,
    folder: Path,
    *,
    ledger: LedgerView,
    asked: Sequence[str],
    encoder: Encoder | None,
    tuning: Any,
    judges: Jury,
) -> Standing:
    """Where a state stands.

    Args:
        job: the run's parts.
        state: what was added.
        folder: in which the steps' folders are.
        ledger: with the run's own votes.
        asked: ids of the labelled items.
        encoder: texts → vectors, or None.
        tuning: of the quick students, or None.
        judges: whose items are judged.

    Raises:
        StudentError: when nothing can be learned.
    """
    with ExitStack() as stack:
        added = [stack.enter_context(Ledger.read(folder / name)) for name in state.voters]
        lesson = conclude(state.job(job), Joined([ledger, *added]), asked)
    made, targets = examples(folder, state.made, labels=job.task.labels, show=job.task.show)
    course = curriculum(job, lesson, made, targets, agreed=state.agreed)
    student, opinion = taught(job, course, quick(job), tuning), second_opinions(job, course, tuning)
    return Standing(
        lesson=lesson,
        course=course,
        opinion=opinion,
        judged=student.predict_proba(judges.texts) if judges.rows is None else opinion[judges.rows],
        test=None if job.test is None else student.predict_proba(job.test.texts()),
        vectors=encoder.encode(list(course.texts)) if encoder else None,
        labels=job.task.labels,
    )


def examples(
    folder: Path, names: Sequence[str], *, labels: Sequence[str], show: Sequence[str]
) -> tuple[tuple[str, ...], Floats]:
    """Accepted synthetic texts of some folders and the committee's posterior of each, shape [M, K]; no text twice."""
    found: dict[str, tuple[float, ...]] = {}
    for name in names:
        with Ledger.read(folder / name) as view:
            taken = {label.item: label for label in view.labels() if label.accepted}
            for item in view.items(taken):
                found.setdefault(item.fields[show[0]], taken[item.id].probabilities)
    return tuple(found), np.array(list(found.values()), np.float64).reshape(-1, len(labels))


def _apart(rows: list[int], vectors: Vectors | None) -> list[int]:
    """The same rows, the first first, then always the one whose nearest neighbour among those before is farthest."""
    if vectors is None:
        return rows
    order, left = [rows[0]], rows[1:]
    while left:
        nearest = (vectors[left] @ vectors[order].T).max(axis=1)
        order.append(left.pop(int(nearest.argmin())))
    return order
