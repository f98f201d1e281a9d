"""Several questions put to the same data: p-values corrected so that one true null among them is seldom rejected.

Knows nothing of the tests.
"""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values after Holm (1979): the smallest times m, the next times m − 1, …, never falling, at most 1.

    A test that gave no p-value (None) keeps None and is not counted.
    """
    order = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    found: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for done, (p, place) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - done)))
        found[place] = highest
    return found
