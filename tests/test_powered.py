"""Prediction-powered intervals against a case worked out by hand, laws, replays, and ppi-python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.errors import DataError
from limbeck.evaluation.powered import FEW, prediction_powered

# Five times the same eight items, of which the first four are answered. Mean guess 1/2; truth − guess is 0, 0, 0, 1.
TRUTH = np.tile([1.0, 0, 1, 1], 5)
GUESSES = np.tile([1.0, 0, 1, 0, 1, 1, 0, 0], 5)
ROWS = np.flatnonzero(np.tile([1, 1, 1, 1, 0, 0, 0, 0], 5))
T18, T19 = 2.10092204024096, 2.093024054408263  # Student's t, 97.5 %, with 18 and 19 degrees of freedom

answers = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed))


def case(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth of some items, their positions, and guesses for all."""
    size = int(rng.integers(10, 60))
    rows = rng.permutation(size)[: int(rng.integers(4, size))]
    guesses = rng.random(size)
    return (rng.random(len(rows)) < guesses[rows]).astype(np.float64), rows, guesses


def test_by_hand() -> None:
    found = prediction_powered(TRUTH, ROWS, GUESSES)
    # Slope of (1/4, −3/4, 1/4, 1/4) on (1/2, −1/2, 1/2, −1/2): 1/2. Residuals 1/2, 0, 1/2, 1: their variance is 1/8.
    assert found.strength == pytest.approx(0.5)
    assert found.estimate.value == pytest.approx(0.75)
    reach = T18 * np.sqrt(0.5 / 8 / 18)  # half of the items are answered: half the variance
    assert found.estimate.interval == pytest.approx((0.75 - reach, 0.75 + reach))
    alone = T19 * np.sqrt(0.5 * 3 / 16 / 19)
    assert found.alone.interval == pytest.approx((0.75 - alone, 0.75 + alone))
    assert found.width_ratio == pytest.approx(reach / alone)
    assert found.saved == pytest.approx(1 - 1 / (0.5 * (alone / reach) ** 2 + 0.5))


def test_by_hand_with_full_strength_and_for_the_source() -> None:
    found = prediction_powered(TRUTH, ROWS, GUESSES, strength=1.0, beyond=True)
    assert found.estimate.value == pytest.approx(0.5 + 0.25)
    # To the items' own spread comes that of the pool's mean: 3/16 over 40 items, beside 20 answers.
    reach = T19 * np.sqrt((0.5 * 3 / 16 + 3 / 16 * 20 / 40) / 19)
    assert found.estimate.interval == pytest.approx((0.75 - reach, 0.75 + reach))


def test_unlike_chances_by_hand() -> None:
    found = prediction_powered(TRUTH[:4], ROWS[:4], GUESSES, strength=0.0, chances=np.array([0.25, 0.5, 0.5, 0.5]))
    # Weights 1/chance are 4, 2, 2, 2: the first answer counts twice.
    assert found.estimate.value == pytest.approx((2 + 0 + 1 + 1) / 5)


def test_all_answered_is_exact_and_too_few_are_none() -> None:
    whole = prediction_powered(TRUTH, np.arange(20), GUESSES[:20]).estimate
    assert (whole.value, whole.interval) == (0.75, (0.75, 0.75))
    # Of the first sixteen answers four are 0, one too few.
    few = prediction_powered(TRUTH[:16], ROWS[:16], np.full(40, 0.5))
    assert (few.estimate.value, few.estimate.interval, few.estimate.reason) == (0.75, None, FEW)
    same = prediction_powered(np.ones(20), ROWS, GUESSES)
    assert (same.estimate.value, same.estimate.interval, same.saved) == (1.0, None, None)
    assert same.estimate.reason == FEW
    assert prediction_powered(TRUTH[:0], ROWS[:0], GUESSES).estimate.reason == "no answers"


