"""A task whose truth is known by hand, and the ways to run it: in this process, or as a person would.

Each text carries its true label and two cue words, one for each scripted agent. The first agent is misled on every
fifth text, the second on every seventh, so what each of them answers can be counted without running anything.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop
from limbeck.cli import main
from limbeck.flows.job import Job, Notify, silent
from limbeck.flows.run import run
from limbeck.ledger import Ledger
from limbeck.meter import Meter
from limbeck.task import fingerprint, load_task

LABELS = ("negative", "positive")
WEATHER, BREAD = ("rainy", "sunny"), ("stale", "fresh")
TOPICS = ("cast", "plot", "score", "camera", "ending", "dialogue", "pace")
Row = Mapping[str, str]


def toy_rows(count: int = 60) -> list[dict[str, str]]:
    """Texts with their true label; see the module's opening."""
    rows = []
    for i in range(count):
        truth = (i // 2 + i) % 2
        first, second = truth ^ (i % 5 == 0), truth ^ (i % 7 == 0)
        text = f"film {i}: {WEATHER[first]} {TOPICS[i % 7]}, {BREAD[second]} {TOPICS[i % 5]}"
        rows.append({"text": text, "label": LABELS[truth]})
    return rows


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_script(path: Path, words: tuple[str, str], labels: tuple[str, ...] = LABELS, *, weight: float = 2) -> None:
    """An agent that says a label where it reads the label's word; with a small weight it is none too sure."""
    lines = [{"when": word, "say": label, "weight": weight} for word, label in zip(words, labels, strict=True)]
    path.write_text(json.dumps(lines))


def write_toy(folder: Path, rows: list[dict[str, str]] | None = None, **sections: Any) -> Path:
    """Data, scripts and task file; a section given here is laid over the usual one. Returns the task file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "pool.csv", rows or toy_rows())
    write_script(folder / "weather.json", WEATHER)
    write_script(folder / "bread.json", BREAD)
    usual: dict[str, Any] = {
        "task": {"name": "toy", "labels": list(LABELS)},
        "data": {"pool": "pool.csv", "gold": "label", "test": {"share": 0.25}},
        "agents": [
            {"name": "weather", "model": "weather.json", "engine": "scripted", "style": "chat"},
            {"name": "bread", "model": "bread.json", "engine": "scripted", "style": "plain"},
        ],
        "selection": {"strategy": "margin", "cold": "random", "rounds": 2},
        "student": {"encoder": None},
    }
    for name, given in sections.items():
        usual[name] = {**usual[name], **given} if isinstance(usual.get(name), dict) else given
    task = folder / "task.yaml"
    task.write_text(yaml.safe_dump(usual, sort_keys=False))
    return task


def execute(
    task: Path, folder: Path, *, notify: Notify = silent, change: Callable[[Job], Job] = lambda job: job
) -> dict[str, Any]:
    """Run a task file in this process; `change` may exchange parts of the job."""
    file = load_task(task, names=NAMES)
    with Meter() as meter:
        job = change(Workshop(file, Store(task.parent / "home"), meter).job())
        return run(job, folder, meter=meter, fingerprint=fingerprint(file), notify=notify)


def digest(folder: Path) -> str:
    with Ledger.read(folder) as view:
        return view.digest()


class Shell:
    """The command line in this process: `shell("run", task)` → exit code, standard output, standard error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["limbeck", *map(str, arguments)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = self._capsys.readouterr()
        assert isinstance(stop.value.code, int)
        return stop.value.code, out, err


def start(*arguments: object, home: Path | None = None, **options: Any) -> subprocess.Popen[str]:
    """The command line as a process of its own."""
    surroundings = os.environ | ({} if home is None else {"LIMBECK_HOME": str(home)})
    return subprocess.Popen(
        [sys.executable, "-m", "limbeck", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=surroundings,
        **options,
    )
