"""The `synthesis` section: who writes examples, how, and what is accepted.

Knows nothing of how texts are written or checked.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from limbeck.task.decode import MaybePositive, MaybeShare, Positive
from limbeck.task.engine import EngineName
from limbeck.task.values import MaybeCount, PositiveShare, Section, Share, Text, empty_section, is_null, meaning, text

Count = Annotated[int, Field(strict=True, ge=1, le=100_000), BeforeValidator(meaning)]
Tokens = Annotated[int, Field(strict=True, ge=0, le=4096), BeforeValidator(meaning)]


def _attributes(value: Any) -> Any:
    """Each attribute's values: a list, or a single one."""
    if is_null(value):
        return {}
    if not isinstance(value, dict):
        raise PydanticCustomError("limbeck", "must be a mapping from attribute to a list of values")
    found = {}
    for name, values in value.items():
        listed = values if isinstance(values, list) else [values]
        if not listed:
            raise PydanticCustomError("limbeck", "the attribute {name} has no value", {"at": name, "name": repr(name)})
        found[name] = listed
    return found


class DrawSection(Section):
    """How tokens are drawn; what is null is not used."""

    temperature: Positive = 1.0
    top_n_sigma: MaybePositive = None
    top_p: MaybeShare = 0.9
    min_p: MaybeShare = None
    entropy_theta: MaybePositive = None
    no_repeat_ngram: MaybeCount = None


class OpeningSection(Section):
    """The first tokens of a text, drawn at a temperature of their own."""

    tokens: Tokens = 0
    temperature: Positive = 1.3


class WordsSection(Section):
    """Bounds of a text's length in words."""

    least: Count = 5
    most: Count = 60

    @model_validator(mode="after")
    def _ordered(self) -> WordsSection:
        if self.most < self.least:
            raise PydanticCustomError("limbeck", "most must not be less than least")
        return self


class SynthesisSection(Section):
    """Synthetic examples."""

    model: Text = "smollm2-135m-instruct"
    engine: EngineName = "openvino"
    style: Annotated[Literal["plain", "chat"], BeforeValidator(text)] = "plain"
    examples: Annotated[int, Field(strict=True, ge=0, le=50), BeforeValidator(meaning)] = 2
    attributes: Annotated[dict[str, tuple[Text, ...]], BeforeValidator(_attributes)] = Field(default_factory=dict)
    draw: Annotated[DrawSection, BeforeValidator(empty_section)] = DrawSection()
    opening: Annotated[OpeningSection, BeforeValidator(empty_section)] = OpeningSection()
    guidance: Annotated[float, Field(strict=True, ge=0, le=10), BeforeValidator(meaning)] = 1.0
    max_tokens: Annotated[int, Field(strict=True, ge=1, le=4096), BeforeValidator(meaning)] = 80
    words: Annotated[WordsSection, BeforeValidator(empty_section)] = WordsSection()
    accept: PositiveShare = 0.9
    anchors: Count = 300
    overlap: PositiveShare = 0.5
    novelty: Share = 0.6
    spread: PositiveShare = 0.6
    cosine: PositiveShare = 0.95
    attempts: Count = 20
    tokens: MaybeCount = None
