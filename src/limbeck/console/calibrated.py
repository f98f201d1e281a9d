"""What gold changed, in words. Knows nothing of how it was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def calibrated(found: Mapping[str, Any]) -> list[str]:
    """What is used and why, what each candidate did, and what gold shows of single agents."""
    return list(_lines(found))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['answers']:,} gold labels; used: {found['used']}; {found['changed']:,} labels changed"
    yield f"  {found['why']}"
    for one in found["candidates"]:
        if one["loss"] is not None:
            yield f"  {one['name']}: {100 * one['accuracy']:.1f} % right on gold not seen, log-loss {one['loss']:.3f}"
    for one in found["workers"]:
        right = "no answer on gold" if one["accuracy"] is None else f"{100 * one['accuracy']:.1f} % right on gold"
        if one["dropped"]:
            yield f"  agent {one['name']}: {right}, no better than chance; left out"
        elif one["means"] is not None:
            meant = ", ".join(f"{said!r} means {label!r}" for said, label in one["means"].items() if said != label)
            yield f"  agent {one['name']}: {right}; {meant}"
