"""audit: what a few human labels prove about all labels of a finished run.

Leaves audit.json in the run folder. Knows nothing of how items are drawn and asked, or of pages.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.errors import ConfigError, RunError
from limbeck.evaluation.alternative_annotator import LEAST_PEOPLE, alternative_annotator
from limbeck.evaluation.certificate import certify, clopper_pearson
from limbeck.evaluation.intervals import Booleans, Floats, Integers
from limbeck.evaluation.powered import prediction_powered
from limbeck.flows.answers import Answer
from limbeck.flows.basis import Basis, basis
from limbeck.flows.calibrate import blind
from limbeck.flows.export import text_of, whole, write_rows
from limbeck.flows.run import AUDIT
from limbeck.flows.sample import facts_of, labelled
from limbeck.ledger import Ledger
from limbeck.records import Label

ACCEPTED = "accepted"


def audit(
    folder: Path,
    *,
    error: float = 0.05,
    risk: float = 0.05,
    epsilon: float = 0.1,
    labels: Path | None = None,
    at_random: bool = False,
) -> dict[str, Any]:
    """Hold the labels of a run against people's, and write what follows for all of them into audit.json.

    People's labels are those of a file, or else the answers that `limbeck gold` took, or else the pool's gold column.

    Args:
        folder: of a finished run.
        error: largest share of wrong labels among the accepted.
        risk: chance that more of them are wrong.
        epsilon: see `alternative_annotator`.
        labels: table with the columns id (or item), label and, for several people, annotator.
        at_random: the items with people's labels were drawn at random with equal chances. What `limbeck gold` drew is
            known; of any other items only the caller can say so, and without it nothing is concluded from them.

    Raises:
        ConfigError: an error or risk outside (0, 1), or a negative epsilon.
        RunError: the run is not finished, or has no label that people could be held against.
        DataError: see `answers_of_file`.
    """
    if not (0 < error < 1 and 0 < risk < 1 and epsilon >= 0):
        raise ConfigError(
            f"error {error:g}, risk {risk:g}, epsilon {epsilon:g} cannot be used",
            hint="Error and risk lie between 0 and 1; epsilon is at least 0.",
        )
    Ledger.bring_forward(folder)
    with Ledger.read(folder) as view:
        facts = facts_of(view)
        names = facts["labels"]
        given = blind(view, labelled(view), names)
        found = basis(view, given, names, file=labels, at_random=at_random)
    place = {name: i for i, name in enumerate(names)}
    probabilities = np.array([one.probabilities for one in given])
    gold = np.array([place[label] for label in found.gold.values()], np.int64)
    report = {
        "schema": 1,
        "limbeck": version("limbeck"),
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "gold": found.facts,
        **_accuracy(found, gold, probabilities),
        "classes": _classes(found, gold, probabilities, names),
        "acceptance": _acceptance(found, gold, given, names, error=error, risk=risk),
        "alternative_annotator": _alternative(found, given, names, epsilon),
        "notes": list(found.notes),
    }
    with whole(folder / AUDIT) as path:
        path.write_text(json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return report


def write_accepted(folder: Path, *, kind: str = "csv") -> Path:
    """Write the labels that the last audit accepted: id, text, label, confidence, and people's label where it differs.

    Raises:
        RunError: there is no audit, it accepted nothing, or the file cannot be written.
    """
    try:
        found = json.loads((folder / AUDIT).read_text(encoding="utf-8"))["acceptance"]
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{folder / AUDIT}: cannot be read", hint="limbeck audit writes it.") from error
    if found["threshold"] is None:
        raise RunError(f"{folder}: no label is accepted: {found['threshold_reason']}", hint="Allow a larger --error.")
    with Ledger.read(folder) as view:
        facts = facts_of(view)
        given, show = blind(view, labelled(view), facts["labels"]), facts["show"]
        accepted = {one.item: one for one in given if one.confidence >= found["threshold"]}

        def rows() -> Iterator[dict[str, Any]]:
            for item in view.items(accepted):
                own = accepted[item.id]
                yield {
                    "id": item.id,
                    "text": text_of(item, show),
                    "label": own.label,
                    "confidence": own.confidence,
                    "people": found["contradicted"].get(item.id, ""),
                }

        return write_rows(folder / f"{ACCEPTED}.{kind}", rows(), kind)


def _accuracy(found: Basis, gold: Integers, probabilities: Floats) -> dict[str, Any]:
    """Share of right labels over all items, and on the answered ones."""
    right = probabilities[found.rows].argmax(axis=1) == gold
    block = {"answered": len(right), "right": int(right.sum())}
    return {"accuracy": block | _share(found, right, probabilities.max(axis=1))}


def _classes(found: Basis, gold: Integers, probabilities: Floats, names: Sequence[str]) -> list[dict[str, Any]]:
    """Share of each label over all items, as people would give it, beside the committee's."""
    given = np.bincount(probabilities.argmax(axis=1), minlength=len(names)) / len(probabilities)
    return [
        {"label": name, "answered": int((gold == i).sum()), "committee": float(given[i])}
        | _share(found, gold == i, probabilities[:, i])
        for i, name in enumerate(names)
    ]


