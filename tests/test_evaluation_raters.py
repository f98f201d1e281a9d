"""Agreement of people beyond chance, and how they went about it: published examples, naive twins, degenerate data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.errors import DataError
from limbeck.evaluation.conduct import drift, pace, position_bias, self_consistency
from limbeck.evaluation.raters import Level, gwet_ac, krippendorff_alpha

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example C: four observers, twelve units.
OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
PUBLISHED = np.array([[-1 if sign == "." else int(sign) - 1 for sign in row.split()] for row in OBSERVERS]).T


def seeded() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(("level", "value"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_that_of_the_published_example(level: Level, value: float) -> None:
    found = krippendorff_alpha(PUBLISHED, 5, level=level, rng=seeded())
    assert found.value == pytest.approx(value, abs=5e-4)
    assert found.n == 11
    assert found.low is not None
    assert found.low < value


def test_ac1_is_that_of_the_published_examples() -> None:
    # Gwet's own program for the table above: pa 0.8181818, pe 0.1903212, AC1 0.77544.
    assert gwet_ac(PUBLISHED, 5, rng=seeded()).value == pytest.approx(0.77544, abs=5e-6)
    # Gwet 2002, "Kappa statistic is not satisfactory": 118 + 5 + 2 + 0 of 125, where kappa is −0.02.
    table = np.array([[0, 0]] * 118 + [[0, 1]] * 5 + [[1, 0]] * 2)
    assert gwet_ac(table, 2, rng=seeded()).value == pytest.approx(0.9408, abs=5e-5)
    assert krippendorff_alpha(table, 2, level="nominal", rng=seeded()).value == pytest.approx(-0.0245, abs=5e-4)


def naive_alpha(ratings: np.ndarray, level: Level) -> float:
    """Pairs of judgements one by one."""
    units = [row[row >= 0] for row in ratings if (row >= 0).sum() >= 2]
    each = np.concatenate(units)

    def apart(a: int, b: int) -> float:
        if level == "nominal":
            return float(a != b)
        if level == "interval":
            return float((a - b) ** 2)
        low, high = min(a, b), max(a, b)
        between = sum((each == c).sum() for c in range(low, high + 1))
        return float((between - ((each == a).sum() + (each == b).sum()) / 2) ** 2)

    observed = sum(
        apart(a, b) / (len(unit) - 1)
        for unit in units
        for i, a in enumerate(unit)
        for j, b in enumerate(unit)
        if i != j
    )
    expected = sum(apart(a, b) for i, a in enumerate(each) for j, b in enumerate(each) if i != j)
    return float(1 - observed / len(each) / (expected / len(each) / (len(each) - 1)))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["nominal", "ordinal", "interval"]))
def test_alpha_is_that_of_pair_by_pair(seed: int, level: Level) -> None:
    rng = np.random.default_rng(seed)
    ratings = rng.integers(4, size=(12, 3))
    ratings[rng.random((12, 3)) < 0.2] = -1
    ratings[0] = [0, 1, 2]
    found = krippendorff_alpha(ratings, 4, level=level, rng=rng)
    assert found.value == pytest.approx(naive_alpha(ratings, level))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_ac_is_that_of_item_by_item(seed: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    ratings = rng.integers(4, size=(12, 3))
    ratings[rng.random((12, 3)) < 0.2] = -1
    ratings[0] = [0, 1, 2]

    def near(a: int, b: int) -> float:
        return 1 - ((a - b) / 3) ** 2 if weighted else float(a == b)

    rows = [row[row >= 0] for row in ratings]
    agreed = [
        np.mean([near(a, b) for i, a in enumerate(row) for j, b in enumerate(row) if i != j])
        for row in rows
        if len(row) > 1
    ]
    shares = np.mean([[(row == c).mean() for c in range(4)] for row in rows if len(row)], axis=0)
    total = sum(near(a, b) for a in range(4) for b in range(4))
    chance = total / 12 * float((shares * (1 - shares)).sum())
    found = gwet_ac(ratings, 4, rng=rng, weighted=weighted)
    assert found.value == pytest.approx((np.mean(agreed) - chance) / (1 - chance))


def test_agreement_without_overlap_or_variance_says_why() -> None:
    alone = np.array([[0, -1], [-1, 1]])
    for found in (krippendorff_alpha(alone, 2, level="nominal", rng=seeded()), gwet_ac(alone, 2, rng=seeded())):
        assert (found.value, found.reason) == (None, "no item was judged by two people")
    constant = np.zeros((5, 3), np.int64)
    alpha = krippendorff_alpha(constant, 3, level="ordinal", rng=seeded())
    assert alpha.value is None
    assert "chance and agreement cannot be told apart" in str(alpha.reason)
    ac = gwet_ac(constant, 3, rng=seeded())
    assert (ac.value, ac.interval) == (1, None)
    with pytest.raises(DataError, match="do not fit 2 categories"):
        krippendorff_alpha(PUBLISHED, 2, level="nominal", rng=seeded())


def test_position_bias_by_hand() -> None:
    # Nine of ten decided judgements prefer what came first: p = 2 · (1 + 10) / 1024.
    found = position_bias(np.arange(10), np.array([1] * 9 + [0]), rng=seeded())
    assert found.first_preferred.value == 0.9
    assert found.p_value == pytest.approx(22 / 1024)
    nothing = position_bias(np.zeros(0, np.int64), np.zeros(0, np.int64), rng=seeded())
    assert nothing.p_value is None
    assert "decided" in str(nothing.first_preferred.reason)


def test_drift_sees_the_rater_who_grew_milder_and_not_the_harder_items() -> None:
    truth = np.repeat([4.0, 2.0], 10)
    ratings = np.column_stack([truth, truth, truth + np.repeat([0.0, 1.0], 10)])
    ratings[3, 1] = np.nan
    places = np.tile(np.arange(20.0)[:, None], 3)
    first, _, third = drift(ratings, places, rng=seeded())
    # The first rater is held against the mean of both others, one of whom rises by one: half of it.
    assert third.value == pytest.approx(1)
    assert first.value == pytest.approx(-0.5, abs=0.06)
    assert drift(ratings[:3], places[:3], rng=seeded())[0].reason == "fewer than four items in common with others"


def test_pace_by_hand() -> None:
    seconds = np.array([[10.0, 2, np.nan], [12, 2, np.nan], [8, 3, np.nan], [6, 10, np.nan]])
    slow, quick, gone = pace(seconds)
    # The median of all is 7: two of the second rater's four answers took less than 7/3 seconds.
    assert (slow.median, slow.hasty, slow.trend) == (9, 0, -4)
    assert quick.hasty == 0.5
    assert (gone.median, gone.hasty, gone.trend) == (None, None, None)


def test_consistency_with_oneself() -> None:
    assert self_consistency(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 3, 5]), rng=seeded()).value == 0.75
    assert self_consistency(np.zeros(0), np.zeros(0), rng=seeded()).reason == "no question was asked twice"
