"""Several labels for one text: a student of its own for each, which says whether it applies.

Knows nothing of agents, votes or of the single students.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.errors import StudentError
from limbeck.students.base import Floats, Student, Teacher
from limbeck.students.saved import AGAIN

INDEX, FORMAT = "student.json", "limbeck-one-vs-rest-student"


class OneVsRestStudent:
    """A trained student.

    Args:
        labels: names of the labels.
        students: one for each; a number where every text that was learned from had this probability of the label.
    """

    def __init__(self, labels: Sequence[str], students: Sequence[Student | float]) -> None:
        self.labels, self._students = tuple(labels), tuple(students)

    @property
    def tuning(self) -> tuple[Any, ...]:
        """What each single student chose for itself; hand it to the next teacher."""
        return tuple(getattr(student, "tuning", None) for student in self._students)

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Probability that each label applies, shape [texts, labels]; rows sum to what they do."""
        columns = [
            np.full(len(texts), one) if isinstance(one, float) else one.predict_proba(texts)[:, 0]
            for one in self._students
        ]
        return np.column_stack(columns)

    def save(self, folder: Path, *, card: Mapping[str, str] | None = None) -> None:
        """Write `student.json` and a folder for each single student.

        Raises:
            StudentError: when the folder cannot be written.
        """
        constant = {}
        for place, one in enumerate(self._students):
            if isinstance(one, float):
                constant[str(place)] = one
            else:
                one.save(folder / f"{place:03}", card=card)
        document = {"format": FORMAT, "schema_version": 1, "labels": self.labels, "constant": constant}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / INDEX).write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
        except OSError as error:
            raise StudentError(f"cannot write the student to {folder}: {error.strerror}", hint="Free space.") from error


class OneVsRestTeacher:
    """Makes one student for each label.

    Args:
        teacher: makes the teacher of a single label; takes the tuning of an earlier student, or None.
        tuning: of an earlier student of this kind, or None.
    """

    def __init__(self, teacher: Callable[[Any], Teacher], *, tuning: Sequence[Any] | None = None) -> None:
        self._teacher, self._tuning = teacher, tuning

    def fit(
        self,
        texts: Sequence[str],
        targets: Floats,
        *,
        labels: Sequence[str],
        weights: Floats | None = None,
        rng: np.random.Generator,
    ) -> OneVsRestStudent:
        """Learn from the probability of each label, shape [N, K], each 0 to 1; else as `Teacher.fit`.

        Raises:
            StudentError: when there are fewer than two texts.
        """
        if len(texts) < 2:
            raise StudentError(f"a student needs at least two labelled texts, not {len(texts)}", hint="Label more.")
        students: list[Student | float] = []
        for place, label in enumerate(labels):
            column = targets[:, place]
            if np.ptp(column) < 1e-9:
                students.append(float(column[0]))
                continue
            teacher = self._teacher(self._tuning[place] if self._tuning else None)
            pair, names = np.column_stack([column, 1 - column]), (label, f"not {label}")
            students.append(teacher.fit(texts, pair, labels=names, weights=weights, rng=rng))
        return OneVsRestStudent(labels, students)


def load_students(folder: Path, load: Callable[[Path], Student]) -> OneVsRestStudent:
    """Read a student that `OneVsRestStudent.save` wrote; `load` reads a single one.

    Raises:
        StudentError: when files are missing or damaged.
    """
    try:
        document = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        labels, constant = document["labels"], document["constant"]
        known = document["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudentError(f"{folder / INDEX} cannot be read: {error}", hint=AGAIN) from error
    if not known:
        raise StudentError(f"{folder / INDEX} is of another kind of student", hint=AGAIN)
    students = [
        float(constant[str(place)]) if str(place) in constant else load(folder / f"{place:03}")
        for place in range(len(labels))
    ]
    return OneVsRestStudent(labels, students)
