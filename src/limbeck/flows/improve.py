"""improve: go on from a finished run while it pays, step by step, and undo what did not.

A round has three steps: the student leaves out labels that it contradicts; agents with demonstrations from the clean
set are asked again about what is doubtful; examples are written where the student is weak. After each the student is
judged by labels that it was not taught. The run's own files stay as they are: what is kept is in a folder beside them,
with labels and student of the best state. Knows nothing of any concrete part.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.committee.base import calibrations
from limbeck.errors import RunError, StudentError
from limbeck.flows import account
from limbeck.flows.answers import read_gold
from limbeck.flows.calibrate import READ, UNSEEN, USED, Terms, read, token, unseen
from limbeck.flows.cleaning import KEY as CLEAN
from limbeck.flows.cleaning import probabilities
from limbeck.flows.curriculum import curriculum, quick, taught
from limbeck.flows.export import write_labels
from limbeck.flows.improvement import Effort, Improvement
from limbeck.flows.job import Notify, Progress, silent
from limbeck.flows.jury import FRESH, PEOPLE, Jury, fresh_jury, own_jury
from limbeck.flows.lesson import Lesson, conclude, settled
from limbeck.flows.run import FACTS, FINGERPRINT, STATE, STUDENT, write_whole
from limbeck.flows.standing import Standing, State, stand
from limbeck.flows.steps import ROUND, Ground, Step
from limbeck.flows.teaching import informed, prepare
from limbeck.ledger import Ledger, LedgerView
from limbeck.meter import Meter
from limbeck.students.robust import Prepared

FOLDER, RESULT = "improve", "improve.json"
STEPS, FINISHED, JUDGES = "steps", "finished", "judges"


def improved(run: Path, fingerprint: str, effort: Effort) -> dict[str, Any] | None:
    """What was found out where nothing is left to be done, or None."""
    if not (run / FOLDER / "ledger.sqlite").exists() or not (run / RESULT).exists():
        return None
    with Ledger.read(run) as base, Ledger.read(run / FOLDER) as view:
        there = [view.meta(FINGERPRINT), view.meta(STATE)]
        if there != [_stamp(base, fingerprint, effort), f"{FINISHED} {effort.rounds}"]:
            return None
    found: dict[str, Any] = json.loads((run / RESULT).read_text(encoding="utf-8"))
    return found


def improve(
    parts: Improvement, run: Path, *, meter: Meter, fingerprint: str, notify: Notify = silent
) -> dict[str, Any]:
    """Improve on a finished run, going on where an earlier call ended.

    Args:
        parts: of the loop.
        run: folder of the finished run.
        meter: running.
        fingerprint: of the task file that the run was made with.
        notify: is told of progress.

    Returns:
        JSON values, as written to improve.json; an absent number is None and its reason stands beside it.

    Raises:
        RunError: when no student can learn from the run's labels, when settings or run changed since the loop began,
            or when a worker keeps failing.
    """
    with Ledger.read(run) as base, Ledger.open(run / FOLDER) as ledger:
        stamp = _stamp(base, fingerprint, parts.effort)
        if ledger.meta(FINGERPRINT) not in (None, stamp):
            raise RunError(
                f"{run / FOLDER}: this was begun with other settings, or the run has changed since",
                hint="Give the settings it was begun with, or delete that folder to begin anew.",
            )
        _copy(base, ledger, stamp)
        ground = Ground(parts, run / FOLDER, ledger, stamp, meter, notify)
        try:
            return _Loop(ground, base).run(run / RESULT)
        except StudentError as error:
            raise RunError(f"{run}: there is no student to improve: {error.message}", hint=error.hint) from error
        finally:
            ledger.add_phases(meter.drain())


def _stamp(base: LedgerView, fingerprint: str, effort: Effort) -> str:
    """Hash of all that decides what a step asks and keeps; more rounds can be asked for later."""
    told = {name: value for name, value in effort.facts().items() if name != "rounds"}
    return hashlib.sha256(json.dumps([fingerprint, base.digest(), told]).encode()).hexdigest()


def _copy(base: LedgerView, ledger: Ledger, stamp: str) -> None:
    """The run's items and votes, so that the folder stands by itself; doing it again changes nothing."""
    ids = [label.item for label in base.labels()]
    ledger.add_items(base.items(ids))
    votes = list(base.votes(items=ids))
    states = dict(base.states(vote.key for vote in votes))
    ledger.append([replace(vote, state=states.get(vote.key)) for vote in votes])
    ledger.set_meta(FACTS, base.meta(FACTS))
    ledger.set_meta(FINGERPRINT, stamp)


