"""The aggregators against an independent implementation of the same papers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from limbeck.aggregation.base import Floats, Integers, VoteTable
from limbeck.aggregation.dawid_skene import DawidSkene
from limbeck.aggregation.majority import Majority
from limbeck.aggregation.weighted import Weighted

# Importing the other library warns about its own dependencies.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(name="crowdkit")
def _crowdkit() -> Any:
    return pytest.importorskip("crowdkit.aggregation")


@pytest.fixture(name="pandas")
def _pandas() -> Any:
    return pytest.importorskip("pandas")


def table_of(choices: Integers, k: int) -> VoteTable:
    probabilities = np.eye(k)[choices]
    probabilities[choices < 0] = np.nan
    items, workers = (tuple(f"{i:03d}" for i in range(size)) for size in choices.shape)
    return VoteTable(items, workers, tuple(str(i) for i in range(k)), choices, probabilities)


def random_table(*, items: int = 30, workers: int = 5, k: int = 3, missing: float = 0.0) -> VoteTable:
    rng = np.random.default_rng(7)
    truth = rng.integers(k, size=items)
    right = rng.random((items, workers)) < np.linspace(0.85, 0.5, workers)
    choices = np.where(right, truth[:, None], rng.integers(k, size=(items, workers)))
    choices[rng.random((items, workers)) < missing] = -1
    choices[:, 0] = np.maximum(choices[:, 0], 0)
    return table_of(choices, k)


def frame(table: VoteTable, pandas: Any) -> Any:
    rows = [
        {"task": table.items[i], "worker": table.workers[w], "label": int(table.choices[i, w])}
        for i, w in np.argwhere(table.choices >= 0)
    ]
    return pandas.DataFrame(rows)


def theirs(found: Any, table: VoteTable) -> Floats:
    columns = range(len(table.labels))
    return np.asarray(found.reindex(index=list(table.items), columns=columns).fillna(0.0), dtype=np.float64)


TABLES = [
    pytest.param(table_of(np.array([[0, 0, 1], [1, 1, 1], [0, 1, 1], [0, 0, 0]]), 2), id="toy"),
    pytest.param(random_table(), id="30x5"),
    pytest.param(random_table(missing=0.3), id="30x5 with gaps"),
    pytest.param(random_table(items=80, workers=7, k=4, missing=0.2), id="80x7"),
]


@pytest.mark.parametrize("table", TABLES)
def test_majority_is_theirs(table: VoteTable, crowdkit: Any, pandas: Any) -> None:
    found = crowdkit.MajorityVote().fit_predict_proba(frame(table, pandas))
    assert Majority()(table).probabilities == pytest.approx(theirs(found, table), abs=1e-12)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("rounds", [1, 15])
def test_dawid_skene_without_priors_is_theirs(table: VoteTable, rounds: int, crowdkit: Any, pandas: Any) -> None:
    # A negative tolerance keeps them from stopping before the last round.
    found = crowdkit.DawidSkene(n_iter=rounds, tol=-1e9).fit_predict_proba(frame(table, pandas))
    ours = DawidSkene(diagonal=0, off_diagonal=0, class_prior=0, iterations=rounds, tolerance=0)(table)
    assert ours.probabilities == pytest.approx(theirs(found, table), abs=1e-6)


def test_dawid_skene_with_gold_is_theirs(crowdkit: Any, pandas: Any) -> None:
    table = random_table()
    gold = np.full(30, -1)
    gold[:10] = (table.choices[:10, 4] + 1) % 3
    series = pandas.Series(gold[:10], index=list(table.items[:10]))
    series.index.name = "task"
    found = crowdkit.DawidSkene(n_iter=10, tol=-1e9).fit_predict_proba(frame(table, pandas), true_labels=series)
    ours = DawidSkene(diagonal=0, off_diagonal=0, class_prior=0, iterations=10, tolerance=0)(table, gold)
    assert ours.probabilities == pytest.approx(theirs(found, table), abs=1e-6)


def test_one_round_of_agreement_is_their_wawa(crowdkit: Any, pandas: Any) -> None:
    # Five workers and two labels: no ties, which the two libraries credit differently.
    table = random_table(k=2)
    # Its own predict step fails with current scikit-learn, so the two steps are spelt out as its pages state them.
    votes = frame(table, pandas)
    wawa = crowdkit.Wawa().fit(votes)
    found = crowdkit.MajorityVote().fit_predict_proba(votes, skills=wawa.skills_)
    ours = Weighted(rounds=1, scale="share", smoothing=0.0)(table)
    assert ours.weights == pytest.approx(np.array([wawa.skills_[worker] for worker in table.workers]), abs=1e-12)
    assert ours.probabilities == pytest.approx(theirs(found, table), abs=1e-12)


def test_weights_given_by_hand_are_their_skills(crowdkit: Any, pandas: Any) -> None:
    table = random_table(missing=0.3)
    skills = dict(zip(table.workers, [0.9, 0.8, 0.75, 0.6, 0.53], strict=True))
    series = pandas.Series(skills)
    series.index.name = "worker"
    found = crowdkit.MajorityVote().fit_predict_proba(frame(table, pandas), skills=series)
    assert Weighted(skills)(table).probabilities == pytest.approx(theirs(found, table), abs=1e-12)
