"""The `task.kind` section: what sort of answer is asked for, and what has to be known of it.

Knows nothing of which parts serve which kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from limbeck.task.values import MaybeText, Section, Text, Truth, empty_section, is_null, meaning, text

Filled = BeforeValidator(empty_section)
Value = Annotated[float, Field(strict=True, allow_inf_nan=False), BeforeValidator(meaning)]


def _nothing(value: Any) -> Any:
    return None if is_null(value) else value


class LabelSection(Section):
    """One label of a list."""


class OrdinalSection(Section):
    """One label of a scale; `values` None: the labels themselves where they are numbers, else 1, 2, 3, …"""

    point: Annotated[Literal["mode", "median", "mean"], BeforeValidator(text)] = "mode"
    values: Annotated[dict[str, Value] | None, BeforeValidator(_nothing)] = None


class PairSection(Section):
    """One label for two texts, in the columns `first` and `second`.

    What it means that the texts change places: nothing (`symmetric`), that labels change with them (`swap`), or, where
    neither is said, another question; then only the order in which they are shown is changed.
    """

    first: Text
    second: Text
    symmetric: Truth = False
    swap: Annotated[dict[str, Text] | None, BeforeValidator(_nothing)] = None
    orders: Annotated[Literal["both", "one"], BeforeValidator(text)] = "both"


class CheckerSection(Section):
    """What an answer must pass, exactly one: a Python function, a regular expression for all of it, or bounds."""

    function: MaybeText = None
    regex: MaybeText = None
    bounds: Annotated[tuple[Value, Value] | None, Field(alias="range"), BeforeValidator(_nothing)] = None

    @model_validator(mode="after")
    def _one(self) -> CheckerSection:
        if sum(value is not None for value in (self.function, self.regex, self.bounds)) != 1:
            raise PydanticCustomError("limbeck", "needs exactly one of function, regex and range")
        return self


def _checker(value: Any) -> Any:
    if is_null(value):
        return None
    return {"function": value} if isinstance(value, str) else value


class OpenSection(Section):
    """A free answer; `answer` names its kind as `limbeck decode --answer` does."""

    answer: Text = "number"
    checker: Annotated[CheckerSection | None, BeforeValidator(_checker)] = None


def _cut(value: Any) -> Any:
    said = meaning(value)
    if said in ("f1", "prior") or (isinstance(said, int | float) and not isinstance(said, bool)):
        return said if isinstance(said, str) else float(said)
    raise PydanticCustomError("limbeck", "must be f1, prior or a number between 0 and 1")


class LabelsSection(Section):
    """Any number of labels; `each` is how many a text has on average, where `committee.prior` says nothing.

    A language model is asked for the labels' names at once, or with a question about each; `relative` takes out what
    a text makes a worker say of all labels alike.
    """

    ask: Annotated[Literal["names", "questions"], BeforeValidator(text)] = "names"

    each: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False), BeforeValidator(meaning)] = 1.0
    threshold: Annotated[str | float, BeforeValidator(_cut)] = "prior"
    relative: Truth = True


class KindSection(Section):
    """The kind of task, exactly one; `kind: ordinal` is short for `kind: {ordinal: {}}`."""

    label: Annotated[LabelSection | None, Filled] = None
    ordinal: Annotated[OrdinalSection | None, Filled] = None
    pair: Annotated[PairSection | None, Filled] = None
    open: Annotated[OpenSection | None, Filled] = None
    labels: Annotated[LabelsSection | None, Filled] = None

    @property
    def name(self) -> str:
        """The kind's name."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)


def kind_form(value: Any) -> Any:
    """Nothing, a kind's name, or a mapping with exactly one kind."""
    if is_null(value):
        return {"label": {}}
    if isinstance(value, dict) and len(value) != 1:
        raise PydanticCustomError("limbeck", "names one kind, not {count}", {"count": len(value)})
    return {str(value): {}} if isinstance(value, str) else value


def numbers(labels: Iterable[str]) -> tuple[float, ...]:
    """The labels as numbers; nothing where one of them is none."""
    found = tuple(number(label) for label in labels)
    return () if None in found else tuple(one for one in found if one is not None)


def number(text: str) -> float | None:
    """A text as a finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
