"""What a study asks: criteria with their answers, raters, overlap, margin, checks. A YAML file until it is frozen.

Knows nothing of the texts that are judged or of the order they come in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from limbeck.errors import ConfigError

Kind = Literal["examples", "rationales", "labels"]
Method = Literal["scale", "pairs", "acceptable"]
Role = Literal["training", "gold", "attention"]
NAME, GUIDELINES = "design.yaml", "guidelines.md"
SCALE = ("1", "2", "3", "4", "5")
PAIR = ("the first", "the second", "a tie")
YES_NO = ("no", "yes")
FIRST, SECOND, TIE = 0, 1, 2


class Part(BaseModel):
    """A part of the design; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Criterion(Part):
    """One question about every item.

    Attributes:
        name: short; the key of its answers.
        question: as raters read it.
        anchors: what the answers mean, in order, worst first (scale: five; else none needed).
    """

    name: str = Field(min_length=1, max_length=80)
    question: str = Field(min_length=1, max_length=500)
    anchors: tuple[str, ...] = ()


class Check(Part):
    """An item whose answer is known: training with feedback, a gold item or a check of attention.

    Attributes:
        role: training, gold or attention.
        context: what is shown above the texts.
        texts: one, or two for pairs.
        right: criterion → answers that are right; a criterion that is not named does not count.
        note: told after a training item.
    """

    role: Role
    context: str = ""
    texts: tuple[str, ...]
    right: Mapping[str, tuple[int, ...]]
    note: str = ""


