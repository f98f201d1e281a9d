"""The file of results: what is there, whether it is of the same contest, and what a person reads of it.

It maps a model to peers' names, and `floor`; what is there with the same settings is not measured again.
Knows nothing of how anything is measured.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from limbeck.bench.base import OWN, PACKAGES, PEERS
from limbeck.errors import RunError
from limbeck.flows.facts import machine

FLOOR, MISSING, FAILED, SETTINGS = "floor", "not installed", "failed", "settings"
BEHIND = ("limbeck", "openvino", "numpy")
LEGEND = "tokens/s and s/question: limbeck, then the other; best of all turns"


class Results:
    """The results about one model.

    Args:
        path: JSON file; None keeps them in memory only.
        model: its name.

    Raises:
        RunError: when the file is there and is no such file.
    """

    def __init__(self, path: Path | None, model: str) -> None:
        self._path = path
        self._all = {} if path is None or not path.exists() else _read(path)
        self.part: dict[str, Any] = self._all.setdefault(model, {})

    def has(self, name: str, settings: Mapping[str, Any]) -> bool:
        """Whether it was measured with these settings."""
        return bool(self.part.get(name, {}).get(SETTINGS) == json.loads(json.dumps(settings)))

    def add(self, name: str, found: Mapping[str, Any]) -> None:
        """Keep a result.

        Raises:
            RunError: when the file cannot be written.
        """
        self.part[name] = dict(found)
        if self._path is None:
            return
        partial = self._path.with_name(self._path.name + ".partial")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(self._all, indent=1) + "\n", encoding="utf-8")
            partial.replace(self._path)
        except OSError as error:
            raise RunError(
                f"{self._path}: cannot be written: {error.strerror or error}", hint="Check --out."
            ) from error

    def without(self, name: str, why: str, told: str) -> None:
        """Say why a peer has no result, unless there is an older one."""
        if OWN not in self.part.get(name, {}):
            self.add(name, {why: told})


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read as results: {error}", hint="Name another file with --out.") from error
    if not isinstance(found, dict) or not all(isinstance(part, dict) for part in found.values()):
        raise RunError(f"{path}: holds something else than results", hint="Name another file with --out.")
    return found


def installed(name: str) -> str | None:
    """A package's version, or None where it is not here."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def circumstances(name: str = "") -> dict[str, Any]:
    """The machine, its load, and the versions of what takes part."""
    packages = (*BEHIND, *PACKAGES.get(name, ()))
    return {
        "machine": machine(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "versions": {package: installed(package) for package in packages},
    }


def rows(part: Mapping[str, Any]) -> list[dict[str, str]]:
    """The contests as rows of a table."""
    found = []
    for name, one in part.items():
        if name not in PEERS or OWN not in one:
            continue
        ours, theirs = one[OWN], one[name]
        ratio = one["limbeck is times faster"]
        found.append(
            {
                "against": name,
                "its best variant": one["variant"],
                "tokens/s": f"{ours['tokens per second']:.0f} : {theirs['tokens per second']:.0f}",
                "s/question": f"{ours['seconds per question']:.2f} : {theirs['seconds per question']:.2f}",
                "limbeck is": "" if ratio is None else f"{ratio:.2f} times faster",
                "prefill tokens saved": f"{one['prompt tokens saved against one reading a branch']:,}",
                "same path": f"{one['same greedy path, first half']:.0%}",
            }
        )
    return found


def notes(part: Mapping[str, Any]) -> list[str]:
    """What a table cannot hold: limbeck alone, peers without a result, and what is achieved of the machine."""
    lines = []
    if OWN in part:
        one = part[OWN]
        lines.append(f"limbeck: {one['tokens per second']:.0f} tokens/s, {one['seconds per question']:.2f} s/question")
    lines += [f"{name}: {one[why]}" for name, one in part.items() for why in (MISSING, FAILED) if why in one]
    for name, one in part.get(FLOOR, {}).items():
        if isinstance(one, dict) and "speed" in one:
            lines.append(
                f"{name}: {one['speed']:.0f} tokens/s, "
                f"{one['of the best same-size products']:.0%} of the best same-size products ({one['best format']}), "
                f"{one['of the floor']:.0%} of the floor (bound by {one['bound by']})"
            )
    return lines
