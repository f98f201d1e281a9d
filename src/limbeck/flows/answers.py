"""What people answered: read from a run's ledger or from a file, and settled where they disagree.

Knows nothing of how items were chosen or of what the answers are used for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from limbeck.errors import DataError
from limbeck.ledger import LedgerView
from limbeck.pool import columns, read_rows
from limbeck.records import PERSON

# Reasons of a person's vote without a label.
SKIPPED, TAKEN_BACK = "skipped", "taken back"
ITEM_COLUMNS, PERSON_COLUMN, LABEL_COLUMN = ("id", "item"), "annotator", "label"


@dataclass(frozen=True, slots=True)
class Answer:
    """One person's answer to one item; `label` is None where they skipped it."""

    item: str
    person: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Settled:
    """The answers of all people, item by item.

    Attributes:
        labels: item → the label that most people chose; an item on which two labels tie is not in it.
        disagreed: item → label → how many people chose it, for items on which people differ.
        skipped: items that people only skipped.
        people: person → how many labels they gave.
    """

    labels: Mapping[str, str]
    disagreed: Mapping[str, Mapping[str, int]]
    skipped: tuple[str, ...]
    people: Mapping[str, int]


def read_answers(view: LedgerView) -> list[Answer]:
    """What people answered in a run: each person's last word on each item, but for what was taken back."""
    last: dict[tuple[str, str], Answer | None] = {}
    for vote in view.votes():
        if vote.of_person:
            name = vote.worker.removeprefix(PERSON)
            answer = None if vote.reason == TAKEN_BACK else Answer(vote.item, name, vote.label)
            # Taken out first, so that answers stand in the order of the last word on them.
            last.pop((vote.item, name), None)
            last[vote.item, name] = answer
    return [answer for answer in last.values() if answer is not None]


def settle(answers: Iterable[Answer]) -> Settled:
    """Join the answers of all people: the label that more people chose than any other."""
    chosen: dict[str, Counter[str]] = {}
    people: Counter[str] = Counter()
    for answer in answers:
        counts = chosen.setdefault(answer.item, Counter())
        if answer.label is not None:
            counts[answer.label] += 1
            people[answer.person] += 1
    labels = {}
    for item, counts in chosen.items():
        first, *others = counts.most_common(2) or [("", 0)]
        if first[1] and (not others or others[0][1] < first[1]):
            labels[item] = first[0]
    return Settled(
        labels=labels,
        disagreed={item: dict(counts) for item, counts in chosen.items() if len(counts) > 1},
        skipped=tuple(item for item, counts in chosen.items() if not counts),
        people=dict(people),
    )


def read_gold(view: LedgerView) -> dict[str, str]:
    """Item → gold label that people gave in this run; items on which they are split evenly have none."""
    return dict(settle(read_answers(view)).labels)


def answers_of_file(
    path: Path, labels: Sequence[str], *, column: str = LABEL_COLUMN, person: str = "file"
) -> list[Answer]:
    """Answers of a table with the columns `id` (or `item`), the labels and, where several people answered, `annotator`.

    An empty label is no answer. A person's last row on an item counts.

    Args:
        path: CSV, TSV, JSONL or Parquet.
        labels: of the task.
        column: with the labels.
        person: who answered where no annotator is named.

    Raises:
        DataError: a missing column, a row without an id, or a label that is none of the task's, with `file:line`.
    """
    there = columns(path)
    item_column = next((name for name in ITEM_COLUMNS if name in there), None)
    if item_column is None or column not in there:
        missing = "id" if item_column is None else column
        raise DataError(
            f"{path}: there is no column {missing!r}",
            hint=f"The table needs `id` (as in labels.csv), {column!r}, and `{PERSON_COLUMN}` for several people; "
            f"its columns are {', '.join(there)}.",
        )
    last: dict[tuple[str, str], Answer] = {}
    for row in read_rows(path):
        item, label = (row.fields.get(item_column) or "").strip(), (row.fields.get(column) or "").strip()
        if not label:
            continue
        if not item:
            raise DataError(f"{row.where}: a label without an id", hint="Give every row the id of its item.")
        if label not in labels:
            raise DataError(
                f"{row.where}: {label!r} is no label of the task", hint=f"The labels are: {', '.join(labels)}."
            )
        name = (row.fields.get(PERSON_COLUMN) or "").strip() or person
        last[item, name] = Answer(item, name, label)
    return list(last.values())
