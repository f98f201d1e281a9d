"""The folder of this machine in which assets lie: pull, locate, verify, import.

A file counts only when its sha256 is the catalogue's. It is fetched into a folder ending in `.partial`, checked, then
renamed into place, under a lock; what is there and right is left alone. Knows nothing of what assets are used for.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from limbeck.assets.base import Asset, Delivery, File, Say, checksum, link_or_copy
from limbeck.assets.builtin import CATALOGUE, archive_of
from limbeck.assets.imported import Imported, of_file, of_hub
from limbeck.assets.memory import Memory
from limbeck.errors import AssetError

Statuses = list[tuple[str, str]]


class Store:
    """Assets under one folder.

    Args:
        root: the folder; None = environment variable LIMBECK_HOME, else the user's cache folder.
        catalogue: name → asset; the shipped one unless another is given.
    """

    def __init__(self, root: Path | None = None, catalogue: Mapping[str, Asset] = CATALOGUE) -> None:
        home = os.environ.get("LIMBECK_HOME") or platformdirs.user_cache_dir("limbeck")
        self.root = Path(home) if root is None else root
        self.inbox = self.root / "inbox"
        self._catalogue = catalogue
        self._imported = Imported(self.root / "imported.json")

    def list(self) -> tuple[Asset, ...]:
        """Every asset that has a name here: the catalogue, then what was imported or pulled by reference."""
        return (*self._catalogue.values(), *self._imported.read().values())

    def asset(self, name: str) -> Asset:
        """The entry of a name, or of `hf:owner/name[@revision][:file]`.

        Raises:
            AssetError: for a name that nobody knows.
        """
        known = dict(self._catalogue) | self._imported.read()
        if name in known:
            return known[name]
        if name.startswith("hf:"):
            return of_hub(name)
        near = difflib.get_close_matches(name, known, n=1)
        raise AssetError(
            f"no asset is called {name!r}",
            hint=(f"Did you mean {near[0]}? " if near else "")
            + f"Known: {', '.join(known)}. A GGUF file of your own: limbeck models import FILE. "
            "A model folder of your own: its path, which starts in the folder of the task file.",
        )

    def locate(self, name: str) -> Path:
        """The folder of an asset whose files are all there and right.

        Raises:
            AssetError: when a file is missing or damaged; the hint says how to bring it, also without network.
        """
        asset = self.asset(name)
        wrong = self._wrong(asset, trust=True)
        if not wrong:
            return self._folder(asset)
        archive = archive_of(asset)
        by_hand = (
            f"Without network: bring {archive.archive} of {archive.package}=={archive.version} and "
            f"`limbeck models import FILE`, or put it into {self.inbox} and pull."
            if archive
            else "Without network: bring the GGUF file and `limbeck models import FILE`."
        )
        what = ", ".join(f"{file} is {status}" for file, status in wrong.items())
        raise AssetError(f"{name}: {what}", hint=f"limbeck models pull {name}\n  {by_hand}")

    def pull(self, name: str, progress: Say | None = None) -> Path:
        """Fetch what is missing or damaged and give the asset's folder.

        Raises:
            AssetError: when the source cannot be reached or delivers something else.
        """
        asset, say = self.asset(name), progress or _silent
        with self._alone(asset.name, say):
            asset = self.asset(name)
            wrong = self._wrong(asset, trust=True)
            if not wrong:
                return self._folder(asset)
            wanted = {file: asset.files[file] for file in wrong if file in asset.files}
            with self._staging(asset) as staging:
                asset.source.fetch(Delivery(staging, wanted, self.inbox, say))
                self._accept(asset, staging, wanted)
        say(f"{name} is ready")
        return self._folder(asset)

    def verify(self, name: str | None = None) -> Statuses:
        """Hash every file anew: (name, "ok" | "missing" | what is wrong), for one asset or for all.

        Raises:
            AssetError: for a name that nobody knows.
        """
        chosen = self.list() if name is None else (self.asset(name),)
        result: Statuses = []
        for asset in chosen:
            wrong = self._wrong(asset, trust=False)
            if wrong and set(wrong.values()) == {"missing"} and len(wrong) >= len(asset.files):
                status = "missing"
            else:
                status = "; ".join(f"{file} is {what}" for file, what in wrong.items()) or "ok"
            result.append((asset.name, status))
        return result

    def import_file(self, path: Path, progress: Say | None = None) -> Asset:
        """Take a file that a person brought: a file or archive of the catalogue, or any GGUF under its stem's name.

        Raises:
            AssetError: when it is neither, or when another file already has the name.
        """
        found = checksum(path)
        for asset in self._catalogue.values():
            for name, file in asset.files.items():
                if file == found:
                    return self._take(asset, path, name)
        whole = [a for a in self._catalogue.values() if (pack := archive_of(a)) and pack.sha256 == found.sha256]
        if whole:
            return self._take_archive(whole, path, progress)
        with path.open("rb") as stream:
            if stream.read(4) != b"GGUF":
                raise AssetError(
                    f"{path.name}: neither a GGUF file nor anything of the catalogue",
                    hint="Models are imported as GGUF; an archive must be exactly the one that the catalogue names.",
                )
        return self._register(path, found)

    def lock_entry(self, name: str) -> dict[str, Any]:
        """What a run's lock file says of an asset: name, kind, source, licence and every file's sha256."""
        asset = self.asset(name)
        return {
            "name": asset.name,
            "kind": asset.kind,
            "source": str(asset.source),
            "licence": asset.licence,
            "files": {file: it.sha256 for file, it in asset.files.items()},
        }

    def _folder(self, asset: Asset) -> Path:
        return self.root / "assets" / _flat(asset.name)

    def _wrong(self, asset: Asset, *, trust: bool) -> dict[str, str]:
        """File → "missing" or "damaged", for each that is not as it must be."""
        if not asset.files:
            return {"every file": "missing"}
        folder = self._folder(asset)
        memory = Memory(folder / ".verified.json")
        return memory.wrong(folder, asset.files, trust=trust)

    @contextmanager
    def _staging(self, asset: Asset) -> Iterator[Path]:
        """An empty folder beside the asset's own, gone afterwards."""
        folder = self._folder(asset)
        staging = folder.with_name(folder.name + ".partial")
        shutil.rmtree(staging, ignore_errors=True)
        try:
            staging.mkdir(parents=True)
            yield staging
        except OSError as error:
            raise _unwritable(staging, error) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _accept(self, asset: Asset, staging: Path, wanted: Mapping[str, File]) -> None:
        """Rename checked files into place; without checksums in the catalogue what came is recorded."""
        names = tuple(wanted) or [p.relative_to(staging).as_posix() for p in staging.rglob("*") if p.is_file()]
        found: dict[str, File] = {}
        for name in names:
            path, expected = staging / name, wanted.get(name)
            if not path.is_file():
                raise AssetError(f"{asset.name}: the source did not bring {name}", hint="Pull again.")
            found[name] = checksum(path)
            if expected is not None and found[name] != expected:
                raise AssetError(
                    f"{asset.name}: {name} has sha256 {found[name].sha256}, the catalogue says {expected.sha256}",
                    hint="The source delivered another file than the one it should: nothing was kept.",
                )
        folder = self._folder(asset)
        for name in found:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / name).replace(folder / name)
        Memory(folder / ".verified.json").remember(folder, found)
        if not asset.files:
            with self._alone("imported", _silent):
                self._imported.add(Asset(asset.name, asset.kind, asset.source, found, asset.licence, asset.about))

    def _take(self, asset: Asset, path: Path, name: str) -> Asset:
        """Put one file of a known asset into its place."""
        with self._alone(asset.name, _silent), self._staging(asset) as staging:
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(path.resolve(), staging / name)
            self._accept(asset, staging, {name: asset.files[name]})
        return asset

    def _take_archive(self, assets: Sequence[Asset], path: Path, progress: Say | None) -> Asset:
        """Unpack every asset that one archive holds."""
        archive = archive_of(assets[0])
        assert archive is not None  # the caller found these assets by their archive
        target = self.inbox / archive.archive
        if path.resolve() != target.resolve():
            self.inbox.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            link_or_copy(path.resolve(), target)
        for asset in assets:
            self.pull(asset.name, progress)
        target.unlink(missing_ok=True)
        return assets[0]

    def _register(self, path: Path, found: File) -> Asset:
        """A GGUF file under a name of its own."""
        asset = of_file(path, found)
        name = asset.name
        with self._alone("imported", _silent):
            known = dict(self._catalogue) | self._imported.read()
            if name in known and found not in known[name].files.values():
                raise AssetError(
                    f"{path.name}: another asset is already called {name!r}",
                    hint="Rename the file and import it again.",
                )
            self._imported.add(asset)
        return self._take(asset, path, path.name)

    @contextmanager
    def _alone(self, name: str, say: Say) -> Iterator[None]:
        """Hold the lock of a name, so that two processes never fetch the same thing at once."""
        path = self.root / "locks" / f"{_flat(name)}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(path)
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                say(f"waiting for another process that is at work on {name}")
                lock.acquire()
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            yield
        finally:
            lock.release()


def _flat(name: str) -> str:
    """A name as one folder's name; distinct names stay distinct."""
    flat = re.sub(r"[^A-Za-z0-9._-]+", "-", name)
    return flat if flat == name else f"{flat}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _unwritable(path: Path, error: OSError) -> AssetError:
    return AssetError(
        f"{path}: cannot be written: {error.strerror or error}",
        hint="Check the free space and the permissions, or set LIMBECK_HOME to another folder.",
    )


def _silent(line: str) -> None:
    """No progress wanted."""
    del line
