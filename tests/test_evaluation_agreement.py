"""Agreement between workers and with people: truths by hand, oracles and degenerate data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from limbeck.errors import DataError
from limbeck.evaluation import (
    against_people,
    diagnose,
    effective_votes,
    human_shares,
    pairwise_agreement,
    panel_warning,
    rank_correlation,
    rater_accuracy,
)
from limbeck.evaluation.people import _mean_ranks


def seeded() -> np.random.Generator:
    return np.random.default_rng(0)


def test_pairwise_agreement_by_hand() -> None:
    # Pairs: (0,1) agree on 1 of 2, (0,2) on 1 of 1, (1,2) on 0 of 1.
    choices = np.array([[0, 0, -1], [0, 1, 0], [-1, -1, 1]])
    assert pairwise_agreement(choices, rng=seeded()).value == pytest.approx(0.5)


def test_diagnosis_by_hand() -> None:
    # Errors of two workers on 8 items: both 1, only first 1, only second 1, neither 5.
    gold = np.zeros(8, dtype=np.int64)
    choices = np.zeros((8, 2), dtype=np.int64)
    choices[0] = [1, 2]
    choices[1, 0] = 1
    choices[2, 1] = 1
    found = diagnose(choices, 3, rng=seeded(), gold=gold)
    phi = (1 * 5 - 1 * 1) / np.sqrt(2 * 6 * 2 * 6)
    assert found.error_correlation.value == pytest.approx(phi)
    assert found.effective_votes.value == pytest.approx(2 / (1 + phi))
    assert found.both_wrong_agreement.value == 0
    assert found.agreement.value == pytest.approx(5 / 8)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_error_correlation_is_pearsons(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gold = rng.integers(3, size=80)
    choices = np.where(rng.random((80, 3)) < 0.6, gold[:, None], rng.integers(3, size=(80, 3)))
    found = diagnose(choices, 3, rng=rng, gold=gold)
    errors = np.corrcoef((choices != gold[:, None]).T)
    assert found.error_correlation.value == pytest.approx(errors[np.triu_indices(3, 1)].mean())
    assert found.effective_votes.value is not None
    assert 1 <= found.effective_votes.value <= 3


def test_effective_votes_are_held_within_their_limits() -> None:
    assert effective_votes(np.array([0.0, 1.0, 0.37, -0.2, -0.5, -0.9]), 3).tolist() == pytest.approx(
        [3, 1, 3 / 1.74, 3, 3, 3]
    )


def test_both_wrong_agreement() -> None:
    gold = np.zeros(4, dtype=np.int64)
    choices = np.array([[1, 1, 2], [1, 2, 0], [0, 0, 1], [0, 0, 0]])
    # Item 0: three wrong pairs, one alike; item 1: one wrong pair, not alike.
    assert diagnose(choices, 3, rng=seeded(), gold=gold).both_wrong_agreement.value == pytest.approx(0.25)
    two = diagnose(np.minimum(choices, 1), 2, rng=seeded(), gold=gold).both_wrong_agreement
    assert two.value == 1
    assert two.reason == "with two labels, two wrong votes always agree"


def test_without_gold_only_agreement_is_known() -> None:
    choices = np.array([[0, 0], [1, 0], [1, 1]])
    for gold in (None, np.full(3, -1)):
        found = diagnose(choices, 2, rng=seeded(), gold=gold)
        assert found.agreement.value == pytest.approx(2 / 3)
        for absent in (found.error_correlation, found.effective_votes, found.both_wrong_agreement):
            assert absent.value is None
            assert absent.reason == "no item has a gold label"


def test_undefined_diagnoses_say_why() -> None:
    gold = np.zeros(3, dtype=np.int64)
    perfect = diagnose(np.zeros((3, 2), dtype=np.int64), 2, rng=seeded(), gold=gold)
    assert perfect.error_correlation.value is None
    assert "sometimes right and sometimes wrong" in str(perfect.error_correlation.reason)
    assert perfect.both_wrong_agreement.reason == "no two workers are ever wrong on the same item"
    alone = diagnose(np.zeros((3, 1), dtype=np.int64), 2, rng=seeded(), gold=gold)
    for estimate in (alone.agreement, alone.error_correlation, alone.effective_votes, alone.both_wrong_agreement):
        assert estimate.reason == "fewer than two workers"
    apart = pairwise_agreement(np.array([[0, -1], [-1, 0]]), rng=seeded())
    assert apart.reason == "no item has two votes"
    assert pairwise_agreement(np.zeros((0, 2), dtype=np.int64), rng=seeded()).value is None


def test_panel_warning_names_the_better_member() -> None:
    gold = np.zeros(10, dtype=np.int64)
    good, bad = np.zeros(10, dtype=np.int64), np.ones(10, dtype=np.int64)
    good[0] = 1
    panel = good.copy()
    panel[1] = 1
    choices = np.column_stack([bad, good])
    text = panel_warning(gold, panel, choices, ["bad", "good"], rng=seeded())
    assert text is not None
    assert "accuracy 0.800 against 0.900 of 'good' on 10 items" in text
    assert "-0.100 (95 % interval" in text
    assert panel_warning(gold, good, choices, ["bad", "good"], rng=seeded()) is not None
    assert panel_warning(gold, gold, choices, ["bad", "good"], rng=seeded()) is None
    assert panel_warning(np.full(10, -1), panel, choices, ["bad", "good"], rng=seeded()) is None


def test_shares_split_the_undecided() -> None:
    shares, rated = human_shares(np.array([[3, 1], [0, 0]]), np.array([2, 0]))
    assert shares.tolist() == [[pytest.approx(4 / 6), pytest.approx(2 / 6)], [0.5, 0.5]]
    assert rated.tolist() == [True, False]


def test_distance_by_hand() -> None:
    found = against_people(
        np.array([[0.9, 0.1], [0.5, 0.5], [1.0, 0.0]]),
        np.array([[3, 1], [0, 0], [0, 5]]),
        np.array([0, 0, 0]),
        rng=seeded(),
    )
    assert found.distance.value == pytest.approx((0.15 + 1) / 2)
    assert found.distance.n == 2
    assert found.raters_per_item == 4.5


def test_rater_accuracy_by_hand() -> None:
    # 3:1 → each of the three faces others 2:1 and is right, the one faces 3:0 and is wrong: 3/4.
    assert rater_accuracy(np.array([[3, 1]]), np.array([0]), rng=seeded()).value == 0.75
    # 2:1 → the two face 1:1, a tie worth 1/2 each; the one faces 2:0, wrong: (0.5 + 0.5 + 0) / 3.
    assert rater_accuracy(np.array([[2, 1]]), np.array([0]), rng=seeded()).value == pytest.approx(1 / 3)
    # 2:0 and two undecided → two right, two worth 1/2: 3/4.
    assert rater_accuracy(np.array([[2, 0]]), np.array([2]), rng=seeded()).value == 0.75
    # Items count alike: 3/4 and 1.
    assert rater_accuracy(np.array([[3, 1], [9, 0]]), np.array([0, 0]), rng=seeded()).value == 0.875
    # A rater who decided alone is left out; the undecided one beside it faces 1:0 and earns 1/2.
    assert rater_accuracy(np.array([[1, 0]]), np.array([1]), rng=seeded()).value == 0.5


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=6
    )
)
def test_rater_accuracy_is_that_of_rater_by_rater(rows: list[tuple[int, int, int, int]]) -> None:
    per_item = []
    for *counts, undecided in rows:
        raters = [label for label, count in enumerate(counts) for _ in range(count)] + [-1] * undecided
        credits = []
        for index, mine in enumerate(raters):
            others = [label for label in raters[:index] + raters[index + 1 :] if label >= 0]
            if not others:
                continue
            votes = [others.count(label) for label in range(3)]
            alone = votes.count(max(votes)) == 1
            credits.append(1 / 3 if mine < 0 or not alone else float(votes[mine] == max(votes)))
        if credits:
            per_item.append(sum(credits) / len(credits))
    array = np.array(rows)
    found = rater_accuracy(array[:, :3], array[:, 3], rng=seeded())
    if per_item:
        assert found.value == pytest.approx(np.mean(per_item))
    else:
        assert found.value is None


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_rank_correlation_is_spearmans(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(k), size=40).round(1)
    shares = rng.dirichlet(np.ones(k), size=40).round(1)
    columns = [1] if k == 2 else range(k)
    want = np.mean([spearmanr(probabilities[:, c], shares[:, c]).statistic for c in columns])
    found = rank_correlation(probabilities, shares, rng=rng)
    assert found.value == pytest.approx(want)
    assert found.interval is not None
    assert found.interval[0] < found.interval[1]


def test_ranks_in_a_resample_are_those_of_the_repeated_items() -> None:
    # Values 3, 1, 1 drawn 1, 2 and 1 times: 1, 1, 1, 3 → ranks 2, 2, 2, 4.
    ranks = _mean_ranks(np.array([3.0, 1.0, 1.0]), np.array([[1.0, 2.0, 1.0]]))
    assert ranks.tolist() == [[4, 2, 2]]


def test_people_without_ratings_or_variance() -> None:
    nothing = against_people(np.full((2, 2), 0.5), np.zeros((2, 2), dtype=np.int64), np.zeros(2, int), rng=seeded())
    for estimate in (nothing.distance, nothing.rank_correlation):
        assert (estimate.value, estimate.reason) == (None, "no item was rated by people")
    assert nothing.rater_accuracy.reason == "no item was rated by two people"
    assert nothing.raters_per_item is None
    flat = against_people(np.full((2, 2), 0.5), np.array([[1, 2], [2, 1]]), np.zeros(2, int), rng=seeded())
    assert flat.rank_correlation.reason == "posteriors or shares do not differ between items"


def test_ratings_that_cannot_be_are_refused() -> None:
    with pytest.raises(DataError):
        human_shares(np.array([[-1, 2]]), np.array([0]))
    with pytest.raises(DataError):
        against_people(np.full((2, 2), 0.5), np.ones((3, 2), dtype=np.int64), np.zeros(3, int), rng=seeded())
