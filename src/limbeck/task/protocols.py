"""Rules between a committee's protocol and its agents: who can be shown answers, who judges, what a section means.

Knows nothing of YAML or of where in the text a key stands.
"""

from __future__ import annotations

from collections.abc import Iterator

from limbeck.task.phrasing import nearest
from limbeck.task.sections import PROTOCOLS, AgentSection
from limbeck.task.taskfile import TaskFile

Finding = tuple[tuple[str | int, ...], str]
HERE = ("committee",)


def protocol_problems(task_file: TaskFile) -> Iterator[Finding]:
    """Every rule about the committee's protocol that the file breaks."""
    committee = task_file.committee
    for key in PROTOCOLS:
        if getattr(committee, key) is not None and committee.protocol != key:
            yield (*HERE, key), f"means nothing to the protocol {committee.protocol}; write protocol: {key}"
    if committee.protocol != "vote" and any(agent.student for agent in task_file.agents or ()):
        yield (*HERE, "protocol"), "the student votes in protocol vote only"
    if committee.protocol == "cascade":
        yield from _cascade(task_file)
    elif committee.protocol == "debate":
        yield from _debate(task_file)
    elif committee.protocol in ("judge", "critic"):
        yield from _outsider(task_file, committee.protocol)


def _cascade(task_file: TaskFile) -> Iterator[Finding]:
    committee, data = task_file.committee, task_file.data
    if task_file.agents is not None and len(task_file.agents) < 2:
        yield (*HERE, "protocol"), "a cascade needs at least two agents, the cheapest first"
    gold = data.gold is not None or task_file.data_path(data.pool) is None
    if committee.cascade is not None and committee.cascade.calibrate == "gold" and not gold:
        yield (*HERE, "cascade", "calibrate"), "needs data.gold: the column with the true label"


def _debate(task_file: TaskFile) -> Iterator[Finding]:
    if task_file.agents is not None and sum(map(_reads, task_file.agents)) < 2:
        yield (
            (*HERE, "protocol"),
            "a debate needs at least two agents that can be shown the others' answers: language models, not encoders "
            "or masked models",
        )


def _outsider(task_file: TaskFile, protocol: str) -> Iterator[Finding]:
    """The judge or the critic: a named agent that does not vote."""
    section = getattr(task_file.committee, protocol)
    if section is None:
        yield (
            (*HERE, "protocol"),
            f"needs {protocol}: {{agent: NAME}}, the agent that does not vote but {_ROLE[protocol]}",
        )
        return
    path = (*HERE, protocol, "agent")
    agents = task_file.agents or ()
    names = [str(agent.name) for agent in agents]
    if section.agent not in names:
        told = f"known: {', '.join(names)}{nearest(section.agent, names)}" if names else "this file names no agents"
        yield path, f"there is no agent {section.agent!r}; {told}"
        return
    agent = agents[names.index(section.agent)]
    if not _reads(agent):
        yield path, f"{section.agent} reads no answers, so it is no {protocol}; name a language model"
    least = 1 if protocol == "critic" and section.check == "all" else 2
    if len(agents) - 1 < least:
        counted = "one agent" if least == 1 else "two agents"
        yield (*HERE, "protocol"), f"needs at least {counted} beside the {protocol}, who does not vote"
    if protocol == "critic":
        at = ("agents", names.index(section.agent), "decode")
        if agent.decode.name != "choice":
            yield at, f"a critic's yes and no are scored, which {agent.decode.name} does not do; leave it out"
        elif agent.decode.calibration not in ("none", "batch"):
            yield at, "a critic knows the calibrations none and batch"


_ROLE = {"judge": "decides where the others differ", "critic": "checks the others' label"}


def _reads(agent: AgentSection) -> bool:
    """Whether it can be shown what others answered."""
    return agent.model is not None and agent.engine != "masked"
