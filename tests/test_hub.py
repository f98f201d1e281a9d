"""Names of repositories, and a real download from a small server on this machine that speaks the hub's protocol."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from limbeck.assets.hub import HuggingFaceHub, parse
from limbeck.errors import AssetError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"pickle",
    "modeling.py": b"raise SystemExit",
    "onnx/model.onnx": b"other weights",
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hf:a/b", HuggingFaceHub("a/b")),
        ("hf:a/b@v1.0", HuggingFaceHub("a/b", "v1.0")),
        ("hf:a/b.c@main:x-Q8_0.gguf", HuggingFaceHub("a/b.c", "main", ("x-Q8_0.gguf",))),
        ("hf:a/b:sub/m.safetensors", HuggingFaceHub("a/b", "main", ("sub/m.safetensors",))),
    ],
)
def test_names_of_repositories(name: str, expected: HuggingFaceHub) -> None:
    assert parse(name) == expected
    assert parse(str(expected)) == expected


BAD = "hf: hf:a hf:a/b@ hf:a/b: hf:a/b:../x.json hf:a/b:/x.json hf:a/b:m.bin hf:a/b:x.py hf:../b hf:a/b:x.pkl hf:a/b/c"


@pytest.mark.parametrize("name", [*BAD.split(), "hf:a/b:x\\y.json", "a/b", ""])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(AssetError):
        parse(name)


class _Hub(BaseHTTPRequestHandler):
    """Just enough of the hub: the list of files, and each file with its checksum and commit."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: Any) -> None:
        del format, args

    def _answer(self, *, body: bool) -> None:
        path = self.path.split("?")[0]
        if path.startswith("/api/models/toy/model/tree/main"):
            files = [{"type": "file", "path": name, "size": len(it), "oid": "0"} for name, it in CONTENT.items()]
            self._send(json.dumps(files).encode(), body=body)
        elif (name := path.removeprefix("/toy/model/resolve/main/")) in CONTENT:
            self._send(CONTENT[name], body=body)
        else:
            self.send_error(404)

    def _send(self, content: bytes, *, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


PULL = (
    "import sys; from pathlib import Path\n"
    "from limbeck.assets.store import Store; from limbeck.errors import AssetError\n"
    "store = Store(Path(sys.argv[1]))\n"
    "for name in sys.argv[2:]:\n"
    "    try:\n"
    "        folder = store.pull(name)\n"
    "        print(name, sorted(p.name for p in folder.iterdir() if p.name[0] != '.'), store.verify(name)[0][1])\n"
    "    except AssetError as error:\n"
    "        print(name, error)\n"
)


def _pull(tmp_path: Path, surroundings: dict[str, str], *names: str) -> list[str]:
    """What a fresh process says: the hub's library reads its surroundings once."""
    command = [sys.executable, "-c", PULL, str(tmp_path / "home"), *names]
    plain = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=plain | surroundings)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_safe_files_are_pulled_recorded_and_pinned(tmp_path: Path, server: str) -> None:
    names = ("hf:toy/model", "hf:toy/model:onnx/model.onnx", "hf:toy/model:none.json", "hf:toy/other")
    told = _pull(tmp_path, {"HF_ENDPOINT": server}, *names)
    assert told[0] == "hf:toy/model ['config.json', 'model.safetensors'] ok"
    assert told[1] == "hf:toy/model:onnx/model.onnx ['onnx'] ok"
    assert any(line.startswith("hf:toy/model:none.json hf:toy/model@main: cannot get none.json") for line in told)
    assert any(line.startswith("hf:toy/other hf:toy/other@main: cannot get") for line in told)
    recorded = json.loads((tmp_path / "home" / "imported.json").read_text())
    weights = recorded["hf:toy/model"]["files"]["model.safetensors"]
    assert weights == {"sha256": hashlib.sha256(b"weights").hexdigest(), "bytes": 7}
    again = _pull(tmp_path, {"HF_HUB_OFFLINE": "1"}, "hf:toy/model")
    assert again == ["hf:toy/model ['config.json', 'model.safetensors'] ok"]


def test_without_network_the_error_is_clear(tmp_path: Path) -> None:
    told = _pull(tmp_path, {"HF_HUB_OFFLINE": "1"}, "hf:toy/model:config.json", "hf:toy/model")
    assert told[0].startswith("hf:toy/model:config.json hf:toy/model@main: cannot get config.json")
    assert "limbeck models import" in told[1]
    assert told[2].startswith("hf:toy/model hf:toy/model@main: cannot get the list of files")
