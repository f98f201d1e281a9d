"""CPU-seconds and memory of this process and all it started, also of those that have died.

Knows nothing of phases.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# Listing all processes of a machine is the costly part: it gets at most this share of one core.
_LISTING_SHARE = 0.004


@dataclass(frozen=True, slots=True)
class TreeSample:
    """One look at the tree: CPU-seconds since the tree was first looked at, and resident bytes now.

    `rss` sums the processes up, so pages that they share count more than once. `spike` is the highest residence of the
    root process since the last look where the system tells it, plus the children's; it is never below `rss`.
    """

    cpu: float
    rss: int
    spike: int


class ProcessTree:
    """This process and its descendants."""

    def __init__(self) -> None:
        self._root = psutil.Process()
        self._others: set[psutil.Process] = set()
        self._seen: dict[psutil.Process, tuple[float, float]] = {}
        self._owed = 0.0
        self._lost = 0.0
        self._base: float | None = None
        self._cpu = 0.0
        self._high = _high_water()
        self._list_after = 0.0

    def read(self) -> TreeSample:
        """Look at the tree now. CPU-seconds never fall."""
        seen: dict[psutil.Process, tuple[float, float]] = {}
        root_rss = others_rss = 0
        # Parents come first: a child that dies in between is then missing here and found with its parent next time.
        for process in self._members():
            try:
                times = process.cpu_times()
                rss = process.memory_info().rss
            except (psutil.ZombieProcess, psutil.AccessDenied):
                if process in self._seen:
                    seen[process] = self._seen[process]
                continue
            except psutil.NoSuchProcess:
                continue
            own = times.user + times.system
            if process == self._root:
                root_rss, own = rss, time.process_time()
            else:
                others_rss += rss
            seen[process] = (own, times.children_user + times.children_system)
        total = self._account(seen)
        if self._base is None:
            self._base = total
        self._cpu = max(self._cpu, total - self._base)
        high, self._high = self._high, _high_water()
        spike = self._high if self._high > high else root_rss
        return TreeSample(self._cpu, root_rss + others_rss, max(root_rss, spike) + others_rss)

    def _account(self, seen: dict[psutil.Process, tuple[float, float]]) -> float:
        # The time of a dead child reappears with the parent that waited for it. What has not reappeared at the look
        # after its death never will (nobody waited for it) and is kept as last seen.
        gone = sum(own + reaped for process, (own, reaped) in self._seen.items() if process not in seen)
        grown = sum(seen[process][1] - was[1] for process, was in self._seen.items() if process in seen)
        self._lost += max(0.0, self._owed - grown)
        self._owed = max(0.0, gone - max(0.0, grown - self._owed))
        self._seen = seen
        return sum(own + reaped for own, reaped in seen.values()) + self._lost + self._owed

    def _members(self) -> Iterator[psutil.Process]:
        yield self._root
        # Children whose parent died leave the tree, but were started here: they are followed to their end.
        self._others = {process for process in self._others if process.is_running()}
        now = time.monotonic()
        if now >= self._list_after:
            before = time.thread_time()
            self._others.update(self._root.children(recursive=True))
            self._list_after = now + (time.thread_time() - before) / _LISTING_SHARE
        yield from self._others


def _high_water() -> int:
    # Only its growth is used: over an exec, Linux hands the value of the parent on.
    if resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
