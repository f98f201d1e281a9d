"""Validation errors in words a person can act on: what must stand there, what stands there, and what was meant.

Knows nothing of rules that join two keys.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from limbeck.task import decode, engine, functions, kinds, sections, stop, synthesis
from limbeck.task.document import Node, Problem, Scalar, dotted, locate

_SECTIONS: Mapping[tuple[str, ...], type[BaseModel]] = {
    ("task",): sections.TaskSection,
    ("task", "kind"): kinds.KindSection,
    ("task", "kind", "label"): kinds.LabelSection,
    ("task", "kind", "ordinal"): kinds.OrdinalSection,
    ("task", "kind", "pair"): kinds.PairSection,
    ("task", "kind", "open"): kinds.OpenSection,
    ("task", "kind", "open", "checker"): kinds.CheckerSection,
    ("task", "kind", "labels"): kinds.LabelsSection,
    ("data",): sections.DataSection,
    ("data", "test"): sections.HeldOutSection,
    ("agents",): sections.AgentSection,
    ("agents", "engine"): engine.EngineSection,
    ("agents", "engine", "server"): engine.ServerSection,
    ("agents", "examples"): sections.ExamplesSection,
    ("agents", "functions"): functions.FunctionsSection,
    ("agents", "decode"): decode.DecodeSection,
    ("agents", "decode", "choice"): decode.ChoiceSection,
    ("agents", "decode", "cot"): decode.CotSection,
    ("agents", "decode", "self_consistency"): decode.ConsistencySection,
    ("agents", "decode", "self_consistency", "form"): decode.FormSection,
    ("agents", "decode", "nucleus"): decode.NucleusSection,
    ("agents", "decode", "nucleus", "form"): decode.FormSection,
    ("agents", "decode", "greedy"): decode.GreedySection,
    ("agents", "decode", "gate"): decode.GateSection,
    ("agents", "decode", "gate", "cot"): decode.CotSection,
    ("committee",): sections.CommitteeSection,
    ("committee", "cascade"): sections.CascadeSection,
    ("committee", "debate"): sections.DebateSection,
    ("committee", "judge"): sections.JudgeSection,
    ("committee", "critic"): sections.CriticSection,
    ("selection",): sections.SelectionSection,
    ("selection", "stop"): stop.StopSection,
    ("selection", "stop", "stability"): stop.StabilitySection,
    ("selection", "stop", "plateau"): stop.PlateauSection,
    ("selection", "stop", "cost"): stop.CostSection,
    ("student",): sections.StudentSection,
    ("budget",): sections.BudgetSection,
    ("synthesis",): synthesis.SynthesisSection,
    ("synthesis", "engine"): engine.EngineSection,
    ("synthesis", "engine", "server"): engine.ServerSection,
    ("synthesis", "draw"): synthesis.DrawSection,
    ("synthesis", "opening"): synthesis.OpeningSection,
    ("synthesis", "words"): synthesis.WordsSection,
    ("privacy",): sections.PrivacySection,
}

_FORMS = ("a name", "a section")
_KINDS = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "model_type": "must be a mapping (key: value)",
    "dict_type": "must be a mapping (key: value)",
    "tuple_type": "must be a list",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def known_keys(path: Sequence[str | int]) -> list[str]:
    """The keys that may stand in the section at `path`; list indices in it do not matter."""
    names = tuple(part for part in path if isinstance(part, str))
    if not names:
        return [*dict.fromkeys(name for name, *_ in _SECTIONS)]
    return [field.alias or name for name, field in _SECTIONS[names].model_fields.items()]


def nearest(word: str, options: Collection[str]) -> str:
    """The question "did you mean …?" where one of `options` is near `word`, else nothing."""
    lowered = {option.casefold(): option for option in options}
    found = difflib.get_close_matches(word.casefold(), list(lowered), n=1)
    return f"; did you mean {lowered[found[0]]!r}?" if found else ""


def _elsewhere(word: str) -> str:
    homes = [".".join(path) for path, model in _SECTIONS.items() if word in model.model_fields]
    return f"; it belongs under {' or '.join(homes)}" if homes else ""


def quoted(value: Any) -> str:
    """A value as an error may show it: on one line, not too long."""
    if isinstance(value, str):
        if not value and isinstance(value, Scalar) and value.plain:
            return "nothing"
        return repr(str(value) if len(value) <= 60 else f"{value[:57]}...")
    return "a mapping" if isinstance(value, dict) else "a list"


def shape_problem(root: Node, detail: Mapping[str, Any]) -> Problem | None:
    """One of pydantic's error details → a problem at its place; None below a node that was refused already."""
    context: Mapping[str, Any] = detail.get("ctx") or {}
    # Where a key takes more than one form, pydantic puts the form's name into the path.
    path: list[str | int] = [
        *(part for part in detail["loc"] if part not in _FORMS),
        *([context["at"]] if "at" in context else []),
    ]
    place = locate(root, path)
    if place.node.refused:
        return None
    kind = detail["type"]
    mark, shown = place.node.mark, path[: place.depth]
    if kind == "missing":
        return Problem(place.key.line, place.key.column, dotted(path), "is required and missing")
    if kind == "extra_forbidden":
        word = str(path[-1])
        options = known_keys(path[:-1])
        meant = nearest(word, options) or _elsewhere(word) or f"; known here: {', '.join(options)}"
        if not place.complete:
            # A short form such as `decode: chioce`, where the wrong name stands as the value.
            return Problem(mark.line, mark.column, dotted(shown), f"{word!r} is unknown{meant}")
        return Problem(place.key.line, place.key.column, dotted(path), f"unknown key{meant}")
    return Problem(mark.line, mark.column, dotted(shown), _words(kind, detail, place.node.value))


def _words(kind: str, detail: Mapping[str, Any], value: object) -> str:
    context: Mapping[str, Any] = detail.get("ctx") or {}
    if kind in _KINDS:
        return f"{_KINDS[kind]}, not {quoted(value)}"
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {context[key]:g}, not {quoted(value)}"
    if kind == "literal_error":
        options = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return f"{quoted(value)} is unknown; known: {', '.join(options)}{nearest(str(value), options)}"
    return str(detail["msg"])
