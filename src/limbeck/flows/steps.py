"""The steps of the loop: each makes of what stands a new state, or says why it cannot.

Knows nothing of how a step is judged, or of what becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from limbeck.errors import ConfigError, EngineError, MissingExtra
from limbeck.flows.improvement import Improvement
from limbeck.flows.job import Notify
from limbeck.flows.reannotate import reannotate
from limbeck.flows.standing import Standing, State, examples
from limbeck.flows.strengthen import strengthen
from limbeck.ledger import Ledger
from limbeck.meter import Meter

AGREED, EXAMPLES, SYNTHETIC = "agreed labels", "examples", "synthetic"


@dataclass(frozen=True, slots=True)
class Ground:
    """What every step works on.

    Attributes:
        parts: of the loop.
        folder: in which each step has a folder of its own.
        ledger: with the run's own votes.
        stamp: of all that must stay the same for a folder to be continued.
        meter: running.
        notify: is told of progress.
    """

    parts: Improvement
    folder: Path
    ledger: Ledger
    stamp: str
    meter: Meter
    notify: Notify


@dataclass(frozen=True, slots=True)
class Tried:
    """What a step made.

    Attributes:
        state: with what it added.
        folder: name of its own folder, or None.
        facts: what it did, as JSON values.
    """

    state: State
    folder: str | None
    facts: Mapping[str, Any]


Step = Callable[[Ground, int, State, Standing], Tried | str]


def agree(ground: Ground, number: int, state: State, standing: Standing) -> Tried | str:  # noqa: ARG001 - one Step
    """Leave out the labels that a student which was not taught them contradicts."""
    if state.agreed:
        return "it is done already"
    contradicted = int((standing.opinion.argmax(axis=1) != standing.lesson.probabilities.argmax(axis=1)).sum())
    if not contradicted:
        return "the student contradicts no label"
    return Tried(replace(state, agreed=True), None, {"left_out": contradicted})


def demonstrate(ground: Ground, number: int, state: State, standing: Standing) -> Tried | str:
    """Ask the agents again about what is doubtful, with demonstrations from the clean set."""
    name = _folder(EXAMPLES, number)
    earlier: set[str] = set(state.shown)
    for before in range(1, number):
        if (ground.folder / _folder(EXAMPLES, before)).exists():
            with Ledger.read(ground.folder / _folder(EXAMPLES, before)) as view:
                earlier.update(item for entry in view.rounds() for item in entry.selected)
    try:
        found = reannotate(
            ground.parts,
            ground.folder / name,
            standing=standing,
            barred=earlier,
            meter=ground.meter,
            notify=ground.notify,
        )
    except ConfigError as error:  # the demonstrations leave no room for a text
        return error.message
    if isinstance(found, str):
        return found
    added = replace(
        state,
        workers={**state.workers, **found.workers},
        voters=(*state.voters, name),
        shown=(*state.shown, *found.shown),
    )
    facts = {"items": len(found.items), "agents": len(found.workers), "demonstrations": len(found.shown)}
    return Tried(added, name, {"clean": int(standing.clean().sum())} | facts)


def write(ground: Ground, number: int, state: State, standing: Standing) -> Tried | str:
    """Write synthetic examples where the student is weak."""
    name, job = _folder(SYNTHETIC, number), ground.parts.job
    count = ground.parts.effort.synthetic * len(job.task.labels)
    if not count:
        return "none are wanted"
    try:
        with ground.meter.phase("load"):
            commission = ground.parts.commission()
    except (ConfigError, EngineError, MissingExtra) as error:
        return error.message
    stopped = strengthen(
        commission,
        ground.folder / name,
        standing=standing,
        ledger=ground.ledger,
        count=count,
        stamp=f"{ground.stamp} {name}",
        meter=ground.meter,
        notify=ground.notify,
    )
    accepted, _ = examples(ground.folder, (name,), labels=job.task.labels, show=job.task.show)
    if not accepted:
        return f"no example was accepted: {stopped}"
    facts = {"accepted": len(accepted), "wanted": count} | ({"stopped": stopped} if stopped else {})
    return Tried(replace(state, made=(*state.made, name)), name, facts)


def _folder(step: str, number: int) -> str:
    return step if number == 1 else f"{step}-{number}"


ROUND: Mapping[str, Step] = {AGREED: agree, EXAMPLES: demonstrate, SYNTHETIC: write}
