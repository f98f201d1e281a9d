"""A file or folder that is already on this machine.

Knows nothing of networks, the store or the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from limbeck.assets.base import Delivery, link_or_copy
from limbeck.errors import AssetError, ConfigError


@dataclass(frozen=True, slots=True)
class LocalPath:
    """One file, or a folder whose files are all meant."""

    path: Path

    def __str__(self) -> str:
        return f"local file {self.path.name}"

    def fetch(self, delivery: Delivery) -> None:
        """Link or copy the files into the delivery's folder; links in a folder are refused."""
        if self.path.is_file():
            files = {self.path.name: self.path.resolve()}
        elif self.path.is_dir():
            files = {p.relative_to(self.path).as_posix(): p for p in sorted(self.path.rglob("*")) if not p.is_dir()}
        else:
            raise AssetError(f"{self.path}: no such file or folder", hint="Check the path.")
        if links := [path for path in files.values() if path.is_symlink()]:
            raise AssetError(f"{links[0]}: is a link", hint="Put the file itself there.")
        for name, path in files.items():
            target = delivery.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(path, target)


def gguf_file(place: Path, name: str) -> Path:
    """The one GGUF file of a model: the place itself, or what lies in it.

    Raises:
        ConfigError: when the folder holds none, or more than one.
    """
    if not place.is_dir():
        return place
    found = sorted(place.glob("*.gguf"))
    if len(found) != 1:
        raise ConfigError(
            f"{name}: holds {len(found)} GGUF files, one is needed",
            hint="Name one: hf:owner/name:file.gguf. A folder of safetensors, or one that was exported to OpenVINO, "
            "can be named as it is.",
        )
    return found[0]
