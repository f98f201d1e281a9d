"""What every benchmark prints beside its figures: the machine and the versions."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any

from limbeck.flows.facts import machine


def describe() -> dict[str, Any]:
    """Machine, load before the run, and versions of what matters."""
    return machine() | {
        "load": os.getloadavg()[0],
        "versions": {name: version(name) for name in ("limbeck", "openvino", "numpy", "scipy")},
    }
