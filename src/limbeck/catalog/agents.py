"""The agents of a task file → workers.

Knows nothing of what they are asked, or in which order.
"""

from __future__ import annotations

from typing import Any

from limbeck.agent import BothOrders, LanguageAgent, MaskedAgent, Prompt, SimilarityAgent, Worker
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
    worked_examples,
)
from limbeck.catalog.checkers import build_check, kind_of
from limbeck.catalog.data import Data
from limbeck.catalog.decoders import build_decoder
from limbeck.catalog.models import Models
from limbeck.catalog.names import CHECKLIST, DECODERS, RELATIVE, resolve
from limbeck.decoding.answers import Words
from limbeck.decoding.base import BRANCHES
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
        kinds = {"pair": PAIR_COMMITTEE, "open": OPEN_COMMITTEE, "questions": SEVERAL_COMMITTEE}
        usual = kinds.get(task.several.ask if task.several else task.kind, COMMITTEE)
        sections = self._file.agents or tuple(map(AgentSection.model_validate, usual))
        return [self.worker(task, section, i) for i, section in enumerate(sections)]

    def worker(self, task: Task, section: AgentSection, place: int) -> Worker:
        """One agent, which without a name is called by its place; of pairs it is asked in both orders."""
        worker = self._worker(task, section, place)
        return BothOrders(worker, task) if task.pair and task.pair.both else worker

    def _worker(self, task: Task, section: AgentSection, place: int) -> Any:
        name = section.name or f"agent-{place + 1}"
        calibration = section.decode.calibration
        if section.encoder is not None:
            encoder = self._models.encoder(section.encoder)
            return SimilarityAgent(name, task, encoder, model=section.encoder, calibration=calibration)
        assert section.model is not None  # the task file's own rule: exactly one of the two
        engine = self._models.engine(section.engine, section.model, shown=task.show)
        prompt = self._prompt(task, section)
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
            check=None if task.open is None else build_check(task.open.checker),
        )

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
                [engine.tokenizer.encode(option) for option in options], end=engine.tokenizer.end
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

    def _prompt(self, task: Task, section: AgentSection) -> Prompt:
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
            examples=self._examples(task, section),
        )

    def _examples(self, task: Task, section: AgentSection) -> tuple[tuple[str, str], ...]:
        wanted = section.examples
        if not wanted.number:
            return ()
        assert wanted.source is not None  # the task file's own rule: examples need a file
        pool = self._data.pool(wanted.source, task, limit=None, named=False)
        seed = self._file.data.seed
        return worked_examples(task, pool, number=wanted.number, choose=wanted.choose, seed=seed)
