"""Copies of a worker must not outvote a worker that is unlike them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.aggregation.base import Floats, Integers, VoteTable
from limbeck.aggregation.opinion_pool import OpinionPool, repeated


def table_of(shares: Floats) -> VoteTable:
    items, workers, labels = (tuple(f"{i}" for i in range(size)) for size in shares.shape)
    return VoteTable(items, workers, labels, shares.argmax(axis=2), shares)


def panel(seed: int, accuracy: list[float], *, items: int = 400, k: int = 2) -> tuple[Integers, Floats]:
    """Truth, and workers that err independently and are unsure now and then: shape [items, workers, k]."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(k, size=items)
    logs = rng.normal(0, 0.3, (items, len(accuracy), k))
    right = rng.random((items, len(accuracy))) < accuracy
    said = np.where(right, truth[:, None], (truth[:, None] + 1 + rng.integers(k - 1, size=right.shape)) % k)
    logs += 2 * np.eye(k)[said]
    shares = np.exp(logs)
    return truth, shares / shares.sum(axis=2, keepdims=True)


def test_repeated_by_hand() -> None:
    """Four items of one label; a and b say the same, c says something that correlates with neither."""
    a, c = np.array([1.0, 1.0, -1.0, -1.0]), np.array([1.0, -1.0, 1.0, -1.0])
    logs = np.stack([a, a, c], axis=1)[:, :, None] * np.array([1.0, -1.0])
    found = repeated(logs, np.ones((4, 3), np.bool_), np.zeros(4, np.int64))
    copy = 4 / 54  # correlation 1 on 4 items, beside 50 without any
    assert found == pytest.approx(np.array([[1, copy, 0], [copy, 1, 0], [0, 0, 1]]))


def test_saying_the_same_because_it_is_the_label_is_no_copying() -> None:
    """Both follow the label and nothing else: beyond it there is nothing to share."""
    winners = np.array([0, 0, 1, 1])
    logs = np.repeat(np.array([[1.0, -1.0], [-1.0, 1.0]])[winners][:, None, :], 2, axis=1)
    assert repeated(logs, np.ones((4, 2), np.bool_), winners) == pytest.approx(np.eye(2))


def test_only_what_both_voted_on_counts() -> None:
    logs = np.array([1.0, -1.0, 1.0, -1.0])[:, None, None] * np.ones((1, 2, 1)) * np.array([1.0, -1.0])
    voted = np.array([[True, False], [True, False], [False, True], [False, True]])
    found = repeated(np.where(voted[:, :, None], logs, 0), voted, np.zeros(4, np.int64))
    assert found == pytest.approx(np.eye(2))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), times=st.integers(1, 8))
def test_copying_the_worst_worker_costs_little(seed: int, times: int) -> None:
    truth, shares = panel(seed, [0.9, 0.85, 0.8, 0.65])
    copied = np.concatenate([shares, np.repeat(shares[:, 3:], times, axis=1)], axis=1)
    alone, crowded = (
        (OpinionPool()(table_of(one)).probabilities.argmax(axis=1) == truth).mean() for one in (shares, copied)
    )
    assert crowded >= alone - 0.03


def test_nobody_runs_away_with_the_pool_by_agreeing_with_itself() -> None:
    """Judged by the pool that it is part of, the third worker would end as the only one that counts (0.81)."""
    truth, shares = panel(79, [0.9, 0.85, 0.8, 0.65, 0.65])
    shares[:, 4] = shares[:, 3]
    assert (OpinionPool()(table_of(shares)).probabilities.argmax(axis=1) == truth).mean() > 0.88


def test_a_better_worker_is_heard_beside_five_equal_ones() -> None:
    truth, shares = panel(3, [0.9, 0.85, 0.65])
    copied = np.concatenate([shares[:, :2], np.repeat(shares[:, 2:], 5, axis=1)], axis=1)
    found = OpinionPool()(table_of(copied))
    assert (found.probabilities.argmax(axis=1) == truth).mean() > 0.88
    assert found.weights[0] > found.weights[2:].sum()
