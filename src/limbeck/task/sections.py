"""The sections of a task file as frozen models: which keys there are, of what kind, and their defaults.

Knows nothing of YAML's syntax, of what the named parts are, or of rules that join two keys.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from limbeck.task.document import Scalar

_NULLS = ("", "~", "null", "Null", "NULL")
_WHOLE = re.compile(r"[-+]?\d{1,18}")
_NUMBER = re.compile(r"[-+]?(\d{1,18}(\.\d{0,30})?|\.\d{1,30})([eE][-+]?\d{1,3})?")
_SPECIAL = {".inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, Scalar) and value.plain and value in _NULLS)


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, Scalar) else value


def _text_or_none(value: Any) -> Any:
    return None if _is_null(value) else _text(value)


def _meaning(value: Any) -> Any:
    # Numbers, booleans and null as in YAML 1.2; `yes`, `on` and 1:30 are text.
    if not isinstance(value, Scalar) or not value.plain:
        return _text(value)
    if _is_null(value):
        return None
    if value in ("true", "True", "false", "False"):
        return value in ("true", "True")
    if _WHOLE.fullmatch(value):
        return int(value)
    if _NUMBER.fullmatch(value):
        return float(value)
    return _SPECIAL.get(value, str(value))


def empty_section(value: Any) -> Any:
    """A section with nothing in it is a section with its defaults."""
    return {} if _is_null(value) else value


def _filled(value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise PydanticCustomError("limbeck", "must not be empty")
    return value


def _short_name(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[a-z0-9_-]{1,64}", value):
        raise PydanticCustomError("limbeck", "must be 1 to 64 of a-z, 0-9, '-' and '_'")
    return value


def _at_least_one(value: Any) -> Any:
    if value is not None and not value:
        raise PydanticCustomError("limbeck", "must not be empty")
    return value


def _labels(value: Any) -> Any:
    """Labels as a list or a mapping → label to description, in the order given."""
    if isinstance(value, list):
        pairs: list[tuple[str | int, Any, Any]] = [(i, label, None) for i, label in enumerate(value)]
    elif isinstance(value, dict):
        pairs = [(key, key, _text_or_none(about)) for key, about in value.items()]
    else:
        raise PydanticCustomError("limbeck", "must be a list of labels, or a mapping from label to description")
    found: dict[str, Any] = {}
    for at, label, about in pairs:
        if not isinstance(label, str):
            raise PydanticCustomError("limbeck", "a label must be text", {"at": at})
        name = str(label).strip()
        if not name:
            raise PydanticCustomError("limbeck", "a label must not be empty", {"at": at})
        if name in found:
            raise PydanticCustomError("limbeck", "the label {label} is given twice", {"at": at, "label": repr(name)})
        found[name] = about
    if len(found) < 2:
        raise PydanticCustomError("limbeck", "needs at least two labels")
    return found


def _prior(value: Any) -> Any:
    if isinstance(value, str) and (value == "uniform" or _is_null(value)):
        return None
    if isinstance(value, str):
        raise PydanticCustomError("limbeck", "must be uniform or a mapping from label to share")
    return value


def _held_out(value: Any) -> Any:
    if _is_null(value):
        return None
    return {"path": value} if isinstance(value, str) else value


def _decode(value: Any) -> Any:
    if _is_null(value):
        return {"choice": {}}
    return {str(value): {}} if isinstance(value, str) else value


def _server(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


def _engine_form(value: Any) -> str:
    return "a section" if isinstance(value, dict | EngineSection) else "a name"


def _engine_name(value: str) -> str:
    if value == "server":
        raise PydanticCustomError("limbeck", "needs an address: engine: {server: http://127.0.0.1:8000/v1}")
    return value


def _variable(value: str | None) -> str | None:
    # The pattern keeps a key that was pasted here by mistake from being taken for a name.
    if value is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", value):
        raise PydanticCustomError("limbeck", "must be the name of an environment variable, never the key itself")
    return value


Text = Annotated[str, Field(strict=True), AfterValidator(_filled), BeforeValidator(_text)]
MaybeText = Annotated[str | None, Field(strict=True), AfterValidator(_filled), BeforeValidator(_text_or_none)]
ShortName = Annotated[str | None, Field(strict=True), AfterValidator(_short_name), BeforeValidator(_text_or_none)]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False), BeforeValidator(_meaning)]
PositiveShare = Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False), BeforeValidator(_meaning)]
MaybeCount = Annotated[int | None, Field(strict=True, ge=1), BeforeValidator(_meaning)]
MaybeSeconds = Annotated[float | None, Field(strict=True, gt=0, allow_inf_nan=False), BeforeValidator(_meaning)]
Truth = Annotated[bool, Field(strict=True), BeforeValidator(_meaning)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskSection(_Section):
    """What is asked. `labels` maps each label to its description, or None, in the order of the file.

    `noun` is the word for one text (review, question), `aspect` for what the labels tell of it (sentiment, topic).
    """

    name: ShortName = None
    instructions: MaybeText = None
    labels: Annotated[dict[str, MaybeText], BeforeValidator(_labels)]
    show: Annotated[tuple[Text, ...] | None, AfterValidator(_at_least_one)] = None
    noun: MaybeText = None
    aspect: MaybeText = None


class HeldOutSection(_Section):
    """Where test items come from: exactly one of a file or data set, a share of the pool, or a number of its items."""

    path: MaybeText = None
    share: Annotated[float | None, Field(strict=True, gt=0, lt=1, allow_inf_nan=False), BeforeValidator(_meaning)] = (
        None
    )
    items: MaybeCount = None


class DataSection(_Section):
    """Where the items come from and which columns mean what."""

    pool: Text
    test: Annotated[HeldOutSection | None, BeforeValidator(_held_out)] = None
    gold: MaybeText = None
    people: MaybeText = None
    id: MaybeText = None
    limit: MaybeCount = None
    seed: Annotated[int, Field(strict=True, ge=0), BeforeValidator(_meaning)] = 0


class ExamplesSection(_Section):
    """Worked examples in an agent's prompt: how many, chosen how, from which file with gold."""

    number: Annotated[int, Field(strict=True, ge=0, le=1000), BeforeValidator(_meaning)] = 0
    choose: Annotated[Literal["random", "balanced", "first"], BeforeValidator(_text)] = "random"
    source: MaybeText = Field(default=None, alias="from")


