"""Workers that are no language model: labelling functions, a Python function, a classifier, and the student itself."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from held import Held
from limbeck.agent import Apprentice, ClassifierAgent, FunctionAgent
from limbeck.agent.functions import Rules, on_text
from limbeck.aggregation.base import tabulate
from limbeck.aggregation.opinion_pool import OpinionPool
from limbeck.committee.vote import Voting
from limbeck.encoder import Encoder
from limbeck.errors import ConfigError, RunError
from limbeck.flows.run import STUDENT
from limbeck.ledger import Ledger
from limbeck.records import ABSTAINED, Item, Vote
from limbeck.task import Task, fingerprint, parse_task
from toy_encoder import write_toy_encoder
from toy_job import BREAD, LABELS, digest, execute, toy_rows, write_csv, write_script, write_toy

TASK = Task("toy", ("bad", "good"), (None, None), "Say which.", ("text",))
RULES = Rules({"bad": ["awful", "not  good"], "good": ["good", "Fine"]}, {"good": [r"\b10/10\b"]})
SMALL = "task: {labels: [bad, good]}\ndata: {pool: a.csv}\n"


class Oracle:
    """A classifier with labels of its own: what it says of a text is the text."""

    def __init__(self, *labels: str) -> None:
        self.labels = labels

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.array([[float(part) for part in text.split()] for text in texts])


def items(*texts: str) -> list[Item]:
    return [Item(f"item-{i}", {"text": text}) for i, text in enumerate(texts)]


def votes_of(worker: FunctionAgent | ClassifierAgent | Apprentice, asked: Sequence[Item]) -> list[Vote]:
    return [vote for batch in worker.plan(asked) for vote in worker.answer(batch)]


def rules_agent(rules: Rules = RULES) -> FunctionAgent:
    return FunctionAgent("rules", TASK, function=on_text(TASK, rules), identity="1", model="functions")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("an AWFUL film", "bad"),
        ("awfully long", None),  # only whole words
        ("fine, just fine", "good"),  # a function speaks once, however often it is found
        ("not good", None),  # one function for each: a tie
        ("not\ngood, awful", "bad"),  # two against one
        ("10/10 but awful, good", "good"),
        ("110/100", None),
        ("", None),
    ],
)
def test_the_label_for_which_most_functions_speak(text: str, label: str | None) -> None:
    assert RULES(text) == label


def test_an_abstention_is_a_missing_vote_and_no_failure() -> None:
    asked = items("good", *["what a film"] * 39)
    votes = votes_of(rules_agent(), asked)
    assert [vote.label for vote in votes] == ["good", *[None] * 39]
    assert all(vote.flags == (ABSTAINED,) and not vote.failed and vote.reason for vote in votes[1:])
    committee = Voting((rules_agent(),))
    answers = list(committee.ask(asked, kept=Held(()), around=lambda worker: nullcontext()))
    assert sum(len(one.votes) for one in answers) == 40, "39 of 40 without a label break no worker that abstains"
    table = tabulate(votes, labels=TASK.labels)
    assert table.choices[:, 0].tolist() == [1, *[-1] * 39]
    assert np.allclose(OpinionPool()(table).probabilities[1:], 0.5)


def test_a_function_that_fails_breaks_and_one_that_says_what_is_no_label_too() -> None:
    def broken(item: Item) -> str:
        raise KeyError(item.id)

    for function, reason in ((broken, "KeyError: 'item-"), (lambda item: "fair", "'fair', which is no label")):
        worker = FunctionAgent("mine", TASK, function=function, identity="1", model="rules:f")
        with pytest.raises(RunError, match=reason):
            list(
                Voting((worker,)).ask(
                    items(*"abcdefghijklmnopqrstuvwxyz"), kept=Held(()), around=lambda w: nullcontext()
                )
            )


def test_keys_hang_on_the_functions_and_on_every_field() -> None:
    item = Item("1", {"text": "good", "stars": "5"})

    def key(identity: str, item: Item) -> str:
        worker = FunctionAgent("rules", TASK, function=lambda item: None, identity=identity, model="functions")
        return worker.plan([item])[0][0].key

    assert key("1", item) == key("1", item)
    assert len({key("1", item), key("2", item), key("1", Item("1", {"text": "good", "stars": "4"}))}) == 3


def test_a_classifiers_labels_are_matched_or_mapped() -> None:
    asked = items("0.2 0.5 0.3")
    three = ClassifierAgent(
        "known",
        TASK,
        classifier=Oracle("NEG", "good", "POS"),
        identity="a",
        model="m",
        label_map={"NEG": "bad", "POS": "good"},
    )
    (vote,) = votes_of(three, asked)
    assert vote.label == "good"
    assert vote.scores is not None
    assert np.allclose(np.exp(vote.scores), [0.2, 0.8])
    same = ClassifierAgent("known", TASK, classifier=Oracle("good", "bad"), identity="a", model="m", label_map={})
    (vote,) = votes_of(same, items("0.9 0.1"))
    assert vote.label == "good", "told by name and not by place"


@pytest.mark.parametrize(
    ("labels", "label_map", "problem"),
    [
        (("bad", "great"), {}, "has the label 'great', which the task has not"),
        (("bad", "good"), {"fair": "good"}, "has no label 'fair', which label_map names"),
        (("bad", "poor"), {"poor": "bad"}, "knows nothing of the label 'good'"),
    ],
)
def test_a_classifier_that_does_not_fit_is_refused(
    labels: tuple[str, ...], label_map: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        ClassifierAgent("known", TASK, classifier=Oracle(*labels), identity="a", model="m", label_map=label_map)


def test_an_apprentice_votes_on_nothing_that_it_learned_from() -> None:
    worker = Apprentice("self", TASK)
    asked = items("0.9 0.1", "0.2 0.8")
    assert [vote.reason for vote in votes_of(worker, asked)] == ["it has learned nothing yet"] * 2
    before = {question.key for batch in worker.plan(asked) for question in batch}
    worker.learn(Oracle("bad", "good"), ["item-0"])
    first, second = votes_of(worker, asked)
    assert (first.label, first.reason, first.flags) == (None, "it learned from this item", (ABSTAINED,))
    assert (second.label, second.failed) == ("good", False)
    assert before.isdisjoint({first.key, second.key}), "another teaching is another worker"


@pytest.mark.parametrize(
    ("agent", "problem"),
    [
        ("{functions: {}}", "agents[0].functions: needs keywords or patterns"),
        ("{functions: {keywords: {bat: x}}}", "agents[0].functions.keywords.bat: is no label; did you mean 'bad'?"),
        (
            "{functions: {patterns: {bad: ['a', '(b']}}}",
            "3:45: agents[0].functions.patterns.bad[1]: is no regular expression: missing ), unterminated subpattern "
            "at position 0",
        ),
        ("{functions: {keywords: {bad: []}}}", "agents[0].functions.keywords.bad: must not be empty"),
        ("{functions: {words: {bad: x}}}", "agents[0].functions.words: unknown key; did you mean 'keywords'?"),
        ("{functions: {keywords: {bad: x}}, style: chat}", "agents[0].style: means nothing to labelling functions"),
        ("{functions: {keywords: {bad: x}}, decode: cot}", "agents[0].decode: means nothing to labelling functions"),
        ("{callable: rules}", "agents[0].callable: must be module:function"),
        ("{callable: 'os:system'}", "agents[0].callable: runs Python code; if you trust it, write privacy"),
        (
            "{classifier: runs/a, label_map: {x: gooq}}",
            "agents[0].label_map.x: 'gooq' is no label; did you mean 'good'?",
        ),
        ("{classifier: runs/a, decode: {choice: {calibration: pmi}}}", "agents[0].decode: a classifier knows choice"),
        ("{model: a, label_map: {x: good}}", "agents[0].label_map: means something to a classifier only"),
        ("{student: false}", "agents[0]: needs exactly one of"),
        ("{student: true, encoder: b}", "agents[0]: needs exactly one of"),
    ],
)
def test_a_task_file_read_wrong_is_refused_where_it_is_wrong(agent: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_task(f"{SMALL}agents: [{agent}]\n", source="task.yaml")
    assert problem in error.value.message
    assert error.value.message.startswith("task.yaml:3:")


def test_a_student_votes_only_where_everybody_does() -> None:
    text = f"{SMALL}agents: [{{student: true}}, {{model: a}}]\ncommittee: {{protocol: cascade}}\n"
    with pytest.raises(ConfigError, match="the student votes in protocol vote only"):
        parse_task(text, source="task.yaml")


def test_agents_without_names_are_called_by_what_they_are() -> None:
    text = f"{SMALL}agents: [{{student: true}}, {{functions: {{keywords: {{bad: x}}}}}}, {{classifier: runs/mine}}]\n"
    assert [agent.name for agent in parse_task(text, source="task.yaml").agents or ()] == [
        "student",
        "functions",
        "mine",
    ]


def test_new_keys_leave_old_fingerprints_alone_and_count_where_they_are_used() -> None:
    plain = f"{SMALL}agents: [{{name: a, encoder: b}}]\n"
    # The hash of this file before there were such keys.
    assert fingerprint(parse_task(plain, source="task.yaml")) == OLD
    other = plain.replace("encoder: b", "functions: {keywords: {bad: x}}")
    assert fingerprint(parse_task(other, source="task.yaml")) != fingerprint(
        parse_task(other.replace("bad: x", "bad: y"), source="task.yaml")
    )
    refined = f"{plain}committee: {{refine: mixture}}\n"
    assert fingerprint(parse_task(refined, source="task.yaml")) != OLD


OLD = "048df3402c3aa91e9f32d7a31a56e01989831a18932cc861c080de6ffe615d2d"


def test_a_run_with_every_kind_goes_on_where_it_was(tmp_path: Path) -> None:
    """A first run makes the student that votes in the second, beside rules, a function and the own student."""
    first = write_toy(tmp_path / "first")
    execute(first, tmp_path / "first" / "run")
    folder = tmp_path / "second"
    task = write_toy(
        folder,
        agents=[
            {"name": "weather", "model": "weather.json", "engine": "scripted"},
            {"name": "rules", "functions": {"keywords": {"negative": "rainy"}, "patterns": {"positive": "sunn[y]"}}},
            {"name": "mine", "callable": "bread_rules:label"},
            {"name": "known", "classifier": str(tmp_path / "first" / "run")},
            {"name": "self", "student": True},
        ],
        privacy={"allow_code": True},
    )
    code = "def label(fields):\n    return {'stale': 'negative', 'fresh': 'positive'}.get(fields['text'].split()[-2])\n"
    (folder / "bread_rules.py").write_text(code)
    metrics = execute(task, folder / "run")
    again = execute(task, folder / "again")
    assert digest(folder / "run") == digest(folder / "again")
    assert metrics["committee"]["accuracy"] == again["committee"]["accuracy"]
    agents = metrics["agents"]
    assert agents["rules"]["accuracy"] == agents["weather"]["accuracy"], "both read the same word"
    assert {name: agents[name]["style"] for name in ("rules", "mine", "known", "self")} == {
        "rules": "labelling functions",
        "mine": "labelling functions",
        "known": "an existing classifier",
        "self": "the student",
    }
    with Ledger.read(folder / "run") as view:
        rounds = view.rounds()
        own = {vote.item: vote for vote in view.votes("self")}
    assert {own[item].reason for item in rounds[0].selected} == {"it has learned nothing yet"}
    assert all(own[item].label in LABELS for item in rounds[1].selected)
    assert (folder / "run" / STUDENT).is_dir()


@pytest.mark.parametrize(
    ("agent", "problem"),
    [
        ({"callable": "nowhere_rules:label"}, "the module nowhere_rules cannot be loaded: ModuleNotFoundError"),
        ({"callable": "my_broken_rules:label"}, "cannot be loaded: ZeroDivisionError"),
        ({"callable": "json:nothing"}, "there is no 'nothing' in json"),
        ({"callable": "json:__doc__"}, "is no function"),
        # Without torch it is that which is missing first.
        pytest.param({"classifier": "nothing-here"}, "nothing-here", marks=pytest.mark.extras),
    ],
)
def test_what_cannot_be_opened_is_said_with_its_line(tmp_path: Path, agent: dict[str, str], problem: str) -> None:
    task = write_toy(tmp_path, agents=[agent], privacy={"allow_code": True})
    (tmp_path / "my_broken_rules.py").write_text("1 / 0\n")
    with pytest.raises(ConfigError, match=rf"task\.yaml:\d+:\d+: agents\[0\]\.c.*{problem}"):
        execute(task, tmp_path / "run")


def test_a_function_of_the_text_is_given_the_text(tmp_path: Path) -> None:
    write_csv(tmp_path / "pool.csv", toy_rows(12))
    task = write_toy(
        tmp_path, toy_rows(12), agents=[{"name": "mine", "callable": "text_rules:label"}], privacy={"allow_code": True}
    )
    (tmp_path / "text_rules.py").write_text("def label(text):\n    return 'negative' if 'rainy' in text else None\n")
    metrics = execute(task, tmp_path / "run")
    assert metrics["agents"]["mine"]["abstained"] > 0
    assert metrics["agents"]["mine"]["failed"] == 0
    assert metrics["agents"]["mine"]["accuracy"] == 1, "of the texts it speaks of; the others are not wrong"
    assert "gave no label" not in " ".join(metrics["warnings"])


def test_a_run_may_refine_its_labels_by_where_the_texts_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder(write_toy_encoder(tmp_path / "encoder"), identity="toy:1")
    monkeypatch.setattr("limbeck.catalog.models.build_encoder", lambda *_, **__: encoder)
    monkeypatch.setattr("limbeck.assets.store.Store.lock_entry", lambda *_: {"files": {}, "source": "", "licence": ""})
    truths = [i % 2 for i in range(80)]
    # The encoder knows red from blue; the only agent reads the other word, and is misled on every eighth text.
    rows = [
        {"text": f"{('red', 'blue')[truth]} {i} {('stale', 'fresh')[truth ^ (i % 8 == 0)]}", "label": LABELS[truth]}
        for i, truth in enumerate(truths)
    ]
    found = {}
    for name, refine in (("plain", None), ("refined", "mixture")):
        sections = {"selection": {"rounds": 1}, "data": {"test": None}, "agents": [AGENT]}
        task = write_toy(tmp_path / name, rows, **sections, committee={"refine": refine})
        write_script(tmp_path / name / "bread.json", BREAD, weight=0.06)  # none too sure, so that others are heard
        found[name] = execute(task, tmp_path / name / "run")
    plain, refined = found["plain"], found["refined"]
    assert plain["committee"]["accuracy"] == pytest.approx(7 / 8)
    assert refined["committee"]["accuracy"] == 1
    assert refined["committee"]["aggregate"] == "opinion-pool + mixture"
    with Ledger.read(tmp_path / "refined" / "run") as view:
        assert {label.how for label in view.labels()} == {"opinion-pool + mixture"}


AGENT = {"name": "bread", "model": "bread.json", "engine": "scripted"}
