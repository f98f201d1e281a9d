"""How light is limbeck? Import time, size of the base environment, and the demonstration's time and memory.

    python benchmarks/footprint.py [--demo runs/demo] [--fresh]

`--fresh` installs limbeck into a new environment to weigh it, which takes a few minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

from machine import describe


def seconds(code: str, rounds: int = 7) -> float:
    """Best wall time of a fresh interpreter that runs `code`."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        best = min(best, time.perf_counter() - begun)
    return best


def weigh_fresh() -> float:
    """MB of a new environment with limbeck and what it needs, pip left out."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        root = str(Path(__file__).parent.parent)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-compile", root], check=True)
        subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "pip", "setuptools"], check=True)
        files = (file for file in Path(folder).rglob("*") if file.is_file() and not file.is_symlink())
        return sum(file.stat().st_size for file in files) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", type=Path, default=Path("runs/demo"))
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    empty = seconds("pass")
    found: dict[str, Any] = {"import_limbeck_s": seconds("import limbeck") - empty}
    if options.fresh:
        found["base_environment_mb"] = weigh_fresh()
    if (options.demo / "metrics.json").exists():
        metrics = json.loads((options.demo / "metrics.json").read_text(encoding="utf-8"))
        cost = metrics["resources"]
        found["demo"] = {
            "items": metrics["items"],
            "votes": metrics["votes"],
            "agents": len(metrics["agents"]),
            "wall_s": cost["wall_s"],
            "cpu_s": cost["cpu_s"],
            "peak_rss_mb": cost["peak_rss_bytes"] / 1e6,
            "report_kb": (options.demo / "report.html").stat().st_size / 1e3,
        }
    print(json.dumps({"machine": describe(), "found": found}, indent=1))


if __name__ == "__main__":
    main()
