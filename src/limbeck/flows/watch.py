"""How the student changes from round to round, for the rules that may end the rounds.

Test items are not looked at: they must not decide how much is learned. Knows nothing of how a student is taught or of
any single rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from limbeck.flows.job import Job
from limbeck.flows.verdict import chosen
from limbeck.selection.stopping import Integers, Point, kappa
from limbeck.students.base import Student

TEXTS = 2000  # whose labels are watched, as in Bloodgood & Vijay-Shanker (2009)
UNASKED = "no stopping rule asks for it"


class Watch:
    """The learning curve as the stopping rules see it. Without rules nothing is computed.

    Args:
        job: its pool gives the texts that are watched, drawn by the seed; its schedule the rules.
    """

    def __init__(self, job: Job) -> None:
        self._task, self._rules, self._curve = job.task, job.schedule.stop, list[Point]()
        drawn = np.random.default_rng((job.seed, 4_000_000)).permutation(len(job.pool))[:TEXTS]
        self._texts = job.pool.texts(np.sort(drawn).tolist()) if self._rules else []
        self._before: Integers | None = None

    def see(self, student: Student | None, performance: float | None, *, items: int, tokens: int) -> dict[str, Any]:
        """Take note of a round; what was found, in the form that metrics.json keeps.

        Args:
            student: of this round.
            performance: on items that it did not learn from, 0 to 1; None where that is unknown.
            items: labelled so far.
            tokens: computed so far.
        """
        if not self._rules:
            return {"kappa": None, "kappa_reason": UNASKED, "performance": None, "performance_reason": UNASKED}
        opinion = chosen(self._task, student.predict_proba(self._texts)) if student else None
        pair = None if opinion is None or self._before is None else (self._before, opinion)
        agreed = kappa(*pair) if pair else None
        self._before = opinion
        self._curve.append(Point(items, tokens, agreed, performance))
        facts: dict[str, Any] = {"kappa": agreed, "performance": performance}
        if agreed is None:
            one_label = "both students give every text the same label"
            facts["kappa_reason"] = one_label if pair else "there are no two students to compare"
        if performance is None:
            facts["performance_reason"] = "the labels of the first round cannot teach a student yet"
        return facts

    def reason(self) -> str | None:
        """Why the first rule that wants to ends the rounds, or None."""
        return next((why for rule in self._rules if (why := rule(self._curve))), None)
