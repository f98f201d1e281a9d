"""The command line: every verb explains itself, speaks JSON, keeps quiet when asked, and fails with one message."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from limbeck import __version__
from limbeck.catalog import NAMES
from limbeck.cli import commands
from limbeck.console import Patience
from limbeck.flows.job import Progress
from limbeck.report import write_report
from limbeck.task import load_task
from toy_job import LABELS, Shell, execute, toy_rows, write_csv, write_toy


def verbs(group: click.Group = commands, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every verb and sub-verb, groups included."""
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, name))
        else:
            yield (*path, name)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a task file, new texts, and a finished run."""
    home = tmp_path_factory.mktemp("done")
    execute(write_toy(home, toy_rows(40), data={"test": None}), home / "run")
    write_report(home / "run")
    write_csv(home / "new.csv", [{"text": "film 99: sunny cast, fresh plot"}])
    return home


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """In a folder of its own, with a store of models in which there is nothing."""
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys)


@pytest.mark.parametrize("verb", list(verbs()), ids=" ".join)
def test_help_has_an_example(verb: tuple[str, ...], shell: Shell) -> None:
    code, out, err = shell(*verb, "--help")
    assert (code, err) == (0, "")
    assert "Example:" in out
    assert " ".join(("limbeck", *verb)) in " ".join(out.partition("Example:")[2].split())


def test_the_verbs_are_those_promised() -> None:
    promised = (
        "init doctor plan run synthesize decode status gold audit bias compare improve study serve report export "
        "predict models bench"
    )
    assert set(commands.commands) == set(promised.split())
    models = commands.commands["models"]
    assert isinstance(models, click.Group)
    assert set(models.commands) == {"list", "pull", "import", "verify"}
    bench = commands.commands["bench"]
    assert isinstance(bench, click.Group)
    assert set(bench.commands) == {"decode"}


def calls(done: Path) -> dict[str, list[object]]:
    """One successful call of each verb that needs no model."""
    return {
        "init": ["init", done / "pool.csv"],
        "doctor": ["doctor"],
        "models list": ["models", "list"],
        "models verify": ["models", "verify"],
        "plan": ["plan", done / "task.yaml"],
        "run": ["run", done / "task.yaml", "--run", "fresh"],
        "run again": ["run", done / "task.yaml", "--run", done / "run"],
        "status": ["status", done / "run"],
        "report": ["report", done / "run"],
        "export": ["export", done / "run", "--to", "jsonl"],
        "predict": ["predict", done / "run", done / "new.csv", "--out", "out.csv"],
    }


ALL = (
    *("init", "doctor", "models list", "models verify", "plan", "run", "run again"),
    *("status", "report", "export", "predict"),
)


@pytest.mark.parametrize("name", ALL)
def test_json_is_json_and_quiet_is_quiet(name: str, done: Path, shell: Shell, tmp_path: Path) -> None:
    call = calls(done)[name]
    code, out, _ = shell(*call, "--json")
    assert code == 0
    assert json.loads(out)
    for made in (tmp_path / "task.yaml", tmp_path / "fresh" / "metrics.json"):
        made.unlink(missing_ok=True)
    if name == "run":
        call = [*call[:-1], "fresher"]
    assert shell(*call, "--quiet") == (0, "", "")


@pytest.mark.parametrize(
    ("call", "code", "says"),
    [
        ("run nowhere.yaml", 2, "nowhere.yaml"),
        ("plan nowhere.yaml", 2, "nowhere.yaml"),
        ("run .", 2, "."),
        ("run bytes.yaml", 2, "bytes.yaml"),
        ("run typo.yaml", 2, "typo.yaml:1:2: tsk: unknown key; did you mean 'task'?"),
        ("run empty.yaml", 2, "empty.csv"),
        ("run task.yaml --watts -1", 2, "--watts"),
        ("run task.yaml --run task.yaml", 2, "task.yaml"),
        ("init nowhere.csv --task new.yaml", 2, "nowhere.csv"),
        ("init pool.csv --task task.yaml", 2, "--force"),
        ("init pool.csv --task nowhere/task.yaml", 2, "cannot be written"),
        ("status nowhere", 1, "there is no run here"),
        ("report nowhere", 1, "metrics.json"),
        ("export nowhere", 1, "there is no run here"),
        ("export nowhere --to xml", 2, "xml"),
        ("predict nowhere pool.csv", 1, "there is no run here"),
        ("predict RUN nowhere.csv", 2, "nowhere.csv"),
        ("predict RUN wrong.csv", 2, "no column 'text'"),
        ("predict RUN pool.csv --out nowhere/out.csv", 1, "cannot be written"),
        ("doctor --repair nowhere", 1, "no ledger"),
        ("models pull smollm", 1, "no asset is called 'smollm'"),
        ("models verify smollm", 1, "smollm2-135m-instruct"),
        ("models import nowhere.gguf", 1, "nowhere.gguf"),
        ("models import pool.csv", 1, "neither a GGUF file"),
        ("models", 2, "limbeck models list"),
        ("brew", 2, "brew"),
        ("status --tasty x", 2, "--tasty"),
        ("status", 2, "FOLDER"),
    ],
)
def test_errors_are_one_message_and_an_exit_code(
    call: str, code: int, says: str, done: Path, shell: Shell, tmp_path: Path
) -> None:
    write_toy(tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(bytes(range(256)))
    (tmp_path / "typo.yaml").write_text("{tsk: {labels: [a, b]}, data: {pool: pool.csv}}")
    (tmp_path / "empty.csv").write_text("text\n")
    (tmp_path / "empty.yaml").write_text("{task: {labels: [a, b]}, data: {pool: empty.csv}}")
    (tmp_path / "wrong.csv").write_text("body\nhello\n")
    found, out, err = shell(*(done / "run" if word == "RUN" else word for word in call.split()))
    assert (found, out) == (code, "")
    assert says in err
    assert "Traceback" not in err
    assert len(err.splitlines()) < 30


def test_version(shell: Shell) -> None:
    assert shell("--version") == (0, f"limbeck, version {__version__}\n", "")


def test_init_writes_a_task_file_that_can_be_loaded(shell: Shell, tmp_path: Path) -> None:
    write_csv(tmp_path / "reviews.csv", toy_rows(30))
    code, out, _ = shell("init", "reviews.csv")
    assert code == 0
    assert "limbeck plan task.yaml" in out
    file = load_task(tmp_path / "task.yaml", names=NAMES)
    assert set(file.task.labels) == set(LABELS)
    assert (file.task.show, file.data.gold, file.data.pool) == (("text",), "label", "reviews.csv")
    assert shell("init", "reviews.csv")[0] == 2, "an edited task file is not overwritten"
    assert shell("init", "reviews.csv", "--force")[0] == 0


def test_doctor_looks_at_everything(shell: Shell) -> None:
    code, out, err = shell("doctor")
    assert (code, err) == (0, "")
    for name in (
        "machine",
        "python",
        "memory",
        "disk",
        "sqlite",
        "engine openvino",
        "engine scripted",
        "engine server",
        "metering of",
    ):
        assert name in out
    for line, after in zip(out.splitlines(), [*out.splitlines()[1:], ""], strict=True):
        assert line.startswith(("ok ", "missing ", "   "))
        assert not line.startswith("missing") or after.startswith("   "), f"what to do about: {line}"
    assert "limbeck models pull smollm2-135m-instruct" in out
    rows = json.loads(shell("doctor", "--json")[1])
    assert {tuple(row) for row in rows} == {("name", "ok", "found", "advice")}


def test_models_list_and_verify_of_an_empty_store(shell: Shell) -> None:
    rows = json.loads(shell("models", "list", "--json")[1])
    assert {row["state"] for row in rows} == {"missing"}
    assert {"smollm2-135m-instruct", "all-minilm-l6-v2", "movie-reviews"} <= {row["name"] for row in rows}
    assert "smollm2-135m-instruct     model" in shell("models", "list")[1]
    assert shell("models", "verify", "tweets")[:2] == (0, "tweets: missing\n")


def test_verify_tells_a_changed_file(shell: Shell, tmp_path: Path) -> None:
    place = tmp_path / "home" / "assets" / "tweets"
    place.mkdir(parents=True)
    (place / "items.jsonl").write_text("something else")
    code, out, _ = shell("models", "verify", "tweets")
    assert code == 1
    assert "items.jsonl is damaged" in out


@pytest.mark.model
def test_the_real_models_are_listed_and_right(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], smollm2_gguf: Path, encoder_folder: Path
) -> None:
    shell = Shell(monkeypatch, capsys)
    for name in ("smollm2-135m-instruct", "all-minilm-l6-v2"):
        assert shell("models", "verify", name)[:2] == (0, f"{name}: ok\n")
    states = {row["name"]: row["state"] for row in json.loads(shell("models", "list", "--json")[1])}
    assert states["smollm2-135m-instruct"] == "ok"
    assert shell("models", "pull", "smollm2-135m-instruct")[0] == 0, "what is there is not fetched again"


def test_patience_finishes_what_is_at_work() -> None:
    told: list[Progress] = []
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Patience() as patience:
        notify = patience.listening(told.append)
        notify(Progress("annotate", 0, 2))
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            notify(Progress("annotate", 1, 2))
    assert [at.done for at in told] == [0, 1], "the batch at work was told of before the end"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize("listening", [False, True])
def test_patience_has_an_end(listening: bool) -> None:
    with Patience() as patience:
        if listening:
            patience.listening(lambda at: None)
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
