"""Students as scikit-learn classifiers, held to scikit-learn's own estimator checks.

Those checks feed tables of numbers and skip whatever reads texts. So they are run on `OfNumbers`: the same classifier,
to which a row of numbers is first written down as words. What scikit-learn checks of tables alone is that subclass's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from limbeck.students.classifier import TextClassifier
from limbeck.students.linear import LinearTeacher
from limbeck.students.noise.pooled import Pooled
from limbeck.students.robust import Robust


class OfNumbers(TextClassifier):
    """Each number becomes a few words that say which column it stands in and how large it is."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        X, y = validate_data(self, X, y, dtype=np.float64)
        return super().fit(self._written(X), y, sample_weight)

    def predict_proba(self, X: Any) -> Any:
        check_is_fitted(self)
        return super().predict_proba(self._written(validate_data(self, X, dtype=np.float64, reset=False)))

    def _written(self, X: Any) -> list[str]:
        words = (
            [f"c{column}w{width}s{int(np.clip(np.floor(x * width), -999, 999))}" for width in (1, 3)]
            for row in X
            for column, x in enumerate(row)
        )
        flat = [" ".join(pair) for pair in words]
        return [" ".join(flat[i * X.shape[1] : (i + 1) * X.shape[1]]) for i in range(len(X))]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.one_d_array = False
        tags.input_tags.string = False
        return tags


COUNTED = "a weight says how far a label is trusted; how often an n-gram occurs is counted on the texts, weighed or not"
FAILS = {"check_sample_weight_equivalence_on_dense_data": COUNTED}


@parametrize_with_checks([OfNumbers()], expected_failed_checks=lambda _: FAILS)  # type: ignore[untyped-decorator]
def test_the_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def test_what_scikit_learn_checks_of_a_reader_of_texts() -> None:
    with pytest.warns(SkipTestWarning, match="requires input"):
        check_estimator(TextClassifier())


TEXTS = [f"{word} lamp, number {i}" for i in range(20) for word in ("dull", "bright")]
LABELS = ["no", "yes"] * 20


def test_it_learns_texts_and_is_cloned_like_any_estimator() -> None:
    made = TextClassifier(LinearTeacher(None), random_state=0)
    assert set(made.get_params()) == {"teacher", "robust", "random_state"}
    with pytest.raises(NotFittedError):
        made.predict(TEXTS)
    fitted = made.fit(np.array(TEXTS).tolist(), LABELS)
    assert fitted is made
    assert fitted.classes_.tolist() == ["no", "yes"]
    assert fitted.predict(["a bright thing", "a dull thing"]).tolist() == ["yes", "no"]
    assert fitted.predict_proba(["bright"]).sum() == pytest.approx(1)
    assert not hasattr(clone(fitted), "student_")
    assert fitted.score(TEXTS, LABELS) == 1.0


def test_it_works_in_pipelines_and_searches() -> None:
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    scores = cross_val_score(make_pipeline(lower, TextClassifier(random_state=0)), TEXTS, LABELS, cv=3)
    assert scores.tolist() == [1.0, 1.0, 1.0]
    search = GridSearchCV(
        TextClassifier(random_state=0), {"robust": [None, Robust({"pooled": Pooled()}, None)]}, cv=2
    ).fit(TEXTS, LABELS)
    assert search.best_score_ == 1.0


@pytest.mark.parametrize("texts", ["one text", [1, 2], np.array([["a"], ["b"]]), [], None])
def test_what_is_no_list_of_texts_is_refused(texts: Any) -> None:
    with pytest.raises(ValueError, match="text"):
        TextClassifier().fit(texts, ["no", "yes"])


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="class"):
        TextClassifier().fit(["a", "b"], ["no", "no"])
