"""Few gold labels: truths worked out by hand, and never worse than the committee where gold has nothing to say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.aggregation.base import Floats, Integers, VoteTable
from limbeck.aggregation.opinion_pool import OpinionPool
from limbeck.calibrators.base import Calibrator, Material
from limbeck.calibrators.candidates import COMMITTEE, candidates
from limbeck.calibrators.features import Scale, loudness, matrix
from limbeck.calibrators.heads import Joined
from limbeck.calibrators.mending import Mending, mend
from limbeck.calibrators.regression import Around, regress
from limbeck.calibrators.selection import FEWEST, choose, stratified

LABELS = ("bad", "fine", "good")
POOL = OpinionPool()


def table_of(choices: Integers, sure: float = 0.8, labels: tuple[str, ...] = LABELS) -> VoteTable:
    """Workers that are equally sure of whatever they say; -1 is no vote."""
    items, workers = choices.shape
    k = len(labels)
    probabilities = np.full((items, workers, k), (1 - sure) / (k - 1))
    np.put_along_axis(probabilities, np.maximum(choices, 0)[:, :, None], sure, axis=2)
    probabilities[choices < 0] = np.nan
    names = tuple(f"w{i}" for i in range(workers))
    return VoteTable(tuple(map(str, range(items))), names, labels, choices, probabilities)


def noisy(truth: Integers, right: float, k: int, rng: np.random.Generator) -> Integers:
    """Answers that are right with this chance, and any other label otherwise."""
    wrong = (truth + rng.integers(1, k, len(truth))) % k
    return np.where(rng.random(len(truth)) < right, truth, wrong)


def world(*right: float, items: int = 300, seed: int = 0, k: int = 3) -> tuple[Integers, VoteTable]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, items)
    choices = np.stack([noisy(truth, share, k, rng) for share in right], axis=1)
    return truth, table_of(choices, labels=LABELS[:k])


def gold_of(truth: Integers, n: int) -> Integers:
    return np.where(np.arange(len(truth)) < n, truth, -1)


def seen(truth: Integers, *, noise: float, seed: int = 1) -> Floats:
    """States in which the truth can be read, among dimensions of great size that say nothing."""
    rng = np.random.default_rng(seed)
    states = rng.normal(0, noise, (len(truth), 12))
    states[:, :3] += np.eye(3)[truth]
    states[:, 11] *= 1000
    return states


def every(table: VoteTable) -> Integers:
    return np.arange(len(table.items))


def test_without_any_evidence_a_regression_changes_nothing() -> None:
    scores = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]))
    around = Around(scores, scores[:, None], np.zeros((2, 0)))
    # Each label that was given is the one that was believed; with infinite precision nothing may move.
    found = regress(around, np.array([0, 1]), intercept=1e9, factors=1e9)
    assert found(around) == pytest.approx(np.exp(scores), abs=1e-6)


def test_a_bias_alone_learns_the_shares_of_gold() -> None:
    scores = np.log(np.full((1000, 2), 0.5))
    around = Around(scores, np.zeros((1000, 0, 2)), np.zeros((1000, 0)))
    found = regress(around, np.repeat([0, 1], [900, 100]), intercept=1e-3, factors=1.0)
    assert found(around)[0] == pytest.approx([0.9, 0.1], abs=1e-3)


def test_more_features_than_rows_are_searched_in_the_rows_span_and_found_the_same() -> None:
    rng = np.random.default_rng(0)
    features, gold = rng.normal(size=(8, 5)), np.array([0, 1, 0, 1, 1, 0, 1, 0])
    blank = np.zeros((8, 2))
    narrow = regress(Around(blank, np.zeros((8, 0, 2)), features), gold, intercept=1.0, factors=1.0)
    wide = np.hstack([features, np.zeros((8, 40))])
    other = regress(Around(blank, np.zeros((8, 0, 2)), wide), gold, intercept=1.0, factors=1.0)
    assert other.coefficients[:5] == pytest.approx(narrow.coefficients, abs=1e-3)
    assert other.coefficients[5:] == pytest.approx(0, abs=1e-9)


def test_an_inverted_worker_is_renamed_and_a_worthless_one_dropped() -> None:
    truth, table = world(0.8, 0.1, 0.5, k=2)
    mending = mend(table, gold_of(truth, 60))
    assert list(mending.renamed or {}) == ["w1"]
    assert (mending.renamed or {})["w1"].tolist() == [1, 0]
    mended = mending(table)
    column = mended.workers.index("w1")
    assert (mended.choices[:, column] == truth).mean() > 0.85
    assert (mended.probabilities[:, column].argmax(axis=1) == mended.choices[:, column]).all()
    constant = table_of(np.stack([truth, np.zeros(300, np.int64)], axis=1), labels=LABELS[:2])
    assert mend(constant, gold_of(truth, 60)).dropped == ("w1",)


def test_three_labels_in_a_circle_are_put_right() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 200)
    turned = (noisy(truth, 0.9, 3, rng) + 1) % 3
    mending = mend(table_of(np.stack([turned, truth], axis=1)), gold_of(truth, 50))
    # It says 1 where 0 is meant, 2 where 1 is, and 0 where 2 is.
    assert {worker: meant.tolist() for worker, meant in (mending.renamed or {}).items()} == {"w0": [2, 0, 1]}


def test_little_gold_concludes_nothing_about_a_worker_and_nobody_is_left_is_no_committee() -> None:
    truth, table = world(0.1, 0.1, k=2)
    assert mend(table, gold_of(truth, 9)) == Mending((), {})
    random = table_of(np.zeros((100, 2), np.int64), labels=LABELS[:2])
    assert mend(random, gold_of(np.arange(100) % 2, 50)).dropped == ()


def test_scaled_states_are_of_size_one_and_what_never_varies_or_is_missing_is_zero() -> None:
    states = np.array([[1.0, 5.0, -300.0], [3.0, 5.0, 300.0], [np.nan, np.nan, np.nan]], np.float16)
    found = Scale.of(states)(states)
    assert found.tolist() == pytest.approx(
        np.array([[-(0.5**0.5), 0, -(0.5**0.5)], [0.5**0.5, 0, 0.5**0.5], [0, 0, 0]]), abs=1e-3
    )
    assert Scale.of(np.full((2, 3), np.nan, np.float16))(states).tolist() == np.zeros((3, 3)).tolist()


def test_a_matrix_has_scores_and_states_side_by_side() -> None:
    table = table_of(np.array([[0, -1], [2, 1]]))
    material = Material(table, {"w1": np.eye(2, dtype=np.float16)})
    found = matrix(material, np.array([1, 0]), scores=6.0, states=4.0)
    assert found.shape == (2, 2 * 3 + 2)
    assert found[:, 6:].tolist() == [[0, 2], [2, 0]]
    assert found[1, 3:6].tolist() == [0, 0, 0], "no vote says nothing"
    assert loudness(table) > 0


@pytest.mark.parametrize("name", list(candidates(POOL, states=True)))
def test_every_candidate_keeps_the_laws(name: str) -> None:
    truth, table = world(0.7, 0.5, 0.2)
    scale = Scale.of(seen(truth, noise=0.3).astype(np.float16))
    material = Material(table, {"w0": scale(seen(truth, noise=0.3).astype(np.float16))})
    gold, before = gold_of(truth, 40), table.probabilities.copy()
    calibrator: Calibrator = candidates(POOL, states=True)[name]
    found = calibrator(material, gold)(material, every(table))
    assert found.shape == (300, 3)
    assert found.sum(axis=1) == pytest.approx(1)
    assert (found >= 0).all()
    assert np.array_equal(table.probabilities, before)
    assert np.array_equal(calibrator(material, gold)(material, np.array([7, 3])), found[[7, 3]])


def test_a_head_reads_what_the_votes_do_not_say() -> None:
    truth, table = world(0.45, 0.45)
    states = seen(truth, noise=0.2).astype(np.float16)
    material = Material(table, {"w0": Scale.of(states)(states)})
    gold = gold_of(truth, 60)
    found = Joined(POOL)(material, gold)(material, every(table))
    rest = gold < 0
    assert (POOL(table).probabilities.argmax(axis=1) == truth)[rest].mean() < 0.6
    assert (found.argmax(axis=1) == truth)[rest].mean() > 0.95


def test_the_choice_is_a_head_where_states_tell_and_the_committee_where_nothing_does() -> None:
    truth, table = world(0.6, 0.6, 0.6)
    told = seen(truth, noise=0.2).astype(np.float16)
    mute = np.random.default_rng(5).normal(size=told.shape).astype(np.float16)
    for states, wanted in ((told, True), (mute, False)):
        material = Material(table, {"w0": Scale.of(states)(states)})
        found = choose(candidates(POOL, states=True), material, gold_of(truth, 50), rng=np.random.default_rng(0))
        assert found.name.endswith(("head", "heads")) == wanted, found.why
        assert [trial.name for trial in found.trials] == list(candidates(POOL, states=True))
        assert found.unseen.shape == (50, 3)
    assert found.name == COMMITTEE


def test_with_too_little_gold_it_is_the_committee_and_says_so() -> None:
    truth, table = world(0.6, 0.6)
    material, gold = Material(table), gold_of(truth, FEWEST - 1)
    found = choose(candidates(POOL, states=False), material, gold, rng=np.random.default_rng(0))
    assert found.name == COMMITTEE
    assert "9 gold labels are too few" in found.why
    assert np.array_equal(found.calibrated(material, every(table)), POOL(table).probabilities)
    assert all(trial.loss is None and trial.note == found.why for trial in found.trials)


def test_gold_of_one_label_only_and_a_worker_without_votes_break_nothing() -> None:
    choices = np.array([[0, -1], [0, -1], [1, -1]] * 20)
    gold = np.where(np.arange(60) < 30, 0, -1)
    found = choose(candidates(POOL, states=False), Material(table_of(choices)), gold, rng=np.random.default_rng(0))
    posterior = found.calibrated(Material(table_of(choices)), np.arange(60))
    assert np.isfinite(posterior).all()


@given(st.lists(st.integers(0, 3), min_size=5, max_size=60), st.integers(0, 99))
def test_folds_spread_each_label_evenly(labels: list[int], seed: int) -> None:
    true = np.array(labels)
    folds = stratified(true, 5, np.random.default_rng(seed))
    for label in set(labels):
        counts = np.bincount(folds[true == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.ptp(np.bincount(folds, minlength=5)) <= 1
