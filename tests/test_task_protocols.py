"""What a task file may say of protocols and roles, each refusal with its whole text; and that old runs can go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from limbeck.catalog import NAMES
from limbeck.task import fingerprint, load_task, parse_task
from test_task_errors import SMALL, refused

GOLDEN = [
    (
        "a key of a cascade, misspelt",
        SMALL + "committee: {protocol: cascade, cascade: {sur: 1}}\n",
        ["3:42: committee.cascade.sur: unknown key; did you mean 'sure'?"],
    ),
    (
        "protocols' sections without their protocols",
        SMALL + "committee: {debate: {rounds: 2}, judge: {agent: a}}\n",
        [
            "3:21: committee.debate: means nothing to the protocol vote; write protocol: debate",
            "3:41: committee.judge: means nothing to the protocol vote; write protocol: judge",
        ],
    ),
    (
        "a debate of those that read nothing",
        SMALL + "agents: [{encoder: e}, {model: m, engine: masked}, {model: m}]\ncommittee: {protocol: debate}\n",
        [
            "4:23: committee.protocol: a debate needs at least two agents that can be shown the others' answers: "
            "language models, not encoders or masked models"
        ],
    ),
    (
        "a debate without end",
        SMALL + "committee:\n  protocol: debate\n  debate: {rounds: 11, judges: 2}\n",
        [
            "5:20: committee.debate.rounds: must be at most 10, not '11'",
            "5:24: committee.debate.judges: unknown key; known here: rounds",
        ],
    ),
    (
        "a judge that nobody named",
        SMALL + "agents: [{model: m}, {model: n}, {model: o}]\ncommittee: {protocol: judge}\n",
        [
            "4:23: committee.protocol: needs judge: {agent: NAME}, the agent that does not vote but decides where the "
            "others differ"
        ],
    ),
    (
        "a judge that is not there",
        SMALL + "agents: [{name: ada, model: m}, {name: bob, model: n}]\n"
        "committee: {protocol: judge, judge: {agent: boo}}\n",
        ["4:45: committee.judge.agent: there is no agent 'boo'; known: ada, bob; did you mean 'bob'?"],
    ),
    (
        "a judge among agents that the file does not name",
        SMALL + "committee: {protocol: judge, judge: {agent: plain}}\n",
        ["3:45: committee.judge.agent: there is no agent 'plain'; this file names no agents"],
    ),
    (
        "a judge of one, that reads nothing",
        SMALL + "agents: [{name: ada, model: m}, {name: bob, encoder: e}]\n"
        "committee: {protocol: judge, judge: {agent: bob}}\n",
        [
            "4:23: committee.protocol: needs at least two agents beside the judge, who does not vote",
            "4:45: committee.judge.agent: bob reads no answers, so it is no judge; name a language model",
        ],
    ),
    (
        "a critic that writes",
        SMALL + "agents: [{model: m}, {name: bob, model: n, decode: cot}]\n"
        "committee: {protocol: critic, critic: {agent: bob, check: all, sure: 1}}\n",
        ["4:70: committee.critic.sure: must be less than 1, not '1'"],
    ),
    (
        "a critic that writes, surely",
        SMALL + "agents: [{model: m}, {name: bob, model: n, decode: cot}]\n"
        "committee: {protocol: critic, critic: {agent: bob, check: all}}\n",
        ["3:52: agents[1].decode: a critic's yes and no are scored, which cot does not do; leave it out"],
    ),
    (
        "a critic of split items beside one voter, with a calibration that it has not",
        SMALL + "agents: [{model: m}, {name: bob, model: n, decode: {choice: {calibration: pmi}}}]\n"
        "committee: {protocol: critic, critic: {agent: bob}}\n",
        [
            "3:52: agents[1].decode: a critic knows the calibrations none and batch",
            "4:23: committee.protocol: needs at least two agents beside the critic, who does not vote",
        ],
    ),
    (
        "a role for an encoder, and one with an unknown placeholder",
        SMALL + "agents: [{encoder: e, role: wise}, {model: m, role: 'You read {text}.'}]\n",
        [
            "3:29: agents[0].role: means nothing to an encoder, which reads no prompt",
            "3:53: agents[1].role: {text} is unknown; known: {instructions}, {labels}, {noun}, {Noun}, {aspect}, "
            "{Aspect}",
        ],
    ),
]


@pytest.mark.parametrize(
    ("text", "lines"), [(text, lines) for _, text, lines in GOLDEN], ids=[one[0] for one in GOLDEN]
)
def test_golden(text: str, lines: list[str]) -> None:
    assert refused(text) == "\n".join(f"task.yaml:{line}" for line in lines)


@pytest.mark.parametrize(
    "committee",
    [
        "{protocol: debate}",
        "{protocol: debate, debate: {rounds: 1}}",
        "{protocol: judge, judge: {agent: c, both_orders: false}}",
        "{protocol: critic, critic: {agent: c, check: all, sure: 0.7}}",
    ],
)
def test_what_is_possible_is_taken(committee: str) -> None:
    agents = "agents: [{name: a, model: m}, {name: b, model: m, role: 'You read one {noun}.'}, {name: c, model: n}]\n"
    file = parse_task(f"{SMALL}{agents}committee: {committee}\n", source="task.yaml")
    assert file.agents is not None
    assert file.agents[1].role == "You read one {noun}."


def test_new_keys_leave_the_fingerprints_of_old_runs_alone_and_change_those_of_new_ones() -> None:
    def stamp(committee: str = "{}", agent: str = "model: m") -> str:
        text = f"{SMALL}agents: [{{name: a, {agent}}}, {{name: b, model: m}}]\ncommittee: {committee}\n"
        return fingerprint(parse_task(text, source="task.yaml"))

    assert stamp() == stamp("{debate: null}", "model: m, role: null")
    assert stamp() != stamp(agent="model: m, role: wise")
    assert len({stamp("{protocol: debate}"), stamp("{protocol: debate, debate: {rounds: 3}}"), stamp()}) == 3


def test_the_example_is_a_debate_that_can_be_held() -> None:
    path = Path(__file__).parents[1] / "examples" / "debate.yaml"
    file = load_task(path, names=NAMES)
    assert file.committee.protocol == "debate"
    assert file.agents is not None
    assert [bool(agent.role) for agent in file.agents] == [True, True, False]
