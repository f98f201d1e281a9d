"""The meter of a run: looks at the process tree, the GPUs and the energy counters, and books it on the current phase.

Knows nothing of what a phase does, nor of where the result is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from limbeck.errors import RunError
from limbeck.meter.energy import RAPL, find_energy
from limbeck.meter.gpu import Gpus, find_gpus
from limbeck.meter.phases import PhaseUse, combine
from limbeck.meter.process import ProcessTree

OTHER = "other"

# The sampler sleeps at least so many times as long as a look took it of the CPU: it stays below half a percent.
_REST = 200


@dataclass(slots=True)
class _Account:
    """What was booked on one name and model since the last drain."""

    started: str
    wall: float = 0.0
    cpu: float = 0.0
    peak: int = 0
    prefilled: int = 0
    decoded: int = 0
    reused: int = 0
    joules: float = 0.0
    covered: float = 0.0
    missed: str | None = None
    gpu_busy: float | None = None
    gpu_peak: int | None = None
    samples: int = 0
    own: float = 0.0


class Meter:
    """Meters everything that happens in its `with` block, phase by phase.

    Phases may nest and overlap, also across threads: time belongs to the phase that was opened last and is still open,
    and to "other" where none is. So phases share the time out, and sum up to the whole.

    Args:
        interval: seconds between looks at memory and energy; longer by itself where a look is costly.
        watts: the machine's draw as the user knows it, used where no counter of the processor can be read.
        rapl: folder of the RAPL counters.
    """

    def __init__(self, *, interval: float = 0.5, watts: float | None = None, rapl: Path = RAPL) -> None:
        self.interval = interval
        self._watts = watts
        self._rapl = rapl
        self._gpus: Gpus | None = None
        self._gpu_reason: str | None = None
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._open: list[tuple[str, str | None]] = []
        self._accounts: dict[tuple[str, str | None], _Account] = {}
        self._drained: list[dict[str, Any]] = []
        self._rest = interval

    def start(self) -> Self:
        """Begin to meter.

        Raises:
            RunError: when it was started before.
        """
        if self._thread is not None:
            raise RunError("this meter was started before", hint="use a new Meter")
        self._gpus, self._gpu_reason = find_gpus()
        self._energy = find_energy(self._gpus, watts=self._watts, rapl=self._rapl)
        self._tree = ProcessTree()
        first = self._tree.read()
        self._cpu, self._rss = first.cpu, first.rss
        self._at = time.perf_counter()
        self._thread = threading.Thread(target=self._sample, name="limbeck-meter", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Take the last look and end the sampler. Results stay readable."""
        if self._thread is None or self._wake.is_set():
            return
        self._wake.set()
        self._thread.join()
        with self._lock:
            self._settle()
            if self._gpus is not None:
                self._gpus.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @contextmanager
    def phase(self, name: str, *, model: str | None = None) -> Iterator[None]:
        """Book what happens inside on a phase; phases of the same name and model add up. Closed by errors too.

        Raises:
            RunError: when the meter is not running.
        """
        key = (name, model)
        with self._lock:
            self._require()
            self._settle()
            self._open.append(key)
        try:
            yield
        finally:
            with self._lock:
                if self._running:
                    self._settle()
                # Overlapping phases may close in any order: take out the latest one of this key.
                self._open.reverse()
                self._open.remove(key)
                self._open.reverse()

    def add_tokens(self, *, prefilled: int = 0, decoded: int = 0, reused: int = 0) -> None:
        """Book tokens read, generated, and taken from a kept prefix on the current phase."""
        with self._lock:
            self._require()
            account = self._account()
            account.prefilled += prefilled
            account.decoded += decoded
            account.reused += reused

    def drain(self) -> list[dict[str, Any]]:
        """What was used since the last drain, one row for each phase and model: store it, so that a kill loses little.

        Phases that are open keep running; the rest of them comes with the next drain.
        """
        with self._lock:
            if self._running:
                self._settle()
            rows = [self._use(key, account).row() for key, account in self._accounts.items()]
            self._accounts = {}
            self._drained += rows
        return rows

    def rows(self) -> list[dict[str, Any]]:
        """What was used so far, drained or not; fit for a ledger and for `combine`."""
        with self._lock:
            if self._running:
                self._settle()
            return self._drained + [self._use(key, account).row() for key, account in self._accounts.items()]

    def summary(self) -> dict[str, Any]:
        """The `resources` of this attempt alone: `combine` of its rows."""
        return combine(self.rows())

    @property
    def _running(self) -> bool:
        return self._thread is not None and not self._wake.is_set()

    def _require(self) -> None:
        if not self._running:
            raise RunError("the meter is not running", hint="use it inside `with Meter() as meter:`")

    def _sample(self) -> None:
        while not self._wake.wait(max(self.interval, self._rest)):
            with self._lock:
                if self._running:
                    self._settle()

    def _account(self) -> _Account:
        key = self._open[-1] if self._open else (OTHER, None)
        if key not in self._accounts:
            started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._accounts[key] = _Account(started, peak=self._rss)
        return self._accounts[key]

    def _settle(self) -> None:
        """Book all since the last look on the current phase."""
        before = time.thread_time()
        now = time.perf_counter()
        seconds, self._at = now - self._at, now
        account = self._account()
        sample = self._tree.read()
        account.wall += seconds
        account.cpu += sample.cpu - self._cpu
        self._cpu, self._rss = sample.cpu, sample.rss
        account.peak = max(account.peak, sample.spike)
        self._settle_energy(account, seconds)
        account.samples += 1
        own = time.thread_time() - before
        account.own += own
        self._rest = _REST * own

    def _settle_energy(self, account: _Account, seconds: float) -> None:
        joules = self._energy.advance(seconds)
        if joules is None:
            account.missed = self._energy.reason
        else:
            account.joules += joules
            account.covered += seconds
        gpu = None if self._gpus is None else self._gpus.read()
        if gpu is not None:
            account.gpu_busy = (account.gpu_busy or 0.0) + gpu.load * seconds
            account.gpu_peak = max(account.gpu_peak or 0, gpu.memory)

    def _use(self, key: tuple[str, str | None], account: _Account) -> PhaseUse:
        measured = self._energy.method != "unavailable" and (account.covered > 0 or account.missed is None)
        return PhaseUse(
            name=key[0],
            model=key[1],
            started=account.started,
            wall_s=account.wall,
            cpu_s=account.cpu,
            peak_rss_bytes=account.peak,
            prefilled=account.prefilled,
            decoded=account.decoded,
            reused=account.reused,
            energy_j=account.joules if measured else None,
            energy_covered_s=account.covered,
            energy_method=self._energy.method,
            energy_scope=self._energy.scope,
            energy_j_reason=account.missed,
            gpu=None if self._gpus is None else self._gpus.name,
            gpu_reason=self._gpu_reason,
            gpu_busy_s=account.gpu_busy,
            gpu_peak_bytes=account.gpu_peak,
            samples=account.samples,
            interval_s=self.interval,
            meter_cpu_s=account.own,
        )
