"""The alternative-annotator test: may the committee take the place of one of several people?

Calderon, Reichart & Dror 2025, The Alternative Annotator Test for LLM-as-a-Judge, arXiv 2501.10970. Knows nothing of
how the labels came about.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from limbeck.errors import DataError
from limbeck.evaluation.intervals import Booleans, Floats, Integers

LEAST_PEOPLE = 3
LEAST_ITEMS = 30
# False discovery rate over the people, as in the paper.
DISCOVERY = 0.05


@dataclass(frozen=True, slots=True)
class Rival:
    """The committee beside one person, both held against the other people.

    Attributes:
        person: who.
        items: items that this person and at least one other labelled.
        advantage: share of them on which the committee agrees with the others at least as well as the person does.
        person_advantage: share on which the person agrees with them at least as well as the committee.
        p_value: of the test that the committee is worse by more than ε; None where there are too few items.
        beaten: whether that is rejected, over all people at a false discovery rate of 5 %.
    """

    person: str
    items: int
    advantage: float | None
    person_advantage: float | None
    p_value: float | None
    beaten: bool


@dataclass(frozen=True, slots=True)
class AlternativeAnnotator:
    """The outcome.

    Attributes:
        epsilon: advantage granted to people for being dearer: 0.2 for experts, 0.15 for trained, 0.1 for crowd workers.
        winning_rate: share of the people that the committee may replace; None with a reason.
        advantage: mean advantage probability of the committee over the people; None with a reason.
        passed: whether the winning rate reaches 1/2; None with a reason.
        rivals: one per person, also those with too few items.
        reason: why there is no outcome.
    """

    epsilon: float
    winning_rate: float | None
    advantage: float | None
    passed: bool | None
    rivals: tuple[Rival, ...]
    reason: str | None = None


def alternative_annotator(
    choices: Integers, labels: Integers, people: Sequence[str], *, epsilon: float
) -> AlternativeAnnotator:
    """Test whether the committee's labels stand in for a person's.

    For each person: on every item that they and another labelled, both their label and the committee's are scored by
    the share of the others who gave it; who scores at least as high has the advantage (both, when equal). A one-sided
    paired t-test asks whether the person's advantage exceeds the committee's by less than ε; its p-values over the
    people are corrected after Benjamini & Yekutieli (2001). People with fewer than 30 such items are left out.

    Args:
        choices: label index of each person, shape [n, P]; -1 = none.
        labels: the committee's label, shape [n]; -1 = none, such items are left out.
        people: names, length P.
        epsilon: see `AlternativeAnnotator`, at least 0.

    Raises:
        DataError: shapes that do not fit, or a negative ε.
    """
    if choices.shape != (len(labels), len(people)) or epsilon < 0:
        raise DataError(
            f"{choices.shape} choices of {len(people)} people stand against {len(labels)} labels, ε = {epsilon}.",
            hint="Pass one row per item and one column per person, and ε of at least 0.",
        )
    rivals = [_rival(choices, labels, column, name, epsilon) for column, name in enumerate(people)]
    able = [i for i, rival in enumerate(rivals) if rival.p_value is not None]
    if len(able) < LEAST_PEOPLE:
        why = (
            f"{len(able)} people share {LEAST_ITEMS} or more labelled items with others; "
            f"the test needs {LEAST_PEOPLE} of them"
        )
        return AlternativeAnnotator(epsilon, None, None, None, tuple(rivals), why)
    beaten = benjamini_yekutieli(np.array([rivals[i].p_value for i in able], np.float64), DISCOVERY)
    for place, won in zip(able, beaten.tolist(), strict=True):
        one = rivals[place]
        rivals[place] = Rival(one.person, one.items, one.advantage, one.person_advantage, one.p_value, won)
    rate = float(beaten.mean())
    advantage = float(np.mean([rivals[i].advantage for i in able]))
    return AlternativeAnnotator(epsilon, rate, advantage, rate >= 0.5, tuple(rivals))


def benjamini_yekutieli(p_values: Floats, rate: float) -> Booleans:
    """Which hypotheses are rejected at this false discovery rate, whatever their dependence; shape [m]."""
    m = len(p_values)
    order = np.argsort(p_values, kind="stable")
    steps = rate * np.arange(1, m + 1) / (m * (1 / np.arange(1, m + 1)).sum())
    under = np.flatnonzero(p_values[order] <= steps)
    found = np.zeros(m, np.bool_)
    if len(under):
        found[order[: under[-1] + 1]] = True
    return found


def _rival(choices: Integers, labels: Integers, column: int, name: str, epsilon: float) -> Rival:
    others = np.delete(choices, column, axis=1)
    own = choices[:, column]
    rows = (own >= 0) & (labels >= 0) & (others >= 0).any(axis=1)
    n = int(rows.sum())
    if n == 0:
        return Rival(name, 0, None, None, None, False)
    # Both scores have the same number of others below the line, so counts compare as shares do.
    mine = (others[rows] == own[rows, None]).sum(axis=1)
    theirs = (others[rows] == labels[rows, None]).sum(axis=1)
    won, lost = theirs >= mine, mine >= theirs
    p_value = _paired(lost.astype(np.float64) - won, epsilon) if n >= LEAST_ITEMS else None
    return Rival(name, n, float(won.mean()), float(lost.mean()), p_value, False)


def _paired(difference: Floats, epsilon: float) -> float:
    """One-sided p-value of a t-test that the mean difference is at least ε."""
    n = len(difference)
    gap = float(difference.mean()) - epsilon
    spread = float(difference.std(ddof=1))
    if spread == 0:
        return 0.0 if gap < 0 else 1.0
    return float(stdtr(n - 1, gap / (spread / math.sqrt(n))))
