"""Texts and labels to a lesson: what a linear student looks at, beside what it is told.

Knows nothing of where the labels come from, or of what is learned.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from limbeck.encoder import Encoder
from limbeck.students.features import Grams, fit_grams
from limbeck.students.pairs import compared, marked
from limbeck.students.softmax import Floats, Lesson

Floats32 = npt.NDArray[np.float32]

SHARES = {"words": 0.4, "characters": 0.6}  # of the features
LEAST, MOST = 2, 50_000


def lesson_of(
    texts: Sequence[str],
    targets: Floats,
    weights: Floats,
    *,
    encoder: Encoder | None,
    least: int = LEAST,
    most: int = MOST,
    pairs: bool = False,
) -> tuple[Lesson, tuple[Grams, ...]]:
    """The lesson, its targets softened, and the n-grams that were chosen.

    Args:
        texts: length N.
        targets: probabilities over the labels, shape [N, K].
        weights: shape [N], > 0.
        encoder: None = n-grams only.
        least: texts that an n-gram must occur in (1 below 100 texts).
        most: n-grams kept.
        pairs: whether an example is a pair of texts (see `pairs`).
    """
    least = least if len(texts) >= 100 else 1
    read = marked(texts) if pairs else texts
    grams = tuple(fit_grams(read, kind, least=least, most=int(share * most)) for kind, share in SHARES.items())
    dense, thin = features(texts, grams, encoder, pairs=pairs)
    return Lesson(dense.astype(np.float64), thin.astype(np.float64), softened(targets), weights), grams


def features(
    texts: Sequence[str], grams: Sequence[Grams], encoder: Encoder | None, *, pairs: bool = False
) -> tuple[Floats32, sparse.csr_matrix]:
    """What the student looks at: the encoder's dimensions [texts, D] and the n-grams [texts, F], each of length 1."""
    dense = np.empty((len(texts), 0), dtype=np.float32)
    if pairs:
        dense, texts = compared(texts, encoder), marked(texts)
    elif encoder is not None:
        dense = encoder.encode(texts)
    return dense, sparse.hstack([one.matrix(texts) for one in grams], format="csr", dtype=np.float32)


def softened(targets: Floats) -> Floats:
    """Half a count of every label spread over the texts: a label that never occurs stays possible."""
    count, labels = targets.shape
    part = labels / (2 * (count + labels))
    found: Floats = (1 - part) * targets + part / labels
    return found
