"""close and report: the systems' names join the judgements, and these become numbers with intervals.

Knows nothing of pages. An undefined number is None with its reason beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from limbeck.errors import RunError
from limbeck.evaluation.bradley_terry import davidson
from limbeck.evaluation.conduct import position_bias
from limbeck.evaluation.intervals import Estimate, mean_estimate
from limbeck.evaluation.multiplicity import holm
from limbeck.evaluation.noninferiority import NonInferiority, non_inferiority, shown_by
from limbeck.evaluation.raters import gwet_ac, krippendorff_alpha
from limbeck.study.judged import Judged
from limbeck.study.people import people
from limbeck.study.store import CLOSED, FROZEN, SKIP, Study, stamp
from limbeck.study.words import methods, sentence

SCHEMA = 1
GALLERY = 60


def close(folder: Path) -> dict[str, Any]:
    """End the judging: nothing more is kept, and the systems' names may be seen.

    Raises:
        RunError: not frozen, closed already, changed after freezing, or a server still holds it.
    """
    with Study.open(folder) as study:
        study.verify()
        if study.state != FROZEN:
            raise RunError(f"{folder}: this study is closed", hint="limbeck study report tells what came of it.")
        study.set_meta(state=CLOSED, closed=stamp())
        current = study.current()
        asked = len(study.questions())
    return {"answered": len(current), "of": asked}


def closed(folder: Path) -> Study:
    """A closed study for reading.

    Raises:
        RunError: it is not closed, so systems stay hidden; or it was changed after freezing.
    """
    study = Study.read(folder)
    try:
        study.verify()
        if study.state != CLOSED:
            raise RunError(
                f"{folder}: this study is not closed, so nobody may see which side is which system",
                hint="limbeck study close ends the judging.",
            )
    except BaseException:
        study.__exit__(None, None, None)
        raise
    return study


def results(folder: Path) -> dict[str, Any]:
    """Everything that the judgements say, as JSON values.

    Raises:
        RunError: see `closed`.
    """
    with closed(folder) as study:
        judged = Judged.of(study)
        history = list(study.history())
        systems, stamped = study.meta("systems"), study.meta("hash")
        dates = {name: study.meta(name) for name in ("created", "frozen", "closed")}
    design = judged.design
    rng = np.random.default_rng((design.seed, 4))
    tests = {
        one.name: non_inferiority(judged.differences(one.name), margin=design.margin, rng=rng, alpha=design.alpha)
        for one in design.criteria
    }
    # The first criterion is the one question of the study; the others share one error among them.
    first, *others = [test.p_value for test in tests.values()]
    corrected = [first, *holm(others)]
    criteria = [
        {"name": one.name, "question": one.question, "primary": one is design.criteria[0], "p_holm": p_value}
        | _tested(tests[one.name], judged)
        | {"shown": None if p_value is None else p_value <= design.alpha}
        | _judged(judged, one.name, rng)
        for one, p_value in zip(design.criteria, corrected, strict=True)
    ]
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "study": {
            "name": design.name,
            "kind": design.kind,
            "method": design.method,
            "items": len(judged.units),
            "raters": design.raters,
            "overlap": design.overlap,
            "margin": design.margin,
            "alpha": design.alpha,
            "hash": stamped,
            **dates,
        },
        "systems": {"first": systems[0], "second": systems[1]},
        "judgements": {
            "pages": len(judged.answered),
            "answered": sum(one is not None and one.kind != SKIP for _, one in judged.answered),
            "skipped": sum(one is not None and one.kind == SKIP for _, one in judged.answered),
            "history": len(history),
        },
        "criteria": criteria,
        "raters": people(judged, rng),
    }
    found["gallery"] = _gallery(judged)
    found["sentence"] = sentence(found)
    found["methods"] = methods(design, found)
    return found


def _tested(test: NonInferiority, judged: Judged) -> dict[str, Any]:
    power, margin = shown_by(test, power=judged.design.power, alpha=judged.design.alpha)
    return {
        **_estimate("difference", test.difference),
        "margin": test.margin,
        "p_value": test.p_value,
        "p_value_reason": test.reason if test.p_value is None else None,
        "shown": test.shown,
        "standard_error": test.standard_error,
        "items_error": test.items_error,
        "raters_error": test.raters_error,
        "degrees": test.degrees,
        "note": test.reason if test.p_value is not None else None,
        "power_after": power,
        "margin_after": margin,
    }


def _judged(judged: Judged, criterion: str, rng: np.random.Generator) -> dict[str, Any]:
    """What a criterion's answers say beside the test."""
    design, ratings = judged.design, judged.ratings(criterion)
    k = len(design.answers)
    scaled = design.method != "acceptable"
    bias = position_bias(*judged.decided(criterion), rng=rng)
    found: dict[str, Any] = {
        **_estimate("alpha", krippendorff_alpha(ratings, k, level="ordinal" if scaled else "nominal", rng=rng)),
        "alpha_level": "ordinal" if scaled else "nominal",
        **_estimate("ac", gwet_ac(ratings, k, weighted=scaled, rng=rng)),
        "ac_kind": "AC2" if scaled else "AC1",
        **_estimate("first_preferred", bias.first_preferred),
        "position_p_value": bias.p_value,
        "cuts": _cuts(judged, criterion, rng),
    }
    values = judged.values(criterion)
    if design.method == "pairs":
        rows = [
            (row, 0, 1, {1: 0, -1: 1, 0: 2}[int(values[row, column, 0])])
            for row, column in np.argwhere(np.isfinite(values[:, :, 0])).tolist()
        ]
        strengths = davidson(np.array(rows, np.int64).reshape(-1, 4), 2)
        there = values[np.isfinite(values)]
        found |= {
            "wins": {name: int((there == value).sum()) for name, value in (("first", 1), ("tie", 0), ("second", -1))},
            **_estimate("strength", strengths.systems[0]),
            "tie": strengths.tie,
        }
    else:
        step = 1 if design.method == "scale" else 0
        for side, name in enumerate(("first", "second")):
            own = [row[np.isfinite(row)].mean() for row in values[:, :, side] if np.isfinite(row).any()]
            found |= _estimate(f"mean_{name}", mean_estimate(np.array(own) + step, rng=rng))
    return found


