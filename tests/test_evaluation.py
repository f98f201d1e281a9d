"""Scores, calibration, comparison and their intervals: truths by hand, scikit-learn as oracle, simulated coverage."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from limbeck.errors import DataError
from limbeck.evaluation import (
    Estimate,
    acceptance,
    accuracy,
    brier,
    calibration_error,
    compare,
    confusion,
    coverage_curve,
    log_loss,
    macro_f1,
    mcnemar,
    per_class,
    reliability,
)
from limbeck.evaluation.intervals import mean_estimate

NONE = np.array([-1, -1])
EMPTY = np.array([], dtype=np.int64)


def seeded() -> np.random.Generator:
    return np.random.default_rng(0)


def random_labels(seed: int, *, n: int = 60, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    gold = rng.integers(k, size=n)
    return gold, np.where(rng.random(n) < 0.6, gold, rng.integers(k, size=n))


def is_absent(estimate: Estimate) -> bool:
    return estimate.value is None and estimate.interval is None and bool(estimate.reason)


def test_accuracy_by_hand() -> None:
    # Items with gold: right, wrong, no label (wrong), right; the last item has no gold.
    found = accuracy(np.array([0, 1, 1, 2, -1]), np.array([0, 0, -1, 2, 1]), rng=seeded())
    assert found.value == 0.5
    assert found.n == 4
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low < 0.5 < found.high <= 1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_scores_are_those_of_scikit_learn(seed: int, k: int) -> None:
    gold, predicted = random_labels(seed, n=25, k=k)
    assert accuracy(gold, predicted, rng=seeded()).value == pytest.approx(metrics.accuracy_score(gold, predicted))
    assert macro_f1(gold, predicted, k, rng=seeded()).value == pytest.approx(
        metrics.f1_score(gold, predicted, average="macro", zero_division=0)
    )
    names = list(range(k))
    assert confusion(gold, predicted, k).tolist() == metrics.confusion_matrix(gold, predicted, labels=names).tolist()
    want = metrics.precision_recall_fscore_support(gold, predicted, labels=names, zero_division=np.nan)
    for index, row in enumerate(per_class(gold, predicted, [str(i) for i in names], rng=seeded())):
        for estimate, value in zip((row.precision, row.recall, row.f1), [w[index] for w in want[:3]], strict=True):
            assert (estimate.value is None) == bool(np.isnan(value))
            if estimate.value is not None:
                assert estimate.value == pytest.approx(value)
        assert row.support == want[3][index]
        assert row.predicted == (predicted == index).sum()


def test_macro_f1_by_hand() -> None:
    # Label 0: tp 1, fp 1, fn 0 → 2/3; label 1: tp 1, fp 0, fn 1 → 2/3; label 2 never occurs and is left out.
    assert macro_f1(np.array([0, 1, 1]), np.array([0, 1, 0]), 3, rng=seeded()).value == pytest.approx(2 / 3)
    # Label 2 is predicted once and never in gold: F1 0 counts. A missing label is a miss and no false alarm.
    assert macro_f1(np.array([0, 1, 1]), np.array([0, 1, 2]), 3, rng=seeded()).value == pytest.approx((1 + 2 / 3) / 3)
    assert macro_f1(np.array([0, 1, 1]), np.array([0, 1, -1]), 3, rng=seeded()).value == pytest.approx((1 + 2 / 3) / 2)


def test_per_class_says_why_a_score_is_missing() -> None:
    rows = per_class(np.array([0, 0, 1]), np.array([0, 0, 0]), ["a", "b", "c"], rng=seeded())
    assert rows[1].precision.reason == "the label is never predicted"
    assert rows[2].recall.reason == "the label is never in gold"
    assert rows[2].f1.reason == "the label is never in gold or predicted"
    assert (rows[1].recall.value, rows[1].f1.value) == (0, 0)


def test_losses_by_hand() -> None:
    gold, probabilities = np.array([0, 1]), np.array([[0.5, 0.5], [0.9, 0.1]])
    assert log_loss(gold, probabilities, rng=seeded()).value == pytest.approx((np.log(2) + np.log(10)) / 2)
    assert brier(gold, probabilities, rng=seeded()).value == pytest.approx((0.5 + 1.62) / 2)


def test_calibration_error_by_hand() -> None:
    # Two bins: (0.5, 1] holds everything with two labels. Confidence 0.9, 0.8, 0.7 and 2 of 3 right.
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    gold = np.array([0, 1, 1])
    assert calibration_error(gold, probabilities, rng=seeded(), bins=2).value == pytest.approx(0.8 - 2 / 3)
    # 15 bins put the three items apart: gaps 0.1, 0.2 and 0.7.
    assert calibration_error(gold, probabilities, rng=seeded()).value == pytest.approx(1 / 3)
    bins = reliability(gold, probabilities, rng=seeded(), bins=10)
    assert [b.count for b in bins] == [0, 0, 0, 0, 0, 0, 1, 1, 1, 0]
    assert bins[6].confidence == pytest.approx(0.7)
    assert bins[6].accuracy.value == 0
    assert bins[0].confidence is None
    assert bins[0].accuracy.reason == "no item in this bin"


def test_calibration_error_of_true_probabilities_is_small_and_of_boasts_large() -> None:
    rng = np.random.default_rng(4)
    sure = rng.uniform(0.5, 1, 5000)
    probabilities = np.column_stack([sure, 1 - sure])
    gold = (rng.random(5000) > sure).astype(np.int64)
    honest = calibration_error(gold, probabilities, rng=rng)
    boast = calibration_error(gold, np.tile([0.99, 0.01], (5000, 1)), rng=rng)
    assert honest.value is not None
    assert boast.value is not None
    assert honest.value < 0.03 < 0.2 < boast.value


def test_coverage_curve_by_hand() -> None:
    sure = np.array([0.9, 0.8, 0.7, 0.6])
    curve = coverage_curve(np.array([0, 0, 1, 1]), np.column_stack([sure, 1 - sure]), rng=seeded(), points=4)
    assert [p.coverage for p in curve] == [0.25, 0.5, 0.75, 1]
    assert [p.accuracy.value for p in curve] == pytest.approx([1, 1, 2 / 3, 0.5])
    assert [p.accuracy.n for p in curve] == [1, 2, 3, 4]


def test_coverage_curve_shares_ties() -> None:
    # All equally sure, one of four right: every cut has the same expected accuracy, whatever the order.
    curve = coverage_curve(np.array([0, 1, 1, 1]), np.tile([0.8, 0.2], (4, 1)), rng=seeded(), points=4)
    assert [p.accuracy.value for p in curve] == pytest.approx([0.25] * 4)


def test_acceptance_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.55, 0.45], [0.8, 0.2]])
    found = acceptance(np.array([0, 1, 0, -1]), probabilities, 0.6, rng=seeded())
    assert (found.coverage.value, found.accuracy.value) == (0.75, 0.5)
    nobody = acceptance(np.array([0, 1, 0, -1]), probabilities, 0.95, rng=seeded())
    assert nobody.coverage.value == 0
    assert nobody.accuracy.reason == "no item reaches the threshold"


def test_comparison_by_hand() -> None:
    gold = np.array([0] * 10 + [-1])
    first = np.array([0] * 8 + [1, 1, 0])
    second = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 0])
    found = compare(gold, first, second, rng=seeded())
    assert found.difference.value == pytest.approx(0.4)
    assert (found.only_first, found.only_second) == (5, 1)
    assert found.p_value == pytest.approx(2 * (1 + 6) / 2**6)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_the_exact_binomial_test(b: int, c: int) -> None:
    tail = sum(comb(b + c, i) for i in range(min(b, c) + 1))
    assert mcnemar(b, c) == pytest.approx(min(1.0, 2 * tail / 2 ** (b + c)))


def test_mcnemar_bears_large_counts_and_refuses_negative_ones() -> None:
    assert mcnemar(50_000, 50_000) == pytest.approx(1)
    assert 0 <= mcnemar(40_000, 60_000) < 1e-9
    with pytest.raises(DataError):
        mcnemar(-1, 2)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(200):
        found = accuracy(np.zeros(120, dtype=np.int64), (rng.random(120) > 0.75).astype(np.int64), rng=rng)
        assert found.interval is not None
        hits += found.interval[0] <= 0.75 <= found.interval[1]
    assert 0.9 <= hits / 200 <= 0.99


def test_grouped_resamples_have_the_width_of_theory() -> None:
    gold = np.zeros(400, dtype=np.int64)
    found = accuracy(gold, (np.arange(400) < 100).astype(np.int64), rng=seeded())
    assert found.interval is not None
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * 1.96 * np.sqrt(0.75 * 0.25 / 400), rel=0.1)
    values = np.random.default_rng(2).normal(size=300)
    mean = mean_estimate(values, rng=seeded())
    assert mean.interval is not None
    assert mean.interval[1] - mean.interval[0] == pytest.approx(2 * 1.96 * values.std() / np.sqrt(300), rel=0.1)


def test_the_same_generator_state_gives_the_same_interval() -> None:
    gold, predicted = random_labels(3)
    assert macro_f1(gold, predicted, 3, rng=seeded()) == macro_f1(gold, predicted, 3, rng=seeded())


@pytest.mark.parametrize("gold", [NONE, EMPTY])
def test_without_gold_everything_is_absent_with_a_reason(gold: np.ndarray) -> None:
    predicted = np.zeros(len(gold), dtype=np.int64)
    probabilities = np.full((len(gold), 2), 0.5)
    rng = seeded()
    assert is_absent(accuracy(gold, predicted, rng=rng))
    assert is_absent(macro_f1(gold, predicted, 2, rng=rng))
    assert is_absent(log_loss(gold, probabilities, rng=rng))
    assert is_absent(brier(gold, probabilities, rng=rng))
    assert is_absent(calibration_error(gold, probabilities, rng=rng))
    assert is_absent(acceptance(gold, probabilities, 0.5, rng=rng).accuracy)
    assert all(is_absent(point.accuracy) for point in coverage_curve(gold, probabilities, rng=rng))
    assert all(is_absent(b.accuracy) for b in reliability(gold, probabilities, rng=rng))
    for row in per_class(gold, predicted, ["a", "b"], rng=rng):
        assert is_absent(row.f1)
    found = compare(gold, predicted, predicted, rng=rng)
    assert is_absent(found.difference)
    assert found.p_value is None
    assert confusion(gold, predicted, 2).tolist() == [[0, 0], [0, 0]]


def test_what_never_varies_has_a_value_and_no_interval() -> None:
    gold = np.zeros(9, dtype=np.int64)
    found = accuracy(gold, gold, rng=seeded())
    assert (found.value, found.interval) == (1, None)
    assert found.reason == "all items are equal: resampling gives no interval"
    assert accuracy(gold[:1], gold[:1], rng=seeded()).reason == "one item: no interval"
    assert compare(gold, gold, gold, rng=seeded()).p_value == 1


def test_constant_predictions_give_finite_scores() -> None:
    gold = np.tile([0, 1], 20)
    predicted = np.zeros(40, dtype=np.int64)
    found = macro_f1(gold, predicted, 2, rng=seeded())
    assert found.value == pytest.approx(1 / 3)
    assert found.interval is not None
    assert np.isfinite(found.interval).all()


def test_arrays_of_different_length_are_refused() -> None:
    with pytest.raises(DataError, match="3 gold labels stand against 2"):
        accuracy(np.zeros(3, dtype=np.int64), np.zeros(2, dtype=np.int64), rng=seeded())
