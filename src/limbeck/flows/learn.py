"""learn: rounds of active learning. Each round selects, annotates, aggregates and teaches a student.

The rounds' student is quick; where another kind is to be kept, it is taught once, by the labels of all rounds.
What a round asks is written down before the first question, so that a killed run goes on with the same items.
Knows nothing of any concrete selector, aggregator or student.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.agent import Apprentice
from limbeck.evaluation import accuracy
from limbeck.flows.annotate import Purse, annotate
from limbeck.flows.calibrate import Reading, Terms, read, told
from limbeck.flows.job import Job, Notify, Progress
from limbeck.flows.lesson import Lesson, conclude, gold_indices, settled
from limbeck.flows.select import gather, ready_selector
from limbeck.flows.several import applies_of
from limbeck.flows.teaching import Taught, distil, finish, informed, performance, prepare, teach
from limbeck.flows.verdict import chosen, packed
from limbeck.flows.watch import Watch
from limbeck.flows.words import estimate
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.students.base import Student
from limbeck.students.robust import Prepared

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
NOTES = "notes"  # key of the ledger: round → what its selector had to say


@dataclass(frozen=True, slots=True)
class Learned:
    """Where the rounds ended.

    Attributes:
        student: the last one, or None.
        reason: why there is none.
        lesson: what it learned from.
        prepared: how that was made ready, and which labels are probably right.
        stopped: which budget ended the asking early, or None.
        ended: why there was no further round.
        reading: what people's answers taught, or None; the lesson is what follows from it.
        gold: the same in words and numbers.
    """

    student: Student | None
    reason: str | None
    lesson: Lesson
    prepared: Prepared
    stopped: str | None
    ended: str
    reading: Reading | None
    gold: Mapping[str, Any]


def learn(job: Job, *, ledger: Ledger, meter: Meter, notify: Notify, purse: Purse) -> Learned:
    """Run all rounds, going on where the ledger ends.

    Raises:
        RunError: when a worker keeps failing or the ledger cannot be written.
    """
    sizes = job.schedule.sizes(min(job.budget.items or len(job.pool), len(job.pool)))
    recorded = {entry.number: entry for entry in ledger.rounds()}
    asked = Counter[str]()
    student: Student | None = None
    stopped, before, ended = None, None, None
    lesson, watch = conclude(job, ledger, []), Watch(job)
    taught: Taught = (prepare(job, lesson), None, "no round was run")
    for number, size in enumerate(sizes):
        begun = time.perf_counter()
        if number in recorded:
            name, selected = recorded[number].strategy, list(recorded[number].selected)
        else:
            with meter.phase("select"):
                name, selected = choose(job, ledger, lesson, asked=asked, student=student, round_=(number, size))
        ledger.start_round(number, strategy=name, selected=selected)
        apprentices(job, student, list(asked))
        items = [job.pool[one] for one in selected]
        ledger.add_items(items)
        stopped = annotate(
            job.committee, items, ledger=ledger, meter=meter, notify=notify, purse=purse, earlier=list(asked)
        )
        if number + 1 < len(sizes) and number + 1 not in recorded:
            stopped = stopped or purse.empty()
        asked.update(selected)
        with meter.phase("learn", model="student"):
            earlier, lesson = lesson.tokens, conclude(job, ledger, list(asked))
            # In between, the first round's settings will do; the student that stays is tuned on all labels.
            last = bool(stopped) or number == len(sizes) - 1
            taught = finish(job, ledger, lesson) if last else taught
            student = taught[1] if last else teach(job, lesson, student)[0]
            held = performance(job, lesson, student, first=set(list(asked)[: sizes[0]])) if job.schedule.stop else None
            seen = watch.see(student, held, items=len(lesson.labels), tokens=lesson.tokens)
        facts, before = curve_point(job, lesson, student, selected=set(selected), before=before)
        facts |= seen | {"notes": (ledger.meta(NOTES) or {}).get(str(number), [])}
        ended = stopped or (None if number + 1 in recorded else watch.reason())
        ended = ended or (exhausted(job, len(asked), budget=sum(sizes)) if number == len(sizes) - 1 else None)
        if number not in recorded or recorded[number].facts is None:
            facts |= {"seconds": time.perf_counter() - begun, "tokens": lesson.tokens - earlier} | (
                {"ended": ended} if ended else {}
            )
            ledger.finish_round(number, facts)
        notify(Progress("learn", number + 1, len(sizes)))
        if ended:
            if not last:
                with meter.phase("learn", model="student"):
                    taught = finish(job, ledger, lesson)
            break
    lesson, (prepared, student, reason), (reading, gold) = keep(job, ledger, lesson, taught, meter=meter, notify=notify)
    ended = ended or "no round was run"
    return Learned(student, None if student else reason, lesson, prepared, stopped, ended, reading, gold)


def keep(
    job: Job, ledger: Ledger, lesson: Lesson, taught: Taught, *, meter: Meter, notify: Notify
) -> tuple[Lesson, Taught, tuple[Reading | None, dict[str, Any]]]:
    """What people answered goes into the labels, and the student that is kept is taught."""
    after = lesson
    if (reading := read(ledger, lesson.table, Terms.of(job))) is not None:
        with meter.phase("learn", model="student"):
            after = settled(job, ledger, lesson, reading)
            taught = finish(job, ledger, after)
    gold = told(reading, lesson.table, before=lesson.probabilities, after=after.probabilities)
    apprentices(job, taught[1], list(lesson.counts))
    if job.distil is not None:
        notify(Progress("distil", 0, 1))
        with meter.phase("learn", model="student"):
            prepared = taught[0]
            taught = (prepared, *distil(job, after, informed(job, ledger, after, job.distil), prepared))
        notify(Progress("distil", 1, 1))
    return after, taught, (reading, gold)


def apprentices(job: Job, student: Student | None, taught: Sequence[str]) -> None:
    """Tell the workers that are the student what it learned from."""
    for worker in job.committee.workers:
        if isinstance(worker, Apprentice):
            worker.learn(student, taught)


def exhausted(job: Job, asked: int, *, budget: int) -> str:
    """Why there is no round after the last."""
    return "all items of the pool were asked" if asked == len(job.pool) else f"the budget of {budget:,} items is spent"


def choose(
    job: Job,
    ledger: Ledger,
    lesson: Lesson,
    *,
    asked: Mapping[str, int],
    student: Student | None,
    round_: tuple[int, int],
) -> tuple[str, list[str]]:
    """The selector of a round, and what it asks; what it had to say is kept in the ledger.

    Args:
        job: the parts.
        ledger: of the run.
        lesson: of the rounds before.
        asked: id of each item asked so far → in how many rounds.
        student: of the round before.
        round_: its number and its size.
    """
    number, size = round_
    notes: list[str] = []
    evidence = gather(
        job,
        lesson.table,
        lesson.probabilities,
        # Once more is enough: where a worker still does not answer, the protocol does not want it to.
        answers={
            item: lesson.counts[item] if times == 1 else len(job.committee.voters) for item, times in asked.items()
        },
        student=student,
        note=notes.append,
    )
    name, selector = ready_selector(job.schedule, evidence, student)
    selected = selector(evidence, size, np.random.default_rng((job.seed, number)))
    if notes:
        ledger.set_meta(NOTES, (ledger.meta(NOTES) or {}) | {str(number): notes})
    return name, selected


def curve_point(
    job: Job, lesson: Lesson, student: Student | None, *, selected: set[str], before: Floats | None
) -> tuple[dict[str, Any], Floats | None]:
    """One point of the learning curve, and the student's opinion of the watched texts for the next point."""
    rng = np.random.default_rng((job.seed, 2_000_000))
    watched = job.test.texts() if job.test else job.pool.texts(range(min(500, len(job.pool))))
    opinion = student.predict_proba(watched) if student else None
    facts: dict[str, Any] = {"labelled": len(lesson.labels)}
    if opinion is None:
        facts |= {"accuracy": None, "accuracy_reason": "there is no student yet"}
    elif job.test is None:
        facts |= {"accuracy": None, "accuracy_reason": "there is no test set"}
    else:
        known, said = judged(job, lesson, opinion, job.test.gold())
        facts |= estimate("accuracy", accuracy(known, said, rng=rng))
    rows = [i for i, label in enumerate(lesson.labels) if label.item in selected]
    gold = lesson.gold(job.task, job.pool.gold([job.pool.index(label.item) for label in lesson.labels]))[rows]
    given = chosen(job.task, lesson.probabilities[rows])
    facts |= estimate("committee_accuracy_selected", accuracy(gold, given, rng=rng))
    if opinion is not None and before is not None:
        now, then = (judged(job, lesson, one, [None] * len(one))[1] for one in (opinion, before))
        facts["change"] = float((now != then).mean())
    else:
        facts |= {"change": None, "change_reason": "nothing came before"}
    return facts, opinion


def judged(job: Job, lesson: Lesson, opinion: Floats, gold: Sequence[str | None]) -> tuple[Integers, Integers]:
    """Gold and a student's answers as numbers that are equal where the answers are; -1 where there is no gold."""
    if lesson.beliefs is None:
        return gold_indices(job.task, gold), chosen(job.task, opinion)
    wanted, known = applies_of(job.task, gold)
    return np.where(known, packed(wanted), -1), packed(opinion >= lesson.beliefs.thresholds)
