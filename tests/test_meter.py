"""The meter: phases share the time out, CPU and memory are what they are known to be, sums add up."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from limbeck.errors import RunError
from limbeck.meter import Meter, combine
from limbeck.meter.process import ProcessTree

BURN = "import time, sys\nwhile time.process_time() < {}: pass\n"


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def named(resources: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {phase["name"]: phase for phase in resources["phases"]}


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A folder without counters."""
    return tmp_path / "none"


def test_a_childs_cpu_seconds_are_counted_with_the_phase_that_waited_for_it(nowhere: Path) -> None:
    with Meter(interval=0.1, rapl=nowhere) as meter:
        with meter.phase("child"):
            subprocess.run([sys.executable, "-c", BURN.format(1.0)], check=True)
        with meter.phase("rest"):
            pass
    phases = named(meter.summary())
    assert phases["child"]["cpu_s"] == pytest.approx(1.0, rel=0.05)
    assert phases["child"]["wall_s"] > 0.95
    assert phases["rest"]["cpu_s"] < 0.05


def test_children_that_nobody_waits_for_are_counted_as_last_seen() -> None:
    script = (
        "import signal, subprocess, sys, time\n"
        "from limbeck.meter.process import ProcessTree\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "tree = ProcessTree(); tree.read()\n"
        f"child = subprocess.Popen([sys.executable, '-c', {BURN.format(0.6)!r} + 'time.sleep(0.4)'])\n"
        "end = time.monotonic() + 30; samples = []\n"
        "while child.poll() is None and time.monotonic() < end:\n"
        "    samples.append(tree.read().cpu); time.sleep(0.05)\n"
        "samples += [tree.read().cpu, tree.read().cpu, tree.read().cpu]\n"
        "assert samples == sorted(samples)\n"
        "print(samples[-1] - time.process_time())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    # The tree began after the script's own start-up, so up to that much (about 0.2 s) is missing from the difference.
    assert 0.2 < float(done.stdout) < 0.75


def test_cpu_of_a_living_child_and_of_its_orphaned_child() -> None:
    nested = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BURN.format(0.5)!r} + 'time.sleep(9)'])"
    tree = ProcessTree()
    tree.read()
    with subprocess.Popen([sys.executable, "-c", nested + "; import time; time.sleep(0.5)"]) as parent:
        grandchild = None
        while grandchild is None:
            grandchild = next(iter(psutil.Process(parent.pid).children()), None)
            time.sleep(0.01)
        tree._list_after = 0.0
        tree.read()
        parent.wait()
        try:
            while sum(grandchild.cpu_times()[:2]) < 0.45:
                time.sleep(0.02)
            sample = tree.read()
            assert sample.cpu > 0.45
            assert sample.rss > psutil.Process().memory_info().rss
        finally:
            grandchild.send_signal(signal.SIGKILL)
    gone = [tree.read().cpu for _ in range(3)]
    assert gone == sorted(gone)
    assert gone[0] >= sample.cpu


def test_the_peak_of_a_large_array_is_seen_even_between_looks(nowhere: Path) -> None:
    with Meter(interval=30, rapl=nowhere) as meter:
        with meter.phase("before"):
            floor = psutil.Process().memory_info().rss
        with meter.phase("array"):
            array = np.ones(200_000_000, dtype=np.uint8)
            del array
        with meter.phase("after"):
            pass
    phases = named(meter.summary())
    assert phases["array"]["peak_rss_bytes"] - floor == pytest.approx(200e6, rel=0.1)
    assert phases["before"]["peak_rss_bytes"] < floor + 50e6
    assert phases["after"]["peak_rss_bytes"] < floor + 50e6
    assert meter.summary()["peak_rss_bytes"] == phases["array"]["peak_rss_bytes"]


