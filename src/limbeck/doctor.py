"""doctor: what works on this machine, what is missing, and what to do about it. Changes nothing.

Knows nothing of tasks or runs.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import sqlite3
import sys
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from limbeck.assets.store import Store
from limbeck.flows.facts import machine
from limbeck.meter import Meter

# SQLite below this can lose commits when two connections write and checkpoint; limbeck only ever has one writer.
SAFE_SQLITE = (3, 51, 3)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        ok: whether it works.
        found: what there is.
        advice: what to do, or why it does not matter; empty where nothing needs doing.
    """

    name: str
    ok: bool
    found: str
    advice: str = ""

    def row(self) -> dict[str, Any]:
        """The check as JSON values."""
        return asdict(self)


def examine(store: Store) -> list[Check]:
    """Look at everything."""
    return [*_machine(store), *_packages(), *_assets(store), *_meters()]


def _machine(store: Store) -> list[Check]:
    found = machine()
    memory, free = psutil.virtual_memory(), shutil.disk_usage(_nearest(store))
    python = ".".join(map(str, sys.version_info[:3]))
    safe = sqlite3.sqlite_version_info >= SAFE_SQLITE
    return [
        Check("machine", True, f"{found['cpu']}, {found['cores']} cores, {found['system']}"),
        Check("python", sys.version_info >= (3, 11), python),
        Check(
            "memory",
            memory.available > 2e9,
            f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free",
            "" if memory.available > 2e9 else "a run with the built-in model needs up to 2 GB: close other programs",
        ),
        Check(
            "disk",
            free.free > 2e9,
            f"{free.free / 1e9:.1f} GB free where models are kept",
            "" if free.free > 2e9 else "models need up to 2 GB: set LIMBECK_HOME to a folder on a larger disk",
        ),
        Check(
            "sqlite",
            True,
            sqlite3.sqlite_version,
            "" if safe else "this version can lose commits of two writers at once; a run has one writer, so it is safe",
        ),
    ]


def _packages() -> list[Check]:
    engines = [
        ("engine openvino", "openvino", "pip install limbeck brings it"),
        ("engine transformers", "torch", "optional: pip install 'limbeck[torch]'"),
    ]
    checks = [Check("engine scripted", True, "built in"), Check("engine server", True, "built in")]
    for name, package, advice in engines:
        there = importlib.util.find_spec(package) is not None
        found = importlib.metadata.version(package) if there else "not installed"
        checks.append(Check(name, there, found, "" if there else advice))
    return checks


def _assets(store: Store) -> list[Check]:
    return [
        Check(f"asset {name}", state == "ok", state, "" if state == "ok" else f"limbeck models pull {name}")
        for name, state in store.verify()
    ]


def _meters() -> list[Check]:
    with Meter() as meter:
        found = meter.summary()
    energy = found.get("energy_method")
    measurable = energy not in (None, "unavailable")
    return [
        Check("metering of time, CPU and memory", True, "per phase and model, of the whole process tree"),
        Check(
            "metering of energy",
            measurable,
            str(energy) if measurable else str(found.get("energy_j_reason")),
            "" if measurable else "limbeck run --watts W takes the draw that you measured yourself",
        ),
        Check(
            "metering of a GPU",
            found.get("gpu") is not None,
            str(found.get("gpu") or found.get("gpu_reason")),
            "" if found.get("gpu") else "nothing to do on a machine without an NVIDIA GPU",
        ),
    ]


def _nearest(store: Store) -> str:
    folder = store.root
    while not folder.exists():
        folder = folder.parent
    return str(folder)
