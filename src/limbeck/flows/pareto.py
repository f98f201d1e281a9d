"""Which of several choices no other one beats in both quality and cost. Knows nothing of what they are."""

from __future__ import annotations

from collections.abc import Sequence


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether each (cost, quality) is on the front: nothing is as good for less, or better for as much."""
    return [
        not any(
            (cost <= own_cost and quality >= own_quality) and (cost < own_cost or quality > own_quality)
            for cost, quality in points
        )
        for own_cost, own_quality in points
    ]
