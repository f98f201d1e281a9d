"""appraise: how good the accepted synthetic examples of a folder are, and what they cost.

Measures are those of `quality`; where a real counterpart makes a number readable, as many real texts of the pool stand
beside it. Knows nothing of any concrete worker.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.agent import Worker
from limbeck.agent.author import AUTHOR
from limbeck.aggregation.base import Floats
from limbeck.committee.base import interview
from limbeck.evaluation import Estimate, accuracy
from limbeck.evaluation.intervals import mean_estimate
from limbeck.flows.commission import Commission
from limbeck.flows.panel import Panel
from limbeck.flows.run import write_whole
from limbeck.flows.synthesize import PHASES, outcomes
from limbeck.flows.words import estimate
from limbeck.ledger import Ledger
from limbeck.meter import Meter, combine
from limbeck.pool import Pool
from limbeck.quality import Sieve, distinct, likeness, self_bleu, vendi_score
from limbeck.records import Item, Label, Vote
from limbeck.task import render_item

JUDGE, QUALITY = "judge", "quality.json"
PIECE = 10_000


def appraise(commission: Commission, folder: Path, *, meter: Meter, stopped: str | None) -> dict[str, Any]:
    """Measure what is accepted in a folder, and keep it there as quality.json.

    A judge's votes are kept in the ledger and not asked for twice.

    Args:
        commission: as for `synthesize`.
        folder: of the ledger.
        meter: running.
        stopped: why synthesis ended early, or None.

    Returns:
        JSON values; an absent number is None and its reason stands beside it.

    Raises:
        RunError: when the folder cannot be read or written, or the judge keeps failing.
    """
    with Ledger.open(folder) as ledger:
        labels = {label.item: label for label in ledger.labels()}
        taken = [label for label in labels.values() if label.accepted]
        items = {item.id: item for item in ledger.items([label.item for label in taken])}
        texts = [render_item(commission.task, items[label.item]) for label in taken]
        try:
            judged = _judged(commission, ledger, taken, list(items.values()), meter=meter)
        finally:
            ledger.add_phases(meter.drain())
        attempts = list(ledger.votes(AUTHOR))
        found = {
            "schema": 1,
            "task": commission.task.name,
            "accepted": {name: sum(label.label == name for label in taken) for name in commission.task.labels},
            "stopped": stopped,
            "author": commission.author.model,
        }
        found |= _acceptance(attempts, labels, rng=np.random.default_rng(commission.seed))
        found |= {"fidelity": judged, "diversity": _diversity(commission, texts)}
        found |= {"copies": _copies(commission, texts), "cost": _cost(ledger, attempts, len(taken))}
    write_whole(folder / QUALITY, json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return found


def _acceptance(attempts: Sequence[Vote], labels: Mapping[str, Label], *, rng: np.random.Generator) -> dict[str, Any]:
    became = outcomes(attempts, labels)
    share = mean_estimate(np.array([one == "accepted" for one in became], np.float64), rng=rng)
    return {"attempts": len(attempts), **estimate("acceptance", share), "outcomes": dict(Counter(became).most_common())}


def _judged(
    commission: Commission, ledger: Ledger, taken: Sequence[Label], items: Sequence[Item], *, meter: Meter
) -> dict[str, Any]:
    """Share of accepted texts that an independent judge gives the intended label, calibrated by the anchors too."""
    if commission.judge is None:
        return {"label_fidelity": None, "label_fidelity_reason": "no judge was named (`--judge MODEL`)"}
    judge = commission.judge
    anchors = next(list(one.selected) for one in ledger.rounds() if one.number == 0)
    asked = [*ledger.items(anchors), *items]

    def around(worker: Worker) -> AbstractContextManager[None]:
        return meter.phase(JUDGE, model=worker.model)

    for answers in interview(judge, asked, kept=ledger, around=around, allowed=lambda: True):
        with around(judge):
            ledger.append(answers.votes)
    panel = Panel(
        {judge.name: judge.calibration},
        commission.aggregator,
        labels=commission.task.labels,
        ledger=ledger,
        anchors=anchors,
    )
    names = commission.task.labels
    wanted = np.array([names.index(str(label.label)) for label in taken], np.int64)
    said = panel.opinion([label.item for label in taken]).argmax(axis=1) if taken else wanted
    rng = np.random.default_rng(commission.seed)
    by_label = {
        name: estimate("label_fidelity", accuracy(wanted[wanted == k], said[wanted == k], rng=rng))
        for k, name in enumerate(names)
    }
    found = {"judge": judge.model, **estimate("label_fidelity", accuracy(wanted, said, rng=rng))}
    known = {item.id: item.gold for item in ledger.items(anchors)}
    return found | {
        "labels": by_label,
        **estimate("judge_accuracy", _on_anchors(panel.anchors(), [known[one] for one in anchors], names, rng)),
    }


def _on_anchors(
    opinion: Floats, gold: Sequence[str | None], labels: Sequence[str], rng: np.random.Generator
) -> Estimate:
    """How right the judge is on the real texts that have gold: a fidelity cannot be read without it."""
    truth = np.array([labels.index(one) if one in labels else -1 for one in gold], np.int64)
    return accuracy(truth, opinion.argmax(axis=1), rng=rng)


def _diversity(commission: Commission, texts: Sequence[str]) -> dict[str, Any]:
    pool = commission.pool
    rows = np.random.default_rng((commission.seed, 4)).permutation(len(pool))
    real = pool.texts(rows[: len(texts)])
    return {
        "synthetic": _variety(commission, texts),
        "real": _variety(commission, real),
        "likeness": _likeness(commission, texts, pool.texts(rows[:20_000])),
    }


def _variety(commission: Commission, texts: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"texts": len(texts), "words": None, "vendi": None}
    found |= {"distinct_1": distinct(texts, 1), "distinct_2": distinct(texts, 2), "self_bleu": self_bleu(texts)}
    if texts:
        found["words"] = float(np.mean([len(text.split()) for text in texts]))
    if commission.encoder is None:
        return found | {"vendi_reason": "no encoder is used"}
    return found | {"vendi": vendi_score(commission.encoder.encode(texts)) if texts else None}


def _likeness(commission: Commission, texts: Sequence[str], real: Sequence[str]) -> dict[str, Any]:
    absent = dict.fromkeys(("distance", "density", "coverage"))
    if commission.encoder is None:
        return absent | {"reason": "no encoder is used"}
    found = likeness(commission.encoder.encode(texts), commission.encoder.encode(real)) if texts else None
    if found is None:
        return absent | {"reason": "too few texts"}
    return {"distance": found.distance, "density": found.density, "coverage": found.coverage}


def _copies(commission: Commission, texts: Sequence[str]) -> dict[str, Any]:
    """Near-copies by overlap of shingles, counted anew and not taken from the decisions."""
    own = Sieve(commission.terms.overlap)
    within = 0
    for text in texts:
        within += own.find(text) is not None
        own.add([text], "own")
    return {
        "overlap": commission.terms.overlap,
        "of_the_pool": _met(own, commission.pool),
        "leaked_from_test": _met(own, commission.test) if commission.test else None,
        **({} if commission.test else {"leaked_from_test_reason": "there is no test set"}),
        "within": within,
    }


def _met(own: Sieve, pool: Pool) -> int:
    """How many texts of the sieve are the nearest near-copy of some item; a pool of any size passes piece by piece."""
    pieces = (range(start, min(start + PIECE, len(pool))) for start in range(0, len(pool), PIECE))
    copies = (own.find(text) for piece in pieces for text in pool.texts(piece))
    return len({copy.text for copy in copies if copy is not None})


def _cost(ledger: Ledger, attempts: Sequence[Vote], accepted: int) -> dict[str, Any]:
    """Tokens and CPU-seconds of choosing and reading anchors, writing and accepting; the judge is no part of it."""
    phases = [row for row in ledger.phases() if row["name"] in PHASES]
    judged = sum(vote.usage.tokens for vote in ledger.votes(JUDGE))
    tokens, cpu = ledger.tokens() - judged, combine(phases)["cpu_s"]
    found = {"tokens": tokens, "tokens_author": sum(vote.usage.tokens for vote in attempts), "cpu_s": cpu}
    if not accepted:
        return found | {"tokens_per_accepted": None, "cpu_s_per_accepted": None, "reason": "nothing was accepted"}
    return found | {"tokens_per_accepted": tokens / accepted, "cpu_s_per_accepted": cpu / accepted}
