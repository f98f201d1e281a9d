"""What a selector is told about the pool: opinions, vectors, and what the committee believes so far.

Knows nothing of any concrete selector, student or worker.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from limbeck.aggregation.base import VoteTable
from limbeck.errors import StudentError
from limbeck.flows.job import Job, Schedule
from limbeck.selection.base import Evidence, Selector
from limbeck.students.base import Student

Floats = npt.NDArray[np.float64]


def gather(
    job: Job,
    table: VoteTable,
    posterior: Floats,
    *,
    answers: Mapping[str, int],
    student: Student | None,
    note: Callable[[str], None],
) -> Evidence:
    """What is known about the items that nobody was asked about, and about those that somebody was.

    Args:
        job: the parts.
        table: the votes so far.
        posterior: the committee's belief about the items of `table`, shape [I, K].
        answers: id of each item that was asked, in order → how many workers answered it.
        student: the last one.
        note: is told where a selector does less than its name says.
    """
    rows = [i for i, one in enumerate(job.pool.ids) if one not in answers]
    texts = job.pool.texts(rows)
    asked = tuple(answers)
    seen = job.pool.texts([job.pool.index(one) for one in asked])
    return Evidence(
        ids=tuple(np.array(job.pool.ids, dtype=object)[rows]),
        embeddings=job.encoder.encode(texts) if job.encoder else None,
        probabilities=student.predict_proba(texts) if student else None,
        members=_members(job, table, texts) if student and "members" in job.schedule.needs else None,
        labelled=job.encoder.encode(seen) if job.encoder else None,
        asked=asked,
        posterior=_beliefs(table, posterior, asked),
        taught=student.predict_proba(seen) if student else None,
        open=np.array([count < len(job.committee.voters) for count in answers.values()], dtype=np.bool_),
        classes=len(job.task.labels),
        note=note,
    )


def ready_selector(schedule: Schedule, evidence: Evidence, student: Student | None) -> tuple[str, Selector]:
    """The schedule's selector; while there is no student or something that it needs, the one of the first round."""
    lacking = [name for name in schedule.needs if getattr(evidence, name) is None]
    return schedule.cold if student is None or lacking else schedule.selector


def _beliefs(table: VoteTable, posterior: Floats, asked: Collection[str]) -> Floats:
    """The posterior of each item asked, uniform where nobody voted, shape [L, K]."""
    place = {item: row for row, item in enumerate(table.items)}
    found = np.full((len(asked), len(table.labels)), 1 / len(table.labels))
    for row, item in enumerate(asked):
        if item in place:
            found[row] = posterior[place[item]]
    return found


def _members(job: Job, table: VoteTable, texts: Sequence[str]) -> Floats | None:
    """Opinions of students that learned from one worker's votes each, shape [M, N, K]."""
    opinions = []
    for column in range(len(table.workers)):
        rows = np.flatnonzero(table.choices[:, column] >= 0)
        known = job.pool.texts([job.pool.index(table.items[i]) for i in rows])
        try:
            member = job.teach(None).fit(
                known,
                table.probabilities[rows, column],
                labels=job.task.labels,
                rng=np.random.default_rng((job.seed, column)),
            )
        except StudentError:
            continue  # A worker that gave everything one label has no opinion to disagree with.
        opinions.append(member.predict_proba(texts))
    return np.stack(opinions) if opinions else None
