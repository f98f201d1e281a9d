"""Scripted agents for the protocols in which agents read each other's answers; every prompt can be followed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any

from held import Held
from limbeck.agent import LanguageAgent, Prompt, Worker
from limbeck.agent.prompt import DEFAULTS
from limbeck.committee import Committee
from limbeck.decoding.choice import Choice
from limbeck.engines.base import Engine
from limbeck.engines.scripted import Line, ScriptedEngine
from limbeck.records import Item, Vote
from limbeck.task import Task

LABELS = ("negative", "positive")
TASK = Task("toy", LABELS, (None, None), "Which label fits?", ("text",))
CHECK = Task("toy", ("yes", "no"), (None, None), "Which label fits?", ("text",), aspect="answer")


def line(when: str, say: str, weight: float = 4.0) -> Line:
    return Line(when, say, weight)


def agent(
    name: str, *lines: Line, engine: Engine | None = None, task: Task = TASK, prompt: Prompt | None = None
) -> LanguageAgent:
    """An agent that is not calibrated, so that what it says is what its script says."""
    engine = engine or ScriptedEngine(lines)
    prompt = prompt or Prompt("plain", *DEFAULTS["plain"])
    options = [engine.tokenizer.encode(option) for option in prompt.options(task)]
    decoder = Choice(options, end=engine.tokenizer.end)
    return LanguageAgent(name, task, prompt=prompt, engine=engine, decoder=decoder, model="script", calibration="none")


def critic(*lines: Line) -> LanguageAgent:
    """An agent that says Yes or No."""
    words = (("yes", "Yes"), ("no", "No"))
    prompt = Prompt("plain", *DEFAULTS["plain"], label_words=words, spoken=())
    return agent("critic", *lines, task=CHECK, prompt=prompt)


def items(*texts: str) -> list[Item]:
    return [Item(f"{i:03}", {"text": text}, gold=None) for i, text in enumerate(texts)]


def around(worker: Worker) -> AbstractContextManager[None]:
    return nullcontext()


def cast(committee: Committee, asked: Sequence[Item], held: Held | None = None, *, batches: int | None = None) -> Held:
    """What is kept after asking; after so many batches only, where a number is given."""
    held = held or Held()
    held.keep(islice(committee.ask(asked, kept=held, around=around), batches))
    return held


def told(held: Held) -> set[tuple[Any, ...]]:
    """What two runs must have in common: all but what an answer cost."""
    return {(v.key, v.item, v.worker, v.label, v.scores, v.flags, str(v.trace)) for v in held.votes()}


def labels(votes: Sequence[Vote]) -> dict[str, str | None]:
    """Item → label of some votes."""
    return {vote.item: vote.label for vote in votes}