def _cuts(judged: Judged, criterion: str, rng: np.random.Generator) -> list[dict[str, Any]]:
    """The difference for each label by itself; few items each, so no test."""
    differences = judged.differences(criterion)
    found = []
    for name in sorted({unit.group for unit in judged.units}):
        rows = [row for row, unit in enumerate(judged.units) if unit.group == name]
        own = [row[np.isfinite(row)].mean() for row in differences[rows] if np.isfinite(row).any()]
        found.append(
            {"label": name, "items": len(rows), **_estimate("difference", mean_estimate(np.array(own), rng=rng))}
        )
    return found


def _gallery(judged: Judged) -> list[dict[str, Any]]:
    """Items with all judgements, those on which raters differ most first."""
    criterion = judged.design.criteria[0].name
    values = judged.values(criterion).reshape(len(judged.units), -1)
    apart = [float(np.ptp(row[np.isfinite(row)])) if np.isfinite(row).any() else -1.0 for row in values]
    by_unit: dict[str, list[dict[str, Any]]] = {}
    for question, one in judged.answered:
        if one is not None and question.role == "item":
            by_unit.setdefault(question.unit, []).append(
                {
                    "rater": question.rater,
                    "shows": question.shows,
                    "answers": one.answers,
                    "skipped": one.reason,
                    "comment": one.comment,
                }
            )
    order = sorted(range(len(judged.units)), key=lambda row: (-apart[row], row))[:GALLERY]
    return [
        {
            "unit": unit.id,
            "context": unit.context,
            "first": unit.first,
            "second": unit.second,
            "judgements": by_unit.get(unit.id, []),
        }
        for unit in (judged.units[row] for row in order)
    ]


def _estimate(name: str, one: Estimate) -> dict[str, Any]:
    return {name: one.value, f"{name}_interval": one.interval, f"{name}_n": one.n, f"{name}_reason": one.reason}