class Design(Part):
    """The design of a study.

    Attributes:
        name: the study's.
        kind: what is judged.
        method: scale (1 to 5), pairs (first, second, tie) or acceptable (yes, no).
        criteria: the first one is primary; the others are corrected for (Holm).
        raters: how many links there are.
        overlap: how many raters judge each item.
        margin: largest loss that still counts as not inferior, in the unit of the answers.
        alpha: one-sided type-I error.
        power: wanted chance to show non-inferiority of equals.
        spread: guessed standard deviation of the difference over items (scale), or share of items on which the sides
            differ (pairs, acceptable).
        repeats: questions that each rater gets twice.
        seconds: guessed for one question.
        seed: of all draws.
        consent: what raters agree to.
        checks: items whose answer is known.
    """

    name: str = Field(min_length=1, max_length=120)
    kind: Kind
    method: Method
    criteria: tuple[Criterion, ...] = Field(min_length=1, max_length=9)
    raters: int = Field(ge=1, le=200)
    overlap: int = Field(ge=1, le=200)
    margin: float = Field(gt=0)
    alpha: float = Field(default=0.025, gt=0, lt=0.5)
    power: float = Field(default=0.8, gt=0, lt=1)
    spread: float = Field(gt=0)
    repeats: int = Field(default=0, ge=0)
    seconds: float = Field(default=20.0, gt=0)
    seed: int = Field(default=0, ge=0)
    consent: str
    checks: tuple[Check, ...] = ()

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers to every criterion, in the order of their values."""
        return {"scale": SCALE, "pairs": PAIR, "acceptable": YES_NO}[self.method]

    @property
    def shown(self) -> int:
        """How many texts stand on one page."""
        return 2 if self.method == "pairs" else 1

    @model_validator(mode="after")
    def _fits(self) -> Design:
        names = [one.name for one in self.criteria]
        if len(set(names)) < len(names):
            raise ValueError("two criteria have the same name")
        if self.overlap > self.raters:
            raise ValueError(f"overlap: {self.overlap} raters an item, and there are {self.raters}")
        if self.method != "scale" and self.spread > 1:
            raise ValueError("spread: a share of items is at most 1")
        for one in self.criteria:
            if self.method == "scale" and len(one.anchors) != len(SCALE):
                raise ValueError(f"criteria: {one.name!r} needs {len(SCALE)} anchors, for 1 to {len(SCALE)}")
        for place, check in enumerate(self.checks):
            strange = [name for name in check.right if name not in names]
            values = {value for right in check.right.values() for value in right}
            if strange or not values <= set(range(len(self.answers))):
                raise ValueError(f"checks[{place}].right: no such criterion or answer")
            if len(check.texts) != self.shown:
                raise ValueError(f"checks[{place}].texts: this method shows {self.shown} at a time")
        return self


_TEXTS = {"examples": "text", "rationales": "reasoning", "labels": "label"}
_ANCHORS = {
    "fluency": ("not readable", "many mistakes", "some mistakes", "a small mistake", "as a careful writer would"),
    "": ("not at all", "hardly", "partly", "mostly", "fully"),
}
_SCALES: Mapping[Kind, tuple[tuple[str, str], ...]] = {
    "examples": (
        ("label fits", "Does the text fit the label above it?"),
        ("fluency", "Is the text fluent?"),
        ("usefulness", "Would the text teach somebody what the label means?"),
    ),
    "rationales": (
        ("correctness", "Is the reasoning correct?"),
        ("coherence", "Does each step follow from the one before?"),
        ("fluency", "Is it fluent?"),
    ),
    "labels": (("label fits", "Does the label fit the text?"),),
}
_PAIRS = {
    "examples": "Which text is the better example of the label?",
    "rationales": "Which reasoning is better?",
    "labels": "Which label fits the text better?",
}
_ACCEPTABLE = {
    "examples": "Is this an acceptable example of the label?",
    "rationales": "Is this reasoning acceptable?",
    "labels": "Is this label acceptable?",
}
CONSENT = (
    "Your answers, comments and the time you take are kept on the study owner's machine under a number, not under your "
    "name. You may stop at any time; what you answered before is kept unless you ask the owner to leave it out."
)


def draft(name: str, kind: Kind, method: Method, *, raters: int, margin: float | None, seed: int) -> Design:
    """A design to begin with."""
    if method == "scale":
        criteria = tuple(
            Criterion(name=one, question=text, anchors=_ANCHORS.get(one, _ANCHORS[""])) for one, text in _SCALES[kind]
        )
    else:
        text = (_PAIRS if method == "pairs" else _ACCEPTABLE)[kind]
        criteria = (Criterion(name="preference" if method == "pairs" else "acceptable", question=text),)
    spread = {"scale": 0.85, "pairs": 0.5, "acceptable": 0.2}[method]
    return Design(
        name=name,
        kind=kind,
        method=method,
        criteria=criteria,
        raters=raters,
        overlap=raters,
        margin=margin if margin is not None else {"scale": 0.15, "pairs": 0.1, "acceptable": 0.1}[method],
        spread=spread,
        repeats=3,
        seed=seed,
        consent=CONSENT,
    )


def guidelines(design: Design) -> str:
    """Guidelines to begin with, in Markdown."""
    what = _TEXTS[design.kind]
    lines = [f"# How to judge each {what}", "", "Read everything on the page before you answer.", ""]
    for one in design.criteria:
        lines += [f"## {one.name}", "", one.question, ""]
        lines += [f"- {value}: {anchor}" for value, anchor in zip(design.answers, one.anchors, strict=False)]
        lines += [""] if one.anchors else []
    lines += ["## When in doubt", "", "Answer what you think. Skip only what cannot be judged, and say why.", ""]
    return "\n".join(lines)


def write(design: Design, folder: Path) -> None:
    """Write design.yaml."""
    body = yaml.safe_dump(design.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
    head = "# The design of this study. Change what you like before `limbeck study freeze`; nothing after it.\n"
    (folder / NAME).write_text(head + body, encoding="utf-8")


def read(folder: Path) -> Design:
    """The design of a study that is not frozen yet.

    Raises:
        ConfigError: a file that is missing or does not fit, with the key that is wrong.
    """
    path = folder / NAME
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
        return Design.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "design"
        raise ConfigError(f"{path}: {where}: {first['msg']}", hint="Mend the design, then try again.") from error
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}", hint="Restore it from a copy.") from error
