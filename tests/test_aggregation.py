"""Calibration, tabulation and small truths worked out by hand for every aggregator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.aggregation.base import Floats, Integers, VoteTable, tabulate
from limbeck.aggregation.calibration import calibrate, log_softmax
from limbeck.aggregation.dawid_skene import DawidSkene
from limbeck.aggregation.majority import Majority
from limbeck.aggregation.opinion_pool import OpinionPool
from limbeck.aggregation.weighted import Weighted
from limbeck.errors import ConfigError, DataError
from limbeck.records import Vote


def vote(
    item: str, worker: str, label: str | None = None, scores: tuple[float, ...] | None = None, **rest: tuple[float, ...]
) -> Vote:
    return Vote(f"{item}/{worker}/{label}/{scores}", item, worker, label, scores=scores, baseline=rest.get("baseline"))


def hard(choices: list[list[int]], k: int = 2) -> VoteTable:
    array = np.array(choices, dtype=np.int64)
    probabilities = np.eye(k)[array]
    probabilities[array < 0] = np.nan
    return table_of(array, probabilities)


def soft(probabilities: list[list[list[float]]]) -> VoteTable:
    array = np.array(probabilities)
    return table_of(array.argmax(axis=2), array)


def table_of(choices: Integers, probabilities: Floats) -> VoteTable:
    n, w, k = probabilities.shape
    names = [tuple(f"{prefix}{i}" for i in range(size)) for prefix, size in (("i", n), ("w", w), ("l", k))]
    return VoteTable(names[0], names[1], names[2], choices, probabilities)


def test_log_softmax_survives_minus_infinity() -> None:
    logs = log_softmax(np.array([[0.0, -np.inf], [-np.inf, -np.inf], [-1000.0, -1001.0]]))
    assert np.allclose(np.exp(logs).sum(axis=1), 1)
    assert logs[0, 1] == pytest.approx(-30)
    assert logs[1].tolist() == pytest.approx([-np.log(2)] * 2)
    assert logs[2, 0] - logs[2, 1] == pytest.approx(1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_log_softmax_refuses_what_is_no_score(bad: float) -> None:
    with pytest.raises(DataError):
        log_softmax(np.array([[0.0, bad]]))


def test_batch_calibration_takes_out_the_mean_shrunk_by_the_number_of_rows() -> None:
    # log-softmax differences 3 and 1: mean 2, and with n = 2 rows and K = 2 labels a third of it is taken out.
    scores = np.array([[3.0, 0.0], [1.0, 0.0]])
    logs = calibrate(scores, "batch")
    assert (logs[:, 0] - logs[:, 1]).tolist() == pytest.approx([3 - 2 / 3, 1 - 2 / 3])


def test_batch_calibration_of_many_rows_removes_a_bias() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(2000, 3))
    logs = calibrate(truth + np.array([4.0, 0.0, -2.0]), "batch")
    assert (logs.argmax(axis=1) == truth.argmax(axis=1)).mean() > 0.97
    assert (calibrate(truth + np.array([4.0, 0.0, -2.0]), "none").argmax(axis=1) == truth.argmax(axis=1)).mean() < 0.5


@given(st.lists(st.floats(-20, 5), min_size=2, max_size=6), st.integers(1, 200))
def test_batch_calibration_never_erases_a_lone_or_constant_opinion(scores: list[float], n: int) -> None:
    logs = calibrate(np.array([scores] * n), "batch")
    assert logs[0, int(np.argmax(scores))] >= logs[0].max() - 1e-9
    assert np.allclose(np.exp(logs).sum(axis=1), 1)


def test_contextual_and_pmi_subtract_the_baseline_and_add_the_prior() -> None:
    scores, baseline = np.log([[0.6, 0.4]]), np.log([[0.8, 0.2]])
    for method in ("contextual", "pmi"):
        # 0.6/0.8 : 0.4/0.2 = 3 : 8
        assert np.exp(calibrate(scores, method, baseline=baseline))[0].tolist() == pytest.approx([3 / 11, 8 / 11])
        with_prior = calibrate(scores, method, baseline=baseline, prior=[0.8, 0.2])
        assert np.exp(with_prior)[0].tolist() == pytest.approx([0.6, 0.4])
        with pytest.raises(DataError, match="baseline"):
            calibrate(scores, method)


@pytest.mark.parametrize("prior", [[0.5], [0.5, 0.6], [1.5, -0.5]])
def test_unusable_priors_are_refused(prior: list[float]) -> None:
    with pytest.raises(ConfigError, match="prior"):
        calibrate(np.zeros((1, 2)), "batch", prior=prior)


def test_unknown_calibration_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="batch"):
        calibrate(np.zeros((1, 2)), "bacth")


def test_tabulate_by_hand() -> None:
    votes = [
        vote("b", "zoe", "yes"),
        vote("a", "zoe", "no"),
        vote("a", "zoe", "yes"),
        vote("a", "abe", "no", scores=(float(np.log(0.2)), float(np.log(0.8)))),
        vote("b", "abe", None),
        vote("c", "abe", None, scores=(-1.0, -1.0)),
    ]
    table = tabulate(votes, labels=["no", "yes"])
    assert (table.items, table.workers, table.labels) == (("b", "a", "c"), ("abe", "zoe"), ("no", "yes"))
    # abe's scores beat its label on "a", its tie on "c" goes to the lowest index; zoe's last vote on "a" counts.
    assert table.choices.tolist() == [[-1, 1], [1, 1], [0, -1]]
    assert table.probabilities[1, 0].tolist() == pytest.approx([0.2, 0.8])
    assert table.probabilities[0, 1].tolist() == [0, 1]
    assert np.isnan(table.probabilities[0, 0]).all()


def test_tabulate_keeps_the_given_items_and_does_not_depend_on_order() -> None:
    rng = np.random.default_rng(1)
    votes = [vote(f"i{i}", w, scores=tuple(rng.normal(size=3))) for i in range(9) for w in ("x", "y")]
    items = [f"i{i}" for i in range(8)] + ["unseen"]
    tables = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(votes))
        shuffled = [votes[i] for i in order]
        tables.append(tabulate(shuffled, labels="abc", items=items, calibration={"x": "batch"}))
    assert tables[0].items == tuple(items)
    assert (tables[0].choices[-1] == -1).all()
    for other in tables[1:]:
        assert np.array_equal(tables[0].probabilities, other.probabilities, equal_nan=True)


def test_calibration_changes_the_label_of_the_named_worker_only() -> None:
    votes = [vote(f"i{i}", w, "a", scores=(0.0, -1.0 - (i % 2))) for i in range(100) for w in ("raw", "tuned")]
    table = tabulate(votes, labels=["a", "b"], calibration={"tuned": "batch"})
    assert table.choices[:, 0].tolist() == [0] * 100
    assert table.choices[:, 1].tolist() == [1, 0] * 50


def test_tabulate_uses_baselines() -> None:
    table = tabulate(
        [vote("i", "w", scores=(-0.5, -1.0), baseline=(-0.1, -3.0))], labels=["a", "b"], calibration={"w": "pmi"}
    )
    assert table.choices.tolist() == [[1]]


def test_a_vote_whose_scores_are_all_minus_infinity_falls_back_to_its_label() -> None:
    nothing = (-np.inf, -np.inf)
    table = tabulate([vote("i", "w", "b", scores=nothing), vote("j", "w", None, scores=nothing)], labels=["a", "b"])
    assert table.choices.tolist() == [[1], [-1]]


@pytest.mark.parametrize(
    ("bad", "calibration"),
    [
        (vote("i", "w", "maybe"), "none"),
        (vote("i", "w", scores=(0.0, 0.0, 0.0)), "none"),
        (vote("i", "w", scores=(0.0, 0.0)), "contextual"),
        (vote("i", "w", scores=(0.0, 0.0), baseline=(0.0,)), "pmi"),
    ],
)
def test_unusable_votes_are_named(bad: Vote, calibration: str) -> None:
    with pytest.raises(DataError, match="'w' on item 'i'"):
        tabulate([bad], labels=["a", "b"], calibration={"w": calibration})


def test_no_votes_at_all() -> None:
    table = tabulate([], labels=["a", "b"], items=["i", "j"])
    assert table.choices.shape == (2, 0)
    for aggregator in (Majority(), Weighted(), DawidSkene(), OpinionPool()):
        assert aggregator(table).probabilities.tolist() == [[0.5, 0.5]] * 2


def test_majority_by_hand() -> None:
    result = Majority()(hard([[0, 0, 1], [2, 1, 2], [0, 1, 2], [-1, -1, -1]], k=3))
    third = [1 / 3] * 3
    assert result.probabilities == pytest.approx(np.array([[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3], third, third]))
    assert result.weights.tolist() == [1, 1, 1]


def test_a_tie_goes_to_the_surer_side_and_a_third_label_keeps_its_share() -> None:
    # Labels 0 and 1 tie 1:1 with summed probabilities 0.9 + 0.4 = 1.3 against 0.1 + 0.6 = 0.7.
    assert Majority()(soft([[[0.9, 0.1], [0.4, 0.6]]])).probabilities == pytest.approx(np.array([[0.65, 0.35]]))
    third = hard([[0, 0, 1, 1, 2]], k=3)
    assert Majority()(third).probabilities == pytest.approx(np.array([[0.4, 0.4, 0.2]]))


def test_given_weights_by_hand() -> None:
    table = hard([[0, 1, 1], [0, 0, 1]])
    result = Weighted({"w0": 3.0, "w1": 1.0, "w2": 1.0})(table)
    assert result.probabilities == pytest.approx(np.array([[0.6, 0.4], [0.8, 0.2]]))
    with pytest.raises(ConfigError, match="w2"):
        Weighted({"w0": 1.0, "w1": 1.0})(table)


def test_weights_from_gold_by_hand() -> None:
    # On 8 gold items w0 is right 8 times and w1 4. Without gold both agree with the vote alike: 10 answers more.
    table = hard([*([[1, 1]] * 4), *([[1, 0]] * 4), [0, 1]])
    gold = np.array([1] * 8 + [-1])
    alike = Weighted(scale="share")(table).weights
    assert alike[0] == pytest.approx(alike[1])
    share = Weighted(scale="share")(table, gold)
    assert share.weights == pytest.approx((np.array([8, 4]) + 10 * alike) / 18)
    result = Weighted(prior_strength=0)(table, np.array([1] * 8 + [0]))
    assert result.weights == pytest.approx(np.array([np.log((1 - 1e-9) / 1e-9), 0.01]), rel=1e-3)
    assert result.probabilities[-1, 0] > 0.99


def test_weights_without_gold_find_the_odd_one_out() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(2, size=400)
    choices = np.array([np.where(rng.random(400) < a, truth, 1 - truth) for a in (0.9, 0.85, 0.8, 0.5)]).T
    weights = Weighted()(hard(choices.tolist())).weights
    assert weights[0] > weights[1] > weights[2] > weights[3]


def test_dawid_skene_first_step_by_hand() -> None:
    # One round without priors. Start: shares of votes 1, 1/2, 0 for label 0. Class shares 1/2.
    # w0 said 0, 0, 1: row of true 0 (mass 1.5): all on 0; row of true 1: (0.5, 1) / 1.5. w1 said 0, 1, 1: mirrored.
    result = DawidSkene(diagonal=0, off_diagonal=0, class_prior=0, iterations=1)(hard([[0, 0], [0, 1], [1, 1]]))
    # Item 0: 1 · 2/3 against 1/3 · ~0; item 1: 1 · 1/3 against 1/3 · 1; item 2 mirrors item 0.
    assert result.probabilities[:, 0] == pytest.approx(np.array([1, 0.5, 0]), abs=1e-8)
    assert result.weights == pytest.approx(np.array([2.5 / 3, 2.5 / 3]), abs=1e-8)


def test_dawid_skene_learns_that_a_worker_is_inverted_and_keeps_gold() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=300)
    columns = [np.where(rng.random(300) < a, truth, 1 - truth) for a in (0.85, 0.85, 0.85, 0.1)]
    table = hard(np.array(columns).T.tolist())
    result = DawidSkene()(table)
    assert result.weights[3] < 0.3 < 0.7 < result.weights[:3].min()
    assert (result.probabilities.argmax(axis=1) == truth).mean() > (
        Majority()(table).probabilities.argmax(axis=1) == truth
    ).mean()
    gold = np.full(300, -1)
    gold[:5] = 1 - truth[:5]
    assert DawidSkene()(table, gold).probabilities[:5].argmax(axis=1).tolist() == (1 - truth[:5]).tolist()


def test_dawid_skene_gold_turns_a_lone_inverted_worker_round() -> None:
    truth = np.tile([0, 1], 30)
    table = hard([[1 - t] for t in truth.tolist()])
    gold = np.where(np.arange(60) < 40, truth, -1)
    assert DawidSkene()(table, gold).probabilities[40:].argmax(axis=1).tolist() == truth[40:].tolist()


def test_soft_dawid_skene_hears_the_doubt() -> None:
    sure = [[[0.99, 0.01], [0.95, 0.05]]] * 10 + [[[0.02, 0.98], [0.05, 0.95]]] * 10
    table = soft([*sure, [[0.55, 0.45], [0.1, 0.9]]])
    assert DawidSkene(soft=True)(table).probabilities[-1, 1] > 0.5


def test_opinion_pool_with_given_exponents_by_hand() -> None:
    # 0.8^1 · 0.4^2 = 0.128 against 0.2 · 0.36 = 0.072
    result = OpinionPool({"w0": 1.0, "w1": 2.0})(soft([[[0.8, 0.2], [0.4, 0.6]]]))
    assert result.probabilities[0].tolist() == pytest.approx([0.64, 0.36])
    with pytest.raises(ConfigError, match="w1"):
        OpinionPool({"w0": 1.0})(soft([[[0.8, 0.2], [0.4, 0.6]]]))


def test_opinion_pool_mean_confidence_is_the_smoothed_agreement() -> None:
    # Two workers, four items, one split: 7 of 8 votes agree with the pool; with two answers at chance 8 of 10.
    table = soft([[[0.9, 0.1], [0.7, 0.3]]] * 3 + [[[0.9, 0.1], [0.3, 0.7]]])
    result = OpinionPool()(table)
    assert result.probabilities.max(axis=1).mean() == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("build", [lambda: Weighted({"w": -1.0}), lambda: OpinionPool({"w": float("nan")})])
def test_unusable_weights_are_refused(build: type[Weighted]) -> None:
    with pytest.raises(ConfigError):
        build()


def test_unusable_settings_are_refused() -> None:
    for build in (
        lambda: Weighted(rounds=0),
        lambda: Weighted(smoothing=-1),
        lambda: DawidSkene(iterations=0),
        lambda: DawidSkene(diagonal=-1),
        lambda: OpinionPool(prior_strength=0),
    ):
        with pytest.raises(ConfigError):
            build()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_scores_of_any_size_give_a_valid_table(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=10.0 ** rng.integers(-2, 4), size=(12, k))
    votes = [vote(f"i{i}", "w", scores=tuple(row)) for i, row in enumerate(scores)]
    table = tabulate(votes, labels=[str(i) for i in range(k)], calibration={"w": "batch"}, prior=[1 / k] * k)
    assert np.allclose(table.probabilities.sum(axis=2), 1)
    assert (table.choices[:, 0] == table.probabilities[:, 0].argmax(axis=1)).all()
