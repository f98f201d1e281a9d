"""What stands in metrics.json, as models: absent keys and empty blocks become None or nothing, with their reasons.

Knows nothing of HTML, charts or how the numbers were made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from limbeck.errors import RunError
from limbeck.report.audit import AuditPart
from limbeck.report.block import Block, Interval, Number, Numbers, Part, Rows, Said, Table
from limbeck.report.clean import CleanPart, NoisePart
from limbeck.report.costs import ResourcesPart
from limbeck.report.fairness import BiasPart, SlicesPart
from limbeck.report.gold import CalibrationPart
from limbeck.report.loop import ImprovePart
from limbeck.report.plan import PlanPart
from limbeck.report.safety import all_visible

SCHEMA = 1


class TaskPart(Block):
    """What was asked."""

    name: str | None = None
    instructions: str | None = None
    labels: Table[str | None] = Field(default_factory=dict)
    show: Rows[str] = Field(default_factory=list)
    kind: Said = None


class DataPart(Block):
    """Which texts were asked about."""

    pool: Said = None
    pool_items: Number = None
    rows: Number = None
    duplicates: Number = None
    test_items: Number = None
    gold_source: Said = None
    truncated: Number = None
    example_items: Rows[dict[str, str | None]] = Field(default_factory=list)


class AgentPart(Block):
    """One agent: how right it was, and what it cost."""

    model: Said = None
    style: Said = None
    prompt_example: str | None = None
    accuracy: Number = None
    accuracy_interval: Interval = None
    accuracy_raw: Number = None
    on: Said = None
    votes: Number = None
    abstained: Number = None
    tokens: Number = None
    reused: Number = None
    items_per_second: Number = None
    seconds: Number = None
    weight: Number = None
    orders_differ: Number = None
    orders_differ_interval: Interval = None


class ClassPart(Block):
    """One label's scores."""

    label: str | None = None
    precision: Number = None
    recall: Number = None
    f1: Number = None
    f1_interval: Interval = None
    support: Number = None
    predicted: Number = None


class BinPart(Block):
    """One bin of a reliability diagram."""

    low: Number = None
    high: Number = None
    count: Number = None
    confidence: Number = None
    accuracy: Number = None
    interval: Interval = None


class CoveragePart(Block):
    """One point of a coverage curve."""

    coverage: Number = None
    accuracy: Number = None
    interval: Interval = None


class PeoplePart(Block):
    """How a worker compares with people who rated the same items."""

    rater_accuracy: Number = None
    rater_accuracy_interval: Interval = None
    raters_per_item: Number = None
    distance: Number = None
    distance_interval: Interval = None
    rank_correlation: Number = None
    distance_name: Said = None


class ScoredPart(Block):
    """What committee and student share: how well their labels agree with gold."""

    on: Said = None
    n: Number = None
    accuracy: Number = None
    accuracy_interval: Interval = None
    macro_f1: Number = None
    macro_f1_interval: Interval = None
    ece: Number = None
    ece_interval: Interval = None
    quadratic_kappa: Number = None
    quadratic_kappa_interval: Interval = None
    mean_absolute_error: Number = None
    mean_absolute_error_interval: Interval = None
    micro_f1: Number = None
    micro_f1_interval: Interval = None
    hamming_loss: Number = None
    hamming_loss_interval: Interval = None
    spearman: Number = None
    spearman_interval: Interval = None
    per_class: Rows[ClassPart] = Field(default_factory=list)
    confusion: Rows[Numbers] = Field(default_factory=list)
    reliability: Rows[BinPart] = Field(default_factory=list)
    coverage_curve: Rows[CoveragePart] = Field(default_factory=list)
    people: Part[PeoplePart] = PeoplePart()


class StepPart(Block):
    """Something that the protocol did, and on how many items."""

    step: str | None = None
    items: Number = None