class ChoiceSection(_Section):
    """Label scoring and its calibration."""

    calibration: Annotated[Literal["none", "batch", "contextual", "pmi"], BeforeValidator(_text)] = "batch"


class DecodeSection(_Section):
    """Which decoder draws the answer; `decode: choice` is short for `decode: {choice: {}}`."""

    choice: Annotated[ChoiceSection, BeforeValidator(empty_section)] = ChoiceSection()


class ServerSection(_Section):
    """Where a server is and how it is asked; `server: URL` is short for `server: {url: URL}`."""

    url: Text
    key_env: Annotated[str | None, Field(strict=True), AfterValidator(_variable), BeforeValidator(_text_or_none)] = None
    context: MaybeCount = None
    top: Annotated[int, Field(strict=True, ge=2, le=100_000), BeforeValidator(_meaning)] = 20
    timeout: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False), BeforeValidator(_meaning)] = 120.0
    concurrency: Annotated[int, Field(strict=True, ge=1, le=256), BeforeValidator(_meaning)] = 8


class EngineSection(_Section):
    """An engine that has settings: a server."""

    server: Annotated[ServerSection, BeforeValidator(_server)]


class AgentSection(_Section):
    """One worker: a language model with a prompt, or an encoder that compares text and label description."""

    name: ShortName = None
    model: MaybeText = None
    encoder: MaybeText = None
    engine: Annotated[
        Annotated[Text, AfterValidator(_engine_name), Tag("a name")] | Annotated[EngineSection, Tag("a section")],
        Discriminator(_engine_form),
    ] = "openvino"
    style: Annotated[Literal["chat", "plain"], BeforeValidator(_text)] = "chat"
    wording: MaybeText = None
    cue: MaybeText = None
    label_words: Annotated[dict[str, Text], BeforeValidator(empty_section)] = Field(default_factory=dict)
    label_order: Annotated[Literal["given", "reversed", "shuffled"], BeforeValidator(_text)] = "given"
    examples: Annotated[ExamplesSection, BeforeValidator(empty_section)] = ExamplesSection()
    decode: Annotated[DecodeSection, BeforeValidator(_decode)] = DecodeSection()
    long_text: Annotated[Literal["head", "tail", "middle"], BeforeValidator(_text)] = "head"


class CommitteeSection(_Section):
    """How votes become labels; `prior` is None for uniform."""

    protocol: Text = "vote"
    aggregate: Text = "opinion-pool"
    prior: Annotated[dict[str, PositiveShare] | None, BeforeValidator(_prior)] = None
    accept: Share = 0.0


class SelectionSection(_Section):
    """Which items are asked, in how many rounds."""

    strategy: Text = "margin"
    rounds: Annotated[int, Field(strict=True, ge=1, le=10_000), BeforeValidator(_meaning)] = 5
    start: PositiveShare = 0.2
    cold: Text = "k-means"


class StudentSection(_Section):
    """The small model that learns; `encoder` None means TF-IDF only."""

    kind: Text = "linear"
    encoder: MaybeText = "all-minilm-l6-v2"
    min_confidence: Share = 0.0


class BudgetSection(_Section):
    """When to stop: whichever ends first; None = no limit."""

    items: MaybeCount = None
    tokens: MaybeCount = None
    seconds: MaybeSeconds = None


class PrivacySection(_Section):
    """What may leave the machine."""

    allow_remote: Truth = False


Agents = Annotated[tuple[AgentSection, ...] | None, AfterValidator(_at_least_one), BeforeValidator(_text_or_none)]
