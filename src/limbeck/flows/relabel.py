"""relabel: what people answered, put into the labels of a finished run.

Leaves the labels (ledger and CSV) and gold.json in the run folder. Knows nothing of how people are asked, or of models.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.flows.calibrate import READ, UNSEEN, Terms, read, relabel, token, told, unseen, votes_table
from limbeck.flows.export import whole, write_labels
from limbeck.flows.run import AUDIT, GOLD
from limbeck.ledger import Ledger
from limbeck.records import Label
from limbeck.task import Task


def recalibrate(ledger: Ledger, folder: Path, terms: Terms, *, show: Sequence[str]) -> dict[str, Any] | None:
    """Put what people answered into the labels of a finished run: ledger, labels.csv and gold.json.

    Without any answer the labels are those of the committee, as they were.

    Args:
        ledger: of the run.
        folder: of the run.
        terms: of the run.
        show: the fields of an item that are shown.

    Returns:
        See `told`; None where nobody answered anything new, and nothing was done.

    Raises:
        RunError: when a file cannot be written.
    """
    if ledger.meta(READ, "") == token(ledger):
        return None
    items = [label.item for label in ledger.labels()]
    table = votes_table(ledger, items, terms)
    without = terms.aggregator(table).probabilities
    reading = read(ledger, table, terms)
    given = [Label(item, None, (), 0.0, False, terms.aggregate) for item in items]
    with_gold = without if reading is None else reading.posterior(ledger, table)
    labels = relabel(given, with_gold, reading, terms)
    ledger.replace_labels(labels)
    ledger.set_meta(UNSEEN, unseen(reading))
    ledger.set_meta(READ, token(ledger))
    # An audit of earlier labels says nothing of these.
    (folder / AUDIT).unlink(missing_ok=True)
    task = Task("", terms.labels, (None,) * len(terms.labels), "", tuple(show))
    write_labels(folder, ledger, task, terms.calibration, prior=terms.prior)
    found = told(reading, table, before=without, after=np.array([label.probabilities for label in labels]))
    with whole(folder / GOLD) as path:
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return found
