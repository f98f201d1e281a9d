"""The mixture behind `committee.refine`: a truth by hand, the laws of a posterior, and what must leave it unmoved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.aggregation.base import Floats, Integers, Vectors
from limbeck.aggregation.mixture import Mixture
from limbeck.errors import ConfigError


def two_heaps(n: int = 40) -> Vectors:
    """Texts in two heaps, one on either side: even ones left, odd ones right, each a little off."""
    rng = np.random.default_rng(0)
    sides = np.where(np.arange(n) % 2, 1.0, -1.0)
    vectors = np.stack([sides, 0.3 * rng.standard_normal(n), 0.3 * rng.standard_normal(n)], axis=1)
    found: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return found


def believed(labels: Integers, sure: float = 0.7) -> Floats:
    found: Floats = np.where(np.eye(2)[labels] == 1, sure, 1 - sure)
    return found


def test_a_text_is_put_right_by_the_heap_that_it_lies_in() -> None:
    vectors, truth = two_heaps(), np.arange(40) % 2
    said = truth.copy()
    said[[0, 5, 12]] ^= 1  # three of forty are wrong, and no surer or less sure than the others
    found = Mixture()(believed(said), vectors)
    assert (found.argmax(axis=1) == truth).all()


def test_it_is_as_sure_as_before_on_the_whole_and_less_so_where_votes_and_place_differ() -> None:
    vectors, truth = two_heaps(), np.arange(40) % 2
    said = truth.copy()
    said[0] ^= 1
    posterior = believed(said)
    found = Mixture()(posterior, vectors)
    assert found.max(axis=1).mean() == pytest.approx(posterior.max(axis=1).mean(), abs=1e-6)
    assert found[0].max() < found[1:].max(axis=1).min()


def test_vectors_that_say_nothing_change_no_label() -> None:
    posterior = np.random.default_rng(1).dirichlet(np.ones(3), 60)
    same = np.ones((60, 5), np.float32) / np.sqrt(np.float32(5))
    assert np.allclose(Mixture()(posterior, same), posterior, atol=1e-6)


def test_a_label_that_nobody_gave_stays_unused() -> None:
    vectors = two_heaps()
    posterior = np.hstack([believed(np.arange(40) % 2) * 0.98, np.full((40, 1), 0.02)])
    assert set(Mixture()(posterior, vectors).argmax(axis=1)) == {0, 1}


def test_fewer_than_four_texts_are_left_as_they_are() -> None:
    posterior = believed(np.array([0, 1, 1]))
    found = Mixture()(posterior, two_heaps(3))
    assert (found == posterior).all()
    assert found is not posterior
    assert Mixture()(np.zeros((0, 2)), np.zeros((0, 3), np.float32)).shape == (0, 2)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(2, 8), st.floats(0.05, 5))
def test_a_posterior_comes_out_whatever_goes_in(seed: int, n: int, k: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    posterior = rng.dirichlet(np.full(k, spread), n)
    vectors = rng.standard_normal((n, 12)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    before = posterior.copy(), vectors.copy()
    found = Mixture()(posterior, vectors)
    assert np.isfinite(found).all()
    assert np.allclose(found.sum(axis=1), 1)
    assert (posterior == before[0]).all()
    assert (vectors == before[1]).all()
    order = rng.permutation(n)
    assert np.allclose(Mixture()(posterior[order], vectors[order]), found[order], atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 50), st.integers(2, 5))
def test_all_agree_in_all_agree_out(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, 6)).astype(np.float32)
    posterior = np.full((n, k), 0.1 / (k - 1))
    posterior[:, 1] = 0.9
    assert (Mixture()(posterior, vectors).argmax(axis=1) == 1).all()


@pytest.mark.parametrize("bad", [{"dimensions": 0}, {"ridge": 0.0}, {"shrink": -1.0}, {"steps": 0}])
def test_settings_out_of_bounds_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="Mixture cannot use"):
        Mixture(**bad)  # type: ignore[arg-type]
