"""One task file → the parts of its run.

Knows nothing of how any part works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from limbeck.agent import Worker
from limbeck.agent.author import AUTHOR
from limbeck.agent.sight import Sight
from limbeck.aggregation.base import Aggregator, Refiner
from limbeck.assets.base import Say
from limbeck.assets.store import Store
from limbeck.catalog.agents import Agents, probed
from limbeck.catalog.data import Data
from limbeck.catalog.models import Models
from limbeck.catalog.names import (
    AGGREGATORS,
    AUTO,
    DIVERSE,
    NAMES,
    NEEDS,
    NOISES,
    PROTOCOLS,
    REFINERS,
    SELECTORS,
    STOPS,
    STUDENTS,
    USUAL,
    resolve,
)
from limbeck.catalog.synthesis import build_author, terms_of
from limbeck.catalog.variants import variants
from limbeck.committee import Committee
from limbeck.encoder import Encoder
from limbeck.errors import ConfigError
from limbeck.flows.appraise import JUDGE
from limbeck.flows.bias import bias as find_bias
from limbeck.flows.commission import Commission
from limbeck.flows.facts import describe
from limbeck.flows.improvement import Effort, Improvement
from limbeck.flows.job import Budget, Job, Notify, Schedule
from limbeck.meter import Meter
from limbeck.students.base import Teacher
from limbeck.students.one_vs_rest import OneVsRestTeacher
from limbeck.students.robust import Robust
from limbeck.task import AgentSection, Task, TaskFile, unknown_names
from limbeck.task.sections import ADAPTING, FINE_TUNING

CAUSAL_MODEL = "smollm2-135m-instruct"  # of a causal student, where the file names none


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
        self._file, self._meter = file, meter
        self._models = Models(store, place=file.resolve, say=say)
        self._data = Data(file, self._models)
        self._agents = Agents(file, self._models, self._data)

    def job(self) -> Job:
        """All parts of the run.

        Raises:
            LimbeckError: whatever is wrong with the task file, its data or its models.
        """
        file = self._file
        with self._meter.phase("read"):
            task = self._data.task()
            pool, test = self._data.read(task)
        with self._meter.phase("load"):
            encoder = self._models.encoder(file.student.encoder) if file.student.encoder and not task.open else None
            selecting = self._selecting(encoder)
            refine = self._refine(encoder)
            workers = tuple(self._agents.workers(task, test=test))
            distil = self._distil(task, workers)
        shares = None if task.several else file.committee.prior
        prior = None if shares is None else [shares[label] for label in task.labels]
        aggregator = resolve(AGGREGATORS[file.committee.aggregate])()
        committee = self._committee(workers, task, aggregator=aggregator, prior=prior)
        return Job(
            task=task,
            pool=pool,
            test=test,
            committee=committee,
            aggregator=aggregator,
            aggregate=" + ".join(filter(None, (file.committee.aggregate, file.committee.refine))),
            prior=prior,
            accept=file.committee.accept,
            schedule=self._schedule(),
            budget=Budget(file.budget.items, file.budget.tokens, file.budget.seconds),
            teach=None if task.open else self._teacher(encoder, task),
            distil=distil,
            robust=self._robust(encoder),
            encoder=selecting,
            min_confidence=file.student.min_confidence,
            seed=file.data.seed,
            facts=describe(file, task, pool, committee=committee, assets=self._models.used),
            refine=refine,
        )

    def bias(self, items: int, *, notify: Notify) -> dict[str, Any]:
        """What changes when the agents are asked otherwise about so many items, drawn by the seed; see `flows.bias`.

        Raises:
            LimbeckError: whatever is wrong with the task file, its data or its models.
        """
        with self._meter.phase("load"):
            task = self._data.task()
            pool, _ = self._data.read(task)
            asked, skipped = variants(self._file, task, self._agents, pool[0])
        seed = self._file.data.seed
        drawn = np.random.default_rng((seed, 8_000_001)).permutation(len(pool))[:items]
        texts = [pool[int(i)] for i in drawn]
        return find_bias(asked, texts, labels=task.labels, skipped=skipped, seed=seed, notify=notify)

    def synthesis(self, judge: str | None = None) -> Commission:
        """All parts of a synthesis.

        Args:
            judge: a model that judges the accepted examples, or None; it must be none that writes or accepts.

        Raises:
            LimbeckError: whatever is wrong with the task file, its data or its models.
        """
        return self._commission(self.job(), judge)

    def improvement(self, effort: Effort) -> Improvement:
        """All parts of the loop; those of its synthesis are made when they are asked for.

        Args:
            effort: how much is tried.

        Raises:
            LimbeckError: whatever is wrong with the task file, its data or its models.
        """
        if (kind := self._file.task.kind.name) not in ("label", "ordinal"):
            raise ConfigError(
                f"the loop serves one label for one text, and this task is of kind {kind}",
                hint="Take another kind of task.",
            )
        job, named = self.job(), self._file.student.encoder
        return Improvement(
            job=job,
            reinforce=lambda shown, ending: self._agents.reinforced(job.task, tuple(shown), ending),
            commission=lambda: self._commission(job, None),
            encoder=self._models.encoder(named) if named else None,
            effort=effort,
        )

    def _commission(self, job: Job, judge: str | None) -> Commission:
        file = self._file
        if (kind := file.task.kind.name) in ("open", "labels"):
            raise ConfigError(
                f"examples are written for one label of a list, and this task is of kind {kind}",
                hint="Take another kind of task.",
            )
        if judge in {file.synthesis.model, *(worker.model for worker in job.committee.workers)}:
            raise ConfigError(f"{judge} writes or accepts examples, so it is no judge", hint="Take another model.")
        if taken := {AUTHOR, JUDGE} & {worker.name for worker in job.committee.workers}:
            raise ConfigError(f"no agent may be called {min(taken)} here", hint="Give the agent another name.")
        with self._meter.phase("load"):
            encoder = self._models.encoder(file.student.encoder) if file.student.encoder else None
            author = build_author(file.synthesis, job.task, self._models, seed=job.seed)
            agent = None if judge is None else self._agents.worker(job.task, self._judge(judge), 0)
        chosen = "random" if encoder is None else "k-means"
        return Commission(
            task=job.task,
            pool=job.pool,
            test=job.test,
            author=author,
            committee=resolve(PROTOCOLS["vote"])(job.committee.voters),  # texts made to order are no random sample
            aggregator=job.aggregator,
            judge=agent,
            encoder=encoder,
            selector=(chosen, resolve(SELECTORS[chosen])()),
            terms=terms_of(file.synthesis),
            seed=job.seed,
        )

    def _judge(self, model: str) -> AgentSection:
        """Label scoring by a chat; run by the author's engine, or here where the author is behind a server."""
        engine = self._file.synthesis.engine
        told = {"name": JUDGE, "model": model, "engine": engine if isinstance(engine, str) else "openvino"}
        return AgentSection.model_validate(told)

    def _schedule(self) -> Schedule:
        asked = self._file.selection
        return Schedule(
            asked.rounds,
            asked.start,
            cold=(asked.cold, resolve(SELECTORS[asked.cold])()),
            selector=(asked.strategy, resolve(SELECTORS[asked.strategy])()),
            needs=NEEDS[asked.strategy],
            stop=tuple(resolve(STOPS[name])(**section.model_dump()) for name, section in asked.stop.rules),
            taught=self._file.task.kind.open is None,
        )

    def _selecting(self, encoder: Encoder | None) -> Encoder | None:
        """The encoder that the selectors need, if any does."""
        if not {self._file.selection.strategy, self._file.selection.cold} & DIVERSE:
            return None
        return encoder or self._models.encoder("all-minilm-l6-v2")

    def _refine(self, encoder: Encoder | None) -> tuple[Refiner, Encoder] | None:
        """What makes labels better by where the texts lie, and the encoder it needs."""
        wanted = self._file.committee.refine
        if wanted is None:
            return None
        return resolve(REFINERS[wanted])(), encoder or self._models.encoder("all-minilm-l6-v2")

    def _committee(
        self, workers: tuple[Worker, ...], task: Task, *, aggregator: Aggregator, prior: list[float] | None
    ) -> Committee:
        section = self._file.committee
        kind = resolve(PROTOCOLS[section.protocol])
        if section.protocol == "vote":
            committee: Committee = kind(workers)
            return committee
        about = {"labels": task.labels, "aggregator": aggregator, "prior": prior}
        told = dict(getattr(section, section.protocol) or ())
        if (outsider := told.pop("agent", None)) is None:
            committee = kind(workers, **about, **told)
        else:
            (chosen,) = (worker for worker in workers if worker.name == outsider)
            voters = tuple(worker for worker in workers if worker is not chosen)
            committee = kind(voters, chosen, **about, **told)
        return committee

    def _teacher(self, encoder: Encoder | None, task: Task) -> Callable[[Any], Teacher]:
        """Of the rounds' student: quick, whatever kind is kept in the end."""
        kind = resolve(STUDENTS["linear"])

        def teach(tuning: Any) -> Teacher:
            teacher: Teacher = kind(encoder, tuning=tuning, pairs=task.pair is not None)
            return teacher

        def teach_each(tuning: Any) -> Teacher:
            return OneVsRestTeacher(teach, tuning=tuning)

        return teach_each if task.several else teach

    def _robust(self, encoder: Encoder | None) -> Robust:
        """Prepares the labels for the student that is kept."""
        wanted = self._file.student.noise or USUAL[self._file.student.kind]
        names = NOISES if wanted == AUTO else [wanted]
        return Robust(
            {name: resolve(NOISES[name])() for name in names}, encoder, pairs=self._file.task.kind.pair is not None
        )

    def _distil(self, task: Task, workers: Sequence[Worker]) -> Teacher | None:
        """Of the student that is kept; None where that is the last round's."""
        wanted = self._file.student
        if wanted.kind == "linear":
            return None
        kind = resolve(STUDENTS[wanted.kind])
        if wanted.kind == "probe":
            agent, engine = probed(self._file, task, workers)
            probe: Teacher = kind(Sight(agent.engine, agent.frame), agent.name, (agent.model, engine))
            return probe
        # What is left out is the teacher's own default.
        settings = wanted.model_dump(include={*FINE_TUNING, *ADAPTING} & wanted.model_fields_set - {"model"})
        if wanted.kind == "causal":
            model = wanted.model if "model" in wanted.model_fields_set else CAUSAL_MODEL
            base = self._models.causal(model)
        else:
            base = self._models.trunk(wanted.model)
        teacher: Teacher = kind(base, **settings)
        return teacher
