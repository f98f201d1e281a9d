"""The `decode` section of an agent: how its answer is drawn, one strategy with its parameters.

Knows nothing of what the strategies do.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from limbeck.task.values import MaybeText, Section, Share, empty_section, is_null, meaning, text


def nothing(value: Any) -> Any:
    """Null as None."""
    return None if is_null(value) else value


Word = BeforeValidator(text)
Filled = BeforeValidator(empty_section)


Positive = Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False), BeforeValidator(meaning)]
MaybePositive = Annotated[float | None, Field(strict=True, gt=0, allow_inf_nan=False), BeforeValidator(meaning)]
MaybeShare = Annotated[float | None, Field(strict=True, gt=0, le=1, allow_inf_nan=False), BeforeValidator(meaning)]
Length = Annotated[int, Field(strict=True, ge=1, le=4096), BeforeValidator(meaning)]
Branches = Annotated[int, Field(strict=True, ge=1, le=200), BeforeValidator(meaning)]
Aggregate = Annotated[Literal["sum", "max", "majority", "confidence"], Word]
Stop = Annotated[Literal["none", "exact", "adaptive", "window", "short"], Word]


class ChoiceSection(Section):
    """Label scoring and its calibration."""

    calibration: Annotated[Literal["none", "batch", "contextual", "pmi"], Word] = "batch"


class GreedySection(Section):
    """One path of the likeliest tokens."""

    max_tokens: Length = 200


class CotSection(Section):
    """CoT-decoding: branches on the first tokens, and how they vote and suffice."""

    k: Branches = 10
    max_tokens: Length = 200
    aggregate: Aggregate = "sum"
    at: Annotated[Literal["first", "uncertain"], Word] = "first"
    stop: Stop = "none"
    threshold: Share = 0.95
    m: Branches = 4
    window: Annotated[int, Field(strict=True, ge=0, le=200), BeforeValidator(meaning)] = 0


class _Sampled(Section):
    """How tokens are drawn; what is null is not used."""

    temperature: Positive = 0.7
    top_k: Annotated[int | None, Field(strict=True, ge=1), BeforeValidator(meaning)] = None
    top_p: MaybeShare = None
    min_p: MaybeShare = None
    typical_p: MaybeShare = None
    top_n_sigma: MaybePositive = None
    entropy_theta: MaybePositive = None
    no_repeat_ngram: Annotated[int | None, Field(strict=True, ge=1), BeforeValidator(meaning)] = None
    repetition_penalty: Annotated[float, Field(strict=True, ge=1, le=10), BeforeValidator(meaning)] = 1.0


class FormSection(Section):
    """What a sampled path must look like: exactly one of a JSON schema, a regular expression and a Lark grammar."""

    json_schema: Annotated[MaybeText, Field(alias="json")] = None
    regex: MaybeText = None
    lark: MaybeText = None

    @model_validator(mode="after")
    def _one(self) -> FormSection:
        if sum(value is not None for value in (self.json_schema, self.regex, self.lark)) != 1:
            raise PydanticCustomError("limbeck", "needs exactly one of json, regex and lark")
        return self

    @property
    def told(self) -> tuple[str, str]:
        """The text, and what it is written in."""
        for said, language in ((self.json_schema, "json"), (self.regex, "regex"), (self.lark, "lark")):
            if said is not None:
                return said, language
        raise AssertionError("validated: one of the three is there")


class NucleusSection(_Sampled):
    """One sampled path; the nucleus is that of Holtzman et al. unless another truncation is named."""

    max_tokens: Length = 200
    top_p: MaybeShare = 0.9
    form: Annotated[FormSection | None, BeforeValidator(nothing)] = None


class ConsistencySection(_Sampled):
    """Self-consistency: sampled paths that vote."""

    paths: Branches = 20
    max_tokens: Length = 200
    aggregate: Aggregate = "majority"
    stop: Stop = "none"
    threshold: Share = 0.95
    m: Branches = 4
    window: Annotated[int, Field(strict=True, ge=0, le=200), BeforeValidator(meaning)] = 5
    form: Annotated[FormSection | None, BeforeValidator(nothing)] = None


class GateSection(Section):
    """Label scoring where its margin is clear, CoT-decoding where it is not."""

    margin: Share = 0.8
    cot: Annotated[CotSection, Filled] = CotSection()


class DecodeSection(Section):
    """Which decoder draws the answer, exactly one; `decode: cot` is short for `decode: {cot: {}}`."""

    choice: Annotated[ChoiceSection | None, Filled] = None
    cot: Annotated[CotSection | None, Filled] = None
    self_consistency: Annotated[ConsistencySection | None, Filled] = None
    nucleus: Annotated[NucleusSection | None, Filled] = None
    greedy: Annotated[GreedySection | None, Filled] = None
    gate: Annotated[GateSection | None, Filled] = None

    @property
    def name(self) -> str:
        """The decoder's name."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def calibration(self) -> str:
        """How the scores are calibrated: only label scoring has any."""
        return self.choice.calibration if self.choice is not None else "none"


def short_form(value: Any) -> Any:
    """`choice`, nothing, or a mapping with exactly one decoder."""
    if is_null(value):
        return {"choice": {}}
    if isinstance(value, str):
        return {str(value): {}}
    if isinstance(value, dict) and len(value) != 1:
        raise PydanticCustomError("limbeck", "names one decoder, not {count}", {"count": len(value)})
    return value
