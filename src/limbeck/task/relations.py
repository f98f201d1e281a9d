"""Rules of the task file that join two keys, or a key and the disk: each finding is a path and what is wrong there.

Knows nothing of YAML or of where in the text a key stands.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from limbeck.task.address import address_problem, host, on_this_machine
from limbeck.task.engine import EngineSection
from limbeck.task.labellers import KINDS, PROMPT_KEYS, kind_of, label_map, labeller
from limbeck.task.phrasing import nearest
from limbeck.task.protocols import protocol_problems
from limbeck.task.sections import ADAPTING, FINE_TUNING, AgentSection, StudentSection
from limbeck.task.served import Finding, served
from limbeck.task.taskfile import TaskFile

_MASKED = "masked"
_PLACEHOLDERS = ("instructions", "labels", "noun", "Noun", "aspect", "Aspect")


def relations(task_file: TaskFile) -> Iterator[Finding]:
    """Every rule between keys that the file breaks."""
    labels = task_file.task.labels
    for i, name in enumerate(task_file.task.show or ()):
        if name in (task_file.data.gold, task_file.data.people):
            yield ("task", "show", i), "would show the answer to the workers"
    yield from served(task_file)
    yield from _held_out(task_file)
    yield from _prior(task_file.committee.prior, labels, several=task_file.task.kind.labels is not None)
    yield from protocol_problems(task_file)
    for path, raw in _data_paths(task_file):
        if _leads_outside(raw):
            yield path, "leads out of the task file's folder; write the whole path, from the root"
    yield from _student(task_file.student)
    names: set[str] = set()
    for i, agent in enumerate(task_file.agents or ()):
        if agent.name in names:
            yield ("agents", i, "name"), f"the name {agent.name!r} is given twice"
        names.add(agent.name or "")
        for key, problem in _agent(agent, labels, code=task_file.privacy.allow_code):
            yield ("agents", i, *key), problem
        if isinstance(agent.engine, EngineSection):
            for problem in _server(agent.engine.server.url, allowed=task_file.privacy.allow_remote):
                yield ("agents", i, "engine", "server", "url"), problem
    if isinstance(author := task_file.synthesis.engine, EngineSection):
        for problem in _server(author.server.url, allowed=task_file.privacy.allow_remote):
            yield ("synthesis", "engine", "server", "url"), problem
        if task_file.synthesis.guidance:
            yield ("synthesis", "guidance"), "must be 0 with a server, which does not tell the scores of all tokens"


def unknown_names(task_file: TaskFile, names: Mapping[str, Collection[str]]) -> Iterator[Finding]:
    """Names of parts that nobody knows; `names` says which are known, by key without list indices."""
    for key, known in names.items():
        section, _, field = key.partition(".")
        held = getattr(task_file, section)
        parts = enumerate(held or ()) if section == "agents" else [(None, held)]
        for i, part in parts:
            value = getattr(part, field)
            if isinstance(value, str) and value not in known:
                path = (section, field) if i is None else (section, i, field)
                yield path, f"{value!r} is unknown; known: {', '.join(known)}{nearest(value, known)}"


def missing_files(task_file: TaskFile) -> Iterator[Finding]:
    """Data files that the file names and that are not there."""
    for path, raw in _data_paths(task_file):
        place = task_file.data_path(raw)
        if place is None or place.exists():
            continue
        folder, colon, _ = place.name.rpartition(":")
        if colon and place.with_name(folder).is_dir():
            continue
        beside = [one.name for one in place.parent.iterdir()] if place.parent.is_dir() else []
        yield path, f"there is no file {raw!r}{nearest(place.name, beside)}"


def _data_paths(task_file: TaskFile) -> Iterator[tuple[tuple[str | int, ...], str]]:
    data = task_file.data
    yield ("data", "pool"), data.pool
    if data.test and data.test.path:
        yield ("data", "test"), data.test.path
    for i, agent in enumerate(task_file.agents or ()):
        if agent.examples.source:
            yield ("agents", i, "examples", "from"), agent.examples.source


def _leads_outside(raw: str) -> bool:
    # A whole path says plainly where it goes; a relative one that climbs does not, and a task file may be a stranger's.
    if PurePosixPath(raw).is_absolute() or PureWindowsPath(raw).is_absolute() or Path(raw).is_absolute():
        return False
    depth = 0
    for part in re.split(r"[/\\]", raw):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False


def _held_out(task_file: TaskFile) -> Iterator[Finding]:
    test = task_file.data.test
    if test and sum(value is not None for value in (test.path, test.share, test.items)) != 1:
        yield ("data", "test"), "must be a path, a built-in name, {share: 0.2} or {items: 500}"


def _student(student: StudentSection) -> Iterator[Finding]:
    foreign: dict[str, tuple[str, ...]] = dict.fromkeys(FINE_TUNING, ("encoder", "causal"))
    foreign |= dict.fromkeys(ADAPTING, ("causal",)) | {"agent": ("probe",)}
    for key, kinds in foreign.items():
        if key in student.model_fields_set and student.kind not in kinds:
            known = " or ".join(kinds)
            yield ("student", key), f"means nothing to a student of kind {student.kind}; it belongs to kind: {known}"


def _prior(prior: Mapping[str, float] | None, labels: Mapping[str, object], *, several: bool) -> Iterator[Finding]:
    if prior is None:
        return
    path = ("committee", "prior")
    for name in prior:
        if name not in labels:
            yield (*path, name), f"is no label{nearest(name, labels)}"
    lacking = [label for label in labels if label not in prior]
    if lacking:
        yield path, f"lacks {', '.join(map(repr, lacking))}"
    if several:
        for name, share in prior.items():
            if share == 1:
                yield (*path, name), "a label that always applies needs no asking; the share must be below 1"
    elif abs(sum(prior.values()) - 1) > 1e-6:
        yield path, f"the shares must sum to 1, not {sum(prior.values()):.6g}"


def _server(url: str, *, allowed: bool) -> Iterator[str]:
    if problem := address_problem(url):
        yield problem
    elif not allowed and not on_this_machine(url):
        yield f"texts would leave this machine for {host(url)}; to allow it, write privacy: {{allow_remote: true}}"


def _agent(agent: AgentSection, labels: Mapping[str, object], *, code: bool) -> Iterator[Finding]:
    kind = kind_of(agent)
    if kind is None:
        yield (), f"needs exactly one of {', '.join(KINDS)}"
    elif kind not in ("model", "encoder"):
        yield from labeller(agent, kind, labels, code=code)
    elif kind == "encoder":
        for key in PROMPT_KEYS:
            if key in agent.model_fields_set:
                yield (key,), "means nothing to an encoder, which reads no prompt"
        if agent.decode.name != "choice":
            yield ("decode",), f"{agent.decode.name} needs a language model; an encoder only scores labels"
        if agent.decode.calibration in ("contextual", "pmi"):
            yield ("decode",), f"calibration {agent.decode.calibration} needs a prompt, which an encoder has not"
    elif agent.engine == _MASKED:
        if "style" in agent.model_fields_set:
            yield ("style",), "means nothing to a masked model, which has one way to be asked"
        if agent.decode.name != "choice":
            yield ("decode",), f"{agent.decode.name} needs a model that writes; a masked model only scores labels"
        if agent.decode.calibration in ("contextual", "pmi"):
            yield ("decode",), "a masked model knows the calibrations none and batch"
    yield from label_map(agent, labels)
    for name in agent.label_words:
        if name not in labels:
            yield ("label_words", name), f"is no label{nearest(name, labels)}"
    spoken: dict[str, str] = {}
    for label in labels:
        word = agent.label_words.get(label, label).strip()
        if word in spoken:
            yield ("label_words",), f"{spoken[word]!r} and {label!r} have the same word {word!r}"
        spoken.setdefault(word, label)
    if agent.examples.number and not agent.examples.source:
        yield ("examples",), "needs from: a file with gold labels, or a run's folder"
    for key, known in (("wording", (*_PLACEHOLDERS, "text")), ("cue", _PLACEHOLDERS), ("role", _PLACEHOLDERS)):
        for word in re.findall(r"\{(\w*)\}", getattr(agent, key) or ""):
            if word not in known:
                yield (key,), f"{{{word}}} is unknown; known: {', '.join(f'{{{one}}}' for one in known)}"
    if agent.wording is not None and agent.wording.count("{text}") != 1:
        yield ("wording",), "must hold {text} once, where the text goes"
