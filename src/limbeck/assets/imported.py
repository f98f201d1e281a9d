"""The store's own list of assets: GGUF files that this person brought and repositories that were pulled.

Kept in one JSON file of the store, written whole and renamed. Knows nothing of the shipped catalogue or of pulling.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.assets import hub
from limbeck.assets.base import Asset, File
from limbeck.assets.local import LocalPath
from limbeck.errors import AssetError


@dataclass(frozen=True, slots=True)
class Imported:
    """Assets by name, in a JSON file that need not exist yet."""

    path: Path

    def read(self) -> dict[str, Asset]:
        """All entries.

        Raises:
            AssetError: when the file is damaged.
        """
        try:
            table = json.loads(self.path.read_text(encoding="utf-8"))
            return {name: _asset(name, entry) for name, entry in table.items()}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise AssetError(
                f"{self.path}: cannot be read as the list of imported assets: {error}",
                hint="Move the file away and import your GGUF files again.",
            ) from error

    def add(self, asset: Asset) -> None:
        """Write one more entry.

        Raises:
            AssetError: when the list is damaged or cannot be written.
        """
        entries = {name: _entry(old) for name, old in self.read().items()}
        entries[asset.name] = _entry(asset)
        partial = self.path.with_name(self.path.name + ".partial")
        try:
            partial.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
            partial.replace(self.path)
        except OSError as error:
            raise AssetError(
                f"{self.path}: cannot be written: {error.strerror}", hint="Check the free space and the permissions."
            ) from error


def of_file(path: Path, found: File) -> Asset:
    """The asset that a file of one's own becomes."""
    source = LocalPath(path.resolve())
    return Asset(name_of(path), "model", source, {path.name: found}, None, f"imported from {path.name}")


def name_of(path: Path) -> str:
    """The name under which a file is registered: its stem, with anything unusual as a dash."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.") or "model"


def of_hub(name: str, files: dict[str, File] | None = None) -> Asset:
    """The asset that `hf:owner/name[@revision][:file]` names; without files as long as it was never pulled."""
    repository = hub.parse(name)
    return Asset(name, "model", repository, files or {}, None, f"{repository.repo} at {repository.revision}")


def _asset(name: str, entry: dict[str, Any]) -> Asset:
    files = {file: File(str(it["sha256"]), int(it["bytes"])) for file, it in entry["files"].items()}
    if entry["reference"].startswith("hf:"):
        return of_hub(name, files)
    path = Path(entry["reference"])
    return Asset(name, "model", LocalPath(path), files, None, f"imported from {path.name}")


def _entry(asset: Asset) -> dict[str, Any]:
    reference = str(asset.source.path) if isinstance(asset.source, LocalPath) else asset.name
    files = {name: {"sha256": file.sha256, "bytes": file.bytes} for name, file in asset.files.items()}
    return {"reference": reference, "files": files}
