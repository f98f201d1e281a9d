"""Truncations against truths worked out by hand; draws against the probabilities they stand for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from limbeck.decoding import truncation
from limbeck.decoding.paths import likeliest
from limbeck.decoding.sampling import BLOCK, Dice, Sampler, Sampling, draw, narrow
from limbeck.decoding.truncation import Mask, min_p, top_k, top_n_sigma, top_p, typical_p
from limbeck.engines.base import Floats
from limbeck.errors import ConfigError


def logs(*shares: float) -> Floats:
    with np.errstate(divide="ignore"):
        return np.log(np.array(shares, np.float32))


def kept(mask: Mask) -> list[int]:
    return np.flatnonzero(mask).tolist()


def sampler(sampling: Sampling, paths: int = 1, *, seed: int = 0, said: Sequence[Sequence[int]] = ()) -> Sampler:
    return Sampler(sampling, [Dice(seed, b"?", i) for i in range(paths)], said or [[] for _ in range(paths)])


rows = st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=40).map(lambda v: np.array(v, np.float32))
KEEPERS: dict[str, Callable[[Floats], Mask]] = {
    "top_k": lambda row: top_k(row, 3),
    "top_p": lambda row: top_p(row, 0.7),
    "min_p": lambda row: min_p(row, 0.3),
    "top_n_sigma": lambda row: top_n_sigma(row, 1.0),
}


# Truths by hand


def test_top_k_keeps_the_highest_and_of_equal_ones_the_first() -> None:
    assert kept(top_k(logs(0.1, 0.4, 0.2, 0.3), 2)) == [1, 3]
    assert kept(top_k(logs(0.2, 0.4, 0.2, 0.2), 2)) == [0, 1]
    assert kept(top_k(logs(0.5, 0.5), 9)) == [0, 1]


@pytest.mark.parametrize(
    ("p", "wanted"), [(0.01, [2]), (0.5, [2]), (0.51, [0, 2]), (0.79, [0, 2]), (0.81, [0, 2, 3]), (1.0, [0, 1, 2, 3])]
)
def test_the_nucleus_is_the_fewest_tokens_that_reach_p(p: float, wanted: list[int]) -> None:
    assert kept(top_p(logs(0.3, 0.05, 0.5, 0.15), p)) == wanted


def test_min_p_is_relative_to_the_likeliest() -> None:
    assert kept(min_p(logs(0.6, 0.31, 0.05, 0.04), 0.5)) == [0, 1]
    assert kept(min_p(logs(0.6, 0.29, 0.07, 0.04), 0.5)) == [0]


def test_typical_tokens_are_as_surprising_as_the_entropy() -> None:
    # Entropy 1.1683 nats; surprisals 0.5978, 1.6094, 2.3026, 2.3026 → distances 0.57, 0.44, 1.13, 1.13.
    row = logs(0.55, 0.2, 0.1, 0.15)
    row[3] = row[2]  # 0.55, 0.2, 0.1, 0.1 of 0.95
    assert kept(typical_p(row, 0.2)) == [1]
    assert kept(typical_p(row, 0.5)) == [0, 1]
    assert kept(typical_p(row, 0.85)) == [0, 1, 2]


def test_typical_of_a_whole_vocabulary_equals_sorting_it() -> None:
    rng = np.random.default_rng(3)
    row = rng.normal(0, 2, 5000).astype(np.float32)
    shares = np.exp(row.astype(np.float64))
    shares /= shares.sum()
    distances = np.abs(-np.log(shares) + (shares * np.log(shares)).sum())
    order = np.argsort(distances)
    count = int(np.searchsorted(shares[order].cumsum(), 0.6)) + 1
    assert kept(typical_p(row, 0.6)) == sorted(order[:count].tolist())


def test_top_n_sigma_by_hand() -> None:
    # Mean 1, deviation sqrt(((4-1)² + 3·1²) / 4) = sqrt(3) = 1.732.
    row = np.array([4, 0, 0, 0], np.float32)
    assert kept(top_n_sigma(row, 2.0)) == [0]
    assert kept(top_n_sigma(row, 2.4)) == [0, 1, 2, 3]
    assert kept(top_n_sigma(row / np.float32(3), 2.0)) == [0]  # whatever the temperature
    with_gone = np.array([4, 0, 0, 0, -np.inf], np.float32)
    assert kept(top_n_sigma(with_gone, 2.4)) == [0, 1, 2, 3]


def test_entropy_makes_the_temperature() -> None:
    even = np.zeros(8, np.float32)
    assert truncation.entropy(even) == pytest.approx(math.log(8))
    assert truncation.entropy_temperature(even, 0.7, 1.5) == pytest.approx(0.7 * 0.8 ** (1.5 / math.log(8)))
    assert truncation.entropy_temperature(even, 0.7, 0.0) == pytest.approx(0.7)
    assert truncation.entropy_temperature(np.array([500, 0], np.float32), 0.7, 1.0) == 0
    assert truncation.entropy(logs(0.5, 0.5, 0.0)) == pytest.approx(math.log(2), rel=1e-6)


def test_the_penalty_divides_what_is_positive_and_multiplies_what_is_negative() -> None:
    tokens, left = narrow(np.array([2, -1, 1, -1], np.float32), Sampling(repetition_penalty=2.0), [0, 1, 1])
    assert tokens.tolist() == [0, 1, 2, 3]
    assert left.tolist() == [0, -3, 0, -2]  # 1, −2, 1, −1, less the highest


def test_no_run_of_tokens_comes_twice() -> None:
    row = np.zeros(5, np.float32)
    banned = narrow(row, Sampling(no_repeat_ngram=2), [1, 2, 3, 1, 4, 1])[1]
    assert np.isneginf(banned).tolist() == [False, False, True, False, True]
    assert np.isfinite(narrow(row, Sampling(no_repeat_ngram=3), [1, 2])[1]).all()
    assert np.isneginf(narrow(row, Sampling(no_repeat_ngram=1), [2])[1]).tolist() == [False, False, True, False, False]


def test_a_path_that_may_say_nothing_else_repeats_itself() -> None:
    only = np.array([-np.inf, 1.0, -np.inf], np.float32)
    assert sampler(Sampling(no_repeat_ngram=1), said=[[1]])(only[None], [0]).tolist() == [1]


def test_truncations_follow_each_other_on_what_is_left() -> None:
    # Of 0.4, 0.3, 0.2, 0.1 the top two are 0.57 and 0.43 of what is left: the first alone has half of it.
    row = logs(0.4, 0.3, 0.2, 0.1)
    assert narrow(row, Sampling(top_p=0.5), [])[0].tolist() == [0, 1]
    assert narrow(row, Sampling(top_k=2, top_p=0.5), [])[0].tolist() == [0]


def test_truncations_are_at_the_temperature() -> None:
    # At temperature 0.5, 0.6 and 0.4 become 0.36 and 0.16: 0.69 and 0.31.
    assert narrow(logs(0.6, 0.4), Sampling(top_p=0.65), [])[0].tolist() == [0, 1]
    assert narrow(logs(0.6, 0.4), Sampling(top_p=0.65, temperature=0.5), [])[0].tolist() == [0]


# Laws


@pytest.mark.parametrize("name", KEEPERS)
@given(row=rows)
def test_the_likeliest_token_survives_and_rows_are_untouched(name: str, row: Floats) -> None:
    before = row.copy()
    mask = KEEPERS[name](row)
    assert mask[row.argmax()]
    assert mask.shape == row.shape
    assert (row == before).all()
    if (~mask).any():
        assert row[mask].min() >= row[~mask].max()


@given(row=rows, p=st.floats(0.01, 1))
def test_what_is_kept_has_the_mass_and_no_token_too_many(row: Floats, p: float) -> None:
    shares = np.exp(row.astype(np.float64) - row.max())
    shares /= shares.sum()
    for keep in (top_p, typical_p):
        mask = keep(row, p)
        assert shares[mask].sum() >= p - 1e-5
    least = shares[top_p(row, p)].min()
    assert shares[top_p(row, p)].sum() - least <= p + 1e-5


@given(
    row=st.lists(st.floats(-10, 10, width=32), min_size=2, max_size=20, unique=True),
    how=st.sampled_from([{}, {"top_k": 5}, {"top_p": 0.9}, {"min_p": 0.01}, {"typical_p": 0.99}, {"top_n_sigma": 2.0}]),
)
def test_a_falling_temperature_ends_in_greedy(row: list[float], how: dict[str, float]) -> None:
    logits: Floats = np.array([[round(value, 1) for value in row]], np.float32)
    greedy = sampler(Sampling(temperature=0))(logits, [0])
    assert greedy.tolist() == likeliest(logits, 2).tokens[:, 0].tolist()
    cold = sampler(Sampling(temperature=1e-3, **how))(logits, [0])  # type: ignore[arg-type]
    assert logits[0, cold[0]] == logits[0, greedy[0]]


@given(order=st.permutations(range(6)), alone=st.integers(0, 5))
def test_a_path_does_not_depend_on_its_neighbours(order: list[int], alone: int) -> None:
    logits = np.random.default_rng(1).normal(0, 1, (6, 300)).astype(np.float32)
    how = Sampling(top_p=0.95)
    together = [sampler(how, 6)(logits, range(6))]
    drawn = sampler(how, 6)
    shuffled = drawn(logits[order], order)
    assert shuffled.tolist() == together[0][order].tolist()
    single = Sampler(how, [Dice(0, b"?", alone)], [[]])
    assert single(logits[alone : alone + 1], [0]).tolist() == [together[0][alone]]


def test_dice_hang_on_their_three_names_and_go_on_where_they_were() -> None:
    names = [Dice(0, b"a", 0), Dice(1, b"a", 0), Dice(0, b"b", 0), Dice(0, b"a", 1)]
    assert len({one.generator().random() for one in names}) == 4
    assert len({one.number for one in names}) == 4
    first = names[0].generator().random(5)
    assert names[0].generator(3).random() == first[3]


@pytest.mark.parametrize("size", [5, 16 * BLOCK + 77])
def test_frequencies_are_the_probabilities(size: int) -> None:
    rng = np.random.default_rng(5)
    row = np.full(size, -np.inf, np.float32)
    places = rng.choice(size, 5, replace=False)
    shares = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    row[places] = np.log(shares)
    drawn = [draw(row, throw) for throw in rng.random(4000)]
    counts = [drawn.count(place) for place in places.tolist()]
    assert sum(counts) == 4000
    assert chisquare(counts, shares * 4000).pvalue > 0.01


def test_throws_of_one_path_are_even() -> None:
    one = sampler(Sampling())
    row = np.zeros((1, 4), np.float32)
    counts = np.bincount([one(row, [0])[0] for _ in range(2000)], minlength=4)
    assert chisquare(counts).pvalue > 0.01


@given(row=rows, throw=st.sampled_from([0.0, 0.5, float(np.nextafter(1.0, 0.0))]))
def test_a_token_without_probability_is_never_drawn(row: Floats, throw: float) -> None:
    padded = np.concatenate([[-np.inf], row, [-np.inf]]).astype(np.float32)
    assert np.isfinite(padded[draw(padded, throw)])


# Edges


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_rows_without_numbers_give_some_token(broken: float) -> None:
    rows = np.full((2, 9), broken, np.float32)
    for how in (Sampling(), Sampling(temperature=0), Sampling(top_p=0.5, entropy_theta=1.0)):
        assert ((sampler(how, 2)(rows, [0, 1]) >= 0) & (sampler(how, 2)(rows, [0, 1]) < 9)).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("entropy_theta", -1.0),
        ("top_n_sigma", 0.0),
        ("top_k", 0),
        ("top_k", 2.5),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("min_p", -0.1),
        ("typical_p", math.nan),
        ("repetition_penalty", 0.9),
        ("no_repeat_ngram", 0),
    ],
)
def test_senseless_values_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        Sampling(**{name: value})  # type: ignore[arg-type]


def test_a_server_is_asked_for_what_it_knows() -> None:
    asked, seed = sampler(Sampling(temperature=0.7, top_p=0.9, top_k=40)).wish(0)
    assert sampler(Sampling(repetition_penalty=1.0)).wish(0)[0] == {"temperature": 1.0}
    assert asked == {"temperature": 0.7, "top_p": 0.9, "top_k": 40}
    assert 0 <= seed < 2**31
    assert sampler(Sampling(temperature=0, top_k=3)).wish(0)[0] == {}
    with pytest.raises(ConfigError, match="typical_p, repetition_penalty"):
        sampler(Sampling(typical_p=0.9, repetition_penalty=1.1)).wish(0)


def test_identity_names_what_is_on() -> None:
    assert Sampling(temperature=0.7, top_p=0.9).identity == "temperature=0.7,top_p=0.9"
    assert Sampling(top_k=40).identity != Sampling(top_k=41).identity
