"""A run that was stopped goes on as if nothing had happened, and a folder is never continued with something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from limbeck.errors import RunError
from limbeck.flows.job import Notify, Progress, silent
from limbeck.ledger import Ledger
from toy_job import Shell, digest, execute, toy_rows, write_csv, write_toy


def stopping(after: int) -> Notify:
    """Somebody who presses Ctrl-C when told of progress for the n-th time; votes are on the disk by then."""
    told = 0

    def notify(at: Progress) -> None:
        nonlocal told
        told += 1
        if told == after:
            raise KeyboardInterrupt

    return notify


def attempt(task: Path, folder: Path, notify: Notify = silent) -> bool:
    """Whether the run came to its end."""
    try:
        execute(task, folder, notify=notify)
    except KeyboardInterrupt:
        return False
    return True


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody stopped: three rounds, so that earlier students decide what later ones are asked."""
    home = tmp_path_factory.mktemp("whole")
    execute(write_toy(home, selection={"rounds": 3}), home / "run")
    return home


def same(folder: Path, whole: Path) -> bool:
    return digest(folder) == digest(whole / "run") and all(
        (folder / name).read_bytes() == (whole / "run" / name).read_bytes() for name in ("labels.csv", "task.yaml")
    )


@pytest.mark.parametrize("after", [1, 2, 3, 5, 8, 12, 14, 16])
def test_stopped_once_it_ends_with_the_same_tables(after: int, whole: Path, tmp_path: Path) -> None:
    task = whole / "task.yaml"
    assert not attempt(task, tmp_path / "run", stopping(after))
    with Ledger.read(tmp_path / "run") as view:
        assert view.meta("state") == "running"
    assert attempt(task, tmp_path / "run")
    assert same(tmp_path / "run", whole)


def test_stopped_again_and_again(whole: Path, tmp_path: Path) -> None:
    attempts = 0
    while not attempt(whole / "task.yaml", tmp_path / "run", stopping(4 + 3 * attempts)):
        attempts += 1
    assert attempts >= 4
    assert same(tmp_path / "run", whole)


def test_an_attempt_adds_nothing_that_was_there(whole: Path, tmp_path: Path) -> None:
    attempt(whole / "task.yaml", tmp_path / "run", stopping(8))
    with Ledger.read(tmp_path / "run") as view:
        before = {vote.key: vote for vote in view.votes()}
    assert len(before) > 20
    attempt(whole / "task.yaml", tmp_path / "run")
    with Ledger.read(tmp_path / "run") as view:
        after = {vote.key: vote for vote in view.votes()}
        assert view.count() == len(after)
    assert all(after[key] == vote for key, vote in before.items()), "time and tokens of earlier votes stay, too"


def test_resources_sum_up_over_attempts(whole: Path, tmp_path: Path) -> None:
    attempt(whole / "task.yaml", tmp_path / "run", stopping(14))
    with Ledger.read(tmp_path / "run") as view:
        first = sum(row["wall_s"] for row in view.phases())
    found = execute(whole / "task.yaml", tmp_path / "run")
    assert found["resources"]["wall_s"] > first > 0
    assert [point["round"] for point in found["learning_curve"]] == [0, 1, 2]


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"seed": 1}},
        {"task": {"labels": ["positive", "negative"]}},
        {"task": {"instructions": "Is it good?"}},
        {"committee": {"aggregate": "majority"}},
        {"budget": {"items": 20}},
    ],
)
def test_another_task_file_on_the_same_folder_is_refused(
    change: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LIMBECK_HOME", str(tmp_path / "home"))
    task, run = write_toy(tmp_path), tmp_path / "run"
    attempt(task, run, stopping(3))
    before = digest(run)
    write_toy(tmp_path, **change)
    with pytest.raises(RunError, match="another task file"):
        execute(task, run)
    code, out, err = Shell(monkeypatch, capsys)("run", task, "--run", run)
    assert (code, out) == (1, "")
    assert "another task file" in err
    assert "--run" in err
    assert digest(run) == before


def test_a_new_name_is_no_other_task(tmp_path: Path) -> None:
    task = write_toy(tmp_path)
    attempt(task, tmp_path / "run", stopping(3))
    write_toy(tmp_path, task={"name": "renamed"}, privacy={"allow_remote": True})
    assert attempt(task, tmp_path / "run")


@pytest.mark.parametrize("which", ["pool.csv", "test.csv"])
def test_changed_data_are_refused(which: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "test.csv", toy_rows(50)[40:])
    task = write_toy(tmp_path, toy_rows(40), data={"test": "test.csv"})
    attempt(task, tmp_path / "run", stopping(3))
    rows = (tmp_path / which).read_text().replace("film 45:" if which == "test.csv" else "film 5:", "movie 5:")
    (tmp_path / which).write_text(rows)
    with pytest.raises(RunError, match="the data changed"):
        execute(task, tmp_path / "run")


def test_rows_in_another_order_are_the_same_data(tmp_path: Path) -> None:
    task = write_toy(tmp_path)
    attempt(task, tmp_path / "run", stopping(3))
    write_csv(tmp_path / "pool.csv", toy_rows()[::-1])
    assert attempt(task, tmp_path / "run")
    execute(write_toy(tmp_path / "whole"), tmp_path / "whole" / "run")
    assert digest(tmp_path / "run") == digest(tmp_path / "whole" / "run")
