"""The task file read wrong: the exact words, with file, line, column, key and what may have been meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.errors import ConfigError
from limbeck.task import load_task, parse_task

SMALL = "task: {labels: [bad, good]}\ndata: {pool: a.csv}\n"

GOLDEN: list[tuple[str, str, list[str]]] = [
    ("empty", "", ["1:1: the file is empty"]),
    ("comments only", "# nothing\n", ["1:1: the file is empty"]),
    ("a list", "[1, 2]\n", ["1:1: must be a mapping with task: and data:"]),
    ("a text", "hello\n", ["1:1: must be a mapping with task: and data:"]),
    (
        "nothing required",
        "agents:\n",
        ["1:1: data.pool: is required and missing", "1:1: task.labels: is required and missing"],
    ),
    ("no labels", "task: {name: a}\ndata: {pool: a.csv}\n", ["1:1: task.labels: is required and missing"]),
    ("no pool", SMALL.replace("pool: a.csv", "gold: y"), ["2:1: data.pool: is required and missing"]),
    ("unknown section", SMALL + "selektion: {}\n", ["3:1: selektion: unknown key; did you mean 'selection'?"]),
    (
        "unknown key",
        SMALL + "selection:\n  strateg: x\n",
        ["4:3: selection.strateg: unknown key; did you mean 'strategy'?"],
    ),
    (
        "far from any key",
        SMALL + "privacy: {zzz: 1}\n",
        ["3:11: privacy.zzz: unknown key; known here: allow_remote, allow_code"],
    ),
    ("key in the wrong place", SMALL + "gold: y\n", ["3:1: gold: unknown key; it belongs under data"]),
    (
        "wrong types",
        SMALL + "selection: {rounds: five, start: 0}\nprivacy: {allow_remote: yes}\nstudent: [x]\n",
        [
            "3:21: selection.rounds: must be a whole number, not 'five'",
            "3:34: selection.start: must be more than 0, not '0'",
            "4:25: privacy.allow_remote: must be true or false, not 'yes'",
            "5:10: student: must be a mapping (key: value), not a list",
        ],
    ),
    (
        "numbers that are none",
        SMALL + 'budget: {seconds: .inf, items: "3", tokens: 1.5}\n',
        [
            "3:19: budget.seconds: must be a finite number, not '.inf'",
            "3:32: budget.items: must be a whole number, not '3'",
            "3:45: budget.tokens: must be a whole number, not '1.5'",
        ],
    ),
    ("text that is a list", SMALL.replace("a.csv", "[a.csv]"), ["2:14: data.pool: must be text, not a list"]),
    ("a list that is text", SMALL.replace("]}", "], show: text}"), ["1:35: task.show: must be a list, not 'text'"]),
    (
        "a name with blanks",
        SMALL.replace("{labels", "{name: My Task, labels"),
        ["1:14: task.name: must be 1 to 64 of a-z, 0-9, '-' and '_'"],
    ),
    ("one label", SMALL.replace("bad, ", ""), ["1:16: task.labels: needs at least two labels"]),
    (
        "labels that are text",
        SMALL.replace("[bad, good]", "bad"),
        ["1:16: task.labels: must be a list of labels, or a mapping from label to description"],
    ),
    ("a label twice", SMALL.replace("good", "' bad '"), ["1:22: task.labels[1]: the label 'bad' is given twice"]),
    ("an empty label", SMALL.replace("good", "' '"), ["1:22: task.labels[1]: a label must not be empty"]),
    ("a label that is a list", SMALL.replace("good", "[x]"), ["1:22: task.labels[1]: a label must be text"]),
    (
        "a key twice",
        SMALL.replace("}\n", ", pool: b}\n"),
        ["1:29: task.pool: unknown key; it belongs under data", "2:21: data.pool: given twice; first in line 2"],
    ),
    (
        "anchor and alias",
        SMALL.replace("[bad, good]", "&x [bad, good]") + "agents: *x\n",
        [
            "1:16: task.labels: the anchor &x is not allowed; write the value out where it is used",
            "3:9: agents: the alias *x is not allowed; write the value out",
        ],
    ),
    (
        "python tag",
        SMALL + "agents: !!python/object/apply:os.system [ls]\n",
        ["3:9: agents: the tag !!python/object/apply:os.system is not allowed; write the plain value"],
    ),
    (
        "a tab",
        "task:\n\tlabels: [a, b]\n",
        ["2:1: not YAML: found character '\\t' that cannot start any token (while scanning for the next token)"],
    ),
    (
        "an open bracket",
        "task: {labels: [a",
        [
            "1:18: not YAML: expected ',' or ']', but got '<stream end>'"
            " (while parsing a flow sequence that begins at 1:16)"
        ],
    ),
    ("a NUL", SMALL + "\0", ["3:1: the character U+0000 is not allowed here"]),
    ("an escape too far", SMALL + 'x: "\\UFFFFFFFF"\n', ["3:7: not YAML: an escape that names no character"]),
    ("two documents", f"---\n{SMALL}---\n{SMALL}", ["4:1: a second document begins here; keep one only"]),
    ("a list as key", SMALL + "? [a]\n: b\n", ["3:3: a key must be plain text, not a list or a mapping"]),
    ("too deep", "[" * 900, ["1:21: not YAML: nested deeper than 20 levels"]),
    ("too deep in keys", "{" * 900, ["1:21: not YAML: nested deeper than 20 levels"]),
    ("no agents", SMALL + "agents: []\n", ["3:9: agents: must not be empty"]),
    (
        "agents of several mistakes",
        SMALL + "agents:\n  - {model: a, decode: chioce}\n"
        "  - {model: a, style: chatt}\n  - {model: a, examples: {form: x}}\n",
        [
            "4:24: agents[0].decode: 'chioce' is unknown; did you mean 'choice'?",
            "5:23: agents[1].style: 'chatt' is unknown; known: chat, plain; did you mean 'chat'?",
            "6:27: agents[2].examples.form: unknown key; did you mean 'from'?",
        ],
    ),
    (
        "agents against the rules",
        SMALL + "agents:\n  - {model: a, encoder: b}\n  - {}\n  - {encoder: b, style: chat}\n"
        "  - {name: x, model: a, label_words: {bat: c, bad: good}}\n"
        "  - {name: x, model: a, wording: 'a {label}', examples: {number: 2}}\n",
        [
            "4:5: agents[0]: needs exactly one of model, encoder, functions, callable, classifier, student",
            "5:5: agents[1]: needs exactly one of model, encoder, functions, callable, classifier, student",
            "6:25: agents[2].style: means nothing to an encoder, which reads no prompt",
            "7:38: agents[3].label_words: 'bad' and 'good' have the same word 'good'",
            "7:44: agents[3].label_words.bat: is no label; did you mean 'bad'?",
            "8:12: agents[4].name: the name 'x' is given twice",
            "8:34: agents[4].wording: must hold {text} once, where the text goes",
            "8:34: agents[4].wording: {label} is unknown; known: {instructions}, {labels}, {noun}, {Noun}, {aspect}, "
            "{Aspect}, {text}",
            "8:57: agents[4].examples: needs from: a file with gold labels, or a run's folder",
        ],
    ),
    (
        "a prior for other labels",
        SMALL + "committee: {prior: {bad: 0.3, god: 0.3}}\n",
        [
            "3:20: committee.prior: lacks 'good'",
            "3:20: committee.prior: the shares must sum to 1, not 0.6",
            "3:36: committee.prior.god: is no label; did you mean 'good'?",
        ],
    ),
    (
        "a cascade without its protocol",
        SMALL + "committee: {cascade: {sure: 0.9}}\n",
        ["3:22: committee.cascade: means nothing to the protocol vote; write protocol: cascade"],
    ),
    (
        "a cascade that is surer than sure",
        SMALL + "agents: [{encoder: e}]\ncommittee:\n  protocol: cascade\n  cascade: {calibrate: gold, sure: 2}\n",
        ["6:36: committee.cascade.sure: must be at most 1, not '2'"],
    ),
    (
        "a cascade of one, and without gold",
        SMALL + "agents: [{encoder: e}]\ncommittee:\n  protocol: cascade\n  cascade: {calibrate: gold}\n",
        [
            "5:13: committee.protocol: a cascade needs at least two agents, the cheapest first",
            "6:24: committee.cascade.calibrate: needs data.gold: the column with the true label",
        ],
    ),
    (
        "a prior by another name",
        SMALL + "committee: {prior: flat}\n",
        ["3:20: committee.prior: must be uniform or a mapping from label to share"],
    ),
    (
        "a test of two kinds",
        SMALL.replace("a.csv", "a.csv, test: {share: 0.5, items: 3}"),
        ["2:27: data.test: must be a path, a built-in name, {share: 0.2} or {items: 500}"],
    ),
    (
        "a share of all",
        SMALL.replace("a.csv", "a.csv, test: {share: 1}"),
        ["2:35: data.test.share: must be less than 1, not '1'"],
    ),
    (
        "a path outside",
        SMALL.replace("a.csv", "x/../../a.csv"),
        ["2:14: data.pool: leads out of the task file's folder; write the whole path, from the root"],
    ),
    (
        "the answer shown",
        SMALL.replace("]}", "], show: [text, y]}").replace("a.csv", "a.csv, gold: y"),
        ["1:42: task.show[1]: would show the answer to the workers"],
    ),
]


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_task(text, source="task.yaml")
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "lines"), [(text, lines) for _, text, lines in GOLDEN], ids=[one[0] for one in GOLDEN]
)
def test_golden(text: str, lines: list[str]) -> None:
    assert refused(text) == "\n".join(f"task.yaml:{line}" for line in lines)


def test_what_stands_under_a_refused_value_is_one_problem() -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\ntask: {labels: !!set {a: , b: }}\ndata: *b\n"
    lines = refused(bomb).splitlines()
    assert "task.yaml:3:16: task.labels: the tag !!set is not allowed; write the plain value" in lines
    assert "task.yaml:4:7: data: the alias *b is not allowed; write the value out" in lines
    assert not any("required" in line for line in lines)


def test_nobody_reads_a_thousand_problems() -> None:
    assert len(refused("a: 1\n" * 1000).splitlines()) == 50
    assert len(refused("".join(f"key{i}:\n" for i in range(1000))).splitlines()) == 50


def test_names_of_parts_are_checked_where_they_are_known() -> None:
    text = SMALL + "selection: {strategy: margn}\nagents:\n  - {model: a}\n  - {model: a, engine: vino}\n"
    names = {"selection.strategy": ["random", "margin"], "agents.engine": ["openvino", "scripted"]}
    with pytest.raises(ConfigError) as caught:
        parse_task(text, source="task.yaml", names=names)
    assert str(caught.value).splitlines() == [
        "task.yaml:3:23: selection.strategy: 'margn' is unknown; known: random, margin; did you mean 'margin'?",
        "task.yaml:6:24: agents[1].engine: 'vino' is unknown; known: openvino, scripted; did you mean 'openvino'?",
    ]
    assert parse_task(text, source="task.yaml").selection.strategy == "margn"


def test_a_file_that_is_missing_unreadable_or_too_large(tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    with pytest.raises(ConfigError, match="there is no such task file"):
        load_task(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_task(tmp_path)
    file.write_bytes(b"task: {}\n# \xe4\n")
    with pytest.raises(ConfigError) as caught:
        load_task(file)
    assert caught.value.message == f"{file}:2:3: byte 0xe4 is not UTF-8"
    file.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError, match=r"1:1: the file has 1,000,001 bytes"):
        load_task(file)


def test_data_that_is_not_there_is_named_with_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("text\na\n")
    file = tmp_path / "task.yaml"
    file.write_text(SMALL.replace("a.csv", "review.csv, test: nowhere/x.csv"))
    with pytest.raises(ConfigError) as caught:
        load_task(file)
    assert str(caught.value).splitlines() == [
        f"{file}:2:14: data.pool: there is no file 'review.csv'; did you mean 'reviews.csv'?",
        f"{file}:2:32: data.test: there is no file 'nowhere/x.csv'",
    ]


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    bad: list[str] = []
    try:
        parse_task(text, source="t.yaml")
    except ConfigError as error:
        bad = [line for line in error.message.splitlines() if not line.startswith("t.yaml:")]
    assert not bad


PARTS = [
    "task",
    "data",
    "labels",
    "agents",
    "model",
    "a",
    "b",
    ": ",
    "\n",
    "  ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "'",
    '"',
]
PARTS += ["&x ", "*x", "!!int ", "null", "1", "-1.5", "true", "|\n", "? ", "# c", "pool", "decode", "prior", "examples"]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(PARTS), max_size=30), st.booleans())
def test_any_pieces_of_yaml_are_read_or_refused(pieces: list[str], after: bool) -> None:
    text = (SMALL if after else "") + "".join(pieces)
    bad: list[str] = []
    try:
        parse_task(text, source="t.yaml")
    except ConfigError as error:
        bad = [line for line in error.message.splitlines() if not line.startswith("t.yaml:")]
    assert not bad