def test_nested_phases_share_the_time_out(nowhere: Path) -> None:
    begin = time.perf_counter()
    with Meter(interval=0.05, rapl=nowhere) as meter:
        time.sleep(0.1)
        with meter.phase("outer", model="m"):
            time.sleep(0.1)
            with meter.phase("inner"):
                burn(0.2)
                meter.add_tokens(prefilled=5, decoded=1)
            meter.add_tokens(reused=7)
        with meter.phase("inner", model="m"):
            meter.add_tokens(prefilled=2)
    total = time.perf_counter() - begin
    summary = meter.summary()
    parts = {(phase["name"], phase["model"]): phase for phase in summary["phases"]}
    assert set(parts) == {("other", None), ("outer", "m"), ("inner", None), ("inner", "m")}
    assert parts["other", None]["wall_s"] >= 0.1
    assert parts["outer", "m"]["wall_s"] >= 0.1
    assert parts["outer", "m"]["cpu_s"] < 0.1
    assert 0.19 < parts["inner", None]["cpu_s"] < 0.3
    assert parts["inner", "m"]["wall_s"] >= 0
    assert sum(phase["wall_s"] for phase in parts.values()) == pytest.approx(summary["wall_s"])
    assert summary["wall_s"] <= total
    assert summary["tokens"] == {"prefilled": 7, "decoded": 1, "reused": 7}
    assert parts["inner", None]["tokens"] == 6
    assert parts["outer", "m"]["reused"] == 7


def test_overlapping_phases_close_in_any_order(nowhere: Path) -> None:
    with Meter(rapl=nowhere) as meter, ExitStack() as first, ExitStack() as second:
        first.enter_context(meter.phase("a"))
        second.enter_context(meter.phase("b"))
        first.close()
        time.sleep(0.1)
        second.close()
        with meter.phase("c"):
            pass
        time.sleep(0.05)
    phases = named(meter.summary())
    assert phases["b"]["wall_s"] >= 0.1
    assert phases["a"]["wall_s"] < 0.1
    assert phases["other"]["wall_s"] >= 0.05


def test_an_error_closes_its_phase_and_the_sampler_ends(nowhere: Path) -> None:
    def fail(meter: Meter) -> None:
        with meter, meter.phase("failing"):
            raise KeyError

    meter = Meter(interval=0.01, rapl=nowhere)
    with pytest.raises(KeyError):
        fail(meter)
    assert named(meter.summary())["failing"]["wall_s"] >= 0
    assert not [thread for thread in threading.enumerate() if thread.name == "limbeck-meter"]
    wall = meter.summary()["wall_s"]
    meter.stop()
    assert meter.summary()["wall_s"] == wall
    for act in (meter.start, lambda: meter.add_tokens(decoded=1), meter.phase("late").__enter__):
        with pytest.raises(RunError):
            act()


def test_drained_rows_of_killed_attempts_add_up(nowhere: Path) -> None:
    stored: list[dict[str, Any]] = []
    for tokens in (3, 4):
        with Meter(rapl=nowhere) as meter:
            with meter.phase("annotate", model="m"):
                meter.add_tokens(prefilled=tokens)
                stored += meter.drain()
                time.sleep(0.05)
                stored += meter.drain()
            assert meter.drain() != []
            meter.add_tokens(prefilled=1000)  # after the last drain: this attempt "dies" and it is lost
    combined = combine(stored)
    (annotate,) = [phase for phase in combined["phases"] if phase["name"] == "annotate"]
    assert combined["tokens"]["prefilled"] == annotate["tokens"] == 7
    assert annotate["wall_s"] >= 0.1
    assert combined["wall_s"] == pytest.approx(sum(row["wall_s"] for row in stored))
    assert meter.summary()["tokens"]["prefilled"] == 1004


def test_a_jumping_clock_changes_no_duration(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Meter(rapl=nowhere) as meter, meter.phase("jump"):
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now - 1e6)
        time.sleep(0.05)
    assert 0.05 <= named(meter.summary())["jump"]["wall_s"] < 60


def test_nothing_metered_is_told_with_reasons() -> None:
    empty = combine([])
    assert (empty["wall_s"], empty["cpu_s"], empty["energy_j"], empty["gpu"]) == (0.0, 0.0, None, None)
    for key in ("peak_rss_bytes", "energy_j", "gpu", "energy_coverage"):
        assert empty[key] is None
        assert empty[f"{key}_reason"]


def test_the_meter_costs_less_than_one_percent(nowhere: Path) -> None:
    with Meter(rapl=nowhere) as meter:
        time.sleep(2.5)
    summary = meter.summary()
    assert summary["sampling"]["samples"] >= 3
    assert summary["sampling"]["meter_cpu_s"] < 0.01 * summary["wall_s"]
