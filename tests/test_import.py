"""What importing and running costs others: no heavy library for the import, no connection for a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import limbeck
from toy_job import toy_rows, write_csv, write_toy

HEAVY = ("numpy", "sklearn", "scipy", "pyarrow", "matplotlib", "openvino", "pydantic", "yaml", "rich", "click", "torch")

# Runs the command line where every attempt to reach another machine is written down and fails. Audit hooks see
# connections whatever library makes them, and cannot be taken off again.
WATCHED = """
import sys
log, *words = sys.argv[1:]
def watch(event, arguments):
    if event not in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        return
    address = arguments[0] if event.startswith("socket.get") else arguments[1]
    host = address[0] if isinstance(address, tuple) else address
    if isinstance(host, str) and (host.startswith(("127.", "/")) or host in ("localhost", "::1")):
        return
    with open(log, "a") as file:
        file.write(f"{event} {address}\\n")
    raise ConnectionError(f"{event} {address}")
sys.addaudithook(watch)
from limbeck.cli import main
sys.argv = ["limbeck", *words]
main()
"""


def python(code: str, *arguments: object, **surroundings: str) -> str:
    """Run code in an interpreter of its own; what it printed."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | surroundings)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_loads_nothing_heavy() -> None:
    loaded = json.loads(python("import json, sys, limbeck; print(json.dumps(sorted(sys.modules)))"))
    assert [name for name in loaded if name.partition(".")[0] in HEAVY] == []
    assert [name for name in loaded if name.startswith("limbeck")] == ["limbeck"]


def test_the_face_has_few_names_and_all_of_them_are_there() -> None:
    assert len(limbeck.__all__) <= 12
    assert sorted(limbeck.__all__) == limbeck.__all__
    for name in limbeck.__all__:
        assert getattr(limbeck, name).__module__.startswith("limbeck.")
        assert name in dir(limbeck)
    with pytest.raises(AttributeError, match="alembic"):
        _ = limbeck.alembic


def test_the_watch_sees_a_connection(tmp_path: Path) -> None:
    """So that the test below can fail."""
    code = WATCHED.partition("from limbeck.cli")[0] + "import socket\nsocket.create_connection(('192.0.2.1', 80))"
    with pytest.raises(AssertionError, match="ConnectionError"):
        python(code, tmp_path / "log")
    assert "192.0.2.1" in (tmp_path / "log").read_text()


def test_a_run_connects_to_nobody(tmp_path: Path) -> None:
    task, log, home = write_toy(tmp_path), tmp_path / "log", str(tmp_path / "home")
    write_csv(tmp_path / "new.csv", toy_rows(3))
    twice = WATCHED.replace("main()\n", "try:\n    main()\nfinally:\n    sys.argv[1:] = THEN\n    main()\n")
    then = f"THEN = ['predict', {str(tmp_path / 'run')!r}, {str(tmp_path / 'new.csv')!r}]\n"
    said = python(then + twice, log, "run", task, "--run", tmp_path / "run", LIMBECK_HOME=home)
    assert "agents labelled" in said
    assert "film 0" in said
    assert not log.exists(), log.read_text()
