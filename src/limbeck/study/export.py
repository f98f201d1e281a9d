"""A closed study for other programs: judgements, their history, preference triples, and the datasheet of HEDS 3.0.

Rows are JSON values; who writes them makes them safe for their form. Knows nothing of files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.study.design import Design
from limbeck.study.judged import Judged
from limbeck.study.results import closed
from limbeck.study.store import SKIP

WHAT = ("judgements", "history", "preferences")


def rows(folder: Path, what: str) -> Iterator[dict[str, Any]]:
    """Rows with the same keys: `judgements` that count, the whole `history`, or `preferences`.

    Raises:
        RunError: the study is not closed, or was changed after freezing.
    """
    with closed(folder) as study:
        if what == "history":
            for one in study.history():
                answers = None if one.answers is None else json.dumps(one.answers, ensure_ascii=False)
                told = {"id": one.id, "rater": one.rater, "question": one.question, "kind": one.kind}
                yield told | {"answers": answers, **_said(one.reason, one.comment), **_when(one.seconds, one.created)}
            return
        judged, systems = Judged.of(study), study.meta("systems")
    yield from _preferences(judged, systems) if what == "preferences" else _judgements(judged, systems)


def _judgements(judged: Judged, systems: list[str]) -> Iterator[dict[str, Any]]:
    units = {unit.id: unit for unit in judged.units}
    names = dict(zip("ab", systems, strict=True))
    for question, one in judged.answered:
        if one is None or question.unit not in units:
            continue
        unit, answers = units[question.unit], one.answers or {}
        texts = {"a": unit.first, "b": unit.second}
        left, right = question.shows[0], question.shows[1:]
        yield {
            "rater": question.rater,
            "place": question.place,
            "role": question.role,
            "unit": unit.id,
            "label": unit.group,
            "context": unit.context,
            "system": names[left],
            "text": texts[left],
            "system_2": names.get(right),
            "text_2": texts.get(right),
            **{f"answer:{c.name}": _spelt(judged.design, answers.get(c.name)) for c in judged.design.criteria},
            **_said(one.reason if one.kind == SKIP else None, one.comment),
            **_when(one.seconds, one.created),
        }


def _preferences(judged: Judged, systems: list[str]) -> Iterator[dict[str, Any]]:
    """Prompt, chosen, rejected: what most raters prefer by the first criterion; ties are left out."""
    differences = judged.differences(judged.design.criteria[0].name)
    for unit, row in zip(judged.units, differences, strict=True):
        own = row[np.isfinite(row)]
        lead = int((own > 0).sum()) - int((own < 0).sum())
        if lead == 0:
            continue
        texts = (unit.first, unit.second) if lead > 0 else (unit.second, unit.first)
        yield {
            "prompt": unit.context,
            "chosen": texts[0],
            "rejected": texts[1],
            "chosen_system": systems[0 if lead > 0 else 1],
            "raters_for": int((own > 0).sum() if lead > 0 else (own < 0).sum()),
            "raters": len(own),
        }


def _spelt(design: Design, value: int | None) -> str | None:
    return None if value is None else design.answers[value]


def _said(reason: str | None, comment: str | None) -> dict[str, Any]:
    return {"skipped": reason, "comment": comment}


def _when(seconds: float, created: str) -> dict[str, Any]:
    return {"seconds": seconds, "created": created}


def datasheet(folder: Path, found: Mapping[str, Any]) -> dict[str, dict[str, str | None]]:
    """What the study knows of the Human Evaluation Datasheet (Belz & Thomson 2025, HEDS 3.0), by its five sections.

    What only the owner knows (papers, people's background, ethics) is None.
    """
    with closed(folder) as study:
        design = study.design
    made = found["study"]
    pool = f"{made['items']} units that both systems have, drawn at random with seed {design.seed}"
    answers = ", ".join(design.answers)
    sheet: dict[str, dict[str, str | None]] = {
        "1 Main reference and supplementary resources": {
            "Main reference": None,
            "Supplementary resources": f"study file with SHA-256 of its frozen part {made['hash']}",
            "Contact": None,
        },
        "2 Evaluated systems": {
            "Systems": f"{found['systems']['first']} and {found['systems']['second']}",
            "Output type": design.kind,
            "Input, task and language": None,
        },
        "3 Sample, evaluators, experimental design": {
            "Number of system outputs": str(2 * made["items"]),
            "How they were selected": pool,
            "Statistical power": f"planned for a margin of {design.margin:g} with power {design.power:g}, one-sided "
            f"type-I error {design.alpha:g}, guessed spread {design.spread:g}",
            "Number of evaluators": str(design.raters),
            "Type, recruitment and characteristics of evaluators": None,
            "Training and instructions": f"guidelines, and {_count(design, 'training')} training items with feedback",
            "Preregistered": f"design, items, order and margin frozen at {made['frozen']} (SHA-256 {made['hash']})",
            "How responses were collected": "local web pages of limbeck, one link for each evaluator",
            "Quality assurance": f"{_count(design, 'gold')} gold items, "
            f"{_count(design, 'attention')} checks of attention, "
            f"{design.repeats} repeated items for each evaluator; they flag, nobody was excluded",
            "What evaluators see": f"the context and {design.shown} output(s); no system names; sides and order random",
            "Evaluators for each output": str(design.overlap),
            "Freedom in pace": "no time limit; pause, undo, skip with a reason, comment",
        },
        "5 Ethics": {
            "Ethics committee": None,
            "Personal data": "evaluators are numbered; answers, comments and seconds are kept",
            "Special category data": None,
            "Impact assessment": None,
        },
    }
    for place, one in enumerate(design.criteria):
        numbers = found["criteria"][place]
        sheet[f"4 Quality criterion: {one.name}"] = {
            "Name and verbatim question": f"{one.name}: {one.question}",
            "Mode": "subjective, " + ("relative" if design.method == "pairs" else "absolute") + ", intrinsic",
            "Size and values of the scale": f"{len(design.answers)}: {answers}",
            "Anchors": "; ".join(one.anchors) or None,
            "Aggregation": "mean over the evaluators of an item, then over items",
            "Statistical test": f"paired non-inferiority, margin {design.margin:g}, bootstrap over items and raters",
            "Agreement between evaluators": _agreement(numbers),
            "Agreement within evaluators": "repeated items, see the evaluators' consistency in study.json",
        }
    return dict(sorted(sheet.items()))


def markdown(sheet: Mapping[str, Mapping[str, str | None]]) -> str:
    """The datasheet as Markdown; what is open says so."""
    lines = ["# Human Evaluation Datasheet (after HEDS 3.0)", ""]
    for section, answers in sheet.items():
        lines += [f"## {section}", ""]
        lines += [f"- **{name}**: {value or 'to be filled in'}" for name, value in answers.items()]
        lines += [""]
    return "\n".join(lines)


def _count(design: Design, role: str) -> int:
    return sum(one.role == role for one in design.checks)


def _agreement(numbers: Mapping[str, Any]) -> str:
    def said(name: str, shown: str) -> str:
        if numbers[name] is None:
            return f"{shown} undefined ({numbers[f'{name}_reason']})"
        interval = numbers[f"{name}_interval"]
        return f"{shown} {numbers[name]:.2f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")

    return f"{said('alpha', 'Krippendorff α')}, {said('ac', 'Gwet ' + numbers['ac_kind'])}"
