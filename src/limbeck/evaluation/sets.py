"""How right sets of labels are: F1 over all decisions and label by label, and the share of wrong decisions.

Knows nothing of workers, thresholds or of how the sets came about.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from limbeck.evaluation.intervals import Booleans, Estimate, Floats, bootstrap, mean_estimate, undefined
from limbeck.evaluation.scores import NO_GOLD, ClassScore


def micro_f1(gold: Booleans, given: Booleans, *, rng: np.random.Generator) -> Estimate:
    """F1 of all decisions together: 2·tp / (2·tp + fp + fn).

    Args:
        gold: whether each label applies, shape [n, K].
        given: whether it was given, shape [n, K].
        rng: source of the bootstrap, which draws texts.
    """
    if not len(gold):
        return undefined(NO_GOLD)
    features = np.column_stack([(gold & given).sum(axis=1), gold.sum(axis=1), given.sum(axis=1)]).astype(np.float64)
    return bootstrap(features, _f1, rng=rng, reason=None if gold.any() or given.any() else "no label was ever given")


def macro_f1_of_sets(gold: Booleans, given: Booleans, *, rng: np.random.Generator) -> Estimate:
    """Mean F1 over the labels that occur in gold or were given, in each resample anew. Arguments as in `micro_f1`."""
    if not len(gold):
        return undefined(NO_GOLD)

    def statistic(sums: Floats) -> Floats:
        hit, wanted, told = np.split(sums, 3, axis=1)
        present = wanted + told > 0
        f1 = np.divide(2 * hit, wanted + told, out=np.zeros_like(hit), where=present)
        return np.asarray(f1.sum(axis=1) / present.sum(axis=1))

    return bootstrap(np.hstack([gold & given, gold, given]).astype(np.float64), statistic, rng=rng)


def hamming_loss(gold: Booleans, given: Booleans, *, rng: np.random.Generator) -> Estimate:
    """Share of wrong decisions, a decision for each text and label. Arguments as in `micro_f1`."""
    if not len(gold):
        return undefined(NO_GOLD)
    return mean_estimate((gold != given).mean(axis=1), rng=rng)


def per_label(
    gold: Booleans, given: Booleans, labels: Sequence[str], *, rng: np.random.Generator
) -> tuple[ClassScore, ...]:
    """Precision, recall and F1 of every label, with counts. Arguments as in `micro_f1`."""
    table = []
    for place, label in enumerate(labels):
        one, two = gold[:, place], given[:, place]
        own = np.column_stack([one & two, one, two]).astype(np.float64)
        score = partial(bootstrap, own, rng=rng)
        wanted, told = int(one.sum()), int(two.sum())
        table.append(
            ClassScore(
                label=label,
                precision=score(lambda s: s[:, 0] / s[:, 2], reason=None if told else "the label is never given"),
                recall=score(lambda s: s[:, 0] / s[:, 1], reason=None if wanted else "the label is never in gold"),
                f1=score(_f1, reason=None if wanted or told else "the label is never in gold or given"),
                support=wanted,
                predicted=told,
            )
        )
    return tuple(table)


def _f1(sums: Floats) -> Floats:
    return np.asarray(2 * sums[:, 0] / (sums[:, 1] + sums[:, 2]))