@pytest.mark.parametrize(
    ("truth", "rows", "chances"),
    [(TRUTH, np.zeros(20, np.int64), None), (TRUTH[:3], ROWS, None), (TRUTH, ROWS, np.zeros(20))],
)
def test_what_does_not_fit_is_refused(truth: np.ndarray, rows: np.ndarray, chances: np.ndarray | None) -> None:
    with pytest.raises(DataError):
        prediction_powered(truth, rows, GUESSES, chances=chances)


@given(answers)
def test_a_guess_that_says_nothing_changes_nothing(rng: np.random.Generator) -> None:
    truth, rows, guesses = case(rng)
    found = prediction_powered(truth, rows, np.full(len(guesses), 0.3))
    assert found.strength == 0
    assert found.estimate == found.alone


@given(answers)
def test_counting_the_other_label_gives_the_other_share(rng: np.random.Generator) -> None:
    truth, rows, guesses = case(rng)
    one, other = prediction_powered(truth, rows, guesses), prediction_powered(1 - truth, rows, 1 - guesses)
    assert one.estimate.value == pytest.approx(1 - (other.estimate.value or 0))
    assert one.width_ratio == pytest.approx(other.width_ratio)


@given(answers)
def test_equal_chances_are_no_chances_and_the_order_does_not_matter(rng: np.random.Generator) -> None:
    truth, rows, guesses = case(rng)
    plain = prediction_powered(truth, rows, guesses)
    odds = np.full(len(rows), len(rows) / len(guesses))
    order = rng.permutation(len(rows))
    turned = prediction_powered(truth[order], rows[order], guesses, chances=odds)
    assert turned.estimate.value == pytest.approx(plain.estimate.value)
    assert turned.width_ratio == pytest.approx(plain.width_ratio)


@given(answers)
def test_more_of_the_items_answered_leaves_less_to_doubt(rng: np.random.Generator) -> None:
    truth, rows, guesses = case(rng)
    here = prediction_powered(truth, rows, guesses, strength=0.5).estimate.interval
    beyond = prediction_powered(truth, rows, guesses, strength=0.5, beyond=True).estimate.interval
    if here is not None and beyond is not None:
        assert here[1] - here[0] <= beyond[1] - beyond[0] + 1e-12


@pytest.mark.parametrize("unlike", [False, True])
def test_the_interval_covers_the_truth_as_often_as_it_says(unlike: bool) -> None:
    rng = np.random.default_rng(5)
    guesses = rng.beta(3, 1, 600)
    truth = (rng.random(600) < guesses).astype(np.float64)
    size = 0.3 + (1 - guesses) if unlike else np.ones(600)
    odds = 80 * size / size.sum()
    hits = 0
    for _ in range(400):
        # Each item on its own coin: the number of answers varies, the chances are exact.
        rows = np.flatnonzero(rng.random(600) < odds)
        found = prediction_powered(truth[rows], rows, guesses, chances=odds[rows]).estimate.interval
        assert found is not None
        hits += found[0] <= truth.mean() <= found[1]
    assert 0.92 <= hits / 400 <= 0.98  # four standard errors of 0.95 over 400 replays are 0.044


@pytest.mark.extras
def test_ppi_python_agrees() -> None:
    ppi = pytest.importorskip("ppi_py")
    rng = np.random.default_rng(11)
    guesses = rng.beta(2, 2, 3000)
    rows = rng.permutation(3000)[:300]
    truth = (rng.random(300) < guesses[rows]).astype(np.float64)
    rest = np.delete(guesses, rows)
    found = prediction_powered(truth, rows, guesses, beyond=True).estimate
    theirs = float(np.squeeze(ppi.ppi_mean_pointestimate(truth, guesses[rows], rest)))
    low, high = (float(np.squeeze(end)) for end in ppi.ppi_mean_ci(truth, guesses[rows], rest, alpha=0.05))
    assert found.value is not None
    assert found.interval is not None
    width = high - low
    assert abs(found.value - theirs) < 0.02 * width
    assert (found.interval[1] - found.interval[0]) / width == pytest.approx(1, abs=0.02)
