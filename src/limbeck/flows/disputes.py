"""The items on which the workers disagree, with every answer to them, as JSON values.

Knows nothing of files, or of how the answers came about.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limbeck.aggregation.base import ABOUT, ASIDE, VoteTable
from limbeck.flows.lesson import Lesson
from limbeck.records import Item, Vote

LONGEST_REASON, LONGEST_TEXT = 1000, 2000


def disputes(judged: Lesson, items: Sequence[Item], cast: Sequence[Vote], most: int = 20) -> list[dict[str, Any]]:
    """The items on which the workers disagree or disagreed at first, the least certain first.

    Args:
        judged: the committee's labels of the items, and their votes.
        items: in the order of the lesson's table.
        cast: all votes of the run.
        most: how many at most.
    """
    shown = [i for i, answers in enumerate(_labels(judged)) if len(answers) > 1]
    shown = sorted(shown, key=lambda i: judged.labels[i].confidence)[:most]
    ids = {items[i].id for i in shown}
    votes = [vote for vote in cast if vote.item in ids]
    reasons = {(vote.item, vote.worker): vote.rationale for vote in votes if vote.rationale is not None}
    found = []
    for i in shown:
        item, label = items[i], judged.labels[i]
        answers = [
            _answer(judged, i, column, reasons.get((item.id, name)))
            for column, name in enumerate(judged.table.workers)
            if judged.table.choices[i, column] >= 0
        ]
        answers += [_verdict(vote) for vote in votes if vote.item == item.id and ASIDE in vote.flags and vote.label]
        text = "\n".join(item.fields.values())
        found.append(
            {"id": item.id, "text": text[:LONGEST_TEXT], "gold": item.gold, "label": label.label, "votes": answers}
            | {"confidence": label.confidence}
        )
    return found


def _labels(judged: Lesson) -> list[set[int]]:
    """The labels given to each item, at first or in the end."""
    both: tuple[VoteTable, ...] = (judged.table, judged.alone)
    rows = [[set(row[row >= 0].tolist()) for row in table.choices] for table in both]
    return [last if len(last) > 1 else first for last, first in zip(*rows, strict=True)]


def _answer(judged: Lesson, row: int, column: int, reason: str | None) -> dict[str, Any]:
    table, name = judged.table, judged.table.workers[column]
    answer: dict[str, Any] = {
        "worker": name,
        "label": table.labels[table.choices[row, column]],
        "probabilities": table.probabilities[row, column].tolist(),
    }
    if name in judged.alone.workers:
        first = int(judged.alone.choices[row, judged.alone.workers.index(name)])
        if first not in (-1, int(table.choices[row, column])):
            answer["first"] = table.labels[first]
    return answer | _because(reason)


def _verdict(vote: Vote) -> dict[str, Any]:
    """What somebody said who did not vote: a judge its label, a critic yes or no about a label."""
    about = next((flag.removeprefix(ABOUT) for flag in vote.flags if flag.startswith(ABOUT)), None)
    label = vote.label if about is None else f"{about}: {vote.label}"
    return {"worker": vote.worker, "label": label, "probabilities": []} | _because(vote.rationale)


def _because(reason: str | None) -> dict[str, Any]:
    return {} if reason is None else {"rationale": reason[:LONGEST_REASON]}
