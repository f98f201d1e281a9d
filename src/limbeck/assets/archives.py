"""Named members out of a wheel, zip or tar archive, and nothing else: bounded, never by the archive's own paths.

An archive that holds a link, a device, an absolute path or `..` is refused whole.
Knows nothing of where archives come from or what their members mean.
"""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from limbeck.errors import AssetError

MEMBERS_LIMIT = 100_000
_BLOCK = 1 << 20
Stream = gzip.GzipFile | lzma.LZMAFile | io.BufferedReader


def unpack(archive: Path, targets: Mapping[str, Path], limits: Mapping[str, int], *, total: int) -> None:
    """Copy named members of an archive to paths of our own choice.

    Args:
        archive: a .whl, .zip or tar file (plain, gzip or xz); the content decides, not the name.
        targets: name inside the archive → where it goes; folders are made.
        limits: name inside the archive → the most bytes that it may have.
        total: the most bytes that the archive may hold unpacked, all members together.

    Raises:
        AssetError: for a damaged archive, a missing member, a member over its limit, or anything else refused.
    """
    with _refusals(archive):
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, targets, limits, total)
        else:
            _unpack_tar(archive, targets, limits, total)


@contextmanager
def _refusals(archive: Path) -> Iterator[None]:
    """What the archive libraries say about damaged input, in one kind of error."""
    damaged = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
    unusable = (NotImplementedError, RuntimeError, ValueError, OverflowError)
    try:
        yield
    except damaged + unusable as error:
        raise _refuse(archive, f"damaged or unusable: {error}") from error
    except OSError as error:
        raise AssetError(
            f"{archive.name}: cannot be unpacked: {error}", hint="Check the free space and the permissions."
        ) from error


def _unpack_zip(archive: Path, targets: Mapping[str, Path], limits: Mapping[str, int], total: int) -> None:
    with zipfile.ZipFile(archive) as opened:
        entries = opened.infolist()
        if len(entries) > MEMBERS_LIMIT:
            raise _refuse(archive, f"holds {len(entries)} members")
        if sum(entry.file_size for entry in entries) > total:
            raise _refuse(archive, f"unpacks to more than {total} bytes")
        seen: set[str] = set()
        for entry in entries:
            _check_name(archive, entry.filename)
            mode = entry.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refuse(archive, f"{entry.filename!r} is a link or a device")
            if entry.filename in targets:
                if entry.filename in seen:
                    raise _refuse(archive, f"{entry.filename!r} stands in it twice")
                seen.add(entry.filename)
        _check_all_there(archive, targets, seen)
        for name, target in targets.items():
            with opened.open(name) as stream:
                _copy(archive, name, stream, target, limits[name])


class _Bounded(io.BufferedIOBase):
    """A seekable stream that refuses to be read past a limit: headers can be bombs as well as members."""

    def __init__(self, stream: Stream, limit: int) -> None:
        self._stream, self._limit = stream, limit

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, position: int, whence: int = 0, /) -> int:
        if whence != 0 or position > self._limit:
            raise ValueError(f"unpacks to more than {self._limit} bytes")
        return self._stream.seek(position)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or self._stream.tell() + size > self._limit:
            raise ValueError(f"unpacks to more than {self._limit} bytes")
        return self._stream.read(size)


def _unpack_tar(archive: Path, targets: Mapping[str, Path], limits: Mapping[str, int], total: int) -> None:
    seen: set[str] = set()
    with _plain(archive) as plain, tarfile.open(fileobj=_Bounded(plain, total), mode="r:") as opened:
        for count, entry in enumerate(opened, start=1):
            if count > MEMBERS_LIMIT:
                raise _refuse(archive, f"holds more than {MEMBERS_LIMIT} members")
            _check_name(archive, entry.name)
            if not (entry.isreg() or entry.isdir()):
                raise _refuse(archive, f"{entry.name!r} is a link or a device")
            if entry.name in targets and entry.isreg():
                if entry.name in seen:
                    raise _refuse(archive, f"{entry.name!r} stands in it twice")
                seen.add(entry.name)
                stream = opened.extractfile(entry)
                assert stream is not None  # a regular file always has one
                with stream:
                    _copy(archive, entry.name, stream, targets[entry.name], limits[entry.name])
    _check_all_there(archive, targets, seen)


def _plain(archive: Path) -> Stream:
    """The archive without its compression, told by its first bytes."""
    with archive.open("rb") as stream:
        start = stream.read(6)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(archive, "rb")
    if start == b"\xfd7zXZ\x00":
        return lzma.open(archive, "rb")
    return archive.open("rb")


def _copy(archive: Path, name: str, stream: IO[bytes], target: Path, limit: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with target.open("wb") as out:
        while block := stream.read(_BLOCK):
            size += len(block)
            if size > limit:
                raise _refuse(archive, f"{name!r} is larger than its {limit} bytes")
            out.write(block)


def _check_name(archive: Path, name: str) -> None:
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts or "\0" in name:
        raise _refuse(archive, f"{name!r} points outside")


def _check_all_there(archive: Path, targets: Mapping[str, Path], seen: set[str]) -> None:
    if missing := sorted(set(targets) - seen):
        raise _refuse(archive, f"does not hold {', '.join(map(repr, missing))}")


def _refuse(archive: Path, why: str) -> AssetError:
    return AssetError(f"{archive.name}: refused, {why}", hint="Get the archive again from its own source.")
