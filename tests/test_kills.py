"""Killed at random moments and started again, a run ends with the tables of one that nobody killed."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from limbeck.assets.store import Store
from limbeck.engines.openvino import OpenVinoEngine
from limbeck.pool import Pool
from toy_job import digest, start, toy_rows, write_toy


def begin(task: Path, folder: Path, home: Path) -> subprocess.Popen[str] | None:
    """A run as a process of its own, that has said its first word about asking; None where all was done already."""
    process = start("run", task, "--run", folder, home=home)
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if line.startswith("annotate: "):
            return process
    process.communicate()
    assert process.returncode == 0, said
    return None


def finish(process: subprocess.Popen[str] | None) -> float:
    """Let a run end by itself; how long that took, in seconds."""
    begun = time.monotonic()
    if process is not None:
        _, err = process.communicate()
        assert process.returncode == 0, err
    return time.monotonic() - begun


def survive(task: Path, place: Path, homes: tuple[Path, Path], *, kills: int, seed: int) -> None:
    """Kill a run so many times, each attempt going on where the last one fell.

    An attempt lives for a random part of the time that a whole run takes, so that over all attempts the blows fall
    everywhere: while it asks, selects, learns and writes. After one that got through, the next begins a new folder.
    """
    whole = place / "whole"
    span = finish(begin(task, whole, homes[0]))
    chance = random.Random(seed)
    done, through = 0, 0
    while done < kills:
        folder = place / f"killed-{through}"
        process = begin(task, folder, homes[1])
        if process is not None:
            time.sleep(chance.uniform(0, 4 * span / kills))
            process.kill()
            process.communicate()
        if process is None or process.returncode == 0:
            check(folder, whole)
            through += 1
        else:
            assert process.returncode == -signal.SIGKILL
            done += 1
    finish(begin(task, place / f"killed-{through}", homes[1]))
    check(place / f"killed-{through}", whole)


def check(folder: Path, whole: Path) -> None:
    assert digest(folder) == digest(whole)
    assert (folder / "labels.csv").read_bytes() == (whole / "labels.csv").read_bytes()
    assert (folder / "report.html").stat().st_size > 1000


@pytest.mark.slow
def test_ten_kills_of_scripted_agents(tmp_path: Path) -> None:
    task = write_toy(tmp_path, toy_rows(200))
    homes = (tmp_path / "home", tmp_path / "home")
    survive(task, tmp_path / "runs", homes, kills=10, seed=1)


@pytest.mark.model
def test_twenty_kills_of_real_agents(
    store: Store, smollm2: OpenVinoEngine, encoder_folder: Path, tmp_path: Path
) -> None:
    """Both runs have a cache of vectors of their own, so that the killed one cannot live off the whole one's."""
    del smollm2, encoder_folder  # fetched and converted before the first run
    reviews = Pool.read(store.pull("movie-reviews") / "items.jsonl", show=["text"], gold="gold")
    short = [
        {"text": item.fields["text"], "label": item.gold or ""} for item in reviews if len(item.fields["text"]) < 80
    ]
    homes = (tmp_path / "home-1", tmp_path / "home-2")
    for home in homes:
        home.mkdir()
        for shared in ("assets", "converted"):
            (home / shared).symlink_to(store.root / shared)
    model = {"model": "smollm2-135m-instruct"}
    task = write_toy(
        tmp_path,
        short[:130],
        data={"test": {"items": 20}},
        agents=[
            {"name": "chat", "style": "chat", **model},
            {"name": "plain", "style": "plain", **model},
            {"name": "similarity", "encoder": "all-minilm-l6-v2"},
        ],
        selection={"cold": "k-means"},
        student={"encoder": "all-minilm-l6-v2"},
    )
    survive(task, tmp_path / "runs", homes, kills=20, seed=2)
