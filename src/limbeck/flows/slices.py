"""slices: are the labels as good for one part of the texts as for the rest? Parts are the values of a metadata column.

Knows nothing of how the labels came about or of pages.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.aggregation.base import tabulate
from limbeck.errors import DataError, RunError
from limbeck.evaluation.multiplicity import holm
from limbeck.evaluation.shares import fisher, wilson
from limbeck.flows.run import FACTS, SLICES, write_whole
from limbeck.flows.words import estimate
from limbeck.ledger import Ledger, LedgerView
from limbeck.pool import Pool

Booleans = npt.NDArray[np.bool_]
Measure = tuple[str, str | None, Booleans, Booleans]  # name, label, hits, and which items count
# Parts beyond the most frequent ones, and texts without a value, are told as one part each.
MOST_PARTS = 12
OTHERS, NONE = "(others)", "(none)"
ALARM = 0.05


def write_slices(folder: Path, source: Path, columns: Sequence[str], *, id_column: str | None) -> dict[str, Any]:
    """Cut a run's labels into parts by columns of its data; write `slices.json` into the run folder and return it.

    Args:
        folder: of the run.
        source: the data with the columns: the pool's file, or another one with the same texts.
        columns: of the metadata.
        id_column: the column with ids, where the run has one.

    Raises:
        DataError: when the data cannot be read, lacks a column, or has none of the run's texts.
        RunError: when there is no labelled run in the folder.
    """
    with Ledger.read(folder) as view:
        facts = view.meta(FACTS)
        if facts is None or not view.labels():
            raise RunError(f"{folder}: nothing is labelled yet", hint="limbeck run task.yaml labels it.")
        parts = {column: _values(source, column, show=facts["show"], id_column=id_column) for column in columns}
        found = {"schema": 1, "columns": [_column(view, facts, name, values) for name, values in parts.items()]}
    write_whole(folder / SLICES, json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return found


def _values(source: Path, column: str, *, show: Sequence[str], id_column: str | None) -> dict[str, str]:
    """Item → its value in a column; read as a pool is, so that ids and merged rows are the same."""
    pool = Pool.read(source, show=show, gold=column, id_column=id_column)
    return {item: value or NONE for item, value in zip(pool.ids, pool.gold(), strict=True)}


def _column(view: LedgerView, facts: Mapping[str, Any], column: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Every part of one column, with p-values adjusted over all parts and measures of the column."""
    labels = [label for label in view.labels() if label.item in values]
    if not labels:
        raise DataError(
            f"none of the run's texts are in the data with the column {column!r}",
            hint="Name the file that the run labelled.",
        )
    often = [value for value, _ in Counter(values[label.item] for label in labels).most_common(MOST_PARTS)]
    part = np.array([values[one.item] if values[one.item] in often else OTHERS for one in labels], dtype=object)
    gold = {item.id: item.gold for item in view.items([label.item for label in labels])}
    known = np.array([gold[one.item] in facts["labels"] for one in labels])
    right = np.array([one.label == gold[one.item] for one in labels])
    measures: list[Measure] = [("accuracy", None, right, known)]
    everything = np.ones(len(labels), np.bool_)
    measures.append(("disagreement", None, _split(view, facts, [one.item for one in labels]), everything))
    given = np.array([one.label for one in labels], dtype=object)
    measures += [("label", label, given == label, everything) for label in facts["labels"]]
    rows = [row for measure in measures for row in _rows(part, measure)]
    for row, adjusted in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row |= {"adjusted": adjusted, "flag": adjusted is not None and adjusted < ALARM}
    return {"column": column, "n": len(labels), "tests": len(rows), "rows": rows}


def _rows(part: npt.NDArray[np.object_], measure: Measure) -> Iterator[dict[str, Any]]:
    """One measure in each part, and whether it is another than in the rest."""
    name, label, hit, counted = measure
    for value in sorted(set(part)):
        inside, outside = (part == value) & counted, (part != value) & counted
        if not inside.any() or not outside.any():
            continue
        n, hits, other, other_hits = (int(x.sum()) for x in (inside, hit & inside, outside, hit & outside))
        yield (
            {"slice": value, "measure": name, "label": label, "n": n}
            | estimate("share", wilson(hits, n))
            | {"rest": other_hits / other, "p_value": fisher(hits, n, other_hits, other)}
        )


def _split(view: LedgerView, facts: Mapping[str, Any], items: Sequence[str]) -> Booleans:
    """Whether two workers that answered an item differ, shape [items]."""
    votes = [vote for vote in view.votes(items=items) if not vote.of_person]
    prior = None if facts["prior"] is None else [facts["prior"][label] for label in facts["labels"]]
    table = tabulate(votes, labels=facts["labels"], items=items, calibration=facts["calibration"], prior=prior)
    highest = table.choices.max(axis=1)
    lowest = np.where(table.choices >= 0, table.choices, len(facts["labels"])).min(axis=1)
    found: Booleans = lowest < highest
    return found
