"""Numbers with their reasons, in the form that metrics.json keeps. Knows nothing of what they measure."""

from __future__ import annotations

from typing import Any

from limbeck.evaluation import Estimate


def estimate(name: str, found: Estimate) -> dict[str, Any]:
    """`name` and `name_interval`; an absent value is null and its reason stands beside it."""
    facts: dict[str, Any] = {name: found.value, f"{name}_interval": list(found.interval) if found.interval else None}
    if found.value is None or found.interval is None:
        facts[f"{name}_reason" if found.value is None else f"{name}_interval_reason"] = found.reason
    return facts


def plain(found: Estimate) -> dict[str, Any]:
    """`accuracy` and `interval` of one point of a curve."""
    point: dict[str, Any] = {"accuracy": found.value, "interval": list(found.interval) if found.interval else None}
    return point if found.value is not None else point | {"accuracy_reason": found.reason}