class CommitteePart(ScoredPart):
    """The committee: its labels against gold, how alike its members are, and what its protocol was worth."""

    protocol: str | None = None
    tokens_saved: Number = None
    agreement_with_all: Number = None
    equal_tokens_agents: Rows[str] = Field(default_factory=list)
    equal_tokens_price: Number = None
    gain_at_equal_tokens: Number = None
    gain_at_equal_tokens_interval: Interval = None
    steps: Rows[StepPart] = Field(default_factory=list)
    aggregate: Said = None
    coverage: Number = None
    accepted_accuracy: Number = None
    accept: Number = None
    agreement: Number = None
    effective_votes: Number = None
    error_correlation: Number = None
    both_wrong_agreement: Number = None
    ordinal_alpha: Number = None
    best_agent: str | None = None
    best_agent_accuracy: Number = None
    plan: Part[PlanPart] = PlanPart()


class StudentPart(ScoredPart):
    """The student: its labels against gold, its size and speed."""

    kind: Said = None
    items_per_second: Number = None
    bytes: Number = None
    agreement_with_committee: Number = None
    taught_by: Number = None
    c: Number = None
    noise: Part[NoisePart] = NoisePart()


class RoundPart(Block):
    """One round of the loop."""

    round: Number = None
    strategy: Said = None
    labelled: Number = None
    accuracy: Number = None
    accuracy_interval: Interval = None
    committee_accuracy_selected: Number = None
    seconds: Number = None
    tokens: Number = None
    change: Number = None
    kappa: Number = None
    performance: Number = None
    notes: Rows[Said] = Field(default_factory=list)


class VotePart(Block):
    """One agent's answer to one item."""

    worker: str | None = None
    label: str | None = None
    first: str | None = None  # what it said alone, where it changed its mind
    probabilities: Numbers = Field(default_factory=list)
    rationale: str | None = None


class DisagreementPart(Block):
    """One item on which the agents disagree."""

    id: str | None = None
    text: str | None = None
    gold: str | None = None
    label: str | None = None
    confidence: Number = None
    votes: Rows[VotePart] = Field(default_factory=list)


class AssetPart(Block):
    """One model or data set."""

    name: Said = None
    sha256: Said = None
    licence: Said = None
    source: Said = None


class ReproducePart(Block):
    """What is needed to run it again."""

    command: Said = None
    task_file: Said = None
    machine: Table[Any] = Field(default_factory=dict)
    versions: Table[Said] = Field(default_factory=dict)
    assets: Rows[AssetPart] = Field(default_factory=list)
    seed: Number = None


class Metrics(Block):
    """The whole of metrics.json, schema 1."""

    limbeck: Said = None
    created: Said = None
    sentence: Said = None
    warnings: Rows[Said] = Field(default_factory=list)
    ended: Said = None
    task: Part[TaskPart] = TaskPart()
    data: Part[DataPart] = DataPart()
    items: Number = None
    votes: Number = None
    agents: Table[Part[AgentPart]] = Field(default_factory=dict)
    committee: Part[CommitteePart] = CommitteePart()
    student: Part[StudentPart] = StudentPart()
    clean_set: Part[CleanPart] = CleanPart()
    learning_curve: Rows[RoundPart] = Field(default_factory=list)
    resources: Part[ResourcesPart] = ResourcesPart()
    disagreements: Rows[DisagreementPart] = Field(default_factory=list)
    reproduce: Part[ReproducePart] = ReproducePart()
    gold: CalibrationPart | None = None
    audit: AuditPart | None = None  # of audit.json, where there is one
    bias: BiasPart | None = None  # likewise
    slices: SlicesPart | None = None  # likewise
    improve: ImprovePart | None = None  # of improve.json, likewise


def understood(metrics: Mapping[str, Any]) -> Metrics:
    """Read metrics of schema 1.

    Raises:
        RunError: for a newer schema, or a value of the wrong kind (naming its key).
    """
    schema = metrics.get("schema")
    if schema not in (None, SCHEMA):
        raise RunError(
            f"metrics.json has schema {schema}; this limbeck reads schema {SCHEMA}",
            hint="Write the report with the version of limbeck that made the run.",
        )
    try:
        return Metrics.model_validate(all_visible(metrics))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise RunError(
            f"metrics.json: {where}: {first['msg']}",
            hint="The file seems to be damaged; run the same `limbeck run` again: nothing is labelled twice.",
        ) from error
