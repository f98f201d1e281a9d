"""Archives: only what was asked for comes out, and hostile ones are refused."""

from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limbeck.assets.archives import unpack
from limbeck.errors import AssetError

FORMATS = ("zip", "tar", "tar.gz", "tar.xz")


def make(folder: Path, form: str, members: list[tuple[str, bytes]]) -> Path:
    """An archive of plain files."""
    path = folder / f"archive.{form}"
    if form == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members:
                archive.writestr(name, content)
        return path
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    raw = plain.getvalue()
    path.write_bytes(gzip.compress(raw) if form == "tar.gz" else lzma.compress(raw) if form == "tar.xz" else raw)
    return path


def take(archive: Path, folder: Path, *, limit: int = 100, total: int = 1 << 20) -> bytes:
    """Unpack the member `a/wanted` to a path of our own."""
    unpack(archive, {"a/wanted": folder / "out" / "w"}, {"a/wanted": limit}, total=total)
    return (folder / "out" / "w").read_bytes()


@pytest.mark.parametrize("form", FORMATS)
def test_only_the_named_member_comes_out(tmp_path: Path, form: str) -> None:
    archive = make(tmp_path, form, [("a/other", b"x"), ("a/wanted", b"hello"), ("setup.py", b"raise SystemExit")])
    assert take(archive, tmp_path) == b"hello"
    assert sorted(p.name for p in tmp_path.rglob("*")) == sorted([archive.name, "out", "w"])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "C:\\evil", "..\\evil", "\\\\host\\evil"])
def test_paths_that_point_outside_are_refused(tmp_path: Path, form: str, name: str) -> None:
    archive = make(tmp_path, form, [("a/wanted", b"hello"), (name, b"evil")])
    with pytest.raises(AssetError, match="points outside"):
        take(archive, tmp_path)
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_tar_archives_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "archive.tar"
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("a/wanted")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(AssetError, match="link or a device"):
        take(path, tmp_path)


def test_links_in_zip_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("a/wanted")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(AssetError, match="link or a device"):
        take(path, tmp_path)


@pytest.mark.parametrize("form", FORMATS)
def test_bombs_are_refused(tmp_path: Path, form: str) -> None:
    archive = make(tmp_path, form, [("bomb", bytes(3 << 20)), ("a/wanted", b"hello")])
    with pytest.raises(AssetError, match="more than"):
        take(archive, tmp_path)
    archive = make(tmp_path, form, [("a/wanted", bytes(1000))])
    with pytest.raises(AssetError, match="larger than its 100 bytes"):
        take(archive, tmp_path)


def test_a_bomb_in_a_header_is_refused(tmp_path: Path) -> None:
    """A "long name" of 200 MB, which the tar library would read into memory."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 200 << 20
    path = tmp_path / "archive.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(entry.tobuf())
        for _ in range(20):
            out.write(bytes(10 << 20))
    with pytest.raises(AssetError, match="more than"):
        take(path, tmp_path)


def test_a_zip_that_lies_about_a_size_is_refused(tmp_path: Path) -> None:
    archive = make(tmp_path, "zip", [("a/wanted", bytes(5000))])
    data = archive.read_bytes().replace((5000).to_bytes(4, "little"), (50).to_bytes(4, "little"))
    archive.write_bytes(data)
    with pytest.raises(AssetError):
        take(archive, tmp_path)


@pytest.mark.parametrize("form", FORMATS)
def test_missing_and_repeated_members_are_refused(tmp_path: Path, form: str) -> None:
    with pytest.raises(AssetError, match="does not hold 'a/wanted'"):
        take(make(tmp_path, form, [("a/other", b"x")]), tmp_path)
    if form != "zip":
        with pytest.raises(AssetError, match="twice"):
            take(make(tmp_path, form, [("a/wanted", b"x"), ("a/wanted", b"y")]), tmp_path)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.sampled_from(FORMATS), cut=st.integers(0, 400), place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_damaged_archives_give_the_member_or_one_kind_of_error(
    tmp_path: Path, form: str, cut: int, place: int, byte: int
) -> None:
    archive = make(tmp_path, form, [("a/wanted", b"hello" * 10), ("b", bytes(range(256)))])
    data = bytearray(archive.read_bytes())
    data[place % len(data)] = byte
    archive.write_bytes(data[: len(data) - cut])
    with contextlib.suppress(AssetError):  # anything else fails the test
        assert len(take(archive, tmp_path)) <= 100


def test_an_archive_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(AssetError):
        take(tmp_path / "text", tmp_path)
