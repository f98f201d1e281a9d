"""Where the workers disagree, with what each of them said, for the report.

Knows nothing of how votes were cast or joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limbeck.flows.evaluate import Truth
from limbeck.flows.lesson import Lesson
from limbeck.records import Vote


def disagreements(judged: Lesson, truth: Truth, cast: Sequence[Vote], most: int = 20) -> list[dict[str, Any]]:
    """The items on which the workers disagree, the least certain first."""
    table = judged.table
    reasons = {(vote.item, vote.worker): vote.rationale for vote in cast if vote.rationale is not None}
    votes = [set(row[row >= 0].tolist()) for row in table.choices]
    split = [i for i, chosen in enumerate(votes) if len(chosen) > 1]
    found = []
    for i in sorted(split, key=lambda i: judged.labels[i].confidence)[:most]:
        item, label = truth.items[i], judged.labels[i]
        answers = [
            {
                "worker": name,
                "label": table.labels[table.choices[i, w]],
                "probabilities": table.probabilities[i, w].tolist(),
            }
            | ({"rationale": reasons[item.id, name][:1000]} if (item.id, name) in reasons else {})
            for w, name in enumerate(table.workers)
            if table.choices[i, w] >= 0
        ]
        text = "\n".join(item.fields.values())
        found.append(
            {"id": item.id, "text": text[:2000], "gold": item.gold, "label": label.label, "votes": answers}
            | {"confidence": label.confidence}
        )
    return found
