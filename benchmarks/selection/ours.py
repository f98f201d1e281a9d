"""limbeck's selectors asked as its peers are: by vectors, labels (-1 = unlabelled), a fitted classifier and a seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from limbeck.catalog import NEEDS
from limbeck.selection.badge import BADGE
from limbeck.selection.base import Evidence
from limbeck.selection.contrastive import CAL
from limbeck.selection.diversity import KCentre, KMeans
from limbeck.selection.proactive import Proactive
from limbeck.selection.probcover import ProbCover
from limbeck.selection.random import Random
from limbeck.selection.typiclust import TypiClust
from limbeck.selection.uncertainty import Entropy, LeastConfidence, Margin

OURS: dict[str, Any] = {
    "random": Random,
    "least-confidence": LeastConfidence,
    "margin": Margin,
    "entropy": Entropy,
    "k-centre": KCentre,
    "k-means": KMeans,
    "badge": BADGE,
    "cal": CAL,
    "typiclust": TypiClust,
    "probcover": ProbCover,
    "proactive": Proactive,
}


def evidence(vectors: Any, labels: Any, classes: int, *, sure: Any = None) -> Evidence:
    """What is known but for the classifier's opinions; `sure`: the committee's beliefs about all items, else labels."""
    free, known = np.flatnonzero(labels < 0), np.flatnonzero(labels >= 0)
    return Evidence(
        ids=tuple(f"{place:08}" for place in free),
        embeddings=vectors[free],
        labelled=vectors[known],
        asked=tuple(f"{place:08}" for place in known),
        posterior=np.eye(classes)[labels[known]] if sure is None else sure[known],
        classes=classes,
        note=lambda _: None,
    )


def choose(name: str, known: Evidence, model: Any, n: int, seed: int) -> Any:
    """Places of n unlabelled items; the classifier is asked where the selector wants its opinions."""
    if "probabilities" in NEEDS[name]:
        taught = model.predict_proba(known.labelled) if "taught" in NEEDS[name] else None
        known = replace(known, probabilities=model.predict_proba(known.embeddings), taught=taught)
    return np.array([int(one) for one in OURS[name]()(known, n, np.random.default_rng(seed))])
