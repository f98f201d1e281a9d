"""Samples with known chances: the chances are kept, sizes are exact, like items are spread."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.errors import DataError
from limbeck.evaluation import chances, doubt, draw, spread

seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def test_chances_by_hand() -> None:
    # 2 · (4, 1, 1) / 6 would give the first 4/3: it is certain, and the others share the second place.
    assert chances(np.array([4.0, 1, 1]), 2) == pytest.approx([1, 0.5, 0.5])
    assert chances(np.ones(4), 1) == pytest.approx([0.25] * 4)
    assert chances(np.ones(3), 3) == pytest.approx([1, 1, 1])
    with pytest.raises(DataError, match="4 of 3"):
        chances(np.ones(3), 4)


def test_doubt_by_hand() -> None:
    assert doubt(np.array([[0.5, 0.5], [0.2, 0.8], [0.0, 1.0]])) == pytest.approx([0.5, 0.4, 0.1])


@given(seeds, st.integers(1, 40), st.data())
def test_a_sample_has_the_wanted_size_and_no_item_twice(
    rng: np.random.Generator, size: int, data: st.DataObject
) -> None:
    n = data.draw(st.integers(0, size))
    odds = chances(rng.random(size) + 0.01, n)
    assert odds.sum() == pytest.approx(n)
    assert ((odds >= 0) & (odds <= 1 + 1e-12)).all()
    rows = draw(odds, rng.permutation(size), rng)
    assert len(set(rows.tolist())) == len(rows) == n
    assert set(np.flatnonzero(odds > 1 - 1e-9)) <= set(rows.tolist())


@pytest.mark.parametrize("sizes", [[1, 1, 1, 1, 1, 1, 1], [1, 2, 3, 4, 5, 6, 7]])
def test_every_item_is_drawn_as_often_as_its_chance_says(sizes: list[int]) -> None:
    rng = np.random.default_rng(3)
    odds = chances(np.array(sizes, np.float64), 3)
    seen = np.zeros(7)
    for _ in range(4000):
        seen[draw(odds, np.arange(7), rng)] += 1
    # Four standard errors of a share over 4,000 draws are at most 0.032.
    assert seen / 4000 == pytest.approx(odds, abs=0.032)


@given(seeds)
def test_along_an_order_every_stretch_gets_its_share(rng: np.random.Generator) -> None:
    probabilities = rng.dirichlet([0.5] * 4, 200)
    order = spread(probabilities, rng)
    label, sure = probabilities.argmax(axis=1)[order], probabilities.max(axis=1)[order]
    assert (np.diff(label) >= 0).all()
    assert (np.diff(sure)[np.diff(label) == 0] >= 0).all()
    rows = draw(np.full(200, 0.2), order, rng)
    place = np.empty(200, np.int64)
    place[order] = np.arange(200)
    counts = np.bincount(place[rows] // 50, minlength=4)
    assert np.abs(counts - 10).max() <= 2
