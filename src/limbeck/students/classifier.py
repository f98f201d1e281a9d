"""Any student as a scikit-learn classifier: texts and labels in, predictions out, at home in pipelines and searches.

Needs scikit-learn, which limbeck itself does without. Knows nothing of agents, votes, ledgers or task files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted, column_or_1d

from limbeck.errors import StudentError
from limbeck.students.base import Floats, Teacher
from limbeck.students.linear import LinearTeacher
from limbeck.students.robust import Robust


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not looked at
    """A student behind scikit-learn's interface (Buitinck et al. 2013, API design for machine learning software).

    Errors of the input are ValueErrors here, as scikit-learn's conventions ask.

    Args:
        teacher: makes the student; None = a linear one on word and character n-grams.
        robust: makes labels ready that are partly wrong; None = they are learned as they are.
        random_state: seed, generator, or None for another one each time.

    Attributes:
        classes_: the labels, sorted, shape [K].
        student_: the student taught last.
        prepared_: what `robust` made of the labels, or None.
    """

    def __init__(
        self, teacher: Teacher | None = None, *, robust: Robust | None = None, random_state: Any = None
    ) -> None:
        self.teacher = teacher
        self.robust = robust
        self.random_state = random_state

    def fit(self, X: Sequence[str], y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Learn.

        Args:
            X: texts, length N.
            y: a label for each.
            sample_weight: how much each text counts, shape [N], ≥ 0; None = all equal.

        Raises:
            ValueError: when these do not belong together, or there is one class only.
        """
        texts, y = _texts(X), column_or_1d(y, warn=True)
        check_consistent_length(texts, y)
        check_classification_targets(y)
        self.classes_, places = np.unique(y, return_inverse=True)
        names = [str(one) for one in self.classes_]
        if len(set(names)) < len(names):
            raise ValueError(f"two labels are written alike: {names}")
        weights = np.asarray(_check_sample_weight(sample_weight, np.empty(len(texts)), dtype=np.float64))
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        targets: Floats = np.eye(len(names))[places]
        self.prepared_ = self.robust(texts, targets, weights, rng=rng) if self.robust else None
        if self.prepared_ is not None:
            targets, weights = self.prepared_.targets, self.prepared_.weights
        teacher = self.teacher or LinearTeacher(None)
        try:
            self.student_ = teacher.fit(texts, targets, labels=names, weights=weights, rng=rng)
        except StudentError as error:
            raise ValueError(f"cannot be taught {len(names)} class(es): {error.message}") from error
        return self

    def predict_proba(self, X: Sequence[str]) -> Floats:
        """Calibrated probabilities of `classes_`, shape [texts, K]; each row sums to 1."""
        check_is_fitted(self)
        return np.asarray(self.student_.predict_proba(_texts(X)))

    def predict(self, X: Sequence[str]) -> Any:
        """The likeliest label of each text, shape [texts]."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def __sklearn_tags__(self) -> Tags:
        """It reads texts, one for each row."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        return tags


def _texts(X: Sequence[str]) -> list[str]:
    if isinstance(X, str) or X is None or getattr(X, "ndim", 1) != 1:
        raise ValueError("expected a sequence of texts, one for each row")
    texts = list(X)
    if not texts:
        raise ValueError("found no text; at least one is needed")
    wrong = next((one for one in texts if not isinstance(one, str)), None)
    if wrong is not None:
        raise ValueError(f"expected texts, found {type(wrong).__name__}")
    return texts
