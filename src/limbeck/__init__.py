"""limbeck: committees of small language models label your texts, and what drips out is a model of your own.

The names below are loaded when they are first used, so that `import limbeck` costs next to nothing.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Merely importing openvino sends a usage event through openvino_telemetry. When that package cannot be imported,
# openvino takes its own stub that does nothing; so it is made unimportable, in this process only.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

__all__ = [
    "Item",
    "Label",
    "Ledger",
    "Meter",
    "Pool",
    "Store",
    "Vote",
    "Workshop",
    "decode",
    "load_student",
    "load_task",
    "run",
]

if TYPE_CHECKING:
    from limbeck.assets.store import Store
    from limbeck.catalog import Workshop, decode
    from limbeck.flows.run import run
    from limbeck.ledger import Ledger
    from limbeck.meter import Meter
    from limbeck.pool import Pool
    from limbeck.records import Item, Label, Vote
    from limbeck.students.kept import load_student
    from limbeck.task import load_task

_HOMES = {
    "Item": "records",
    "Label": "records",
    "Ledger": "ledger",
    "Meter": "meter",
    "Pool": "pool",
    "Store": "assets.store",
    "Vote": "records",
    "Workshop": "catalog",
    "decode": "catalog",
    "load_student": "students.kept",
    "load_task": "task",
    "run": "flows.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
