"""A peer with no library behind it: it does the job by a script and writes down when it was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from limbeck.bench.base import Opener, Outcome, Prompt, Run, Shape

LOG: list[str] = []


def variants(weights: Any, shape: Shape) -> Mapping[str, Opener]:
    """The second one writes twice as much in the same time."""
    return {"lazy": partial(opened, "lazy", 1), "busy": partial(opened, "busy", 1000)}


@contextmanager
def opened(name: str, pace: int) -> Iterator[Run]:
    LOG.append(f"open {name}")

    def run(prompts: Sequence[Prompt], k: int, limit: int) -> Outcome:
        LOG.append(f"{name} {len(prompts)} {k} {limit}")
        return Outcome(len(prompts) * pace, (" It is 8!",) * len(prompts), 5)

    yield run
    LOG.append(f"close {name}")


def broken(weights: Any, shape: Shape) -> Mapping[str, Opener]:
    """It fails when it is opened."""
    raise ValueError("this architecture is not known")
