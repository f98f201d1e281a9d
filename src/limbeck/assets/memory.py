"""What was verified before, by size and time of change, so that 100 MB are not hashed at every start.

Knows nothing of the catalogue or of where files come from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.assets.base import File, checksum


@dataclass(frozen=True, slots=True)
class Memory:
    """Verified files of one folder, in a JSON file beside them that may be lost without harm."""

    path: Path

    def wrong(self, folder: Path, files: Mapping[str, File], *, trust: bool) -> dict[str, str]:
        """Name → "missing" or "damaged" for each file that is not as it must be.

        Args:
            folder: where the files lie.
            files: what each must be.
            trust: believe files of unchanged size and time; otherwise hash all.

        Raises:
            AssetError: when a file is there and cannot be read.
        """
        known = self._read() if trust else {}
        wrong: dict[str, str] = {}
        fresh: dict[str, File] = {}
        for name, expected in files.items():
            path = folder / name
            if not path.is_file():
                wrong[name] = "missing"
            elif known.get(name) == _mark(path, expected):
                continue
            elif path.stat().st_size == expected.bytes and checksum(path) == expected:
                fresh[name] = expected
            else:
                wrong[name] = "damaged"
        if fresh:
            self.remember(folder, fresh)
        return wrong

    def remember(self, folder: Path, files: Mapping[str, File]) -> None:
        """Note files that were just verified. A folder that cannot be written is verified anew each time."""
        notes = self._read() | {name: _mark(folder / name, file) for name, file in files.items()}
        partial = self.path.with_name(f"{self.path.name}.{os.getpid()}.partial")
        try:
            partial.write_text(json.dumps(notes, indent=2) + "\n", encoding="utf-8")
            partial.replace(self.path)
        except OSError:
            partial.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            notes = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}


def _mark(path: Path, file: File) -> list[Any]:
    """What must be unchanged for a file to be believed."""
    state = path.stat()
    return [file.sha256, state.st_size, state.st_mtime_ns]
