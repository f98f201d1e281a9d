"""Checks to begin with: training and gold items whose text is scrambled, and items that ask for a certain answer.

They are drafts: the owner writes better ones into design.yaml. Knows nothing of raters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limbeck.study.design import FIRST, SECOND, Check, Design, Role
from limbeck.study.units import Unit

SCRAMBLED = "The words of this one are out of order: nothing can be read in it."


def drafted(design: Design, units: Sequence[Unit], rng: np.random.Generator) -> tuple[Check, ...]:
    """Two training items, one gold item and one check of attention; labels have no words to scramble."""
    attention = _attention(design, rng)
    if design.kind == "labels":
        return (attention,)
    roles: tuple[Role, ...] = ("training", "training", "gold")
    chosen = rng.integers(len(units), size=len(roles)).tolist()
    return (*(_scrambled(design, units[row], role, rng) for row, role in zip(chosen, roles, strict=True)), attention)


def _scrambled(design: Design, unit: Unit, role: Role, rng: np.random.Generator) -> Check:
    """A unit with one output whose words are in an order by chance; never the same output twice for pairs' sides."""
    words = unit.first.split()
    broken = " ".join(words[i] for i in rng.permutation(len(words)).tolist())
    broken = broken if broken != unit.first else "…"
    if design.method == "pairs":
        turned = bool(rng.integers(2))
        texts = (broken, unit.second) if turned else (unit.second, broken)
        return Check(
            role=role,
            context=unit.context,
            texts=texts,
            right={design.criteria[0].name: (SECOND if turned else FIRST,)},
            note=SCRAMBLED,
        )
    worst = {"fluency": (0, 1)} if any(one.name == "fluency" for one in design.criteria) else {}
    right = worst if design.method == "scale" else {design.criteria[0].name: (0,)}
    return Check(role=role, context=unit.context, texts=(broken,), right=right, note=SCRAMBLED)


def _attention(design: Design, rng: np.random.Generator) -> Check:
    value = int(rng.integers(len(design.answers)))
    text = (
        f"This page checks that somebody is reading. Please answer every question here with: {design.answers[value]}."
    )
    return Check(
        role="attention",
        context="",
        texts=(text,) * design.shown,
        right={one.name: (value,) for one in design.criteria},
    )
