"""What one phase of a run used, and how the phases of all attempts at a run add up.

Knows nothing of how it was measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PhaseUse:
    """What one phase used between two looks at the meter. Phases never overlap, so their values may be summed.

    Attributes:
        name: of the phase; "other" is the time between phases.
        model: the model it ran, or None.
        started: UTC stamp, for display only.
        wall_s: seconds by a clock that never jumps.
        cpu_s: CPU-seconds of the whole process tree, the meter itself included.
        peak_rss_bytes: highest resident memory of the process tree seen.
        prefilled: tokens read.
        decoded: tokens generated.
        reused: tokens taken from a kept prefix.
        energy_j: joules over the part of the phase where they could be read; None where they never could.
        energy_covered_s: seconds for which they could be read.
        energy_method: how they are had, or "unavailable".
        energy_scope: what they stand for.
        energy_j_reason: why they are missing for a part or all of the phase.
        gpu: names of the GPUs, or None.
        gpu_reason: why there is none.
        gpu_busy_s: seconds times load of the GPUs.
        gpu_peak_bytes: highest memory in use on the GPUs seen, whoever used it.
        samples: looks taken.
        interval_s: seconds between looks, as asked for.
        meter_cpu_s: CPU-seconds that the meter itself used.
    """

    name: str
    model: str | None
    started: str
    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    prefilled: int
    decoded: int
    reused: int
    energy_j: float | None
    energy_covered_s: float
    energy_method: str
    energy_scope: str | None
    energy_j_reason: str | None
    gpu: str | None
    gpu_reason: str | None
    gpu_busy_s: float | None
    gpu_peak_bytes: int | None
    samples: int
    interval_s: float
    meter_cpu_s: float

    def row(self) -> dict[str, Any]:
        """The phase as plain JSON values, for a ledger and for `combine`."""
        return asdict(self)


def combine(phases: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Sum rows of `PhaseUse.row()`, of one attempt at a run or of all of them, into the `resources` of a run.

    Rows of one name and model become one phase, in order of first appearance. Peaks are the highest. Energy is given
    with the share of the wall time it covers; a missing value stands beside its reason.
    """
    rows = list(phases)
    groups: dict[tuple[str, str | None], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["name"], row["model"]), []).append(row)
    total = _summed(rows)
    listed = []
    for (name, model), group in groups.items():
        part = _summed(group)
        tokens = part.pop("tokens")
        computed = tokens["prefilled"] + tokens["decoded"]
        if part["gpu"] is None:  # said once for the whole run
            del part["gpu"], part["gpu_reason"]
        listed.append({"name": name, "model": model, **part, "tokens": computed, **tokens})
    return {
        **total,
        "energy_scope": _joined(row["energy_scope"] for row in rows),
        "phases": listed,
        "sampling": {
            "interval_s": max((row["interval_s"] for row in rows), default=None),
            "samples": sum(row["samples"] for row in rows),
            "meter_cpu_s": sum(row["meter_cpu_s"] for row in rows),
        },
    }


def _summed(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    wall = sum((row["wall_s"] for row in rows), 0.0)
    result: dict[str, Any] = {"wall_s": wall, "cpu_s": sum((row["cpu_s"] for row in rows), 0.0)}
    peak = max((row["peak_rss_bytes"] for row in rows), default=None)
    result["peak_rss_bytes"] = peak
    if peak is None:
        result["peak_rss_bytes_reason"] = "nothing was metered"
    result |= _energy(rows, wall) | _gpu(rows)
    result["tokens"] = {kind: sum(row[kind] for row in rows) for kind in ("prefilled", "decoded", "reused")}
    return result


def _energy(rows: list[Mapping[str, Any]], wall: float) -> dict[str, Any]:
    read = [row for row in rows if row["energy_j"] is not None]
    result: dict[str, Any] = {
        "energy_j": sum(row["energy_j"] for row in read) if read else None,
        "energy_method": _joined(row["energy_method"] for row in read) or "unavailable",
        "energy_coverage": min(1.0, sum(row["energy_covered_s"] for row in read) / wall) if wall else None,
    }
    reason = _joined(row["energy_j_reason"] for row in rows) or "nothing was metered"
    if not read:
        result["energy_j_reason"] = reason
    elif any(row["energy_j_reason"] for row in rows):
        result["energy_note"] = f"not measured all the time: {reason}"
    if not wall:
        result["energy_coverage_reason"] = "no time passed"
    return result


def _gpu(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    seen = [row for row in rows if row["gpu"] is not None]
    if not seen:
        return {"gpu": None, "gpu_reason": _joined(row["gpu_reason"] for row in rows) or "nothing was metered"}
    wall = sum(row["wall_s"] for row in seen)
    known = [row for row in seen if row["gpu_busy_s"] is not None]
    return {
        "gpu": {
            "name": _joined(row["gpu"] for row in seen),
            "load": min(1.0, sum(row["gpu_busy_s"] for row in known) / wall) if known and wall else None,
            "peak_bytes": max((row["gpu_peak_bytes"] for row in known), default=None),
            "scope": "whole GPUs, whoever uses them",
        }
    }


def _joined(values: Iterable[str | None]) -> str | None:
    return "; ".join(dict.fromkeys(value for value in values if value)) or None
