"""School mathematics with checkable answers: SVAMP and GSM8K, in the order of a seeded draw."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limbeck.decoding.answers import Number


@dataclass(frozen=True, slots=True)
class Problem:
    """A question and its answer in canonical form."""

    name: str
    text: str
    gold: str


def problems(data: Path, name: str, count: int, *, seed: int = 0) -> list[Problem]:
    """So many problems of a set; the first n of a draw are the same whatever `count` is."""
    found = {"svamp": _svamp, "gsm8k": _gsm8k}[name](data / name)
    order = np.random.default_rng(seed).permutation(len(found))
    return [found[i] for i in order[:count]]


def _svamp(folder: Path) -> list[Problem]:
    rows = json.loads((folder / "SVAMP.json").read_text(encoding="utf-8"))
    return [
        Problem(
            f"svamp-{i}", f"{row['Body'].strip().rstrip('.')}. {row['Question'].strip()}", _gold(str(row["Answer"]))
        )
        for i, row in enumerate(rows)
    ]


def _gsm8k(folder: Path) -> list[Problem]:
    lines = (folder / "test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        Problem(f"gsm8k-{i}", row["question"].strip(), _gold(row["answer"].split("####")[1]))
        for i, row in enumerate(rows)
    ]


def _gold(text: str) -> str:
    found = Number().find(text)
    assert found is not None, text
    return found.value
