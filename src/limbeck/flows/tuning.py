"""The accepted answers of an open question as examples for supervised fine-tuning, one JSON line each.

Knows nothing of models or of who will learn from it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from limbeck.flows.export import whole
from limbeck.ledger import LedgerView
from limbeck.task import Task, render_item

TUNING = "tuning.jsonl"


def write_tuning(folder: Path, view: LedgerView, task: Task) -> Path:
    """Write the accepted labels as conversations: the instructions, the item, and the reasoning with its answer.

    The reasoning is that of the surest worker with that answer. Keys: id, messages (role and content), answer,
    confidence, worker.

    Raises:
        RunError: when the file cannot be written; an earlier one stays as it was.
    """
    accepted = {label.item: label for label in view.labels() if label.accepted and label.label is not None}
    best: dict[str, tuple[float, str, str | None]] = {}
    for vote in view.votes(items=accepted):
        if vote.label == accepted[vote.item].label and not vote.of_person:
            told = (vote.scores[0] if vote.scores else 0.0, vote.worker, vote.rationale)
            if vote.item not in best or (told[0], told[2] or "") > (best[vote.item][0], best[vote.item][2] or ""):
                best[vote.item] = told
    with whole(folder / TUNING) as path, path.open("w", encoding="utf-8") as file:
        for item in view.items(accepted):
            label = accepted[item.id]
            _, worker, rationale = best[item.id]
            said = f"The answer is {label.label}."
            row: dict[str, Any] = {
                "id": item.id,
                "messages": [
                    {"role": "system", "content": task.instructions},
                    {"role": "user", "content": render_item(task, item)},
                    {"role": "assistant", "content": f"{rationale}\n{said}" if rationale else said},
                ],
                "answer": label.label,
                "confidence": label.confidence,
                "worker": worker,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return folder / TUNING
