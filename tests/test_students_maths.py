"""The arithmetic under the students: n-grams and soft logistic regression, by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from limbeck.students import features
from limbeck.students.features import Grams, fit_grams
from limbeck.students.softmax import Lesson, cool, fit, tune

Floats = npt.NDArray[np.float64]

TEXTS = [
    "The cat sat on the mat.",
    "the dog  sat\ton the log",
    "A cat, a dog: a day!",
    "Größe zählt nicht, 大きさ",
    "x",
    "",
    "  ",
    "it's it's it's",
]


def test_words_and_pairs_counted_by_hand() -> None:
    grams = fit_grams(["a b a", "b c"], "words", least=1, most=100)
    assert len(grams.buckets) == 6  # a, b, c, "a b", "b a", "b c"; none across the two texts
    kept = fit_grams(["a b a", "b c"], "words", least=2, most=100)
    assert len(kept.buckets) == 1  # b
    np.testing.assert_allclose(kept.idf, [1.0])  # log(3 / 3) + 1
    np.testing.assert_allclose(kept.matrix(["b b", "c", "b"]).toarray(), [[1], [0], [1]])


def test_characters_counted_by_hand() -> None:
    # " ab", "ab ", " ab " and the same for cd; nothing across words or texts
    assert len(fit_grams(["ab", "cd"], "characters", least=1, most=100).buckets) == 6
    assert len(fit_grams(["ab cd"], "characters", least=1, most=100).buckets) == 6
    assert len(fit_grams(["", " ", "\n"], "characters", least=1, most=100).buckets) == 0


def test_the_most_frequent_are_kept() -> None:
    texts = ["often", "often", "often rare", "some", "some"]
    whole = fit_grams(texts, "words", least=1, most=100)
    two = fit_grams(texts, "words", least=1, most=2)
    assert set(two.buckets) < set(whole.buckets)
    np.testing.assert_allclose(sorted(two.idf), [1 + np.log(6 / 4), 1 + np.log(6 / 3)], rtol=1e-6)
    assert two.matrix(["rare"]).nnz == 0


@pytest.mark.parametrize("kind", ["words", "characters"])
@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.text(alphabet="abcĀé 大.,'\n\t", max_size=40), min_size=1, max_size=8))
def test_likeness_is_that_of_scikit_learn(kind: str, texts: list[str]) -> None:
    texts = [*texts, *TEXTS]
    options = {"sublinear_tf": True, "dtype": np.float64}
    if kind == "words":
        known = TfidfVectorizer(token_pattern=r"\w+", ngram_range=(1, 2), **options)
    else:
        known = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), **options)
    expected = known.fit_transform(texts)
    matrix = fit_grams(texts, kind, least=1, most=10**6).matrix(texts)
    # Among a million buckets two of a few hundred n-grams meet now and then; more than two would be no chance.
    assume(matrix.shape[1] != expected.shape[1] - 1)
    assert matrix.shape == expected.shape
    np.testing.assert_allclose((matrix @ matrix.T).toarray(), (expected @ expected.T).toarray(), atol=1e-5)


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_parts_change_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit_grams(TEXTS, kind, least=1, most=100)
    matrix = whole.matrix(TEXTS)
    monkeypatch.setattr(features, "PART", 10)
    parted = fit_grams(TEXTS, kind, least=1, most=100)
    np.testing.assert_array_equal(parted.buckets, whole.buckets)
    np.testing.assert_array_equal(parted.matrix(TEXTS).toarray(), matrix.toarray())
    assert Grams(kind, whole.buckets[:0], whole.idf[:0]).matrix(TEXTS).shape == (len(TEXTS), 0)
    assert whole.matrix([]).shape == (0, len(whole.buckets))


def lesson(count: int, labels: int, *, seed: int = 0, sharp: float = 1.0) -> Lesson:
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(count, 4))
    thin = sparse.random(count, 6, density=0.3, format="csr", random_state=rng)
    targets = softmax(sharp * dense[:, :1] * rng.normal(size=(1, labels)) + rng.normal(size=(count, labels)), axis=1)
    return Lesson(dense, thin, targets, rng.uniform(0.5, 2.0, size=count))


def test_equals_scikit_learn_on_hard_labels() -> None:
    rng = np.random.default_rng(1)
    hard = rng.integers(3, size=80)
    soft = lesson(80, 3)
    data = Lesson(soft.dense, soft.thin, np.eye(3)[hard], soft.weights / soft.weights.mean())
    known = LogisticRegression(C=0.7, tol=1e-10, max_iter=5000)
    columns = np.hstack([data.dense, data.thin.toarray()])
    known.fit(columns, hard, sample_weight=data.weights)
    found = softmax(data.logits(fit(data, strength=0.7, tolerance=1e-14)), axis=1)
    np.testing.assert_allclose(found, known.predict_proba(columns), atol=1e-4)


def test_a_soft_label_is_hard_labels_with_weights() -> None:
    soft = lesson(30, 3)
    rows = np.repeat(np.arange(30), 3)
    hard = Lesson(
        soft.dense[rows], soft.thin[rows], np.tile(np.eye(3), (30, 1)), (soft.weights[:, None] * soft.targets).ravel()
    )
    one = fit(soft, strength=2.0, tolerance=1e-14)
    other = fit(hard, strength=2.0 / 3, tolerance=1e-14)  # three times the rows at weights of mean 1
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_without_penalty_the_targets_are_met() -> None:
    targets = np.array([[0.8, 0.2], [0.3, 0.7], [0.5, 0.5]])
    data = Lesson(np.eye(3), sparse.csr_matrix((3, 0)), targets, np.ones(3))
    np.testing.assert_allclose(softmax(data.logits(fit(data, strength=1e9)), axis=1), targets, atol=1e-3)


def test_a_strong_penalty_leaves_the_shares() -> None:
    data = lesson(50, 3)
    shares = np.average(data.targets, axis=0, weights=data.weights)
    found = softmax(data.logits(fit(data, strength=1e-9)), axis=1)
    np.testing.assert_allclose(found, np.tile(shares, (50, 1)), atol=1e-3)


def test_the_temperature_is_found_again() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(200, 4))
    empty = sparse.csr_matrix((200, 0))
    for heat in (0.3, 1.0, 4.0):
        data = Lesson(np.empty((200, 0)), empty, softmax(logits, axis=1), rng.uniform(0.1, 1, 200))
        assert cool(logits * heat, data) == pytest.approx(heat, rel=1e-3)


def test_tuning_follows_what_is_in_the_labels() -> None:
    folds = np.arange(90) % 3
    strengths = (1e-3, 0.1, 10.0)
    real = lesson(90, 2, sharp=6.0)
    noise = Lesson(real.dense, real.thin, np.random.default_rng(3).dirichlet([0.5, 0.5], 90), real.weights)
    tuning, loss = tune(real, folds, strengths=strengths)
    assert tuning.strength >= 0.1
    assert loss < 0.9 * tune(noise, folds, strengths=strengths)[1]
    assert tune(noise, folds, strengths=strengths)[0].strength <= 1e-3
    assert tune(real, folds, strengths=strengths) == (tuning, loss)


def test_of_strengths_as_good_as_the_best_the_smallest_is_taken() -> None:
    data, folds = lesson(300, 2, sharp=2.0), np.arange(300) % 3
    strengths = tuple(0.05 * 1.5**step for step in range(12))
    means, errors = [], []
    for strength in strengths:
        losses = np.empty(300)
        for fold in range(3):
            out = np.flatnonzero(folds == fold)
            left = data.rows(out)
            logits = left.logits(fit(data.rows(np.flatnonzero(folds != fold)), strength=strength))
            losses[out] = -(left.targets * np.log(softmax(logits, axis=1))).sum(axis=1)
        shares = data.weights / data.weights.sum()
        means.append(shares @ losses)
        errors.append(np.sqrt(np.sum(shares**2 * (losses - shares @ losses) ** 2)))
    best = int(np.argmin(means))
    chosen = strengths.index(tune(data, folds, strengths=strengths)[0].strength)
    assert chosen < best
    assert means[chosen] <= means[best] + errors[best] < means[chosen - 1]
