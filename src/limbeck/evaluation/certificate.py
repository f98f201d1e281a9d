"""How sure a committee must be so that few of its accepted labels are wrong, with a stated risk.

Knows nothing of labels, workers or of who gave the gold. (`calibration.acceptance` describes what a given threshold
lets through; here one is found, with a promise.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, betaincinv

from limbeck.errors import DataError
from limbeck.evaluation.intervals import Booleans, Floats

# Thresholds are tried at each 1/20 of the items. Finer steps meet more chance runs of errors, and the first ends it.
STEPS = 20
# A first test that allows no wrong label fails by a single unlucky one; one that allows it needs more answers. It is
# allowed where that takes no more than the surest quarter of them.
FIRST_ERRORS, FIRST_PART = 1, 4


@dataclass(frozen=True, slots=True)
class Step:
    """One threshold tried.

    Attributes:
        threshold: labels with at least this confidence were looked at.
        share: of all items, accepted by it.
        asked: answers among them.
        wrong: of these, labels that people contradict.
        p_value: chance of so few wrong ones if more than the stated error were wrong.
    """

    threshold: float
    share: float
    asked: int
    wrong: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """Which labels may be accepted.

    Attributes:
        error: at most this share of the accepted labels is wrong …
        risk: … except with this chance, over the draw of the answered items.
        threshold: least confidence of an accepted label, or None with the reason.
        share: of all items, accepted.
        bound: upper end of the one-sided Clopper–Pearson interval, at 1 − risk, for the accepted labels' error; it is
            at most `error`; None without a threshold.
        steps: the tests in their order; the last one failed unless all items are accepted.
        reason: why nothing is accepted.
    """

    error: float
    risk: float
    threshold: float | None
    share: float
    bound: float | None
    steps: tuple[Step, ...]
    reason: str | None = None


def certify(sure: Floats, wrong: Booleans, pool: Floats, *, error: float, risk: float) -> Certificate:
    """The lowest threshold at which the error of accepted labels is held, by fixed-sequence testing.

    Thresholds are the confidences that 1/20, 2/20, … of all items reach. From strict to loose each one's hypothesis
    "more than `error` of the accepted labels are wrong" is tested by the exact binomial tail at level `risk`; the first
    that cannot be rejected ends it (Angelopoulos et al. 2021, Learn then Test, arXiv 2110.01052). Tests begin at the
    first threshold at which a label or none may be wrong and the test still pass: that hangs on how many were answered
    and how sure the committee is, not on the answers, so no level is spent. The answers must be a random sample with
    equal chances and must not have helped to make labels or confidences.

    Args:
        sure: confidence of the answered items, shape [n].
        wrong: whether people contradict their labels, shape [n].
        pool: confidence of all items, shape [N].
        error: largest share of wrong labels among the accepted, in (0, 1).
        risk: chance that more are wrong, in (0, 1).

    Raises:
        DataError: an error or risk outside (0, 1), or arrays of different length.
    """
    if not (0 < error < 1 and 0 < risk < 1) or len(sure) != len(wrong):
        raise DataError(
            f"error {error} and risk {risk} for {len(sure)} confidences and {len(wrong)} answers cannot be used.",
            hint="Both lie between 0 and 1, and every confidence has its answer.",
        )
    tried = _tests(sure, wrong, pool, error)
    if not tried:
        return Certificate(error, risk, None, 0.0, None, (), "there is no item")
    n = len(sure)
    if bdtr(0, n, error) > risk:
        least = fewest(error, risk)
        why = f"{n} answers are too few: with this error and risk at least {least} are needed, all of them right"
        return Certificate(error, risk, None, 0.0, None, (), why)
    first = FIRST_ERRORS if bdtr(FIRST_ERRORS, n // FIRST_PART, error) <= risk else 0
    steps: list[Step] = []
    passed: Step | None = None
    for step in tried:
        if bdtr(first, step.asked, error) > risk:
            continue
        steps.append(step)
        if step.p_value > risk:
            break
        passed = step
    if passed is None:
        why = f"of the {steps[0].asked} surest answered labels {steps[0].wrong} are wrong"
        return Certificate(error, risk, None, 0.0, None, tuple(steps), why)
    bound = clopper_pearson(passed.wrong, passed.asked, tail=risk)[1]
    return Certificate(error, risk, passed.threshold, passed.share, bound, tuple(steps))


def fewest(error: float, risk: float) -> int:
    """The fewest answers, all of them right, that can show an error of at most `error`: (1 − error)^n ≤ risk."""
    return int(np.ceil(np.log(risk) / np.log1p(-error) - 1e-12))


def clopper_pearson(hits: int, n: int, *, tail: float = 0.025) -> tuple[float, float]:
    """Exact interval of a share of which `hits` in n were seen, missing it by at most `tail` on each side (1934)."""
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if hits < n else 1.0
    return low, high


def _tests(sure: Floats, wrong: Booleans, pool: Floats, error: float) -> list[Step]:
    """Every threshold, from strict to loose; equal ones once."""
    falling = np.sort(pool)[::-1]
    if not len(falling):
        return []
    ranks = np.ceil(len(falling) * np.arange(1, STEPS + 1) / STEPS).astype(np.int64) - 1
    found = []
    for cut in dict.fromkeys(falling[ranks].tolist()):
        seen = sure >= cut
        asked, misses = int(seen.sum()), int(wrong[seen].sum())
        p_value = float(bdtr(misses, asked, error)) if asked else 1.0
        found.append(Step(cut, float((pool >= cut).mean()), asked, misses, p_value))
    return found
