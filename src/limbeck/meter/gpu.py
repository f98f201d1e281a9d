"""What NVIDIA's management library tells of the GPUs of this machine: load, memory, energy.

Knows nothing of phases, nor of who uses the GPUs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

try:
    import pynvml
except ImportError:
    pynvml = None

NOT_INSTALLED = "nvidia-ml-py is not installed (`pip install limbeck[gpu]`)"


@dataclass(frozen=True, slots=True)
class GpuSample:
    """Mean load of the GPUs, 0 to 1, and bytes in use on all of them, whoever uses them."""

    load: float
    memory: int


class Gpus:
    """All NVIDIA GPUs that the library shows.

    Attributes:
        name: their names, joined.
        method: "nvml counter", or "nvml integral" where a GPU has no energy counter.
        scope: what its joules stand for.
    """

    scope = "GPU boards"

    def __init__(self, library: Any, handles: list[Any]) -> None:
        self._library = library
        self._handles = handles
        self.name = ", ".join(_text(library.nvmlDeviceGetName(handle)) for handle in handles)
        self._last = self._counters()
        self.method = "nvml integral" if self._last is None else "nvml counter"
        self._watts = self._power()
        self.reason: str | None = None

    def read(self) -> GpuSample | None:
        """Load and memory now, or None when the library does not answer."""
        library = self._library
        try:
            load = [library.nvmlDeviceGetUtilizationRates(handle).gpu / 100 for handle in self._handles]
            memory = [library.nvmlDeviceGetMemoryInfo(handle).used for handle in self._handles]
        except library.NVMLError:
            return None
        return GpuSample(sum(load) / len(load), sum(memory))

    def advance(self, seconds: float) -> float | None:
        """Joules since the last call `seconds` ago, or None (see `reason`) when the library does not answer."""
        if self.method == "nvml counter":
            last, self._last = self._last, self._counters()
            if last is None or self._last is None:
                self.reason = "the GPU's energy counter vanished during the run"
                return None
            used = [now - was for was, now in zip(last, self._last, strict=True)]
            if min(used) < 0:
                self.reason = "the GPU's energy counter was reset during the run"
                return None
            return sum(used)
        before, self._watts = self._watts, self._power()
        if before is None or self._watts is None:
            self.reason = "the GPU tells neither energy nor power"
            return None
        return (before + self._watts) / 2 * seconds

    def close(self) -> None:
        """Let go of the library."""
        self._library.nvmlShutdown()

    def _counters(self) -> list[float] | None:
        try:
            return [self._library.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000 for handle in self._handles]
        except self._library.NVMLError:
            return None

    def _power(self) -> float | None:
        try:
            return float(sum(self._library.nvmlDeviceGetPowerUsage(handle) / 1000 for handle in self._handles))
        except self._library.NVMLError:
            return None


def find_gpus(library: Any = pynvml) -> tuple[Gpus | None, str | None]:
    """The GPUs of this machine, or None and the reason."""
    if library is None:
        return None, NOT_INSTALLED
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        return None, f"no NVIDIA GPU seen ({error})"
    try:
        handles = [library.nvmlDeviceGetHandleByIndex(index) for index in range(library.nvmlDeviceGetCount())]
        if handles:
            return Gpus(library, handles), None
        reason = "no NVIDIA GPU seen"
    except library.NVMLError as error:
        reason = f"the NVIDIA GPU does not answer ({error})"
    library.nvmlShutdown()
    return None, reason


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
