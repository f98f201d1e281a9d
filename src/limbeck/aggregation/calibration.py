"""Raw label scores → calibrated log-probabilities: takes out what a prompt prefers whatever the text says.

Knows nothing of votes, workers, engines or of any aggregator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from limbeck.errors import ConfigError, DataError

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

Method = Literal["none", "batch", "contextual", "pmi"]
METHODS: tuple[str, ...] = get_args(Method)

# No label may fall further behind the best one than this many nats: one vote must never veto a label for ever.
FLOOR = -30.0
# Batch calibration believes as many bias-free votes beforehand as this factor times the number of labels.
PSEUDO_VOTES = 2.0


def log_softmax(scores: Floats) -> Floats:
    """Scores, shape [n, K] → log-probabilities, shape [n, K].

    A label falls at most 30 nats behind the best one of its row, so -inf is harmless; a row of -inf alone is uniform.

    Raises:
        DataError: a score is NaN or +inf.
    """
    if np.isnan(scores).any() or np.isposinf(scores).any():
        raise DataError("A score is not a number or infinite.", hint="Check the engine that scored the labels.")
    best = scores.max(axis=1, keepdims=True)
    shifted = np.maximum(scores - np.where(np.isneginf(best), 0.0, best), FLOOR)
    logs: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


def calibrate(
    scores: Floats,
    method: str,
    *,
    baseline: Floats | None = None,
    prior: Sequence[float] | None = None,
    sample: Booleans | None = None,
) -> Floats:
    """Calibrate one worker's scores.

    - "none": log-softmax only; `prior` is not used.
    - "batch": subtract each label's mean log-probability over these rows (Zhou et al. 2023, arXiv 2309.17249). The
      mean of n rows is shrunk towards "no bias" by n / (n + 2·K), as if 2·K rows without bias had been seen: the fewer
      rows, the more the mean is the texts' own label mix and not the prompt's bias. One row alone, or equal rows, keep
      their winner.
    - "contextual" (Zhao et al. 2021, arXiv 2102.09690) and "pmi" (Holtzman et al. 2021, arXiv 2104.08315): subtract
      the log-softmax of `baseline`. One formula; they differ in the prompt behind the baseline (content-free input or
      domain premise), which is the decoder's matter.

    Args:
        scores: raw log-probabilities in nats, shape [n, K].
        method: one of `METHODS`.
        baseline: scores of the prompt without the item's content, shape [n, K] or [1, K].
        prior: expected share of each label, shape [K]; None = no preference. Added as log to all but "none".
        sample: the rows whose mean "batch" takes, shape [n]; None, or none of them = all.

    Returns:
        Log-probabilities, shape [n, K]; each row's exponentials sum to 1.

    Raises:
        ConfigError: unknown method or unusable prior.
        DataError: a NaN score, or a baseline that is needed and missing.
    """
    if method not in METHODS:
        raise ConfigError(f"Unknown calibration {method!r}.", hint=f"Known are: {', '.join(METHODS)}.")
    logs = log_softmax(scores)
    n, k = logs.shape
    if method == "none" or n == 0:
        return logs
    if method == "batch":
        seen = logs if sample is None or not sample.any() else logs[sample]
        logs = logs - bias(seen)
    elif baseline is None:
        raise DataError(
            f"Calibration {method!r} needs a baseline and the votes carry none.",
            hint="Cast the votes with a decoder set to this calibration, or calibrate by 'batch'.",
        )
    else:
        logs = logs - log_softmax(baseline)
    if prior is not None:
        logs = logs + log_prior(prior, k)
    return log_softmax(logs)


def bias(logs: Floats) -> Floats:
    """What batch calibration subtracts: each label's shrunk mean log-probability over some rows, shape [K].

    As the `baseline` of other votes it calibrates them by these rows, where they themselves are no fair batch: texts
    that are all meant to have one label would be calibrated away.

    Args:
        logs: log-probabilities, shape [n, K].
    """
    n, k = logs.shape
    mean: Floats = logs.mean(axis=0) * (n / (n + PSEUDO_VOTES * k))
    return mean


def log_prior(prior: Sequence[float], k: int) -> Floats:
    """Checked logarithm of a prior, shape [K]; a share of 0 is floored at exp(-30).

    Raises:
        ConfigError: wrong length, a negative share, or shares that do not sum to 1.
    """
    shares = np.asarray(prior, dtype=np.float64)
    if shares.shape != (k,) or not np.isfinite(shares).all() or (shares < 0).any() or abs(shares.sum() - 1) > 1e-6:
        raise ConfigError(
            f"The prior {list(prior)} is not one share ≥ 0 for each of the {k} labels with sum 1.",
            hint="Give every label its share, or leave the prior out.",
        )
    logs: Floats = np.log(np.maximum(shares, np.exp(FLOOR)))
    return logs
