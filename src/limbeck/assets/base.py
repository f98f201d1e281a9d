"""What an asset is: a named model, encoder or data set, its files' checksums, and the one method of a source.

Knows nothing of any particular source, of the catalogue or of where assets are kept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from limbeck.errors import AssetError

Kind = Literal["model", "encoder", "dataset"]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class File:
    """What a file must be: its sha256 (64 hex digits) and its size in bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a source puts files and what it may use on the way.

    Attributes:
        folder: where the files go; exists and is writable.
        wanted: relative name → what the file must be. Empty when the asset has no checksums yet: bring all there is.
        inbox: folder in which a person without network leaves archives by hand.
        say: takes one line of progress.
    """

    folder: Path
    wanted: Mapping[str, File]
    inbox: Path
    say: Say


class Source(Protocol):
    """Where an asset comes from. `str(source)` names it for people and for lock files, without local paths."""

    def fetch(self, delivery: Delivery) -> None:
        """Bring the wanted files into the delivery's folder.

        Raises:
            AssetError: when the source cannot be reached or is not what it should be; the hint says the way out.
        """
        ...


@dataclass(frozen=True, slots=True)
class Asset:
    """One entry of the catalogue.

    Attributes:
        name: what task files and the command line call it.
        kind: "model", "encoder" or "dataset".
        source: where it comes from.
        files: relative name → checksum and size. Empty: recorded at the first pull and binding from then on.
        licence: SPDX identifier of the terms, or None where nobody told.
        about: one line for people, with the citation where one is asked for.
        homepage: where to read more.
    """

    name: str
    kind: Kind
    source: Source
    files: Mapping[str, File]
    licence: str | None
    about: str
    homepage: str | None = None


def checksum(path: Path) -> File:
    """Sha256 and size of a file.

    Raises:
        AssetError: when it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise AssetError(
            f"{path}: cannot be read: {error.strerror}", hint="Check that the file is there and its permissions."
        ) from error
    return File(digest.hexdigest(), size)


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, or a copy where the file system cannot link.

    Raises:
        AssetError: when neither works.
    """
    try:
        os.link(source, target)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            raise AssetError(
                f"{source}: cannot be copied to {target}: {error.strerror}",
                hint="Check the free space and the permissions.",
            ) from error
