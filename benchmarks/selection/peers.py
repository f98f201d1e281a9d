"""The same choices made by scikit-activeml and small-text: `pip install scikit-activeml small-text`.

Every function takes vectors, labels (-1 = unlabelled), a fitted scikit-learn classifier, the number wanted and a seed,
and returns places of unlabelled items.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin

Choose = Callable[..., Any]


class _Ready(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted classifier that stays as it is when somebody fits it."""

    def __init__(self, model: Any = None) -> None:
        self.model = model

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> _Ready:  # noqa: ARG002
        self.classes_ = self.model.classes_
        return self

    def predict(self, X: Any) -> Any:
        return self.model.predict(X)

    def predict_proba(self, X: Any) -> Any:
        return self.model.predict_proba(X)


def scikit_activeml(name: str, **settings: Any) -> Choose:
    """A strategy of scikit-activeml's pool by its class's name."""

    def choose(vectors: Any, labels: Any, model: Any, n: int, seed: int) -> Any:
        import skactiveml.pool as pool
        from skactiveml.classifier import SklearnClassifier

        y = np.where(labels >= 0, labels, np.nan).astype(float)
        classes = len(model.classes_)
        given = settings | ({"n_classes": classes} if name == "ProbCover" else {})
        strategy = getattr(pool, name)(random_state=seed, **given)
        more: dict[str, Any] = {}
        if name in ("Badge", "ContrastiveAL", "UncertaintySampling"):
            wrapped = SklearnClassifier(_Ready(model), classes=list(range(classes)))
            more = {"clf": wrapped.fit(vectors[labels >= 0], y[labels >= 0]), "fit_clf": False}
        return np.asarray(strategy.query(X=vectors, y=y, batch_size=n, **more))

    return choose


def small_text(name: str) -> Choose:
    """A strategy of small-text by its class's name."""

    def choose(vectors: Any, labels: Any, model: Any, n: int, seed: int) -> Any:
        import small_text as library

        del seed  # its strategies draw from numpy's global generator
        unlabelled, labelled = np.flatnonzero(labels < 0), np.flatnonzero(labels >= 0)
        classes = np.arange(len(model.classes_))
        dataset = library.SklearnDataset(csr_matrix(vectors), np.maximum(labels, 0), target_labels=classes)
        by_place = name in ("GreedyCoreset", "EmbeddingKMeans", "ContrastiveActiveLearning")
        more = {"embeddings": vectors, "pbar": None} if by_place else {}
        strategy = getattr(library, name)()
        return np.asarray(strategy.query(_Fitted(model), dataset, unlabelled, labelled, labels[labelled], n=n, **more))

    return choose


class _Fitted:
    """A fitted scikit-learn classifier as small-text asks it."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict_proba(self, dataset: Any) -> Any:
        return self._model.predict_proba(dataset.x.toarray())

    def embed(self, dataset: Any, **_: Any) -> Any:
        return dataset.x.toarray(), self.predict_proba(dataset)


PEERS: dict[str, Choose] = {
    "scikit-activeml UncertaintySampling (least confident)": scikit_activeml(
        "UncertaintySampling", method="least_confident"
    ),
    "scikit-activeml UncertaintySampling (margin)": scikit_activeml("UncertaintySampling", method="margin_sampling"),
    "scikit-activeml UncertaintySampling (entropy)": scikit_activeml("UncertaintySampling", method="entropy"),
    "scikit-activeml CoreSet": scikit_activeml("CoreSet"),
    "scikit-activeml Badge": scikit_activeml("Badge"),
    "scikit-activeml ContrastiveAL": scikit_activeml("ContrastiveAL"),
    "scikit-activeml TypiClust": scikit_activeml("TypiClust"),
    "scikit-activeml ProbCover": scikit_activeml("ProbCover"),
    "small-text BreakingTies": small_text("BreakingTies"),
    "small-text LeastConfidence": small_text("LeastConfidence"),
    "small-text PredictionEntropy": small_text("PredictionEntropy"),
    "small-text GreedyCoreset": small_text("GreedyCoreset"),
    "small-text EmbeddingKMeans": small_text("EmbeddingKMeans"),
    "small-text ContrastiveActiveLearning": small_text("ContrastiveActiveLearning"),
}
