"""The agents of a task file → workers.

Knows nothing of what they are asked, or in which order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from limbeck.agent import LanguageAgent, MaskedAgent, Prompt, SimilarityAgent, Worker
from limbeck.agent.prompt import COMMITTEE, DEFAULTS, MASKED, WRITING, capital, worked_examples
from limbeck.catalog.data import Data
from limbeck.catalog.decoders import build_decoder
from limbeck.catalog.models import Models
from limbeck.catalog.names import DECODERS, resolve
from limbeck.committee.verdicts import LABELS as YES_NO
from limbeck.decoding.answers import Words
from limbeck.decoding.base import BRANCHES
from limbeck.errors import ConfigError
from limbeck.task import AgentSection, Task, TaskFile


class Agents:
    """Makes workers, each model once however many agents use it.

    Args:
        file: the task file.
        models: loads models.
        data: reads the files of worked examples.
    """

    def __init__(self, file: TaskFile, models: Models, data: Data) -> None:
        self._file, self._models, self._data = file, models, data

    def workers(self, task: Task) -> list[Worker]:
        """The file's agents, or the default committee where it names none."""
        sections = self._file.agents or tuple(map(AgentSection.model_validate, COMMITTEE))
        critic = self._file.committee.critic
        return [
            self._critic(task, section)
            if critic is not None and section.name == critic.agent
            else self.worker(task, section, i)
            for i, section in enumerate(sections)
        ]

    def _critic(self, task: Task, section: AgentSection) -> Worker:
        """The agent as a critic: the same text, and whether an answer to it is right."""
        asked = replace(task, labels=YES_NO, descriptions=(None, None), aspect="answer")
        return self.worker(asked, section, 0, spoken=tuple(section.label_words.items()))

    def worker(
        self, task: Task, section: AgentSection, place: int, *, spoken: tuple[tuple[str, str], ...] | None = None
    ) -> Worker:
        """One agent, which without a name is called by its place; `spoken`: a critic's words for the task's labels."""
        name = section.name or f"agent-{place + 1}"
        calibration = section.decode.calibration
        if section.encoder is not None:
            encoder = self._models.encoder(section.encoder)
            return SimilarityAgent(
                name, task, encoder, model=section.encoder, calibration=calibration, states=self._file.committee.states
            )
        assert section.model is not None  # the task file's own rule: exactly one of the two
        engine = self._models.engine(section.engine, section.model, shown=task.show)
        prompt = self._prompt(task, section)
        if spoken is not None:
            words = tuple((label, label.capitalize()) for label in task.labels)
            prompt = replace(prompt, label_words=words, examples=(), spoken=spoken)
        if section.engine == MASKED:
            shared = {"calibration": calibration, "long_text": section.long_text}
            return MaskedAgent(name, task, prompt=prompt, model=engine, model_name=section.model, **shared)
        decoder = self._decoder(task, section, prompt, engine)
        return LanguageAgent(
            name,
            task,
            prompt=prompt,
            engine=engine,
            decoder=decoder,
            model=section.model,
            calibration=calibration,
            long_text=section.long_text,
            branches=self._models.branches(section.engine, engine) if decoder.width > 1 else BRANCHES,
        )

    def _decoder(self, task: Task, section: AgentSection, prompt: Prompt, engine: Any) -> Any:
        options = prompt.options(task)
        kind = Words(tuple(zip(task.labels, (option.strip() for option in options), strict=True)), "label")
        if section.decode.name == "gate" and not prompt.cue:
            # The labels are scored behind the words that would ask for them at once.
            options = [f"{capital(task.aspect)}: {option.strip()}" for option in options]

        def choice() -> Any:
            return resolve(DECODERS["choice"])(
                [engine.tokenizer.encode(option) for option in options],
                end=engine.tokenizer.end,
                states=self._file.committee.states,
            )

        return build_decoder(section.decode, kind, values=task.labels, seed=self._file.data.seed, choice=choice)

    def _prompt(self, task: Task, section: AgentSection) -> Prompt:
        style = MASKED if section.engine == MASKED else section.style
        wording, cue = (DEFAULTS if section.decode.name == "choice" else WRITING)[style]
        return Prompt(
            style=style,
            wording=section.wording or wording,
            cue=cue if section.cue is None else section.cue,
            label_words=tuple(section.label_words.items()),
            label_order=section.label_order,
            examples=self._examples(task, section),
            role=section.role or "",
        )

    def _examples(self, task: Task, section: AgentSection) -> tuple[tuple[str, str], ...]:
        wanted = section.examples
        if not wanted.number:
            return ()
        assert wanted.source is not None  # the task file's own rule: examples need a file
        pool = self._data.pool(wanted.source, task, limit=None, named=False)
        seed = self._file.data.seed
        return worked_examples(task, pool, number=wanted.number, choose=wanted.choose, seed=seed)


def probed(file: TaskFile, task: Task, workers: Sequence[Worker]) -> tuple[LanguageAgent, str]:
    """The agent whose hidden states a probe reads, and the name of its engine.

    Raises:
        ConfigError: there is no such agent, or the task shows several columns.
    """
    sections = file.agents or tuple(map(AgentSection.model_validate, COMMITTEE))
    able = {
        worker.name: (worker, section.engine)
        for worker, section in zip(workers, sections, strict=True)
        if isinstance(worker, LanguageAgent) and isinstance(section.engine, str)
    }
    wanted = file.student.agent or next(iter(able), None)
    if wanted not in able:
        raise ConfigError(
            f"student.agent: {wanted!r} is no agent with a language model in this process"
            if wanted
            else "student.kind: a probe reads the hidden states of a language model, and no agent has one here",
            hint=f"Name one of: {', '.join(able)}." if able else "Add an agent with a model, or take another kind.",
        )
    if len(task.show) > 1:
        raise ConfigError(
            f"student.kind: a probe reads texts of one column, and this task shows {', '.join(task.show)}",
            hint="Take kind: linear or kind: encoder.",
        )
    return able[wanted]
