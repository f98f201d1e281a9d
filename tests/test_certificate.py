"""The acceptance threshold: binomial tails by hand, laws, and replays that keep the promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.errors import DataError
from limbeck.evaluation.certificate import certify, clopper_pearson, fewest

# Twenty items, all answered; item i is the i-th surest.
SURE = np.arange(20, 0, -1) / 20


def test_by_hand() -> None:
    # The eight surest are right, all others wrong. At error 1/2 and risk 1/4 tests begin with five answers: one wrong
    # among five has a tail of 6/32. Four wrong of twelve: 794/4096 passes; five of thirteen: 2380/8192 does not.
    found = certify(SURE, np.arange(20) >= 8, SURE, error=0.5, risk=0.25)
    assert [step.asked for step in found.steps] == [5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert [step.wrong for step in found.steps] == [0, 0, 0, 0, 1, 2, 3, 4, 5]
    assert found.steps[-2].p_value == pytest.approx(794 / 4096)
    assert found.steps[-1].p_value == pytest.approx(2380 / 8192)
    assert (found.threshold, found.share) == (SURE[11], 0.6)
    assert found.bound is not None
    assert found.bound <= 0.5


def test_all_right_accepts_everything() -> None:
    found = certify(SURE, np.zeros(20, np.bool_), SURE, error=0.5, risk=0.25)
    assert (found.threshold, found.share) == (SURE[-1], 1.0)
    assert found.bound == pytest.approx(1 - 0.25 ** (1 / 20))  # no wrong one of twenty: (1 − bound)^20 = risk


def test_why_nothing_is_accepted() -> None:
    few = certify(SURE, np.zeros(20, np.bool_), SURE, error=0.05, risk=0.05)
    assert few.threshold is None
    assert few.reason == "20 answers are too few: with this error and risk at least 59 are needed, all of them right"
    bad = certify(SURE, np.ones(20, np.bool_), SURE, error=0.5, risk=0.25)
    assert (bad.threshold, bad.share, bad.bound) == (None, 0.0, None)
    assert bad.reason == "of the 5 surest answered labels 5 are wrong"
    assert certify(SURE[:0], np.zeros(0, np.bool_), SURE[:0], error=0.1, risk=0.1).reason == "there is no item"


def test_equal_confidences_stand_or_fall_together() -> None:
    found = certify(np.full(20, 0.9), np.arange(20) >= 17, np.full(20, 0.9), error=0.5, risk=0.25)
    assert [(step.asked, step.wrong) for step in found.steps] == [(20, 3)]
    assert (found.threshold, found.share) == (0.9, 1.0)


@pytest.mark.parametrize(("error", "risk"), [(0, 0.1), (0.1, 0), (1, 0.1), (0.1, 1.0)])
def test_impossible_promises_are_refused(error: float, risk: float) -> None:
    with pytest.raises(DataError):
        certify(SURE, np.zeros(20, np.bool_), SURE, error=error, risk=risk)


def test_clopper_pearson_by_hand() -> None:
    assert clopper_pearson(0, 10) == pytest.approx((0, 1 - 0.025**0.1))
    assert clopper_pearson(10, 10) == pytest.approx((0.025**0.1, 1))
    # Published for 5 of 10: 0.1871 to 0.8129.
    assert clopper_pearson(5, 10) == pytest.approx((0.1871, 0.8129), abs=5e-5)


def test_fewest_by_hand() -> None:
    assert fewest(0.5, 0.25) == 2
    assert fewest(0.05, 0.05) == 59  # 0.95^58 = 0.0510, 0.95^59 = 0.0485
    assert fewest(0.1, 0.05) == 29


@given(st.integers(0, 2**32 - 1).map(np.random.default_rng), st.floats(0.05, 0.4), st.floats(0.05, 0.3))
def test_what_is_promised_follows_from_the_last_test_passed(
    rng: np.random.Generator, error: float, risk: float
) -> None:
    pool = rng.random(300)
    rows = rng.permutation(300)[:150]
    wrong = rng.random(150) < 0.5 * (1 - pool[rows])
    found = certify(pool[rows], wrong, pool, error=error, risk=risk)
    if found.threshold is not None:
        assert found.share == (pool >= found.threshold).mean()
        assert found.bound is not None
        assert found.bound <= error + 1e-9
        passed = [step for step in found.steps if step.threshold >= found.threshold]
        assert all(step.p_value <= risk for step in passed)
        assert all(step.p_value > risk for step in found.steps[len(passed) :])
    else:
        assert found.reason


def test_the_bound_is_kept_as_often_as_promised() -> None:
    rng = np.random.default_rng(2)
    pool = rng.random(1000)
    wrong = rng.random(1000) < 0.5 * (1 - pool) ** 3
    broken = accepted = 0
    for _ in range(400):
        rows = rng.permutation(1000)[:200]
        found = certify(pool[rows], wrong[rows], pool, error=0.1, risk=0.1)
        if found.threshold is not None:
            accepted += 1
            broken += wrong[pool >= found.threshold].mean() > 0.1
    assert accepted > 300, "a test that never accepts cannot break its promise"
    assert broken / 400 <= 0.1
