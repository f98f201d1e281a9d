"""A rater's desk: which page comes next, and what happens to an answer. Says nothing that would tell a system.

Knows nothing of HTTP. What it gives and takes are JSON values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from limbeck.errors import DataError
from limbeck.study.schedule import Question
from limbeck.study.store import ANSWER, CLOSED, CONSENT, SKIP, UNDO, Judgement, Study

_ID = re.compile(r"[a-z0-9-]{1,64}")
LONGEST = 4000
_MOST_SECONDS = 86_400.0


class Desk:
    """All raters of a frozen study. Keeps in memory what was answered, so it must be the only writer."""

    def __init__(self, study: Study) -> None:
        study.verify()
        self._study, self._design = study, study.design
        # Closing needs the writer's lock, which is held here: it cannot happen meanwhile.
        self._closed = study.state == CLOSED
        self._units = {unit.id: unit for unit in study.units()}
        self._questions: dict[str, list[Question]] = {}
        for question in study.questions():
            self._questions.setdefault(question.rater, []).append(question)
        self._by_id = {one.id: one for own in self._questions.values() for one in own}
        self._current = study.current()
        self._agreed = {one.rater for one in study.history() if one.kind == CONSENT}
        self._last: dict[str, list[str]] = {}
        for one in study.history():
            self._remember(one)

    @property
    def raters(self) -> tuple[str, ...]:
        """Everybody who has a link."""
        return tuple(self._questions)

    def progress(self) -> dict[str, dict[str, int]]:
        """How far each rater is."""
        return {rater: self._progress(rater) for rater in self.raters}

    def about(self) -> dict[str, Any]:
        """What is the same on every page."""
        return {
            "title": self._design.name,
            "method": self._design.method,
            "consent": self._design.consent,
            "guidelines": self._study.meta("guidelines"),
            "criteria": [
                {
                    "name": one.name,
                    "question": one.question,
                    "answers": [
                        {"value": value, "name": name, "anchor": dict(enumerate(one.anchors)).get(value, "")}
                        for value, name in enumerate(self._design.answers)
                    ],
                }
                for one in self._design.criteria
            ],
        }

    def state(self, rater: str) -> dict[str, Any]:
        """Where a rater stands: the stage, the progress, and the page to show."""
        upcoming = next((one for one in self._questions[rater] if one.id not in self._current), None)
        stage = "done" if upcoming is None else "training" if upcoming.role == "training" else "items"
        if rater not in self._agreed:
            stage = "consent"
        if self._closed:
            stage = "closed"
        last = self._last.get(rater, [])
        shown = stage in ("training", "items") and upcoming is not None
        return {
            "stage": stage,
            "progress": self._progress(rater),
            "last": last[-1] if last else None,
            "question": self._page(upcoming) if shown and upcoming is not None else None,
        }

    def take(self, rater: str, message: Mapping[str, Any]) -> dict[str, Any]:
        """Keep what a rater's page sent, durable on return; the same message again changes nothing.

        Args:
            rater: whose page.
            message: id, kind (answer, skip, undo, consent), question, answers, reason, comment, seconds.

        Returns:
            The new state, and for a training item whether the answer was right.

        Raises:
            DataError: a message that makes no sense; nothing is kept.
        """
        (found,) = self.take_all([(rater, message)])
        if isinstance(found, DataError):
            raise found
        return found

    def take_all(self, messages: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any] | DataError]:
        """`take` for messages that came at the same time, with one write to the disk; a refusal stands in its place."""
        read: list[Judgement | DataError] = []
        fresh: dict[str, Judgement] = {}
        for rater, message in messages:
            try:
                entry = self._read(rater, message)
                if self._is_new(entry, fresh):
                    fresh[entry.id] = entry
                read.append(entry)
            except DataError as error:
                read.append(error)
        self._study.append(*fresh.values())
        for entry in fresh.values():
            self._remember(entry)
        return [
            one if isinstance(one, DataError) else self.state(one.rater) | {"feedback": self._feedback(one)}
            for one in read
        ]

    def _is_new(self, entry: Judgement, fresh: Mapping[str, Judgement]) -> bool:
        """Whether an entry is to be kept; one that was sent before is not."""
        owner = fresh[entry.id].rater if entry.id in fresh else self._study.owner_of(entry.id)
        if owner not in (None, entry.rater):
            raise DataError("This id belongs to somebody else.", hint="Make a new one.")
        if owner is None:
            if self._closed:
                raise DataError("This study is closed.", hint="Nothing more is kept.")
            self._check(entry)
        return owner is None

    def _remember(self, entry: Judgement) -> None:
        done = self._last.setdefault(entry.rater, [])
        if entry.kind == CONSENT:
            self._agreed.add(entry.rater)
        elif entry.kind == UNDO:
            self._current.pop(entry.question, None)
            if entry.question in done:
                done.remove(entry.question)
        else:
            self._current[entry.question] = entry
            if entry.question in done:
                done.remove(entry.question)
            done.append(entry.question)

    def _progress(self, rater: str) -> dict[str, int]:
        own = [one for one in self._questions[rater] if one.role != "training"]
        return {"done": sum(one.id in self._current for one in own), "total": len(own)}

    def _page(self, question: Question) -> dict[str, Any]:
        context, texts = self.texts(question)
        return {"id": question.id, "context": context, "texts": list(texts)}

    def texts(self, question: Question) -> tuple[str, tuple[str, ...]]:
        """Context and outputs in the order in which the rater sees them."""
        if not question.shows:
            check = self._design.checks[int(question.unit.removeprefix("check-"))]
            return check.context, check.texts
        unit = self._units[question.unit]
        return unit.context, tuple({"a": unit.first, "b": unit.second}[side] for side in question.shows)

    def _feedback(self, entry: Judgement) -> dict[str, Any] | None:
        question = self._by_id.get(entry.question)
        if question is None or question.role != "training" or entry.kind not in (ANSWER, SKIP):
            return None
        check = self._design.checks[int(question.unit.removeprefix("check-"))]
        given = entry.answers or {}
        right = {
            name: [self._design.answers[value] for value in values]
            for name, values in check.right.items()
            if given.get(name) not in values
        }
        return {"right": not right, "expected": right, "note": check.note}

    def _read(self, rater: str, message: Mapping[str, Any]) -> Judgement:
        """A message as an entry, its forms checked."""
        entry, kind, question = (message.get(name) for name in ("id", "kind", "question"))
        if not isinstance(entry, str) or not _ID.fullmatch(entry):
            raise DataError("An entry needs an id of a-z, 0-9 and -, at most 64 signs.")
        if kind not in (ANSWER, SKIP, UNDO, CONSENT):
            raise DataError("The kind of an entry is answer, skip, undo or consent.")
        if kind == CONSENT:
            return Judgement(entry, rater, "", CONSENT)
        if not isinstance(question, str) or question not in self._by_id or self._by_id[question].rater != rater:
            raise DataError("There is no such question on this link.")
        seconds = message.get("seconds")
        spent = float(seconds) if isinstance(seconds, int | float) and 0 <= seconds <= _MOST_SECONDS else 0.0
        answers = message.get("answers") if kind == ANSWER else None
        reason = _words(message, "reason") if kind == SKIP else None
        comment = None if kind == UNDO else _words(message, "comment")
        return Judgement(entry, rater, question, str(kind), _values(answers), reason, comment, spent)

    def _check(self, entry: Judgement) -> None:
        """Whether a new entry fits the question."""
        if entry.kind == ANSWER:
            names = {one.name for one in self._design.criteria}
            there = entry.answers or {}
            if there.keys() != names or any(not 0 <= one < len(self._design.answers) for one in there.values()):
                raise DataError("Every question on the page needs one of its answers.")
        if entry.kind == SKIP and not entry.reason:
            raise DataError("Say in a word why this cannot be judged.")
        if entry.kind == UNDO and entry.question not in self._current:
            raise DataError("There is nothing to take back.")
        if entry.kind in (ANSWER, SKIP) and entry.rater not in self._agreed:
            raise DataError("Agree to take part first.")


def _values(answers: Any) -> dict[str, int] | None:
    if not isinstance(answers, dict):
        return None
    if not all(isinstance(k, str) and type(v) is int for k, v in answers.items()):
        raise DataError("Answers are whole numbers.")
    return dict(answers)


def _words(message: Mapping[str, Any], name: str) -> str | None:
    """A text of the rater, cut at 4,000 signs; half characters are replaced, for no database takes them."""
    found = message.get(name)
    if not isinstance(found, str) or not found.strip():
        return None
    return found.strip()[:LONGEST].encode("utf-8", "replace").decode("utf-8")
