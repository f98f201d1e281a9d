"""Rules of the task file for agents that are no language model: which keys mean nothing to whom, and what must fit.

Knows nothing of YAML or of where in the text a key stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from limbeck.task.functions import unusable
from limbeck.task.phrasing import nearest
from limbeck.task.sections import AgentSection

Broken = Iterator[tuple[tuple[str | int, ...], str]]

PROMPT_KEYS = ("role", "style", "wording", "cue", "label_order", "examples")
# Key that makes an agent → what such a worker is called.
KINDS = {
    "model": "a language model",
    "encoder": "an encoder",
    "functions": "labelling functions",
    "callable": "a Python function",
    "classifier": "a classifier",
    "student": "the student",
}
_MODEL_KEYS = (*PROMPT_KEYS, "engine", "label_words", "long_text")
_CALLABLE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def kind_of(agent: AgentSection) -> str | None:
    """The one key that makes this agent; None where there is none, or more than one."""
    given = [key for key in KINDS if getattr(agent, key) not in (None, False)]
    return given[0] if len(given) == 1 else None


def labeller(agent: AgentSection, kind: str, labels: Mapping[str, object], *, code: bool) -> Broken:
    """What is wrong with an agent of any kind but `model` and `encoder`; `code`: whether it may run Python code."""
    for key in _MODEL_KEYS:
        if key in agent.model_fields_set:
            yield (key,), f"means nothing to {KINDS[kind]}, which reads no prompt"
    if "decode" in agent.model_fields_set:
        if kind != "classifier":
            yield ("decode",), f"means nothing to {KINDS[kind]}"
        elif agent.decode.name != "choice" or agent.decode.calibration in ("contextual", "pmi"):
            yield ("decode",), "a classifier knows choice, with the calibrations none and batch"
    if agent.functions is not None:
        for path, problem, label in unusable(agent.functions, labels):
            yield ("functions", *path), problem + (nearest(label, labels) if label else "")
    if agent.callable is not None:
        if not _CALLABLE.fullmatch(agent.callable):
            yield ("callable",), "must be module:function, such as my_rules:label"
        elif not code:
            yield ("callable",), "runs Python code; if you trust it, write privacy: {allow_code: true}"


def label_map(agent: AgentSection, labels: Mapping[str, object]) -> Broken:
    """What is wrong with the names that a classifier's labels are given."""
    if agent.label_map and agent.classifier is None:
        yield ("label_map",), "means something to a classifier only"
    for known, label in agent.label_map.items():
        if label not in labels:
            yield ("label_map", known), f"{label!r} is no label{nearest(label, labels)}"
