"""Energy: counters that wrap, reset, vanish or may not be read; GPUs by a scripted library; the user's watts."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from limbeck.errors import ConfigError
from limbeck.meter import Meter, combine
from limbeck.meter.energy import EnergyGauge, Rapl, UserWatts, find_energy
from limbeck.meter.gpu import NOT_INSTALLED, find_gpus

RANGE = 262_143_328_850


def zone(root: Path, name: str, *, kind: str, energy: int, limit: int = RANGE) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{kind}\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    return folder / "energy_uj"


def test_packages_are_summed_and_their_parts_are_not(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", kind="package-0", energy=1_000_000)
    second = zone(tmp_path, "intel-rapl:1", kind="package-1", energy=500_000)
    core = zone(tmp_path, "intel-rapl:0:0", kind="core", energy=0)
    psys = zone(tmp_path, "intel-rapl:2", kind="psys", energy=0)
    twin = zone(tmp_path, "intel-rapl-mmio:0", kind="package-0", energy=0)
    source = Rapl(tmp_path)
    assert source.reason is None
    for counter, value in ((first, 3_500_000), (second, 600_000), (core, 9**9), (psys, 9**9), (twin, 9**9)):
        counter.write_text(str(value))
    assert source.advance(1.0) == pytest.approx(2.6)
    assert source.advance(1.0) == 0.0


def test_a_wrap_goes_on_counting_and_a_reset_is_a_gap(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", kind="package-0", energy=RANGE - 2_000_000)
    source = Rapl(tmp_path)
    counter.write_text("3000000")
    assert source.advance(1.0) == pytest.approx(5.0)
    counter.write_text("100")  # from 3 J down to nothing in a second: a wrap would be 262 kW
    assert source.advance(1.0) is None
    assert source.reason == "a RAPL counter was reset during the run"
    counter.write_text("1000100")
    assert source.advance(1.0) == pytest.approx(1.0)
    counter.write_text(str(RANGE))  # forward, and no less absurd
    assert source.advance(1.0) is None


def test_counters_that_vanish_come_back_or_hold_nonsense(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", kind="package-0", energy=5)
    source = Rapl(tmp_path)
    counter.unlink()
    assert source.advance(1.0) is None
    assert source.reason is not None
    assert "vanished" in source.reason
    counter.write_text("7000000")
    assert source.advance(1.0) is None
    counter.write_text("8000000")
    assert source.advance(1.0) == pytest.approx(1.0)
    counter.write_text("what")
    assert source.advance(1.0) is None


def test_counters_that_may_not_be_read_are_told() -> None:
    root = Path(tempfile.mkdtemp())
    try:
        root.chmod(0o755)
        zone(root, "intel-rapl:0", kind="package-0", energy=5).chmod(0o000)
        if os.geteuid() == 0:
            os.seteuid(65534)
            try:
                source = Rapl(root)
            finally:
                os.seteuid(0)
        else:
            source = Rapl(root)
    finally:
        shutil.rmtree(root)
    assert source.reason is not None
    assert "only be read by root" in source.reason


def test_a_metered_run_on_a_fake_counter(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", kind="package-0", energy=0)
    with Meter(rapl=tmp_path, interval=30) as meter:
        with meter.phase("a"):
            time.sleep(0.01)
            counter.write_text("2000000")
        with meter.phase("b"):
            time.sleep(0.01)
            counter.write_text("5000000")
    summary = meter.summary()
    phases = {phase["name"]: phase for phase in summary["phases"]}
    assert (phases["a"]["energy_j"], phases["b"]["energy_j"]) == (2.0, 3.0)
    assert (summary["energy_j"], summary["energy_method"]) == (5.0, "rapl")
    assert summary["energy_coverage"] == pytest.approx(1.0)
    assert summary["energy_scope"] == "CPU packages of the whole machine"
    with Meter(rapl=tmp_path, interval=30) as gone:
        with gone.phase("a"):
            time.sleep(0.05)
            counter.write_text("6000000")
        counter.unlink()
        with gone.phase("b"):
            time.sleep(0.05)
    later = gone.summary()
    assert later["energy_j"] == 1.0
    assert 0.3 < later["energy_coverage"] < 0.7
    assert "vanished" in later["energy_note"]
    phases = {phase["name"]: phase for phase in later["phases"]}
    assert phases["b"]["energy_j"] is None
    assert "vanished" in phases["b"]["energy_j_reason"]
    both = combine([*meter.rows(), *gone.rows()])
    assert both["energy_j"] == 6.0
    assert both["energy_coverage"] < 1


def test_without_any_counter_there_is_a_reason_and_no_number(tmp_path: Path) -> None:
    with Meter(rapl=tmp_path) as meter, meter.phase("a"):
        pass
    summary = meter.summary()
    assert (summary["energy_j"], summary["energy_method"], summary["energy_coverage"]) == (None, "unavailable", 0.0)
    assert summary["energy_j_reason"].startswith("no RAPL counters here (typical of virtual machines)")


def test_the_users_watts_are_used_only_where_nothing_better_is(tmp_path: Path) -> None:
    with Meter(rapl=tmp_path, watts=50) as meter:
        time.sleep(0.02)
    summary = meter.summary()
    assert summary["energy_method"] == "user watts"
    assert summary["energy_j"] == pytest.approx(50 * summary["wall_s"])
    assert summary["energy_scope"] == "whole machine, taken as a constant 50 W"
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ConfigError):
            UserWatts(wrong)
    zone(tmp_path, "intel-rapl:0", kind="package-0", energy=0)
    assert find_energy(None, watts=50, rapl=tmp_path).method == "rapl"


class ScriptedError(Exception):
    pass


class ScriptedLibrary:
    """Two GPUs of the management library's shape, with values set by the test."""

    NVMLError = ScriptedError

    def __init__(self, *, count: int = 2, counter: bool = True) -> None:
        self.count, self.counter = count, counter
        self.millijoules = [1000, 2000]
        self.milliwatts = [100_000, 50_000]
        self.open = 0

    def nvmlInit(self) -> None:  # noqa: N802
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle: int) -> str | bytes:  # noqa: N802
        return "New" if handle else b"Old"

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(gpu=[100, 50][handle])

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(used=[10, 20][handle])

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802
        if not self.counter:
            raise ScriptedError
        return self.millijoules[handle]

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        return self.milliwatts[handle]


