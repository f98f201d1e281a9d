"""Joules from where they can be had: RAPL counters, GPUs, or the watts that the user names.

Knows nothing of phases. Never guesses: where nothing can be read there is a reason and no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from limbeck.errors import ConfigError

RAPL = Path("/sys/class/powercap")

# No socket draws this much: a counter that seems to have gone further was reset, it did not wrap.
_MOST_WATTS = 2000.0


class EnergySource(Protocol):
    """A meter of joules."""

    @property
    def method(self) -> str:
        """How they are had."""
        ...

    @property
    def scope(self) -> str:
        """What they stand for."""
        ...

    @property
    def reason(self) -> str | None:
        """Why the last `advance` had no answer."""
        ...

    def advance(self, seconds: float) -> float | None:
        """Joules since the last call, `seconds` ago; None when they cannot be read. Never negative."""
        ...


class Rapl:
    """The package counters of Intel and AMD processors, as Linux shows them. Of the whole machine, memory not included.

    The counters are in microjoules and wrap at `max_energy_range_uj` (about 262 kJ).

    Attributes:
        reason: why there is no answer; set from the start when no counter can be read.
    """

    method = "rapl"
    scope = "CPU packages of the whole machine"

    def __init__(self, root: Path = RAPL) -> None:
        self.reason: str | None = None
        self._zones = _packages(root)
        self._last: dict[Path, int] = {}
        if not self._zones:
            self.reason = "no RAPL counters here (typical of virtual machines)"
            return
        now = self._read()
        if now is not None:
            self._last = now

    def advance(self, seconds: float) -> float | None:
        """Joules since the last call; None when a counter has vanished, may not be read, or made no sense."""
        now = self._read() if self._zones else None
        if now is None:
            self._last = {}
            return None
        last, self._last = self._last, now
        if not last:
            self.reason = "the RAPL counters were away for a while"
            return None
        total = 0.0
        for zone, value in now.items():
            joules = self._difference(zone, last[zone], value, seconds)
            if joules is None:
                self.reason = "a RAPL counter was reset during the run"
                return None
            total += joules
        return total

    def _difference(self, zone: Path, last: int, now: int, seconds: float) -> float | None:
        most = _MOST_WATTS * (seconds + 0.1)
        if now >= last:
            joules = (now - last) / 1e6
        else:
            limit = self._zones[zone]
            joules = (limit - last + now) / 1e6 if limit >= last else float("inf")
        return joules if joules <= most else None

    def _read(self) -> dict[Path, int] | None:
        try:
            return {zone: int((zone / "energy_uj").read_text()) for zone in self._zones}
        except PermissionError:
            self.reason = "the RAPL counters may only be read by root (/sys/class/powercap/*/energy_uj)"
        except (OSError, ValueError):
            self.reason = "the RAPL counters vanished or cannot be read"
        return None


class UserWatts:
    """A constant power that the user names, times the wall time: an assumption, and called so."""

    method = "user watts"
    reason = None

    def __init__(self, watts: float) -> None:
        if not 0 < watts < float("inf"):
            raise ConfigError(f"watts is {watts}", hint="name the machine's draw in watts, a number above 0")
        self.scope = f"whole machine, taken as a constant {watts:g} W"
        self._watts = watts

    def advance(self, seconds: float) -> float | None:
        """Joules of the last `seconds`."""
        return self._watts * seconds


class EnergyGauge:
    """The sum of several sources: a number only where all of them have one.

    Attributes:
        method: the sources' methods joined by " + ", or "unavailable".
        scope: what the joules stand for, or None.
        reason: why the last `advance` had no answer.
    """

    def __init__(self, sources: Sequence[EnergySource], reason: str | None = None) -> None:
        self._sources = tuple(sources)
        self.method = " + ".join(source.method for source in sources) or "unavailable"
        self.scope = " + ".join(source.scope for source in sources) or None
        self.reason = reason

    def advance(self, seconds: float) -> float | None:
        """Joules since the last call, `seconds` ago."""
        answers = [source.advance(seconds) for source in self._sources]
        missing = [source.reason for source, joules in zip(self._sources, answers, strict=True) if joules is None]
        if missing:
            self.reason = "; ".join(reason for reason in missing if reason)
            return None
        return sum(joules for joules in answers if joules is not None) if answers else None


def find_energy(gpus: EnergySource | None, *, watts: float | None = None, rapl: Path = RAPL) -> EnergyGauge:
    """The best there is: RAPL and GPUs together; else the user's watts; else nothing, with the reason.

    GPUs alone are not taken when the user names the machine's watts, since those hold the rest of the machine too.
    """
    counters = Rapl(rapl)
    measured: list[EnergySource] = [] if counters.reason else [counters]
    if not measured and watts is not None:
        return EnergyGauge([UserWatts(watts)])
    if gpus is not None:
        measured.append(gpus)
    return EnergyGauge(measured, None if measured else f"{counters.reason} and no NVIDIA GPU")


def _packages(root: Path) -> dict[Path, int]:
    # intel-rapl:0 is a package, intel-rapl:0:1 a part of it; psys holds the packages again, and intel-rapl-mmio is a
    # second view of the same counter.
    zones = {}
    try:
        for zone in sorted(root.glob("intel-rapl:*")):
            name = (zone / "name").read_text().strip()
            if zone.name.count(":") == 1 and name.startswith("package"):
                zones[zone] = int((zone / "max_energy_range_uj").read_text())
    except (OSError, ValueError):
        return {}
    return zones
