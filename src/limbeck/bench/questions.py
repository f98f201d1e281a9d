"""School arithmetic, drawn by a seed: so that a benchmark needs no data of others.

Knows nothing of models or of answers.
"""

from __future__ import annotations

import numpy as np

NAMES = ("Tom", "Mira", "Jonas", "Aylin", "Ben", "Sofia", "Ravi", "Nora", "Felix", "Lena", "Omar", "Ida")
THINGS = ("apples", "marbles", "stickers", "pencils", "shells", "coins", "cards", "buttons", "books", "eggs")
PLACES = ("basket", "bag", "crate", "drawer", "jar", "bucket")
TEMPLATES = (
    "{name} has {a} {thing} and buys {b} more. How many {thing} does {name} have now?",
    "{name} had {big} {thing} and gave {a} of them to {other}. How many {thing} are left?",
    "There are {c} {place}s with {a} {thing} in each. How many {thing} are there in all?",
    "{name} shares {product} {thing} equally among {c} friends. How many {thing} does each friend get?",
    "{name} reads {a} pages on each of {c} days, and then {b} pages more. How many pages has {name} read?",
    "A {place} costs {a} euros and a lamp costs {b} euros. {name} buys {c} {place}s and one lamp. What is the price?",
    "{name} is {a} years old. {other} is {b} years older than {name}. How old will {other} be in {c} years?",
    "A train has {c} carriages with {a} seats each. {b} seats are taken. How many seats are free?",
    "{name} saves {a} euros a week for {c} weeks and then spends {b} euros. How many euros are left?",
    "{other} found {a} {thing} and {name} found {c} times as many. How many {thing} did they find together?",
    "{name} bakes {c} trays of {a} biscuits. The children eat {b} of them, and {name} puts the rest into a {place}. "
    "How many biscuits are in the {place}?",
    "A farmer picks {big} apples in the morning and {b} in the afternoon, and sells {a} of them at the market. "
    "How many apples does the farmer take home?",
)


def arithmetic(count: int, *, seed: int = 0) -> list[str]:
    """So many different questions; the first n of a seed are the same whatever `count` is."""
    rng = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        template = TEMPLATES[len(found) % len(TEMPLATES)]
        name, other = (NAMES[i] for i in rng.permutation(len(NAMES))[:2])
        a, c = int(rng.integers(6, 30)), int(rng.integers(3, 9))
        b = int(rng.integers(2, 3 * a // 2))
        words = {
            "name": name,
            "other": other,
            "thing": THINGS[rng.integers(len(THINGS))],
            "place": PLACES[rng.integers(len(PLACES))],
            "a": a,
            "b": b,
            "c": c,
            "big": a + int(rng.integers(5, 60)),
            "product": a * c,
        }
        found.setdefault(template.format(**words))
    return list(found)
