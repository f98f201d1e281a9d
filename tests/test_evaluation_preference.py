"""Non-inferiority, its power, strengths in pairs and Holm's correction: by hand, published, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from limbeck.errors import DataError
from limbeck.evaluation.bradley_terry import davidson
from limbeck.evaluation.multiplicity import holm
from limbeck.evaluation.noninferiority import ONE_RATER, items_if_noisy, non_inferiority, shown_by
from limbeck.evaluation.power import discordant_sd, items_needed, power_of

# Agresti 2013, Categorical Data Analysis, table 11.10: wins of the American League's eastern teams in 1987.
BASEBALL = (
    (0, 7, 9, 7, 7, 9, 11),
    (6, 0, 7, 5, 11, 9, 9),
    (4, 6, 0, 7, 7, 8, 12),
    (6, 8, 6, 0, 6, 7, 10),
    (6, 2, 6, 7, 0, 7, 12),
    (4, 4, 5, 6, 6, 0, 6),
    (2, 4, 1, 3, 1, 7, 0),
)


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("sd", "margin", "items"), [(0.85, 0.10, 568), (0.85, 0.15, 253), (discordant_sd(0.2), 0.10, 157)]
)
def test_sample_sizes_by_hand(sd: float, margin: float, items: int) -> None:
    # (1.959964 + 0.841621)² = 7.84888; times sd² / margin².
    assert items_needed(sd, margin) == items == math.ceil(7.84888 * sd**2 / margin**2)
    assert power_of(items, sd, margin) >= 0.8 > power_of(items - 1, sd, margin)


def test_power_counts_a_true_difference() -> None:
    assert items_needed(0.85, 0.10, expected=0.05) == 253
    assert power_of(10, 0.85, 0.1) == pytest.approx(0.0559, abs=5e-4)
    for wrong in ((0.0, 0.1), (0.85, 0.0)):
        with pytest.raises(DataError):
            items_needed(*wrong)
    with pytest.raises(DataError, match="discordance"):
        discordant_sd(0.1, expected=0.2)


def test_noise_and_few_raters_need_more_items() -> None:
    # Student's 2.306 and 0.889 with 4 · 2 degrees of freedom, and twice the variance.
    assert items_if_noisy(0.85, 0.15, raters=3) == math.ceil(2 * (2.3060 + 0.8889) ** 2 * 0.85**2 / 0.15**2)
    assert items_if_noisy(0.85, 0.15, raters=1) == 253
    assert items_if_noisy(0.85, 0.15, raters=200) == pytest.approx(2 * 253, rel=0.01)


def test_non_inferiority_by_hand_with_one_rater() -> None:
    # Mean 0, standard deviation 1 over 100 items: the standard error is 0.1 and the bound about −0.2.
    values = np.tile([-1.0, 1.0], 50)[:, None]
    found = non_inferiority(values, margin=0.25, rng=seeded())
    assert found.difference.value == 0
    assert found.standard_error == pytest.approx(0.1, rel=0.1)
    assert found.difference.low == pytest.approx(-1.984 * 0.1, rel=0.1)
    assert found.shown is True
    assert found.reason == ONE_RATER
    assert found.raters_error is None
    assert non_inferiority(values, margin=0.15, rng=seeded()).shown is False
    power, margin = shown_by(found, power=0.8)
    assert power == pytest.approx(power_of(100, 1, 0.25), abs=0.1)
    assert margin == pytest.approx(0.28, rel=0.1)


def test_raters_who_take_sides_widen_the_interval() -> None:
    rng = seeded()
    noise = 0.3 * rng.standard_normal((80, 4))
    alike = non_inferiority(noise, margin=0.2, rng=seeded())
    apart = non_inferiority(noise + np.array([0.5, -0.5, 0.3, -0.3]), margin=0.2, rng=seeded())
    assert alike.shown is True
    assert apart.shown is False
    # The raters' means have variance 0.68/3, so the mean of four has a standard error of √(0.68/12).
    assert apart.raters_error == pytest.approx(math.sqrt(0.68 / 12), rel=0.15)
    assert apart.degrees is not None
    assert apart.degrees < 4


def test_an_item_counts_once_however_many_judged_it() -> None:
    values = np.full((4, 3), np.nan)
    values[0] = 1
    values[1:, 0] = -1
    assert non_inferiority(values, margin=1, rng=seeded()).difference.value == -0.5


def test_no_test_without_variance_or_data() -> None:
    ties = non_inferiority(np.zeros((40, 3)), margin=0.1, rng=seeded())
    assert (ties.difference.value, ties.shown, ties.p_value) == (0, None, None)
    assert "all differences are equal" in str(ties.reason)
    nobody = non_inferiority(np.full((5, 2), np.nan), margin=0.1, rng=seeded())
    assert nobody.difference.reason == "nobody judged both sides of an item"
    assert non_inferiority(np.array([[0.5, 0.0]]), margin=0.1, rng=seeded()).reason == "one item: no interval"
    with pytest.raises(DataError, match="margin"):
        non_inferiority(np.zeros((2, 2)), margin=0, rng=seeded())


def test_a_rater_who_left_is_kept_with_what_they_did() -> None:
    rng = seeded()
    values = rng.standard_normal((60, 3))
    values[10:, 2] = np.nan
    found = non_inferiority(values, margin=0.5, rng=rng)
    assert found.shown is True
    assert found.difference.n == 60


def test_type_one_error_at_the_margin_on_a_small_scale() -> None:
    """2,000 simulations stand in benchmarks/study.py; of 150 at 2.5 %, more than 10 have a chance of 0.2 %."""
    shown = 0
    for seed in range(150):
        rng = seeded(seed)
        values = -0.2 + 0.5 * rng.standard_normal((40, 1)) + 0.7 * rng.standard_normal((40, 3))
        shown += bool(non_inferiority(values, margin=0.2, rng=rng).shown)
    assert shown <= 10


def expand(wins: tuple[tuple[int, ...], ...]) -> np.ndarray:
    rows = [(i, j, 0) for i, row in enumerate(wins) for j, n in enumerate(row) for _ in range(n)]
    return np.array([(place, *row) for place, row in enumerate(rows)])


def test_bradley_terry_is_that_of_the_published_example() -> None:
    found = davidson(expand(BASEBALL), 7)
    values = [one.value for one in found.systems]
    assert None not in values
    above_last = [float(value) - float(values[-1] or 0) for value in values if value is not None]
    assert above_last == pytest.approx([1.581, 1.436, 1.294, 1.248, 1.108, 0.684, 0], abs=2e-3)
    assert sum(value for value in values if value is not None) == pytest.approx(0, abs=1e-8)
    assert found.tie == 0


def test_two_systems_with_ties_have_a_closed_form() -> None:
    rows = [(i, 0, 1, 0) for i in range(20)] + [(i, 1, 0, 0) for i in range(20, 30)]
    rows += [(i, 0, 1, 2) for i in range(30, 40)]
    found = davidson(np.array(rows), 2)
    assert found.systems[0].value == pytest.approx(math.log(2) / 2)
    assert found.tie == pytest.approx(10 / math.sqrt(200))
    # Var(ln(a/b)) = 1/a + 1/b for one judgement per item; half of the log-ratio has half of its error.
    error = math.sqrt(1 / 20 + 1 / 10) / 2 * math.sqrt(40 / 39)
    assert found.systems[0].high == pytest.approx(math.log(2) / 2 + 1.96 * error, rel=1e-3)


@pytest.mark.parametrize("seed", range(20))
def test_saying_everything_three_times_makes_nothing_surer(seed: int) -> None:
    outcome = seeded(seed).choice(3, p=[0.5, 0.3, 0.2], size=40)
    rows = np.column_stack([np.arange(40), np.zeros(40), np.ones(40), outcome]).astype(np.int64)
    once, thrice = davidson(rows, 2).systems[0], davidson(np.repeat(rows, 3, axis=0), 2).systems[0]
    assert (thrice.value, thrice.low, thrice.high) == pytest.approx((once.value, once.low, once.high))
    assert once.value is not None
    wins = np.bincount(outcome, minlength=3)
    error = math.sqrt(1 / wins[0] + 1 / wins[1]) / 2 * math.sqrt(40 / 39)
    assert once.high == pytest.approx(once.value + 1.96 * error, rel=1e-3)


def test_ties_and_three_systems_maximise_the_likelihood() -> None:
    rng = seeded()
    pairs = np.array([(0, 1), (1, 2), (2, 0)])[rng.integers(3, size=300)]
    rows = np.column_stack([np.arange(300), pairs, rng.choice(3, p=[0.5, 0.3, 0.2], size=300)])

    def loss(beta: np.ndarray) -> float:
        strength = np.exp(np.array([beta[0], beta[1], -beta[0] - beta[1]]))
        a, b = strength[rows[:, 1]], strength[rows[:, 2]]
        tie = np.exp(beta[2]) * np.sqrt(a * b)
        parts = np.column_stack([a, b, tie]) / (a + b + tie)[:, None]
        return float(-np.log(parts[np.arange(300), rows[:, 3]]).sum())

    best = minimize(loss, np.zeros(3)).x
    found = davidson(rows, 3)
    assert found.systems[0].value == pytest.approx(best[0], abs=1e-4)
    assert found.systems[1].value == pytest.approx(best[1], abs=1e-4)
    assert found.tie == pytest.approx(math.exp(best[2]), abs=1e-4)


def test_strengths_without_bound_say_why() -> None:
    won = davidson(np.array([(0, 0, 1, 0), (1, 0, 1, 0)]), 2)
    assert "never won" in str(won.reason)
    assert won.systems[0].value is None
    tied = davidson(np.array([(0, 0, 1, 0), (1, 0, 1, 2), (2, 0, 1, 2)]), 2)
    assert (tied.tie, tied.reason) == (None, won.reason)
    assert davidson(np.array([(0, 0, 1, 2)]), 2).reason == "all judgements are ties"
    assert davidson(np.zeros((0, 4), np.int64), 2).reason == "no pair was judged"
    with pytest.raises(DataError):
        davidson(np.array([(0, 1, 1, 0)]), 2)


def test_holm_by_hand() -> None:
    # In order: 4 · 0.005, 3 · 0.01, 2 · 0.03, and 0.04, which may not be below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_leaves_out_tests_that_were_none() -> None:
    assert holm([0.01, None, 0.04]) == [0.02, None, 0.04]
