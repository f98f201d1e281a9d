"""Which items to ask people about: samples of a fixed size in which every item's chance is known.

Only with known chances can a few answers speak for all items. Knows nothing of texts, people or of what is done with
the answers.
"""

from __future__ import annotations

import numpy as np

from limbeck.errors import DataError
from limbeck.evaluation.intervals import Floats, Integers

# A sure item keeps a fifth of the chance of a toss-up (whose doubt is 0.5), so no single answer weighs too much.
LEAST_DOUBT = 0.1


def doubt(probabilities: Floats) -> Floats:
    """√(c·(1 − c)) of each item's confidence c, at least 0.1; shape [N, K] → [N].

    It is the standard deviation of "the label is right" as far as the confidence can be trusted. Chances in proportion
    to it make the interval of the accuracy narrowest (Zrnic & Candès 2024, Active Statistical Inference, ICML).
    """
    sure = probabilities.max(axis=1)
    return np.asarray(np.maximum(np.sqrt(sure * (1 - sure)), LEAST_DOUBT))


def chances(sizes: Floats, n: int) -> Floats:
    """Chances in proportion to `sizes`, at most 1, that sum to n; shape [N], sizes > 0.

    Raises:
        DataError: n is negative or above N.
    """
    if not 0 <= n <= len(sizes):
        raise DataError(f"{n} of {len(sizes)} items cannot be drawn.", hint="Draw at most as many as there are.")
    found = np.zeros(len(sizes))
    free = np.ones(len(sizes), np.bool_)
    while free.any():
        found[free] = (n - (~free).sum()) * sizes[free] / sizes[free].sum()
        over = free & (found > 1)
        if not over.any():
            break
        found[over], free[over] = 1.0, False
    return found


def spread(probabilities: Floats, rng: np.random.Generator) -> Integers:
    """An order in which neighbours are alike: by label, then by confidence, equal ones shuffled; [N, K] → [N]."""
    return np.lexsort((rng.random(len(probabilities)), probabilities.max(axis=1), probabilities.argmax(axis=1)))


def draw(odds: Floats, order: Integers, rng: np.random.Generator) -> Integers:
    """Positions drawn so that each has exactly its chance and neighbours in `order` are seldom drawn together.

    The ordered pivotal method (Deville & Tillé 1998, Biometrika 85(1); Chauvet 2012): two items duel for their summed
    chances until one is decided; the other duels on. In a random order and with equal chances it is simple random
    sampling; in an order of like beside like it is stratified, one item per stratum.

    Args:
        odds: chance of each item, shape [N], 0 to 1; the sum is how many are drawn, a whole number but for rounding.
        order: positions of all items with a chance above 0.
        rng: the only source of randomness.

    Returns:
        Positions in the order in which they were decided; shuffle them before asking in turn.
    """
    lots = rng.random(len(order)).tolist()
    taken: list[int] = []
    holder, held = -1, 0.0
    for at, rival, lot in zip(order.tolist(), odds[order].tolist(), lots, strict=True):
        total = held + rival
        if total < 1:
            holder = at if lot * total < rival else holder
            held = total
        elif lot * (2 - total) < 1 - rival:
            taken.append(holder)
            holder, held = at, total - 1
        else:
            taken.append(at)
            held = total - 1
    # What is left of a whole number is 0 or 1, but for rounding.
    if held > 0.5:
        taken.append(holder)
    return np.array(taken, np.int64)
