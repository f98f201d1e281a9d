"""The judgements of a closed study as arrays: items by raters, sides turned back to systems.

Knows nothing of the statistics made of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limbeck.evaluation.intervals import Floats, Integers
from limbeck.study.design import FIRST, TIE, Design
from limbeck.study.schedule import ITEM, REPEAT, Question
from limbeck.study.store import ANSWER, Judgement, Study
from limbeck.study.units import Unit


@dataclass(frozen=True, slots=True)
class Judged:
    """A study's judgements.

    Attributes:
        design: the frozen design.
        units: the n units.
        raters: the R raters, also those who never came.
        answered: role, question and current judgement, in each rater's order of pages.
    """

    design: Design
    units: tuple[Unit, ...]
    raters: tuple[str, ...]
    answered: tuple[tuple[Question, Judgement | None], ...]

    @classmethod
    def of(cls, study: Study) -> Judged:
        """All judgements that count."""
        current, questions = study.current(), study.questions()
        return cls(
            study.design,
            tuple(study.units()),
            tuple(sorted({one.rater for one in questions}, key=lambda name: int(name.rpartition("-")[2]))),
            tuple((one, current.get(one.id)) for one in questions),
        )

    def values(self, criterion: str, *, role: str = ITEM) -> Floats:
        """Answers to a criterion, shape [n, R, S], NaN = none.

        On single outputs S = 2: the answer on each system's. On pairs S = 1: 1 where the first system is preferred, −1
        where the second is, 0 for a tie.
        """
        sides = 1 if self.design.method == "pairs" else 2
        found = np.full((len(self.units), len(self.raters), sides), np.nan)
        for row, column, question, judgement in self._rows(role):
            if judgement.kind == ANSWER and judgement.answers is not None:
                value = judgement.answers[criterion]
                if self.design.method == "pairs":
                    found[row, column, 0] = preference(value, question.shows)
                else:
                    found[row, column, "ab".index(question.shows)] = value
        return found

    def places(self) -> Floats:
        """At which place of a rater's order each answer came, shape as `values`."""
        sides = 1 if self.design.method == "pairs" else 2
        found = np.full((len(self.units), len(self.raters), sides), np.nan)
        for row, column, question, _ in self._rows(ITEM):
            found[row, column, 0 if sides == 1 else "ab".index(question.shows)] = question.place
        return found

    def differences(self, criterion: str) -> Floats:
        """First system − second system of each item and rater, shape [n, R]."""
        values = self.values(criterion)
        return values[:, :, 0] if self.design.method == "pairs" else values[:, :, 0] - values[:, :, 1]

    def ratings(self, criterion: str) -> Integers:
        """What agreement is measured on, -1 = none: each output [2n, R], or each pair [n, R] as second, tie, first."""
        values = self.values(criterion)
        flat = np.concatenate([values[:, :, side] for side in range(values.shape[2])])
        flat = flat + 1 if self.design.method == "pairs" else flat
        return np.where(np.isfinite(flat), flat, -1).astype(np.int64)

    def decided(self, criterion: str) -> tuple[Integers, Integers]:
        """Item of each judgement that prefers one side, and whether that is what was shown first."""
        items, firsts = [], []
        if self.design.method == "pairs":
            for row, _, _, judgement in self._rows(ITEM):
                value = None if judgement.answers is None else judgement.answers[criterion]
                if value is not None and value != TIE:
                    items.append(row)
                    firsts.append(int(value == FIRST))
        else:
            gaps, places = self.differences(criterion), self.places()
            for row, column in np.argwhere(np.isfinite(gaps) & (gaps != 0)).tolist():
                early = places[row, column, 0] < places[row, column, 1]
                items.append(row)
                firsts.append(int((gaps[row, column] > 0) == early))
        return np.array(items, np.int64), np.array(firsts, np.int64)

    def seconds(self) -> Floats:
        """Seconds of each rater's answers in their order, shape [pages, R], NaN = none."""
        columns = [
            [one.seconds for question, one in self.answered if question.rater == rater and one and one.kind == ANSWER]
            for rater in self.raters
        ]
        found = np.full((max(map(len, columns), default=0), len(columns)), np.nan)
        for place, column in enumerate(columns):
            found[: len(column), place] = column
        return found

    def repeated(self, rater: str) -> tuple[Floats, Floats]:
        """A rater's answers to the primary criterion on pages that came twice: first time, second time."""
        criterion = self.design.criteria[0].name
        column = self.raters.index(rater)
        first, again = self.values(criterion)[:, column], self.values(criterion, role=REPEAT)[:, column]
        both = np.isfinite(first) & np.isfinite(again)
        return first[both], again[both]

    def checked(self, rater: str, role: str) -> tuple[int, int]:
        """How many checks of a role a rater answered right, and how many they answered or skipped."""
        right = total = 0
        for question, judgement in self.answered:
            if question.rater == rater and question.role == role and judgement is not None:
                expected = self.design.checks[int(question.unit.removeprefix("check-"))].right
                given = judgement.answers or {}
                total += 1
                right += all(given.get(name) in values for name, values in expected.items())
        return right, total

    def _rows(self, role: str) -> list[tuple[int, int, Question, Judgement]]:
        rows = {unit.id: row for row, unit in enumerate(self.units)}
        columns = {rater: column for column, rater in enumerate(self.raters)}
        return [
            (rows[question.unit], columns[question.rater], question, judgement)
            for question, judgement in self.answered
            if question.role == role and judgement is not None
        ]


def preference(value: int, shows: str) -> int:
    """An answer to a pair → 1 for the first system, −1 for the second, 0 for a tie."""
    if value == TIE:
        return 0
    return 1 if shows[value] == "a" else -1
