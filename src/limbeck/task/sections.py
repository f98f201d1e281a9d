"""The sections of a task file as frozen models: which keys there are, of what kind, and their defaults.

Knows nothing of YAML's syntax, of what the named parts are, or of rules that join two keys.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from limbeck.task.decode import ChoiceSection, DecodeSection, short_form
from limbeck.task.engine import EngineName
from limbeck.task.functions import FunctionsSection
from limbeck.task.kinds import KindSection, LabelSection, kind_form
from limbeck.task.stop import StopSection, stop_form
from limbeck.task.values import (
    MaybeCount,
    MaybeSeconds,
    MaybeText,
    PositiveShare,
    Section,
    Share,
    ShortName,
    Text,
    Truth,
    empty_section,
    is_null,
    meaning,
    text,
    text_or_none,
)


def _at_least_one(value: Any) -> Any:
    if value is not None and not value:
        raise PydanticCustomError("limbeck", "must not be empty")
    return value


def _labels(value: Any) -> Any:
    """Labels as a list or a mapping → label to description, in the order given; None: an open question has none."""
    if value is None:
        return {}
    if isinstance(value, list):
        pairs: list[tuple[str | int, Any, Any]] = [(i, label, None) for i, label in enumerate(value)]
    elif isinstance(value, dict):
        pairs = [(key, key, text_or_none(about)) for key, about in value.items()]
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
    if isinstance(value, str) and (value == "uniform" or is_null(value)):
        return None
    if isinstance(value, str):
        raise PydanticCustomError("limbeck", "must be uniform or a mapping from label to share")
    return value


def _held_out(value: Any) -> Any:
    if is_null(value):
        return None
    return {"path": value} if isinstance(value, str) else value


class TaskSection(Section):
    """What is asked. `labels` maps each label to its description, or None, in the order of the file.

    `noun` is the word for one text (review, question), `aspect` for what the labels tell of it (sentiment, topic).
    """

    name: ShortName = None
    kind: Annotated[KindSection, BeforeValidator(kind_form)] = KindSection(label=LabelSection())
    instructions: MaybeText = None
    labels: Annotated[dict[str, MaybeText], BeforeValidator(_labels)]
    show: Annotated[tuple[Text, ...] | None, AfterValidator(_at_least_one)] = None
    noun: MaybeText = None
    aspect: MaybeText = None

    @model_validator(mode="before")
    @classmethod
    def _open(cls, told: Any) -> Any:
        """Labels are required, but for an open question."""
        kind = told.get("kind") if isinstance(told, dict) else None
        return {"labels": None, **told} if kind == "open" or (isinstance(kind, dict) and "open" in kind) else told


class HeldOutSection(Section):
    """Where test items come from: exactly one of a file or data set, a share of the pool, or a number of its items."""

    path: MaybeText = None
    share: Annotated[float | None, Field(strict=True, gt=0, lt=1, allow_inf_nan=False), BeforeValidator(meaning)] = None
    items: MaybeCount = None


class DataSection(Section):
    """Where the items come from and which columns mean what."""

    pool: Text
    test: Annotated[HeldOutSection | None, BeforeValidator(_held_out)] = None
    gold: MaybeText = None
    people: MaybeText = None
    id: MaybeText = None
    limit: MaybeCount = None
    seed: Annotated[int, Field(strict=True, ge=0), BeforeValidator(meaning)] = 0


Choose = Literal["random", "balanced", "first", "nearest", "diverse"]


class ExamplesSection(Section):
    """Worked examples in an agent's prompt: how many, chosen how, from which file with gold or earlier run."""

    number: Annotated[int, Field(strict=True, ge=0, le=1000), BeforeValidator(meaning)] = 0
    choose: Annotated[Choose, BeforeValidator(text)] = "random"
    source: MaybeText = Field(default=None, alias="from")
    origin: Annotated[Literal["column", "gold", "confident", "clean"], BeforeValidator(text)] = Field(
        default="column", alias="source"
    )