def _share(found: Basis, truth: Booleans, guesses: Floats) -> dict[str, Any]:
    """One share over all items: with the guesses, from the human labels alone, and exactly."""
    if found.refused is not None:
        return _absent("value", "alone", "exact_interval", reason=found.refused)
    powered = prediction_powered(truth.astype(np.float64), found.rows, guesses, chances=found.chances)
    block: dict[str, Any] = {}
    for name, one in (("value", powered.estimate), ("alone", powered.alone)):
        block[name] = None if one.value is None else min(max(one.value, 0.0), 1.0)
        block[f"{name}_interval"] = one.interval and [min(max(end, 0.0), 1.0) for end in one.interval]
        if one.interval is None:
            block[f"{name}_reason" if one.value is None else f"{name}_interval_reason"] = one.reason
    block |= {"strength": powered.strength, "width_ratio": powered.width_ratio, "saved": powered.saved}
    if powered.saved is None:
        block |= {"width_ratio_reason": powered.estimate.reason, "saved_reason": powered.estimate.reason}
    if found.equal:
        return block | {"exact_interval": list(clopper_pearson(int(truth.sum()), len(truth)))}
    return block | _absent("exact_interval", reason="it needs answers drawn with equal chances")


def _acceptance(
    found: Basis, gold: Integers, given: Sequence[Label], names: Sequence[str], *, error: float, risk: float
) -> dict[str, Any]:
    """The threshold, what it accepts, and how it was found."""
    block: dict[str, Any] = {"error": error, "risk": risk}
    absent = ("threshold", "share", "bound")
    nothing: dict[str, Any] = {"accepted": 0, "by_label": {}, "contradicted": {}, "steps": []}
    why = found.refused
    if why is None and not found.equal:
        why = "the test needs answers drawn with equal chances (--choose random or stratified)"
    if why is not None:
        return block | _absent(*absent, reason=why) | nothing
    sure = np.array([one.confidence for one in given])
    people = [names[i] for i in gold]
    wrong = np.array([given[row].label != label for row, label in zip(found.rows, people, strict=True)], np.bool_)
    certificate = certify(sure[found.rows], wrong, sure, error=error, risk=risk)
    steps = [asdict(step) for step in certificate.steps]
    if certificate.threshold is None:
        reason = certificate.reason or "nothing is accepted"
        return block | _absent(*absent, reason=reason) | nothing | {"steps": steps}
    limit = certificate.threshold
    accepted = [one for one in given if one.confidence >= limit]
    return block | {
        "threshold": limit,
        "share": certificate.share,
        "bound": certificate.bound,
        "accepted": len(accepted),
        "by_label": dict(Counter(one.label for one in accepted)),
        "contradicted": {
            given[row].item: label
            for row, label, bad in zip(found.rows, people, wrong, strict=True)
            if bad and given[row].confidence >= limit
        },
        "steps": steps,
    }


def _alternative(found: Basis, given: Sequence[Label], names: Sequence[str], epsilon: float) -> dict[str, Any]:
    """The alternative-annotator test on people's single labels."""
    own = {one.item: names.index(str(one.label)) for one in given}
    answers: list[Answer] = [one for one in found.answers if one.label is not None and one.item in own]
    people = sorted({one.person for one in answers})
    absent = ("winning_rate", "advantage", "passed")
    if len(people) < LEAST_PEOPLE:
        why = f"it needs the single labels of {LEAST_PEOPLE} people, and there are those of {len(people)}"
        if found.counted:
            why += " (the data only count how many people chose what)"
        return {"epsilon": epsilon} | _absent(*absent, reason=why) | {"people": []}
    items = list(dict.fromkeys(one.item for one in answers))
    row, column = ({one: i for i, one in enumerate(names_)} for names_ in (items, people))
    choices = np.full((len(items), len(people)), -1, np.int64)
    for one in answers:
        choices[row[one.item], column[one.person]] = names.index(str(one.label))
    test = alternative_annotator(choices, np.array([own[item] for item in items]), people, epsilon=epsilon)
    block: dict[str, Any] = {"epsilon": epsilon}
    block |= {"winning_rate": test.winning_rate, "advantage": test.advantage, "passed": test.passed}
    if test.reason is not None:
        block |= _absent(*absent, reason=test.reason)
    return block | {"people": [asdict(rival) for rival in test.rivals]}


def _absent(*names: str, reason: str) -> dict[str, Any]:
    return dict.fromkeys(names) | {f"{name}_reason": reason for name in names}
