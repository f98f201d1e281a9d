"""The task file and the task: what is asked, of which labels, and how an answer is read."""

from limbeck.task.address import notice, on_this_machine
from limbeck.task.answer import parse_label
from limbeck.task.decode import ChoiceSection, CotSection, DecodeSection
from limbeck.task.engine import EngineSection
from limbeck.task.question import Checker, Open, Pair, Scale, Several, Task, default_instructions, render_item, turned
from limbeck.task.reading import load_task, parse_decode, parse_task
from limbeck.task.relations import unknown_names
from limbeck.task.sections import (
    AgentSection,
    BudgetSection,
    CascadeSection,
    CommitteeSection,
    DataSection,
    ExamplesSection,
    HeldOutSection,
    PrivacySection,
    SelectionSection,
    StudentSection,
    TaskSection,
)
from limbeck.task.synthesis import SynthesisSection
from limbeck.task.taskfile import TaskFile, fingerprint, synthesis_fingerprint
from limbeck.task.variation import Key, key_of, load_varied, vary

__all__ = [
    "AgentSection",
    "BudgetSection",
    "CascadeSection",
    "Checker",
    "ChoiceSection",
    "CommitteeSection",
    "CotSection",
    "DataSection",
    "DecodeSection",
    "EngineSection",
    "ExamplesSection",
    "HeldOutSection",
    "Key",
    "Open",
    "Pair",
    "PrivacySection",
    "Scale",
    "SelectionSection",
    "Several",
    "StudentSection",
    "SynthesisSection",
    "Task",
    "TaskFile",
    "TaskSection",
    "default_instructions",
    "fingerprint",
    "key_of",
    "load_task",
    "load_varied",
    "notice",
    "on_this_machine",
    "parse_decode",
    "parse_label",
    "parse_task",
    "render_item",
    "synthesis_fingerprint",
    "turned",
    "unknown_names",
    "vary",
]