def test_gpu_counters_and_load(tmp_path: Path) -> None:
    library = ScriptedLibrary()
    gpus, reason = find_gpus(library)
    assert gpus is not None
    assert reason is None
    assert (gpus.name, gpus.method) == ("Old, New", "nvml counter")
    sample = gpus.read()
    assert sample is not None
    assert (sample.load, sample.memory) == (0.75, 30)
    library.millijoules = [3000, 2500]
    assert gpus.advance(1.0) == pytest.approx(2.5)
    library.millijoules = [0, 2500]
    assert gpus.advance(1.0) is None
    assert gpus.reason is not None
    assert "reset" in gpus.reason
    gauge = find_energy(gpus, rapl=tmp_path)
    assert (gauge.method, gauge.scope) == ("nvml counter", "GPU boards")
    assert find_energy(gpus, watts=70, rapl=tmp_path).method == "user watts"
    zone(tmp_path, "intel-rapl:0", kind="package-0", energy=0)
    both = find_energy(gpus, rapl=tmp_path)
    assert both.method == "rapl + nvml counter"
    assert both.advance(1.0) == 0.0
    library.counter = False
    assert both.advance(1.0) is None
    assert both.reason == "the GPU's energy counter vanished during the run"
    gpus.close()
    assert library.open == 0


def test_gpu_power_is_integrated_where_there_is_no_counter() -> None:
    library = ScriptedLibrary(counter=False)
    gpus, _ = find_gpus(library)
    assert gpus is not None
    assert gpus.method == "nvml integral"
    library.milliwatts = [200_000, 50_000]
    assert gpus.advance(2.0) == pytest.approx((150 + 250) / 2 * 2)
    assert gpus.advance(0.0) == 0.0


def test_no_gpu_is_told_and_the_library_let_go() -> None:
    assert find_gpus(None) == (None, NOT_INSTALLED)
    library = ScriptedLibrary(count=0)
    assert find_gpus(library) == (None, "no NVIDIA GPU seen")
    assert library.open == 0
    assert EnergyGauge([], "why").advance(1.0) is None