class AgentSection(Section):
    """One worker; exactly one of the keys `model` to `student` says what it is. `LABELLERS` are keys of some kinds."""

    name: ShortName = None
    model: MaybeText = None
    encoder: MaybeText = None
    functions: Annotated[FunctionsSection | None, BeforeValidator(text_or_none)] = None
    callable: MaybeText = None
    classifier: MaybeText = None
    label_map: Annotated[dict[str, Text], BeforeValidator(empty_section)] = Field(default_factory=dict)
    student: Truth = False
    engine: EngineName = "openvino"
    style: Annotated[Literal["chat", "plain"], BeforeValidator(text)] = "chat"
    role: MaybeText = None
    wording: MaybeText = None
    cue: MaybeText = None
    label_words: Annotated[dict[str, Text], BeforeValidator(empty_section)] = Field(default_factory=dict)
    label_order: Annotated[Literal["given", "reversed", "shuffled"], BeforeValidator(text)] = "given"
    examples: Annotated[ExamplesSection, BeforeValidator(empty_section)] = ExamplesSection()
    decode: Annotated[DecodeSection, BeforeValidator(short_form)] = DecodeSection(choice=ChoiceSection())
    long_text: Annotated[Literal["head", "tail", "middle"], BeforeValidator(text)] = "head"


LABELLERS = ("functions", "callable", "classifier", "label_map", "student")


class CascadeSection(Section):
    """When a cascade asks the next worker; left out of the file means these defaults."""

    sure: PositiveShare = 0.9
    pilot: PositiveShare = 0.1
    calibrate: Annotated[Literal["agreement", "gold"], BeforeValidator(text)] = "agreement"


class DebateSection(Section):
    """How long a debate lasts; left out of the file means these defaults."""

    rounds: Annotated[int, Field(strict=True, ge=1, le=10), BeforeValidator(meaning)] = 2


class JudgeSection(Section):
    """Who judges where the others differ, and how often it is asked."""

    agent: Text
    both_orders: Truth = True


class CriticSection(Section):
    """Who checks which labels, and how sure it must be to veto one."""

    agent: Text
    check: Annotated[Literal["split", "all"], BeforeValidator(text)] = "split"
    sure: Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False), BeforeValidator(meaning)] = 0.5


class CommitteeSection(Section):
    """Who is asked what, how votes become labels, and what is kept of them.

    `prior` is None for uniform. `PROTOCOLS` are keys of one each.
    """

    protocol: Text = "vote"
    cascade: Annotated[CascadeSection | None, BeforeValidator(text_or_none)] = None
    debate: Annotated[DebateSection | None, BeforeValidator(text_or_none)] = None
    judge: Annotated[JudgeSection | None, BeforeValidator(text_or_none)] = None
    critic: Annotated[CriticSection | None, BeforeValidator(text_or_none)] = None
    aggregate: Text = "opinion-pool"
    refine: MaybeText = None
    prior: Annotated[dict[str, PositiveShare] | None, BeforeValidator(_prior)] = None
    accept: Share = 0.0
    states: Truth = True


PROTOCOLS = ("cascade", "debate", "judge", "critic")


class SelectionSection(Section):
    """Which items are asked, in how many rounds."""

    strategy: Text = "margin"
    rounds: Annotated[int, Field(strict=True, ge=1, le=10_000), BeforeValidator(meaning)] = 5
    start: PositiveShare = 0.2
    cold: Text = "k-means"
    stop: Annotated[StopSection, BeforeValidator(stop_form)] = StopSection()


class StudentSection(Section):
    """The small model that learns; `encoder` None means TF-IDF only, `noise` None what suits the kind.

    `FINE_TUNING`, `ADAPTING` and `agent` belong to some kinds only.
    """

    kind: Text = "linear"
    encoder: MaybeText = "all-minilm-l6-v2"
    min_confidence: Share = 0.0
    noise: MaybeText = None
    agent: ShortName = None
    model: Text = "all-minilm-l6-v2-weights"
    epochs: Annotated[int, Field(strict=True, ge=1, le=100), BeforeValidator(meaning)] = 3
    learning_rate: Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False), BeforeValidator(meaning)] = (
        1e-4
    )
    batch: Annotated[int, Field(strict=True, ge=1, le=4096), BeforeValidator(meaning)] = 32
    max_tokens: Annotated[int, Field(strict=True, ge=8, le=8192), BeforeValidator(meaning)] = 128
    alpha: Share = 0.5
    rank: Annotated[int, Field(strict=True, ge=1, le=256), BeforeValidator(meaning)] = 8


FINE_TUNING = ("model", "epochs", "learning_rate", "batch", "max_tokens")
ADAPTING = ("alpha", "rank")


class BudgetSection(Section):
    """When to stop: whichever ends first; None = no limit."""

    items: MaybeCount = None
    tokens: MaybeCount = None
    seconds: MaybeSeconds = None


class PrivacySection(Section):
    """What may leave the machine, and what may run on it."""

    allow_remote: Truth = False
    allow_code: Truth = False


Agents = Annotated[tuple[AgentSection, ...] | None, AfterValidator(_at_least_one), BeforeValidator(text_or_none)]
