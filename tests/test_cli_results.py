"""What the verbs print and write: plan, status, report, export and predict on a finished run."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pexpect
import pyarrow.parquet as pq
import pytest

from limbeck.cli import commands
from limbeck.errors import EngineError
from limbeck.report import write_report
from tiny_model import write as write_model
from toy_job import LABELS, Shell, execute, toy_rows, write_csv, write_toy

# Texts that a spreadsheet would take for formulas.
FORMULAS = ('=HYPERLINK("http://x")', "+cmd|' /C calc'!A0", "-1+1", "@SUM(A1)", "\tcell", "\rcell")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a task file, new texts, and a finished run."""
    home = tmp_path_factory.mktemp("done")
    rows = toy_rows(40)
    for row, formula in zip(rows[::3], FORMULAS, strict=False):
        row["text"] = f"{formula} {row['text']}"
    execute(write_toy(home, rows, data={"test": None}), home / "run")
    write_report(home / "run")
    new = [{"text": "film 99: sunny cast, fresh plot"}, {"text": f"{FORMULAS[0]} rainy, stale"}, {"text": "none"}]
    write_csv(home / "new.csv", new)
    return home


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """In a folder of its own, with a store of models in which there is nothing."""
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys)


def listing(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_plan_changes_nothing_and_its_ranges_are_ordered(done: Path, shell: Shell) -> None:
    before = listing(done)
    found = json.loads(shell("plan", done / "task.yaml", "--json")[1])
    assert listing(done) == before
    assert (found["items"], found["votes"], found["rounds"], found["pilot"]["items"]) == (40, 80, 2, 20)
    for name in ("wall_s", "tokens", "memory_bytes", "disk_bytes"):
        assert 0 <= found[name]["low"] <= found[name]["value"] <= found[name]["high"], name
        assert found[name]["low"] < found[name]["high"]
    said = shell("plan", done / "task.yaml")[1]
    assert "pilot of 20 items" in said
    metrics = json.loads((done / "run" / "metrics.json").read_text(encoding="utf-8"))
    spent = sum(agent["tokens"] for agent in metrics["agents"].values())
    assert found["tokens"]["low"] <= spent <= 1.2 * found["tokens"]["high"], "a pilot of like texts is not far off"


def test_status(done: Path, shell: Shell) -> None:
    found = json.loads(shell("status", done / "run", "--json")[1])
    assert (found["state"], found["rounds"], found["items_asked"], found["votes"]) == ("finished", 2, 40, 80)
    assert found["votes_by_agent"] == {"weather": 40, "bread": 40}
    said = shell("status", done / "run")[1]
    assert "state: finished" in said
    assert "votes by agent: weather 40, bread 40" in said


def test_report_is_written_anew(done: Path, shell: Shell) -> None:
    page = done / "run" / "report.html"
    before = page.read_bytes()
    page.write_text("gone")
    assert shell("report", done / "run")[:2] == (0, f"{page}\n")
    assert page.read_bytes() == before


def test_formulas_are_text_in_csv_and_exact_elsewhere(done: Path, shell: Shell) -> None:
    run = done / "run"
    for kind in ("csv", "jsonl", "parquet"):
        assert shell("export", run, "--to", kind)[:2] == (0, f"{run / f'labels.{kind}'}\n")
    with (run / "labels.jsonl").open(encoding="utf-8") as file:
        exact = [json.loads(line) for line in file]
    assert pq.read_table(run / "labels.parquet").to_pylist() == exact
    truth = {row["text"] for row in exact}
    assert sum(text.startswith(("=", "+", "-", "@", "\t", "\r")) for text in truth) == len(FORMULAS)
    with (run / "labels.csv").open(encoding="utf-8", newline="") as file:
        content = file.read()
    for text in truth:
        safe = f"'{text}" if text[0] in "=+-@\t\r" else text
        assert safe.replace('"', '""') in content
    assert "\n=" not in content
    assert ",=" not in content
    assert ',"=' not in content
    assert all(sum(row[f"p:{label}"] for label in LABELS) == pytest.approx(1) for row in exact)
    assert all(isinstance(row["accepted"], bool) for row in exact)


def test_predict_to_terminal_file_and_json(done: Path, shell: Shell, tmp_path: Path) -> None:
    code, out, err = shell("predict", done / "run", done / "new.csv")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "text,label,confidence,p:negative,p:positive"
    assert lines[1].startswith('"film 99: sunny cast, fresh plot",positive,0.')
    assert lines[2].startswith("\"'=HYPERLINK")
    assert len(lines) == 4
    code, said, _ = shell("predict", done / "run", done / "new.csv", "--out", "out.csv")
    assert (code, said) == (0, "out.csv: 3 rows\n")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == out
    rows = json.loads(shell("predict", done / "run", done / "new.csv", "--json")[1])
    assert [row["text"] for row in rows][1].startswith("=HYPERLINK")
    assert [row["label"] for row in rows] == [line.split(",")[-4] for line in lines[1:]]
    assert all(row["confidence"] == max(row[f"p:{label}"] for label in LABELS) for row in rows)
    (tmp_path / "none.csv").write_text("text\n")
    assert json.loads(shell("predict", done / "run", "none.csv", "--json")[1]) == []


def test_an_existing_device_is_not_replaced(done: Path, shell: Shell, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert shell("predict", done / "run", done / "new.csv", "--out", "pipe")[0] == 0
        assert os.read(reader, 4) == b"text"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_nothing_that_is_shared_tells_where_it_was_made(done: Path, shell: Shell) -> None:
    shell("export", done / "run", "--to", "jsonl")
    for name in ("metrics.json", "report.html", "labels.csv", "labels.jsonl", "student/student.json"):
        path = done / "run" / name
        if path.exists():
            assert str(done) not in path.read_text(encoding="utf-8"), name


def test_a_locale_without_emoji_is_no_reason_to_fail(
    done: Path, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "emoji.csv", [{"text": "🎬 sunny"}])
    raw = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
        shell("predict", done / "run", "emoji.csv")
        assert "🎬 sunny".encode() in raw.getvalue()


@pytest.mark.parametrize("count", [1, 5000])
def test_whoever_has_seen_enough_may_hang_up(
    count: int, done: Path, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `limbeck predict RUN texts.csv | head -1`, with less than a pipe holds and with more."""
    write_csv(tmp_path / "texts.csv", toy_rows(count))
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as hung_up, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", hung_up)
        code, _, err = shell("predict", done / "run", "texts.csv")
    assert (code, err) == (0, "")


def test_a_terminal_sees_bars_and_its_interrupt_is_heard(tmp_path: Path) -> None:
    task = write_toy(tmp_path, toy_rows(400))
    command = ["-m", "limbeck", "run", str(task), "--run", str(tmp_path / "run")]
    surroundings = os.environ | {"LIMBECK_HOME": str(tmp_path / "home"), "TERM": "xterm", "COLUMNS": "100"}
    person = pexpect.spawn(sys.executable, command, env=surroundings, encoding="utf-8", timeout=60)
    person.expect(r"annotate .*\d+/120")
    person.sendintr()
    person.expect("the same command goes on from here")
    person.expect(pexpect.EOF)
    person.close()
    assert person.exitstatus == 130


def test_importing_a_model_says_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    file = write_model(tmp_path / "tiny.gguf")
    commands(["models", "import", str(file), "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["architecture"], told["has_chat"]) == ("tiny", "llama", False)
    (tmp_path / "cut.gguf").write_bytes(file.read_bytes()[:200])
    with pytest.raises(EngineError, match=r"cut\.gguf"):
        commands(["models", "import", str(tmp_path / "cut.gguf")], standalone_mode=False)
