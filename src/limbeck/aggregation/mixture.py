"""Labels made better by where the texts lie: a mixture of one Gaussian per label, joined with the votes' posterior.

Knows nothing of votes, of how the posterior came about, or of what made the vectors.
"""

from __future__ import annotations

import numpy as np

from limbeck.aggregation.base import Floats, Vectors
from limbeck.errors import ConfigError

# No text is held to be surer than this against a label: where its neighbours lie must be able to change it.
LEAST = 1e-3
# Texts for each dimension at least, or the Gaussians would learn single texts by heart.
TEXTS_PER_DIMENSION = 4


class Mixture:
    """Posterior ∝ votes' posterior × N(vector; label's mean, common covariance), found by expectation maximisation.

    Texts of one label lie near one another, so what the votes say of a text's neighbours speaks for the text. That is
    semi-supervised learning without labels (Nigam et al. 2000, Machine Learning 39) begun and held by another's
    opinion, as in transduction for vision-language models (Zanella, Gérin & Ben Ayed 2024, arXiv 2406.01837).
    The vectors are cut to their main directions. Each mean is drawn towards the common one as by `shrink` texts that
    lie there, so that a label which hardly occurs has no place of its own to draw texts to; the covariance is drawn
    towards a sphere by `ridge`.

    Neighbours are no independent witnesses, and a mixture is always far too sure. So the logarithms are scaled by the
    one factor that leaves the mean confidence as it was: the mixture says which texts are surer than others, and not
    that all of them are.

    Args:
        dimensions: main directions at most, at least 1; and at most one for four texts.
        ridge: share of the mean variance added to each direction, > 0.
        shrink: texts at the common mean, ≥ 0.
        steps: of expectation and maximisation, at least 1.

    Raises:
        ConfigError: for a setting out of its bounds.
    """

    def __init__(self, *, dimensions: int = 20, ridge: float = 0.3, shrink: float = 10.0, steps: int = 15) -> None:
        if dimensions < 1 or not ridge > 0 or shrink < 0 or steps < 1:
            raise ConfigError(
                f"Mixture cannot use dimensions={dimensions}, ridge={ridge}, shrink={shrink}, steps={steps}.",
                hint="dimensions ≥ 1, ridge > 0, shrink ≥ 0, steps ≥ 1.",
            )
        self.dimensions, self.ridge, self.shrink, self.steps = dimensions, ridge, shrink, steps

    def __call__(self, posterior: Floats, vectors: Vectors) -> Floats:
        """The posterior joined with the mixture; see `Refiner`. Fewer than four texts are left as they are."""
        places = _main_directions(vectors, min(self.dimensions, len(vectors) // TEXTS_PER_DIMENSION))
        if not places.shape[1]:
            return posterior.copy()
        votes = np.log(np.maximum(posterior, LEAST))
        logs = votes
        for _ in range(self.steps):
            logs = votes + self._likelihood(places, _softmax(logs))
        return _as_sure(logs, posterior.max(axis=1).mean())

    def _likelihood(self, places: Floats, shares: Floats) -> Floats:
        """Log-likelihood of each text under each label's Gaussian but for what labels share, shape [I, K]."""
        n, width = places.shape
        mass = shares.sum(axis=0) + self.shrink
        means = (shares.T @ places) / np.maximum(mass, 1e-9)[:, None]
        spread = (places.T @ places - (means.T * mass) @ means) / n
        spread[np.diag_indices(width)] += self.ridge * max(float(np.trace(spread)) / width, 1e-9)
        weights = np.linalg.solve(spread, means.T)
        found: Floats = places @ weights - 0.5 * (means.T * weights).sum(axis=0)
        return found


def _main_directions(vectors: Vectors, count: int) -> Floats:
    """Centred vectors in their `count` directions of greatest variance, shape [I, count]."""
    if not count:
        return np.zeros((len(vectors), 0))
    mean = vectors.mean(axis=0, dtype=np.float64)
    spread = (vectors.T @ vectors).astype(np.float64) / len(vectors) - np.outer(mean, mean)
    directions = np.linalg.eigh(spread)[1][:, ::-1][:, :count]
    placed: Floats = vectors @ directions - mean @ directions
    return placed


def _softmax(logs: Floats) -> Floats:
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    found: Floats = shares / shares.sum(axis=1, keepdims=True)
    return found


def _as_sure(logs: Floats, target: float) -> Floats:
    """Shares whose mean confidence is `target`, by one factor on all logarithms."""
    low, high = -7.0, 7.0
    # The mean confidence grows with the factor, so halving the (logarithmic) bracket finds it.
    for _ in range(40):
        middle = (low + high) / 2
        sure = _softmax(logs * np.exp(middle)).max(axis=1).mean()
        low, high = (middle, high) if sure < target else (low, middle)
    return _softmax(logs * np.exp((low + high) / 2))
