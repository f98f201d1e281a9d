"""The agents of a task file asked otherwise: labels in another order, neutral words for them, examples turned round.

Knows nothing of what is done with the answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from string import ascii_uppercase

from limbeck.agent import Demonstrated, LanguageAgent, MaskedAgent, Worker
from limbeck.agent.prompt import COMMITTEE
from limbeck.catalog.agents import Agents
from limbeck.flows.bias import ASKED, Variant
from limbeck.records import Item
from limbeck.task import AgentSection, Task, TaskFile, default_instructions

REVERSED, ROTATED = "labels in reversed order", "labels rotated by one"
NEUTRAL, SWAPPED = "letters for labels", "letters the other way round"
NO_PROMPT = "reads no prompt"
NO_ORDER = "the order of labels is not tried: its prompt lists none, or only within your own instructions"


def variants(file: TaskFile, task: Task, agents: Agents, item: Item) -> tuple[list[Variant], dict[str, str]]:
    """Every agent that reads a prompt, in every way; and agent → why it is not asked at all, or not in another order.

    Args:
        file: the task file.
        task: what is asked.
        agents: makes workers.
        item: by which it is seen whether a prompt changed.

    Raises:
        LimbeckError: when a model cannot be opened.
    """
    found, skipped = [], {}
    sections = file.agents or tuple(map(AgentSection.model_validate, COMMITTEE))
    for place, section in enumerate(sections):
        asked = agents.worker(task, section, place) if section.model is not None else None
        if not isinstance(asked, LanguageAgent | MaskedAgent | Demonstrated):
            skipped[section.name or f"agent-{place + 1}"] = NO_PROMPT
            continue
        found.append(Variant(asked.name, ASKED, ASKED, asked, task.labels))
        for change, against, other, told in _otherwise(section, task, own=file.task.instructions is not None):
            worker = agents.worker(other, told, place)
            if _prompt(worker, item) != _prompt(asked, item):
                found.append(Variant(asked.name, change, against, worker, other.labels))
            elif change == REVERSED:
                skipped[asked.name] = NO_ORDER
    return found, skipped


def _otherwise(section: AgentSection, task: Task, *, own: bool) -> Iterator[tuple[str, str, Task, AgentSection]]:
    """Change, what it is compared with, and task and agent with that change; `own`: the user wrote the instructions."""
    yield REVERSED, ASKED, _ordered(task, task.labels[::-1], own=own), section
    if len(task.labels) > 2:
        yield ROTATED, ASKED, _ordered(task, (*task.labels[1:], task.labels[0]), own=own), section
    letters = [ascii_uppercase[i] if i < len(ascii_uppercase) else str(i + 1) for i in range(len(task.labels))]
    for change, against, given in ((NEUTRAL, ASKED, letters), (SWAPPED, NEUTRAL, letters[::-1])):
        words = dict(zip(task.labels, given, strict=True))
        listed = ", ".join(f"{word} for {label}" for label, word in sorted(words.items(), key=lambda pair: pair[1]))
        told = replace(task, instructions=f"{task.instructions}\nAnswer with a letter: {listed}.")
        yield change, against, told, section.model_copy(update={"label_words": words})


def _ordered(task: Task, labels: tuple[str, ...], *, own: bool) -> Task:
    """The task with its labels in another order, also in instructions that were made from them."""
    about = dict(zip(task.labels, task.descriptions, strict=True))
    there = {label: about[label] for label in labels}
    told = task.instructions if own else default_instructions(there)
    return replace(task, labels=labels, descriptions=tuple(there.values()), instructions=told)


def _prompt(worker: Worker, item: Item) -> str:
    assert isinstance(worker, LanguageAgent | MaskedAgent | Demonstrated)
    return worker.example(item)
