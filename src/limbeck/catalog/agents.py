"""The agents of a task file → workers.

Knows nothing of what they are asked, or in which order.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from limbeck.agent import (
    Apprentice,
    BothOrders,
    ClassifierAgent,
    Demonstrated,
    FunctionAgent,
    LanguageAgent,
    MaskedAgent,
    Prompt,
    SimilarityAgent,
    Worker,
)
from limbeck.agent.demonstrated import DemonstratedListener, Examples
from limbeck.agent.functions import Rules, on_text
from limbeck.agent.language import QUESTIONS, frame
from limbeck.agent.prompt import (
    COMMITTEE,
    DEFAULTS,
    MASKED,
    OPEN_COMMITTEE,
    PAIR_COMMITTEE,
    PAIRED,
    SEVERAL_COMMITTEE,
    SEVERAL_CUES,
    WRITING,
    capital,
)
from limbeck.catalog.checkers import build_check, kind_of
from limbeck.catalog.data import Data
from limbeck.catalog.decoders import build_decoder
from limbeck.catalog.demonstrations import chooser
from limbeck.catalog.labellers import open_classifier, python_function
from limbeck.catalog.models import Models
from limbeck.catalog.names import CHECKLIST, DECODERS, RELATIVE, resolve
from limbeck.committee.verdicts import LABELS as YES_NO
from limbeck.decoding.answers import Words
from limbeck.decoding.base import BRANCHES
from limbeck.errors import ConfigError, LimbeckError
from limbeck.pool import Pool
from limbeck.task import AgentSection, Task, TaskFile, render_item


class Agents:
    """Makes workers, each model once however many agents use it.

    Args:
        file: the task file.
        models: loads models.
        data: reads the files of worked examples.
    """

    def __init__(self, file: TaskFile, models: Models, data: Data) -> None:
        self._file, self._models, self._data = file, models, data

    def workers(self, task: Task, *, test: Pool | None = None) -> list[Worker]:
        """The file's agents, or the default committee where it names none; texts of `test` are nobody's examples."""
        sections = self._sections(task)
        shown = any(section.examples.number for section in sections)
        avoid = {render_item(task, item) for item in test} if test is not None and shown else set[str]()
        critic = self._file.committee.critic
        return [
            self._critic(task, section)
            if critic is not None and section.name == critic.agent
            else self.worker(task, section, i, avoid=avoid)
            for i, section in enumerate(sections)
        ]

    def reinforced(self, task: Task, shown: Examples, ending: str) -> tuple[Worker, ...]:
        """The agents that read a prompt, with these worked examples in it, under names of their own.

        A critic and masked models are not among them.

        Raises:
            ConfigError: when the examples leave no room for a text.
        """
        critic = self._file.committee.critic
        made = []
        for place, section in enumerate(self._sections(task)):
            if section.model is None or section.engine == MASKED or (critic and section.name == critic.agent):
                continue
            named = section.model_copy(update={"name": f"{section.name or f'agent-{place + 1}'}{ending}"})
            engine = self._models.engine(section.engine, section.model, shown=task.show)
            prompt = self._prompt(task, named, shown)
            made.append(self._prompted(task, prompt, section=named, engine=engine, name=str(named.name)))
        return tuple(made)

    def _sections(self, task: Task) -> tuple[AgentSection, ...]:
        kinds = {"pair": PAIR_COMMITTEE, "open": OPEN_COMMITTEE, "questions": SEVERAL_COMMITTEE}
        usual = kinds.get(task.several.ask if task.several else task.kind, COMMITTEE)
        return self._file.agents or tuple(map(AgentSection.model_validate, usual))

    def _critic(self, task: Task, section: AgentSection) -> Worker:
        """The agent as a critic: the same text, and whether an answer to it is right; it is shown no examples."""
        assert section.model is not None  # the task file's own rule: a critic reads a prompt
        asked = replace(task, labels=YES_NO, descriptions=(None, None), aspect="answer")
        engine = self._models.engine(section.engine, section.model, shown=task.show)
        words = tuple((label, label.capitalize()) for label in YES_NO)
        own = self._prompt(task, section, ())
        prompt = replace(own, label_words=words, spoken=tuple(section.label_words.items()))
        return self._prompted(asked, prompt, section=section, engine=engine, name=section.name or "agent-1")

    def worker(self, task: Task, section: AgentSection, place: int, *, avoid: Collection[str] = ()) -> Worker:
        """One agent, which without a name is called by its place; of pairs it is asked in both orders.

        Args:
            task: what it is asked.
            section: of the task file.
            place: among the agents.
            avoid: texts that are nobody's worked examples.
        """
        worker: Any = self._worker(task, section, place, avoid=avoid)
        return BothOrders(worker, task) if task.pair and task.pair.both else worker

    def _worker(self, task: Task, section: AgentSection, place: int, *, avoid: Collection[str]) -> Worker:
        name = section.name or f"agent-{place + 1}"
        if section.encoder is not None:
            encoder = self._models.encoder(section.encoder)
            return SimilarityAgent(
                name,
                task,
                encoder,
                model=section.encoder,
                calibration=section.decode.calibration,
                states=self._file.committee.states,
            )
        if section.model is None:
            return self._labeller(name, task, section, place)
        engine = self._models.engine(section.engine, section.model, shown=task.show)

        def make(examples: Examples) -> LanguageAgent | MaskedAgent:
            return self._prompted(
                task, self._prompt(task, section, examples), section=section, engine=engine, name=name
            )

        if not section.examples.number:
            return make(())
        choose = chooser(
            section.examples, task, data=self._data, models=self._models, avoid=avoid, seed=self._file.data.seed
        )
        kind = Demonstrated if section.engine == MASKED else DemonstratedListener
        return kind(make, choose)

    def _prompted(
        self, task: Task, prompt: Prompt, *, section: AgentSection, engine: Any, name: str
    ) -> LanguageAgent | MaskedAgent:
        """An agent that is asked by this prompt."""
        assert section.model is not None  # the caller's own rule
        shared = {"calibration": section.decode.calibration, "long_text": section.long_text}
        if section.engine == MASKED:
            return MaskedAgent(name, task, prompt=prompt, model=engine, model_name=section.model, **shared)
        decoder = self._decoder(task, section, prompt, engine)
        branches = self._models.branches(section.engine, engine) if decoder.width > 1 else BRANCHES
        return LanguageAgent(
            name,
            task,
            prompt=prompt,
            engine=engine,
            decoder=decoder,
            model=section.model,
            branches=branches,
            check=None if task.open is None else build_check(task.open.checker),
            **shared,
        )

    def _labeller(self, name: str, task: Task, section: AgentSection, place: int) -> Worker:
        """A worker that reads no prompt."""
        if section.functions is not None:
            rules = Rules(section.functions.keywords, section.functions.patterns)
            told = section.functions.model_dump(mode="json")
            return FunctionAgent(name, task, function=on_text(task, rules), identity=told, model="functions")
        if section.student:
            return Apprentice(name, task)
        key = "callable" if section.callable is not None else "classifier"
        try:
            if section.callable is not None:
                called, digest = python_function(section.callable, self._file.resolve(""), task)
                return FunctionAgent(name, task, function=called, identity=digest, model=section.callable)
            assert section.classifier is not None  # the task file's own rule: exactly one of them
            found, digest = open_classifier(section.classifier, self._models)
            return ClassifierAgent(
                name,
                task,
                classifier=found,
                identity=digest,
                model=section.classifier,
                label_map=section.label_map,
                # A trained classifier knows how common its labels are; of a prompt nobody knows.
                calibration=section.decode.calibration if "decode" in section.model_fields_set else "none",
            )
        except LimbeckError as error:
            raise self._file.complaint(("agents", place, key), str(error)) from error

    def _decoder(self, task: Task, section: AgentSection, prompt: Prompt, engine: Any) -> Any:
        if (open_kind := kind_of(task)) is not None:
            return build_decoder(section.decode, open_kind, choice=tuple, seed=self._file.data.seed)
        if task.several is not None and task.several.ask == QUESTIONS:
            return self._checklist(task, prompt, engine)
        options = prompt.options(task)
        kind = Words(tuple(zip(task.labels, (option.strip() for option in options), strict=True)), "label")
        if section.decode.name == "gate" and not prompt.cue:
            # The labels are scored behind the words that would ask for them at once.
            options = [f"{capital(task.aspect)}: {option.strip()}" for option in options]

        def choice() -> Any:
            return resolve(DECODERS["choice"])(
                [engine.tokenizer.encode(option) for option in options],
                end=engine.tokenizer.end,
                states=self._file.committee.states and task.several is None,
            )

        if task.several is not None:
            return resolve(RELATIVE)(choice())
        return build_decoder(section.decode, kind, values=task.labels, seed=self._file.data.seed, choice=choice)

    def _checklist(self, task: Task, prompt: Prompt, engine: Any) -> Any:
        """Yes or no for each label, behind the text that all of these questions share."""
        encode = engine.tokenizer.encode
        _, after = frame(engine, prompt, task)
        lead = " " if prompt.cue else ""
        answer = resolve(DECODERS["choice"])([encode(lead + word) for word in ("Yes", "No")], end=engine.tokenizer.end)
        return resolve(CHECKLIST)([[*encode(question), *after] for question in prompt.questions(task)], answer)

    def _prompt(self, task: Task, section: AgentSection, examples: Examples) -> Prompt:
        style = MASKED if section.engine == MASKED else section.style
        wording, cue = (DEFAULTS if section.decode.name == "choice" else WRITING)[style]
        if task.pair:
            wording = PAIRED[style]
        if task.several and task.several.ask == QUESTIONS:
            cue = SEVERAL_CUES[style]
        return Prompt(
            style=style,
            wording=section.wording or wording,
            cue=cue if section.cue is None else section.cue,
            label_words=tuple(section.label_words.items()),
            label_order=section.label_order,
            examples=examples,
            role=section.role or "",
        )


def probed(file: TaskFile, task: Task, workers: Sequence[Worker]) -> tuple[LanguageAgent, str]:
    """The agent whose hidden states a probe reads, and the name of its engine.

    Raises:
        ConfigError: there is no such agent, or the task shows several columns.
    """
    sections = file.agents or tuple(map(AgentSection.model_validate, COMMITTEE))
    able = {}
    for worker, section in zip(workers, sections, strict=True):
        # A probe reads one prompt; one agent of many prompts has no prompt of its own.
        alone = worker.usual if isinstance(worker, Demonstrated) and section.examples.choose != "nearest" else worker
        if isinstance(alone, LanguageAgent) and isinstance(section.engine, str):
            able[worker.name] = alone, section.engine
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
