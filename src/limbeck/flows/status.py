"""status: where a run stands, read from its ledger alone. Knows nothing of models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from limbeck.flows.run import FACTS, STATE
from limbeck.ledger import Ledger
from limbeck.meter import combine


def status(folder: Path) -> dict[str, Any]:
    """State, rounds, items, votes, labels, tokens and time so far.

    Raises:
        RunError: when there is no run in the folder, or its ledger cannot be read.
    """
    with Ledger.read(folder) as view:
        rounds = view.rounds()
        facts = view.meta(FACTS) or {}
        workers = list(facts.get("agents", {}))
        labels = view.labels()
        return {
            "folder": folder.name,
            "state": view.meta(STATE) or "new",
            "task": facts.get("card", {}).get("task"),
            "rounds": sum(entry.facts is not None for entry in rounds),
            "items_asked": len({item for entry in rounds for item in entry.selected}),
            "votes": view.count(),
            "votes_by_agent": {worker: view.count(worker) for worker in workers},
            "labels": len(labels),
            "accepted": sum(label.accepted for label in labels),
            "tokens": view.tokens(),
            "wall_s": combine(view.phases())["wall_s"],
        }
