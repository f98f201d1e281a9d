"""The items on which the agents disagree most, as cards: each agent's probabilities beside the committee's label.

Knows nothing of HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from limbeck.report.safety import cut
from limbeck.report.shape import DisagreementPart, Metrics, VotePart

MOST_CARDS = 24
MOST_COLUMNS = 5
LONGEST_TEXT, LONGEST_REASON = 900, 400


@dataclass(frozen=True, slots=True)
class Answer:
    """One agent's answer: the label it chose, its share for each of the card's columns (None: no shares), and why.

    `note` is what the columns cannot show: what it said at first, or a verdict that is no label.
    """

    worker: str
    label: str | None
    shares: list[float | None]
    rationale: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """One item: `columns` are the labels worth showing; the last may stand for all others."""

    text: str
    label: str | None
    gold: str | None
    confidence: float | None
    columns: list[str]
    answers: list[Answer]


def cards(metrics: Metrics) -> list[Card]:
    """The first disagreements of the run, in its own order."""
    labels = list(metrics.task.labels)
    return [_card(one, labels) for one in metrics.disagreements[:MOST_CARDS]]


def _card(one: DisagreementPart, labels: Sequence[str]) -> Card:
    shown = _worth_showing(one, labels)
    others = len(shown) < len(labels)
    answers = [
        Answer(
            cut(vote.worker or "unnamed", 60),
            vote.label,
            _shares(vote, labels, shown, others=others),
            cut(vote.rationale, LONGEST_REASON) if vote.rationale else None,
            _note(vote, labels),
        )
        for vote in one.votes
    ]
    columns = [cut(label, 40) for label in shown] + (["all others"] if others else [])
    return Card(cut(one.text or "", LONGEST_TEXT), one.label, one.gold, one.confidence, columns, answers)


def _note(vote: VotePart, labels: Sequence[str]) -> str | None:
    if vote.first:
        return f"at first: {cut(vote.first, 40)}"
    return cut(vote.label, 60) if vote.label and vote.label not in labels else None


def _worth_showing(one: DisagreementPart, labels: Sequence[str]) -> list[str]:
    """All labels if they are few; else those somebody chose, gold and the committee's own, filled up by probability."""
    if len(labels) <= MOST_COLUMNS:
        return list(labels)
    chosen = [label for label in (one.label, one.gold, *(vote.label for vote in one.votes)) if label in labels]
    weight = {label: sum(_at(vote, place) for vote in one.votes) for place, label in enumerate(labels)}
    ranked = list(dict.fromkeys([*chosen, *sorted(labels, key=lambda label: -weight[label])]))[: MOST_COLUMNS - 1]
    return [label for label in labels if label in ranked]


def _at(vote: VotePart, place: int) -> float:
    return (vote.probabilities[place] or 0.0) if place < len(vote.probabilities) else 0.0


def _shares(vote: VotePart, labels: Sequence[str], shown: Sequence[str], *, others: bool) -> list[float | None]:
    if len(vote.probabilities) != len(labels):
        return [None] * (len(shown) + others)
    by_label = dict(zip(labels, vote.probabilities, strict=True))
    shares = [by_label[label] for label in shown]
    if others:
        shares.append(sum(share or 0.0 for label, share in by_label.items() if label not in shown))
    return shares
