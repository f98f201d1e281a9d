"""Every name that a task file may use → the class behind it. The only place that builds parts by name.

Parts are loaded by string when they are asked for, so that a run imports what it uses and nothing else.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from limbeck.agent import LanguageAgent, MaskedAgent, Prompt, SimilarityAgent, Worker
from limbeck.agent.prompt import COMMITTEE, DEFAULTS, MASKED, WRITING, capital, worked_examples
from limbeck.assets.base import Say
from limbeck.assets.local import gguf_file
from limbeck.assets.store import Store
from limbeck.committee import Committee
from limbeck.encoder import Encoder
from limbeck.errors import ConfigError, MissingExtra
from limbeck.flows.facts import describe
from limbeck.flows.job import Budget, Job, Schedule
from limbeck.meter import Meter
from limbeck.pool import Pool, columns, split
from limbeck.students.base import Student, Teacher
from limbeck.task import AgentSection, DecodeSection, EngineSection, Task, TaskFile, notice, unknown_names

ENGINES = {
    "openvino": "limbeck.engines.openvino:load",
    "scripted": "limbeck.engines.scripted:ScriptedEngine.load",
    "transformers": "limbeck.engines.transformers:load",
    "masked": "limbeck.engines.masked:load",
    "server": "limbeck.engines.service:connect",
}
FOLDERS = {"transformers", "masked"}
INSPECT, REPORT = "limbeck.engines.gguf:inspect", "limbeck.report:write_report"
DECODERS = {
    "choice": "limbeck.decoding.choice:Choice",
    "cot": "limbeck.decoding.cot:Cot",
    "self_consistency": "limbeck.decoding.consistency:SelfConsistency",
    "nucleus": "limbeck.decoding.consistency:SelfConsistency",
    "greedy": "limbeck.decoding.cot:Cot",
    "gate": "limbeck.decoding.gate:Gate",
}
RULES = {
    "none": "limbeck.decoding.stopping:Never",
    "exact": "limbeck.decoding.stopping:Exact",
    "adaptive": "limbeck.decoding.stopping:Adaptive",
    "window": "limbeck.decoding.stopping:Window",
}
AGGREGATORS = {
    "majority": "limbeck.aggregation.majority:Majority",
    "weighted": "limbeck.aggregation.weighted:Weighted",
    "dawid-skene": "limbeck.aggregation.dawid_skene:DawidSkene",
    "opinion-pool": "limbeck.aggregation.opinion_pool:OpinionPool",
}
SELECTORS = {
    "random": "limbeck.selection.random:Random",
    "least-confidence": "limbeck.selection.uncertainty:LeastConfidence",
    "margin": "limbeck.selection.uncertainty:Margin",
    "entropy": "limbeck.selection.uncertainty:Entropy",
    "disagreement": "limbeck.selection.disagreement:VoteEntropy",
    "k-centre": "limbeck.selection.diversity:KCentre",
    "k-means": "limbeck.selection.diversity:KMeans",
}
COLD = ("random", "k-centre", "k-means")
DIVERSE = {"k-centre", "k-means"}
STUDENTS = {"linear": "limbeck.students.linear:LinearTeacher"}
LOADERS = {"linear": "limbeck.students.linear:load_student"}
PROTOCOLS = ("vote",)
# Task-file key → the names that may stand there, for `task.load_task`.
NAMES: Mapping[str, Sequence[str]] = {
    "committee.protocol": PROTOCOLS,
    "committee.aggregate": tuple(AGGREGATORS),
    "selection.strategy": tuple(SELECTORS),
    "selection.cold": COLD,
    "student.kind": tuple(STUDENTS),
    "agents.engine": tuple(ENGINES),
}
EXTRAS = {"torch": "torch", "transformers": "torch", "ray": "ray", "pynvml": "gpu"}


def build_decoder(section: DecodeSection, kind: Any, *, values: Sequence[str] = (), seed: int = 0, choice: Any) -> Any:
    """The decoder that a section describes.

    Args:
        section: what a task file or a command line says.
        kind: what an answer is, for decoders that write.
        values: the answers that are the task's options, in their order; empty for open answers.
        seed: of the draws.
        choice: makes the label scoring of this prompt; called where the section wants it.
    """
    name = section.name
    part = getattr(section, name)
    if name == "choice":
        return choice()
    policy_of = resolve("limbeck.decoding.trees:Policy")

    def policy(told: Any, **others: Any) -> Any:
        return policy_of(kind, max_tokens=told.max_tokens, values=tuple(values), **others)

    def cot(told: Any) -> Any:
        rule = _rule(told)
        return resolve(DECODERS["cot"])(
            policy(told, aggregate=told.aggregate, stop=rule, window=told.window), k=told.k, at=told.at
        )

    if name == "cot":
        return cot(part)
    if name == "gate":
        return resolve(DECODERS["gate"])(choice(), cot(part.cot), margin=part.margin)
    if name == "greedy":
        return resolve(DECODERS["greedy"])(policy(part), k=1)
    told = part.model_dump(exclude={"paths", "max_tokens", "aggregate", "stop", "threshold", "window"})
    sampling = resolve("limbeck.decoding.sampling:Sampling")(**told)
    several = name == "self_consistency"
    own = policy(part, aggregate=part.aggregate, stop=_rule(part), window=part.window) if several else policy(part)
    return resolve(DECODERS[name])(own, paths=part.paths if several else 1, sampling=sampling, seed=seed)


def _rule(told: Any) -> Any:
    """When there are enough branches."""
    rule = resolve(RULES[told.stop])
    if told.stop == "adaptive":
        return rule(told.threshold)
    return rule(told.window or 5) if told.stop == "window" else rule()


def resolve(reference: str) -> Any:
    """`module:name` → the object.

    Raises:
        MissingExtra: when an optional package is not installed; the hint is the install line.
    """
    module, _, path = reference.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(error.name or "")
        if extra is None:
            raise
        raise MissingExtra(f"{error.name} is not installed", hint=f"pip install 'limbeck[{extra}]'") from error
    for name in path.split("."):
        found = getattr(found, name)
    return found


def build_encoder(name: str, store: Store, *, say: Say | None = None) -> Encoder:
    """The encoder of that name, fetched if it is not there; its vectors are kept in the store."""
    folder = store.pull(name, say)
    weights = store.lock_entry(name)["files"]["onnx/model.onnx_data"]
    identity = f"{name}:{weights[:16]}"
    return Encoder(folder, identity=identity, cache=store.root / "vectors")


def open_student(folder: Path, kind: str, *, encoder: str | None, store: Store, say: Say | None = None) -> Student:
    """A kept student of one kind, with the encoder it was taught with.

    Raises:
        ConfigError: for a kind that is not known here.
    """
    if kind not in LOADERS:
        raise ConfigError(f"{folder}: a student of kind {kind!r} is not known here", hint="Is limbeck too old for it?")
    built = build_encoder(encoder, store, say=say) if encoder else None
    student: Student = resolve(LOADERS[kind])(folder, encoder=built)
    return student


class Workshop:
    """Builds the parts of one task file, each model once however many agents use it.

    Args:
        file: the task file.
        store: where models, encoders and data sets are kept.
        meter: running; what loading costs is booked on the phase "load".
        say: is told what is being fetched.
    """

    def __init__(self, file: TaskFile, store: Store, meter: Meter, *, say: Say | None = None) -> None:
        for path, problem in unknown_names(file, NAMES):
            raise file.complaint(path, problem)
        self._file, self._store, self._meter, self._say = file, store, meter, say
        self._engines: dict[tuple[str | EngineSection, str], Any] = {}
        self._encoders: dict[str, Encoder] = {}
        self._used: dict[str, dict[str, Any]] = {}

    def job(self) -> Job:
        """All parts of the run.

        Raises:
            LimbeckError: whatever is wrong with the task file, its data or its models.
        """
        file = self._file
        with self._meter.phase("read"):
            pool, test = self._data()
        task = self._task()
        with self._meter.phase("load"):
            encoder = self._encoder(file.student.encoder) if file.student.encoder else None
            selecting = self._selecting(encoder)
            committee = Committee(tuple(self._workers(task)), file.committee.protocol)
        prior = None if file.committee.prior is None else [file.committee.prior[label] for label in task.labels]
        selectors = [(name, resolve(SELECTORS[name])()) for name in (file.selection.cold, file.selection.strategy)]
        return Job(
            task=task,
            pool=pool,
            test=test,
            committee=committee,
            aggregator=resolve(AGGREGATORS[file.committee.aggregate])(),
            aggregate=file.committee.aggregate,
            prior=prior,
            accept=file.committee.accept,
            schedule=Schedule(file.selection.rounds, file.selection.start, *selectors),
            budget=Budget(file.budget.items, file.budget.tokens, file.budget.seconds),
            teach=self._teacher(encoder),
            encoder=selecting,
            min_confidence=file.student.min_confidence,
            seed=file.data.seed,
            facts=describe(file, task, pool, committee=committee, assets=self._used),
        )

    def _task(self) -> Task:
        return Task.of(self._file, columns(self._located(self._file.data.pool)[0]))

    def _located(self, name: str) -> tuple[Path, bool]:
        """Where a data set lies, and whether it is a built-in one."""
        path = self._file.data_path(name)
        if path is not None:
            return path, False
        folder = self._store.pull(name, self._say)
        self._used[name] = self._store.lock_entry(name)
        return folder / "items.jsonl", True

    def _data(self) -> tuple[Pool, Pool | None]:
        data, task = self._file.data, self._task()
        pool = self._pool(data.pool, task, limit=data.limit)
        if data.test is None:
            return pool, None
        if data.test.path is None:
            rest, test = split(pool, share=data.test.share, items=data.test.items, seed=data.seed)
            return rest, test
        return pool, self._pool(data.test.path, task, limit=None, named=False)

    def _pool(self, name: str, task: Task, *, limit: int | None, named: bool = True) -> Pool:
        """The items of a data set; not `named`: known by their content, as two files may use one id for two texts."""
        data = self._file.data
        path, built_in = self._located(name)
        return Pool.read(
            path,
            show=task.show,
            gold=data.gold or ("gold" if built_in else None),
            people=data.people or ("people" if built_in else None),
            id_column=(data.id or ("id" if built_in else None)) if named else None,
            limit=limit,
            seed=data.seed,
        )

    def _selecting(self, encoder: Encoder | None) -> Encoder | None:
        """The encoder that the selectors need, if any does."""
        if not {self._file.selection.strategy, self._file.selection.cold} & DIVERSE:
            return None
        return encoder or self._encoder("all-minilm-l6-v2")

    def _encoder(self, name: str) -> Encoder:
        if name not in self._encoders:
            self._encoders[name] = build_encoder(name, self._store, say=self._say)
            self._used[name] = self._store.lock_entry(name)
        return self._encoders[name]

    def _engine(self, kind: str | EngineSection, model: str) -> Any:
        if (kind, model) not in self._engines:
            self._engines[kind, model] = self._load(kind, model)
        return self._engines[kind, model]

    def _load(self, kind: str | EngineSection, model: str) -> Any:
        if isinstance(kind, EngineSection):
            return self._served(kind, model)
        load = resolve(ENGINES[kind])
        if kind == "scripted":
            return load(self._file.resolve(model))
        place, checksums = self._model(model)
        if kind in FOLDERS:
            return load(place, checksums=checksums)
        file = gguf_file(place, model)
        return load(file, self._store.root / "converted", sha256=checksums.get(file.name))

    def _served(self, kind: EngineSection, model: str) -> Any:
        """A model behind a server; what will leave the machine is said before anything does."""
        leaving = notice(kind.server.url, self._task().show)
        if leaving and self._say:
            self._say(leaving)
        connect = resolve(ENGINES["server"])
        engine, told = connect(model, proxies=leaving is not None, **kind.server.model_dump())
        self._used[f"{told['name']}, {told['source']}"] = told
        return engine

    def _model(self, name: str) -> tuple[Path, Mapping[str, str]]:
        """Where a model's files lie, and the sha256 of each where the catalogue knows it."""
        path = self._file.resolve(name)
        if not name.startswith("hf:") and (name.endswith(".gguf") or path.is_dir()):
            return path, {}
        folder = self._store.pull(name, self._say)
        self._used[name] = self._store.lock_entry(name)
        return folder, self._used[name]["files"]

    def _workers(self, task: Task) -> list[Worker]:
        sections = self._file.agents or tuple(map(AgentSection.model_validate, COMMITTEE))
        return [self._worker(task, section, i) for i, section in enumerate(sections)]

    def _worker(self, task: Task, section: AgentSection, place: int) -> Worker:
        name = section.name or f"agent-{place + 1}"
        calibration = section.decode.calibration
        if section.encoder is not None:
            encoder = self._encoder(section.encoder)
            return SimilarityAgent(name, task, encoder, model=section.encoder, calibration=calibration)
        assert section.model is not None  # the task file's own rule: exactly one of the two
        engine = self._engine(section.engine, section.model)
        prompt = self._prompt(task, section)
        if section.engine == MASKED:
            shared = {"calibration": calibration, "long_text": section.long_text}
            return MaskedAgent(name, task, prompt=prompt, model=engine, model_name=section.model, **shared)
        return LanguageAgent(
            name,
            task,
            prompt=prompt,
            engine=engine,
            decoder=self._decoder(task, section, prompt, engine),
            model=section.model,
            calibration=calibration,
            long_text=section.long_text,
        )

    def _decoder(self, task: Task, section: AgentSection, prompt: Prompt, engine: Any) -> Any:
        options = prompt.options(task)
        words = resolve("limbeck.decoding.answers:Words")
        kind = words(tuple(zip(task.labels, (option.strip() for option in options), strict=True)), "label")
        if section.decode.name == "gate" and not prompt.cue:
            # The labels are scored behind the words that would ask for them at once.
            options = [f"{capital(task.aspect)}: {option.strip()}" for option in options]

        def choice() -> Any:
            return resolve(DECODERS["choice"])(
                [engine.tokenizer.encode(option) for option in options], end=engine.tokenizer.end
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
        )

    def _examples(self, task: Task, section: AgentSection) -> tuple[tuple[str, str], ...]:
        wanted = section.examples
        if not wanted.number:
            return ()
        assert wanted.source is not None  # the task file's own rule: examples need a file
        pool = self._pool(wanted.source, task, limit=None, named=False)
        seed = self._file.data.seed
        return worked_examples(task, pool, number=wanted.number, choose=wanted.choose, seed=seed)

    def _teacher(self, encoder: Encoder | None) -> Callable[[Any], Teacher]:
        kind = resolve(STUDENTS[self._file.student.kind])

        def teach(tuning: Any) -> Teacher:
            teacher: Teacher = kind(encoder, tuning=tuning)
            return teacher

        return teach
