"""Laws that every aggregator keeps, and how the opinion pool stands against its best member."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.aggregation.base import Aggregator, Floats, Integers, VoteTable
from limbeck.aggregation.calibration import calibrate
from limbeck.aggregation.dawid_skene import DawidSkene
from limbeck.aggregation.majority import Majority
from limbeck.aggregation.opinion_pool import OpinionPool
from limbeck.aggregation.weighted import Weighted

ALL: dict[str, Aggregator] = {
    "majority": Majority(),
    "weighted": Weighted(),
    "weighted-share": Weighted(scale="share", smoothing=0.0),
    "dawid-skene": DawidSkene(iterations=50),
    "dawid-skene-soft": DawidSkene(iterations=50, soft=True),
    "opinion-pool": OpinionPool(),
}
# Dawid-Skene may overrule a unanimous item when it holds the workers for inverted, so its law is on whole tables.
PER_ITEM = ["majority", "weighted", "weighted-share", "opinion-pool"]
every = pytest.mark.parametrize("name", list(ALL))
tables = st.tuples(
    st.integers(0, 10_000),
    st.integers(1, 14),
    st.integers(1, 5),
    st.integers(2, 6),
    st.sampled_from([0.0, 0.3, 0.9]),
    st.booleans(),
)
quick = settings(max_examples=25, deadline=None)


def make(
    spec: tuple[int, int, int, int, float, bool], *, labels: Integers | None = None, same: bool = False
) -> VoteTable:
    """A random table; `same`: the voters of an item agree on its entry of `labels`."""
    seed, n, w, k, missing, one_hot = spec
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(k, 0.7), size=(n, w))
    if same:
        assert labels is not None
        best = probabilities.argmax(axis=2)
        # Swap the winner into the wanted place.
        wanted = np.broadcast_to(labels[:, None], best.shape)
        for i, j in np.ndindex(n, w):
            probabilities[i, j, [best[i, j], wanted[i, j]]] = probabilities[i, j, [wanted[i, j], best[i, j]]]
    choices = probabilities.argmax(axis=2).astype(np.int64)
    if one_hot:
        probabilities = np.eye(k)[choices]
    absent = rng.random((n, w)) < missing
    choices[absent] = -1
    probabilities[absent] = np.nan
    choices.setflags(write=False)
    probabilities.setflags(write=False)
    return VoteTable(
        tuple(map(str, range(n))), tuple(map(str, range(w))), tuple(map(str, range(k))), choices, probabilities
    )


def some_gold(spec: tuple[int, int, int, int, float, bool]) -> Integers:
    rng = np.random.default_rng(spec[0] + 1)
    gold = np.where(rng.random(spec[1]) < 0.4, rng.integers(spec[3], size=spec[1]), -1)
    gold.setflags(write=False)
    return gold


@every
@quick
@given(spec=tables, with_gold=st.booleans())
def test_rows_sum_to_one_the_same_every_time_and_inputs_stay(
    name: str, spec: tuple[int, int, int, int, float, bool], with_gold: bool
) -> None:
    table = make(spec)
    gold = some_gold(spec) if with_gold else None
    before = table.probabilities.copy()
    result = ALL[name](table, gold)
    again = ALL[name](table, gold)
    assert result.probabilities.shape == (spec[1], spec[3])
    assert np.allclose(result.probabilities.sum(axis=1), 1, atol=1e-12)
    assert (result.probabilities >= 0).all()
    assert result.weights.shape == (spec[2],)
    assert (result.weights >= 0).all()
    assert np.isfinite(result.weights).all()
    assert np.array_equal(result.probabilities, again.probabilities)
    assert np.array_equal(before, table.probabilities, equal_nan=True)


@every
@quick
@given(spec=tables)
def test_the_order_of_items_and_workers_does_not_matter(
    name: str, spec: tuple[int, int, int, int, float, bool]
) -> None:
    table = make(spec)
    rng = np.random.default_rng(spec[0])
    rows, columns = rng.permutation(spec[1]), rng.permutation(spec[2])
    moved = VoteTable(
        tuple(table.items[i] for i in rows),
        tuple(table.workers[i] for i in columns),
        table.labels,
        table.choices[rows][:, columns],
        table.probabilities[rows][:, columns],
    )
    first, second = ALL[name](table), ALL[name](moved)
    assert np.allclose(first.probabilities[rows], second.probabilities, atol=1e-6)
    assert np.allclose(first.weights[columns], second.weights, atol=1e-6)


@every
@quick
@given(spec=tables)
def test_unanimous_in_unanimous_out(name: str, spec: tuple[int, int, int, int, float, bool]) -> None:
    labels = np.random.default_rng(spec[0] + 2).integers(spec[3], size=spec[1])
    # Where votes are doubtful, the learnt label shares may outweigh them: that is what soft Dawid-Skene is for.
    one_hot = spec[5] or name == "dawid-skene-soft"
    table = make((*spec[:5], one_hot), labels=labels, same=True)
    voted = (table.choices >= 0).any(axis=1)
    winners = ALL[name](table).probabilities.argmax(axis=1)
    assert (winners[voted] == labels[voted]).all()


@pytest.mark.parametrize("name", PER_ITEM)
@quick
@given(spec=tables)
def test_a_unanimous_item_in_any_table_keeps_its_label(name: str, spec: tuple[int, int, int, int, float, bool]) -> None:
    table = make(spec)
    low = np.where(table.choices < 0, spec[3], table.choices).min(axis=1)
    agreed = (table.choices.max(axis=1) == low) & (low < spec[3])
    winners = ALL[name](table).probabilities.argmax(axis=1)
    assert (winners[agreed] == low[agreed]).all()


@every
@quick
@given(spec=tables)
def test_one_worker_is_that_workers_choice(name: str, spec: tuple[int, int, int, int, float, bool]) -> None:
    table = make((*spec[:2], 1, *spec[3:]))
    voted = table.choices[:, 0] >= 0
    result = ALL[name](table).probabilities
    assert (result[voted].argmax(axis=1) == table.choices[voted, 0]).all()
    assert np.allclose(result[~voted], 1 / spec[3])


@every
def test_an_item_without_votes_is_uniform(name: str) -> None:
    table = make((0, 6, 3, 4, 0.0, False))
    choices, probabilities = table.choices.copy(), table.probabilities.copy()
    choices[2], probabilities[2] = -1, np.nan
    result = ALL[name](VoteTable(table.items, table.workers, table.labels, choices, probabilities))
    assert result.probabilities[2].tolist() == pytest.approx([0.25] * 4)


@every
@pytest.mark.parametrize("k", [2, 4])
def test_constant_inverted_and_silent_workers_do_no_harm(name: str, k: int) -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(k, size=500)
    noisy = [np.where(rng.random(500) < 0.85, truth, rng.integers(k, size=500)) for _ in range(3)]
    choices = np.column_stack([*noisy, np.zeros(500, dtype=np.int64), (truth + 1) % k, np.full(500, -1)])
    probabilities = np.eye(k)[choices]
    probabilities[choices < 0] = np.nan
    workers = tuple("abcdef")
    table = VoteTable(tuple(map(str, range(500))), workers, tuple(map(str, range(k))), choices, probabilities)
    result = ALL[name](table)
    assert (result.probabilities.argmax(axis=1) == truth).mean() > 0.7


def members(
    rng: np.random.Generator, accuracies: list[float], *, correlation: float, scales: Floats, n: int = 1500, k: int = 2
) -> tuple[VoteTable, Integers]:
    """Workers whose scores are signal plus shared and own noise, each with an arbitrary size, batch-calibrated."""
    truth = rng.integers(k, size=n)
    shared = rng.normal(size=(n, k)) * np.sqrt(correlation)
    tables = []
    for accuracy, scale in zip(accuracies, scales, strict=True):
        noise = shared + rng.normal(size=(n, k)) * np.sqrt(1 - correlation)
        low, high = 0.0, 8.0
        for _ in range(30):
            signal = (low + high) / 2
            right = ((noise + signal * np.eye(k)[truth]).argmax(axis=1) == truth).mean()
            low, high = (signal, high) if right < accuracy else (low, signal)
        tables.append(np.exp(calibrate((noise + signal * np.eye(k)[truth]) * scale, "batch")))
    probabilities = np.stack(tables, axis=1)
    names = [tuple(map(str, range(size))) for size in (n, len(accuracies), k)]
    return VoteTable(names[0], names[1], names[2], probabilities.argmax(axis=2), probabilities), truth


def gain(table: VoteTable, truth: Integers, gold: Integers | None = None) -> float:
    """Accuracy of the pool minus that of the best member."""
    best = (table.choices == truth[:, None]).mean(axis=0).max()
    return float((OpinionPool()(table, gold).probabilities.argmax(axis=1) == truth).mean() - best)


@pytest.mark.parametrize("boast", [1.0, 6.0])
def test_the_pool_is_not_worse_than_its_best_member_even_if_the_worst_one_boasts(boast: float) -> None:
    rng = np.random.default_rng(11)
    gains = [
        gain(*members(rng, [0.84, 0.80, 0.77], correlation=0.55, scales=np.array([1.0, 1.0, boast]))) for _ in range(5)
    ]
    assert np.mean(gains) > 0
    assert min(gains) > -0.01


@pytest.mark.parametrize(
    ("accuracies", "scales"),
    [
        pytest.param([0.82, 0.60], [1.0, 3.0], id="a pair whose worse one boasts"),
        pytest.param([0.72, 0.70, 0.84], [1.0, 1.0, 0.3], id="a modest better one"),
    ],
)
def test_gold_finds_the_better_worker(accuracies: list[float], scales: list[float]) -> None:
    rng = np.random.default_rng(12)
    table, truth = members(rng, accuracies, correlation=0.3, scales=np.array(scales))
    gold = np.where(np.arange(len(truth)) < 200, truth, -1)
    assert gain(table, truth, gold) > -0.015
    assert gain(table, truth, gold) >= gain(table, truth)


def test_one_hot_votes_are_the_same_to_soft_dawid_skene() -> None:
    table = make((3, 40, 4, 3, 0.2, True))
    assert DawidSkene(soft=True)(table).probabilities == pytest.approx(DawidSkene()(table).probabilities, abs=1e-9)


def test_the_size_of_a_workers_scores_does_not_matter_among_three() -> None:
    accuracies = [0.84, 0.80, 0.77]
    small = members(np.random.default_rng(5), accuracies, correlation=0.4, scales=np.array([0.5, 0.5, 0.5]))[0]
    large = members(np.random.default_rng(5), accuracies, correlation=0.4, scales=np.array([0.5, 2.0, 0.1]))[0]
    first, second = OpinionPool()(small).probabilities, OpinionPool()(large).probabilities
    assert np.allclose(first, second, atol=0.02)


def test_gold_gives_a_worker_that_is_always_wrong_no_say() -> None:
    rng = np.random.default_rng(13)
    table, truth = members(rng, [0.8, 0.8, 0.1], correlation=0.2, scales=np.ones(3), n=600)
    assert OpinionPool()(table, truth).weights[2] == 0
    assert OpinionPool()(table, truth).weights.sum() == pytest.approx(1)