@dataclass(frozen=True, slots=True)
class _Reached:
    """A state and where it stands."""

    state: State
    standing: Standing


class _Loop:
    def __init__(self, ground: Ground, base: LedgerView) -> None:
        self._ground, self._ledger, self._meter = ground, ground.ledger, ground.meter
        self._job, self._effort = ground.parts.job, ground.parts.effort
        self._asked = [label.item for label in base.labels()]
        self._gold = read_gold(base)
        self._tuning: Any = None
        self._judges = Jury("", np.zeros((0, len(self._job.task.labels))))
        self._steps: list[dict[str, Any]] = self._ledger.meta(STEPS) or []

    def run(self, target: Path) -> dict[str, Any]:
        """All rounds; then what is best is written down, and the account of it."""
        with self._meter.phase("learn", model="student"):
            lesson = conclude(self._job, self._ledger, self._asked)
            self._tuning = self._tuned(lesson)
        self._judges = self._jury(lesson)
        with self._meter.phase("learn", model="student"):
            first = self._stand(State({}))
        now, ended = _Reached(State({}), first), f"{self._effort.rounds} rounds were run, as many as were allowed"
        entries: list[dict[str, Any]] = []
        for number in range(1, self._effort.rounds + 1):
            before = now.state
            for place, (name, step) in enumerate(ROUND.items(), len(ROUND) * (number - 1)):
                self._ground.notify(Progress("improve", place, len(ROUND) * self._effort.rounds))
                entry, now = self._take(number, (name, step), now)
                entries.append(entry)
            if now.state == before:
                ended = f"no step of round {number} paid"
                break
        self._ground.notify(Progress("improve", 1, 1))
        return self._finish(target, entries, (first, now), ended)

    def _take(self, number: int, step: tuple[str, Step], now: _Reached) -> tuple[dict[str, Any], _Reached]:
        """One step, tried and judged, or as it was judged before; and what stands then."""
        known = [one for one in self._steps if (one["round"], one["step"]) == (number, step[0])]
        if known:
            (entry,) = known
            if entry["outcome"] != account.KEPT:
                return entry, now
            state = State.of(entry["state"])
            with self._meter.phase("learn", model="student"):
                return entry, _Reached(state, self._stand(state))
        entry, then = self._try(number, step, now)
        self._steps.append(entry)
        self._ledger.set_meta(STEPS, self._steps)
        return entry, then if entry["outcome"] == account.KEPT else now

    def _try(self, number: int, step: tuple[str, Step], now: _Reached) -> tuple[dict[str, Any], _Reached]:
        name, make = step
        entry: dict[str, Any] = {"round": number, "step": name}
        self._ledger.add_phases(self._meter.drain())  # what came before is no cost of this step
        tried = make(self._ground, number, now.state, now.standing)
        if isinstance(tried, str):
            return entry | account.impossible(tried) | account.cost(self._meter.rows()), now
        try:
            with self._meter.phase("learn", model="student"):
                then = self._stand(tried.state)
        except StudentError as error:
            return entry | account.impossible(error.message) | account.cost(self._meter.rows()), now
        learned = self._meter.drain()
        self._ledger.add_phases(learned)
        spent = account.cost([*self._spent(tried.folder), *learned])
        found = account.compared(self._job, then, now.standing, self._judges, shown=tried.state.shown)
        judged = account.verdict(found, seconds=spent["seconds"], least=self._effort.least)
        facts = {"did": dict(tried.facts), "state": tried.state.facts()}
        return entry | judged | found | spent | facts, _Reached(tried.state, then)

    def _spent(self, folder: str | None) -> Sequence[dict[str, Any]]:
        if folder is None:
            return ()
        with Ledger.read(self._ground.folder / folder) as view:
            return view.phases()

    def _jury(self, lesson: Lesson) -> Jury:
        """People where there are enough answers, else items that nobody was asked about, else the labelled ones."""
        own = own_jury(self._job, lesson, self._gold)
        if own.on == PEOPLE:
            return own
        self._ledger.add_phases(self._meter.drain())
        fresh = fresh_jury(
            self._job,
            self._ground.folder / JUDGES,
            asked=set(self._asked),
            count=self._effort.judges,
            meter=self._meter,
            notify=self._ground.notify,
        )
        return fresh or own

    def _tuned(self, lesson: Lesson) -> Any:
        """The settings of the quick students: those that suit the run's own labels."""
        none = np.zeros((0, len(self._job.task.labels)))
        course = curriculum(self._job, lesson, (), none, agreed=False)
        return getattr(taught(self._job, course, quick(self._job), None), "tuning", None)

    def _stand(self, state: State) -> Standing:
        return stand(
            self._job,
            state,
            self._ground.folder,
            ledger=self._ledger,
            asked=self._asked,
            encoder=self._ground.parts.encoder,
            tuning=self._tuning,
            judges=self._judges,
        )

    def _finish(
        self, target: Path, entries: Sequence[dict[str, Any]], moments: tuple[Standing, _Reached], ended: str
    ) -> dict[str, Any]:
        first, best = moments
        job, judges = self._job, self._judges
        with self._meter.phase("learn", model="student"):
            lesson, prepared = self._write_labels(best)
            course = replace(best.standing.course, targets=prepared.targets, weights=prepared.weights)
            teacher = informed(job, self._ledger, lesson, job.distil) if job.distil else quick(job)
            student = taught(job, course, teacher, self._tuning)
            student.save(self._ground.folder / STUDENT, card=job.facts["card"])
        found: dict[str, Any] = {
            "schema": 1,
            "judged": {"on": judges.on, "items": len(judges.shares), "test_items": len(job.test) if job.test else 0}
            | account.cost(self._spent(JUDGES if judges.on == FRESH else None)),
            "effort": self._effort.facts(),
            "start": account.standing_of(job, first, judges),
            "steps": [{name: value for name, value in one.items() if name != "state"} for one in entries],
            "ended": ended,
            "best": account.standing_of(job, best.standing, judges),
            "total": account.compared(job, best.standing, first, judges, shown=best.state.shown),
        }
        found["sentence"] = account.sentence(found)
        write_whole(target, json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        self._ledger.set_meta(STATE, f"{FINISHED} {self._effort.rounds}")
        return found

    def _write_labels(self, best: _Reached) -> tuple[Lesson, Prepared]:
        """Labels of the best state, with the votes that they were made of, as a run writes them."""
        job, ledger = best.state.job(self._job), self._ledger
        for name in best.state.voters:
            with Ledger.read(self._ground.folder / name) as view:
                ledger.append(list(view.votes()))
        lesson = best.standing.lesson
        if (reading := read(ledger, lesson.table, Terms.of(job))) is not None:
            lesson = settled(job, ledger, lesson, reading)
        prepared = prepare(job, lesson, gold=self._gold)
        ledger.replace_labels(lesson.labels)
        names = calibrations(job.committee)
        for key, value in ((UNSEEN, unseen(reading)), (READ, token(ledger)), (USED, token(ledger))):
            ledger.set_meta(key, value)
        ledger.set_meta(CLEAN, probabilities(lesson, prepared))
        ledger.set_meta(FACTS, dict(job.facts) | {"calibration": names})
        write_labels(self._ground.folder, ledger, job.task, names, prior=job.prior)
        return lesson, prepared
