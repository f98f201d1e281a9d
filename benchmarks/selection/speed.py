"""How fast are limbeck's selectors, beside scikit-activeml's, and how much memory does a million texts take?

    python benchmarks/selection/speed.py [--out FILE] [--rounds 2] [--limit 300] [--only NAME] [--peers]

Every measurement is a process of its own; limbeck and its peer take turns, and the best of the rounds counts. There are
two parts: 100,000 vectors of 384 numbers and k = 100, with peers, once with 100 items labelled and once with 1,000; and
a million and k = 1,000, alone, with 1,000 labelled. There are 6 labels; the vectors lie around 200 centres. Beside
peers everybody computes on one thread: on a shared machine several wait for each other, which would count as processor
time. What fails, or needs more than the limit in seconds of processor time, is written down so.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
PAIRS = {
    "least-confidence": "scikit-activeml UncertaintySampling (least confident)",
    "margin": "scikit-activeml UncertaintySampling (margin)",
    "entropy": "scikit-activeml UncertaintySampling (entropy)",
    "k-centre": "scikit-activeml CoreSet",
    "badge": "scikit-activeml Badge",
    "cal": "scikit-activeml ContrastiveAL",
    "typiclust": "scikit-activeml TypiClust",
    "probcover": "scikit-activeml ProbCover",
}
ALONE = ("random", "margin", "entropy", "k-centre", "k-means", "badge", "cal", "typiclust", "probcover", "proactive")
MEMORY = 12 << 30  # bytes that a process may ask for
LABELS, WIDTH = 6, 384


def made(count: int, labelled: int) -> tuple[Any, Any]:
    """Vectors around 200 centres, and labels: the nearest of 6 directions for the labelled, -1 for the others."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, WIDTH), dtype=np.float32)
    vectors = np.empty((count + labelled, WIDTH), dtype=np.float32)
    for start in range(0, len(vectors), 50_000):
        part = vectors[start : start + 50_000]
        part[:] = rng.standard_normal(part.shape, dtype=np.float32) * 1.5 + centres[rng.integers(200, size=len(part))]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    labels = np.full(len(vectors), -1)
    chosen = rng.permutation(len(vectors))[:labelled]
    labels[chosen] = (vectors[chosen] @ centres[:LABELS].T).argmax(axis=1)
    return vectors, labels


def measure(name: str, count: int, n: int, labelled: int, *, limit: int) -> dict[str, Any]:
    """One choice in this process: seconds of wall and processor, and the highest memory before and after."""
    from sklearn.linear_model import LogisticRegression

    from ours import OURS, choose, evidence
    from peers import PEERS

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    vectors, labels = made(count, labelled)
    model = LogisticRegression(max_iter=200).fit(vectors[labels >= 0], labels[labels >= 0])
    # Loads what loads at first use.
    few = np.r_[np.flatnonzero(labels >= 0)[:100], np.flatnonzero(labels < 0)[:500]]
    for size, at in ((5, few), (n, slice(None))):
        known = evidence(vectors[at], labels[at], LABELS) if name in OURS else None
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun, used = time.perf_counter(), time.process_time()
        resource.setrlimit(resource.RLIMIT_CPU, (int(used) + limit, resource.RLIM_INFINITY))
        if known is not None:
            chosen = choose(name, known, model, size, seed=1)
        else:
            chosen = PEERS[name](vectors[at], labels[at], model, size, 1)
        wall, cpu = time.perf_counter() - begun, time.process_time() - used
        assert len(set(chosen.tolist())) == size
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"wall_s": wall, "cpu_s": cpu, "inputs_bytes": before * 1024, "peak_bytes": after * 1024}


def child(name: str, sizes: tuple[int, int, int], *, limit: int, threads: int | None = None) -> dict[str, Any]:
    """`measure` in a process of its own, or why there is no result."""
    command = [sys.executable, str(Path(__file__)), "--limit", str(limit), "--measure", name, *map(str, sizes)]
    alone = {} if threads is None else dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | alone)
    if done.returncode == -signal.SIGXCPU:
        return {"wall_s": None, "more_than_cpu_s": limit, "reason": f"more than {limit} s of processor time"}
    if done.returncode:
        return {"wall_s": None, "reason": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def best(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The quickest run of one name."""
    known = [run for run in runs if run["wall_s"] is not None]
    return {"name": name} | (min(known, key=lambda run: run["cpu_s"]) if known else runs[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "results" / "speed.json")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--only", action="append", choices=sorted({*PAIRS, *ALONE}))
    parser.add_argument("--peers", action="store_true", help="leave the million out")
    parser.add_argument("--measure", nargs=4)
    options = parser.parse_args()
    if options.measure:
        name, *sizes = options.measure
        print(json.dumps(measure(name, *map(int, sizes), limit=options.limit)))
        return
    sys.path.insert(0, str(HERE.parent))
    from machine import describe

    found: dict[str, Any] = {"machine": describe(), "beside_peers": [], "million": []}
    wanted = options.only or [*PAIRS, *ALONE]
    for labelled in (100, 1_000):
        for name, peer in [one for one in PAIRS.items() if one[0] in wanted]:
            runs: dict[str, list[dict[str, Any]]] = {name: [], peer: []}
            for turn in range(options.rounds):
                for one in (name, peer):
                    if not turn or runs[one][0]["wall_s"] is not None:  # what failed once is not tried again
                        runs[one].append(child(one, (100_000, 100, labelled), limit=options.limit, threads=1))
            pair = {"labelled": labelled, "limbeck": best(name, runs[name]), "peer": best(peer, runs[peer])}
            found["beside_peers"].append(pair | {"load": os.getloadavg()[0]})
            print(json.dumps(found["beside_peers"][-1]), flush=True)
            options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for name in [one for one in ALONE if one in wanted and not options.peers]:
        one = child(name, (1_000_000, 1_000, 1_000), limit=options.limit)
        found["million"].append({"name": name} | one | {"load": os.getloadavg()[0]})
        print(json.dumps(found["million"][-1]), flush=True)
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
