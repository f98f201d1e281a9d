"""Work on a batch's scores, row by row, shared out to threads: numpy lets other threads run while it computes.

Knows nothing of what is done with a row.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

# Numbers that make a thread worth starting (half a millisecond of work or more, against 0.1 ms), and threads at most.
WORTH, MOST = 1 << 19, 4


def share(work: Callable[[range], None], rows: int, size: int) -> None:
    """Call `work` for stretches of rows that together are all rows; each stretch may run in a thread of its own.

    Threads are started for one call and end with it, so that none is left behind when a process forks.

    Args:
        work: does some rows; it must not touch what belongs to another row.
        rows: how many there are.
        size: numbers in a row.
    """
    parts = min(MOST, os.cpu_count() or 1, rows, rows * size // WORTH)
    if parts < 2:
        work(range(rows))
        return
    edges = [rows * part // parts for part in range(parts + 1)]
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(work, map(range, edges, edges[1:])))
