"""The task file read right: values, defaults, paths, fingerprint; the task: instructions, items, answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.errors import ConfigError
from limbeck.records import Item
from limbeck.task import Task, TaskFile, fingerprint, load_task, parse_label, parse_task, render_item

SMALL = "task: {labels: [bad, good]}\ndata: {pool: reviews.csv}\n"

WHOLE = """\
task:
  name: movie-reviews
  instructions: Decide what the review says.
  labels: {negative: the writer dislikes it, positive: }
  show: [title, body]
data:
  pool: reviews.csv
  test: {share: 0.2}
  gold: label
  people: people
  id: id
  limit: 3000
  seed: 7
agents:
  - name: chat
    model: smollm2-135m-instruct
    style: plain
    wording: Which of {labels} fits {text}?
    label_words: {negative: bad, positive: good}
    label_order: reversed
    examples: {number: 4, choose: balanced, from: gold.csv}
    decode: {choice: {calibration: pmi}}
    long_text: middle
  - encoder: all-minilm-l6-v2
committee: {protocol: vote, aggregate: weighted, prior: {negative: 0.25, positive: 0.75}, accept: 0.9}
selection: {strategy: entropy, rounds: 3, start: 1.0, cold: random}
student: {kind: linear, encoder: null, min_confidence: 5e-1}
budget: {items: 100, tokens: null, seconds: 1.5}
privacy: {allow_remote: true}
"""


def task_file(text: str = SMALL) -> TaskFile:
    return parse_task(text, source="folder/My Task.yaml")


def task(*labels: str) -> Task:
    return Task("t", labels, (None,) * len(labels), "Decide.", ("text",))


def test_defaults_fill_in_what_the_file_leaves_out() -> None:
    read = task_file()
    assert read.task.name == "my-task"
    assert list(read.task.labels) == ["bad", "good"]
    assert read.task.show is None
    assert read.agents is None
    assert (read.committee.aggregate, read.committee.prior, read.committee.accept) == ("opinion-pool", None, 0.0)
    assert (read.selection.strategy, read.selection.rounds, read.selection.start) == ("margin", 5, 0.2)
    assert (read.student.kind, read.student.encoder) == ("linear", "all-minilm-l6-v2")
    assert (read.budget.items, read.budget.tokens, read.budget.seconds) == (None, None, None)
    assert read.privacy.allow_remote is False
    assert (read.data.seed, read.data.limit, read.data.test) == (0, None, None)


def test_every_key_is_read() -> None:
    read = task_file(WHOLE)
    assert dict(read.task.labels) == {"negative": "the writer dislikes it", "positive": None}
    assert read.task.show == ("title", "body")
    assert read.data.test is not None
    assert read.data.test.share == 0.2
    assert (read.data.gold, read.data.people, read.data.id) == ("label", "people", "id")
    assert (read.data.limit, read.data.seed) == (3000, 7)
    assert read.agents is not None
    chat, similarity = read.agents
    assert (chat.style, chat.label_order, chat.long_text, chat.engine) == ("plain", "reversed", "middle", "openvino")
    assert (chat.examples.number, chat.examples.choose, chat.examples.source) == (4, "balanced", "gold.csv")
    assert chat.decode.calibration == "pmi"
    assert (similarity.name, similarity.encoder) == ("all-minilm-l6-v2", "all-minilm-l6-v2")
    assert read.committee.prior == {"negative": 0.25, "positive": 0.75}
    assert (read.student.encoder, read.student.min_confidence) == (None, 0.5)
    assert (read.budget.items, read.budget.seconds) == (100, 1.5)
    assert read.privacy.allow_remote is True


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        ("[yes, no]", ["yes", "no"]),
        ("[1, 2]", ["1", "2"]),
        ("[true, null, ~, 010, 1.50, 1:30, 2020-01-01]", ["true", "null", "~", "010", "1.50", "1:30", "2020-01-01"]),
        ("{on: , off: }", ["on", "off"]),
        ("{1: first, 2: second}", ["1", "2"]),
        ('[\' padded \', "quo\\"ted"]', ["padded", 'quo"ted']),
        ("[😀, 'no: really']", ["😀", "no: really"]),
        ("[us, US]", ["us", "US"]),
    ],
)
def test_labels_are_the_text_that_was_written(written: str, labels: list[str]) -> None:
    read = task_file(f"task:\n  labels: {written}\ndata: {{pool: a.csv}}\n")
    assert list(read.task.labels) == labels


def test_names_columns_and_words_are_the_text_that_was_written() -> None:
    read = task_file(
        "task: {labels: [yes, no], show: [1]}\ndata: {pool: 3.5, gold: no, id: 0}\n"
        "agents: [{model: a, label_words: {no: off, yes: 1}}]\ncommittee: {prior: {yes: 0.5, no: 0.5}}\n"
    )
    assert (read.task.show, read.data.pool, read.data.gold, read.data.id) == (("1",), "3.5", "no", "0")
    assert read.agents is not None
    assert read.agents[0].label_words == {"no": "off", "yes": "1"}


def test_agents_without_a_name_get_different_ones() -> None:
    read = task_file(SMALL + "agents: [{model: hf:me/Big Model}, {model: big-model}, {name: big-model-2, model: b}]\n")
    assert read.agents is not None
    assert [agent.name for agent in read.agents] == ["big-model", "big-model-3", "big-model-2"]


def test_short_forms_mean_the_long_ones() -> None:
    long = SMALL + "agents: [{model: a, decode: {choice: {calibration: batch}}}]\ncommittee: {prior: null}\n"
    short = SMALL + "agents: [{model: a, decode: choice}]\ncommittee: {prior: uniform}\n"
    assert task_file(long).model_dump() == task_file(short).model_dump()
    test = task_file("task: {labels: [a, b]}\ndata: {pool: a.csv, test: test.csv}\n").data.test
    assert test is not None
    assert (test.path, test.share, test.items) == ("test.csv", None, None)


def test_a_section_with_nothing_in_it_has_its_defaults() -> None:
    empty = SMALL + "agents:\ncommittee:\nselection: {}\nstudent:\nbudget:\nprivacy:\n"
    assert task_file(empty).model_dump() == task_file().model_dump()


def test_paths_start_in_the_folder_of_the_task_file() -> None:
    read = task_file()
    assert read.resolve("a/b.csv") == Path("folder/a/b.csv")
    assert read.data_path("reviews.csv") == Path("folder/reviews.csv")
    assert read.data_path("./reviews") == Path("folder/reviews")
    assert read.data_path("movie-reviews") is None
    assert read.resolve("/elsewhere/a.csv") == Path("/elsewhere/a.csv")


def test_load_reads_a_file_with_a_byte_order_mark_and_sees_its_data(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("text\na\n")
    file = tmp_path / "task.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert load_task(file).data.pool == "reviews.csv"
    saved = tmp_path / "saved"
    saved.mkdir()
    file.write_text(SMALL.replace("reviews.csv", "./saved:train"))
    assert load_task(file).data.pool == "./saved:train"
    file.write_text(SMALL.replace("reviews.csv", "movie-reviews"))
    assert load_task(str(file)).source == str(file)


def test_models_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        task_file().task.name = "other"


def test_the_fingerprint_follows_what_changes_the_tables() -> None:
    base = fingerprint(task_file())
    assert len(base) == 64
    assert fingerprint(task_file("# a comment\n" + SMALL + "privacy: {allow_remote: true}\n")) == base
    assert fingerprint(parse_task(SMALL, source="other/name.yaml")) == base
    assert fingerprint(task_file(SMALL + "selection: {rounds: 5, start: 2e-1}\n")) == base
    for other in (
        SMALL.replace("bad, good", "good, bad"),
        SMALL + "selection: {rounds: 4}\n",
        SMALL + "budget: {items: 5}\n",
        SMALL.replace("[bad, good]", "{bad: , good: praise}"),
        SMALL + "agents: [{model: a}]\n",
        SMALL.replace("reviews.csv", "others.csv"),
    ):
        assert fingerprint(task_file(other)) != base


def test_keys_of_another_kind_of_student_leave_a_linear_one_alone() -> None:
    base = fingerprint(task_file())
    tuned = [
        SMALL + f"student: {{kind: encoder{more}}}\n" for more in ("", ", epochs: 4", ", model: hf:a/b", ", batch: 8")
    ]
    assert len({fingerprint(task_file(one)) for one in tuned} | {base}) == 5
    more = ("noise: pooled", "kind: causal", "kind: causal, alpha: 0.2", "kind: causal, rank: 4")
    assert len({fingerprint(task_file(SMALL + f"student: {{{one}}}\n")) for one in more} | {base}) == 5
    assert fingerprint(task_file(SMALL + "student: {noise: null}\n")) == base
    with pytest.raises(ConfigError, match=r"student\.rank: means nothing to a student of kind encoder"):
        task_file(SMALL + "student: {kind: encoder, rank: 4}\n")
    with pytest.raises(ConfigError, match=r"student\.epochs: means nothing to a student of kind linear"):
        task_file(SMALL + "student: {epochs: 4}\n")


def test_a_later_complaint_has_its_place_and_a_guess() -> None:
    read = task_file(SMALL + "agents:\n  - {model: smollm}\n")
    error = read.complaint(("agents", 0, "model"), "is not known", value="smollm", known=["smollm2", "gpt"])
    assert str(error) == "folder/My Task.yaml:4:13: agents[0].model: is not known; did you mean 'smollm2'?"


def test_the_task_shows_the_text_or_the_only_column_left() -> None:
    read = task_file("task: {labels: [a, b]}\ndata: {pool: a.csv, gold: y, id: n}\n")
    assert Task.of(read).show == ("text",)
    assert Task.of(read, ["n", "text", "z"]).show == ("text",)
    assert Task.of(read, ["n", "review", "y"]).show == ("review",)
    with pytest.raises(ConfigError, match=r"1:7: task\.show: there is no column 'text'; .*'review'"):
        Task.of(read, ["review", "title", "y"])


def test_instructions_are_made_from_the_labels() -> None:
    made = Task.of(task_file())
    assert made.instructions == "Decide which of these labels fits the text best: bad, good."
    described = Task.of(task_file(SMALL.replace("[bad, good]", "{bad: dislikes it, good: }")))
    assert described.instructions == "Decide which label fits the text best.\n- bad: dislikes it\n- good"
    assert described.descriptions == ("dislikes it", None)
    assert Task.of(task_file(WHOLE)).instructions == "Decide what the review says."


def test_items_are_shown_as_text_or_as_named_lines() -> None:
    one = task("a", "b")
    assert render_item(one, Item("1", {"text": " as it is\n"})) == " as it is\n"
    two = Task("t", ("a", "b"), (None, None), "", ("title", "full_text", "note"))
    assert render_item(two, Item("1", {"full_text": "b", "title": "a", "note": " "})) == "Title: a\nFull text: b"


@pytest.mark.parametrize(
    ("labels", "answer", "label"),
    [
        (("negative", "positive"), "positive", "positive"),
        (("negative", "positive"), "  **Positive.**\n", "positive"),
        (("negative", "positive"), "Label: POSITIVE", "positive"),
        (("negative", "positive"), "So the answer is 'positive', I think.", "positive"),
        (("negative", "positive"), "positive or negative", None),
        (("negative", "positive"), "nonpositive", None),
        (("negative", "positive"), "It is not positive", None),
        (("negative", "positive"), "", None),
        (("good", "very good"), "Very good!", "very good"),
        (("good", "very good"), "good, very good", None),
        (("relevant", "not relevant"), "Not relevant.", "not relevant"),
        (("positive", "negative", "neither"), "Neither", "neither"),
        (("no", "yes"), "No, that does not hold.", "no"),
        (("very_positive", "negative"), "very positive", "very_positive"),
        (("C", "C++", "C#"), "c++", "C++"),
        (("C", "C++", "C#"), "It is C# code", "C#"),
        (("us", "US"), "the US", "US"),
        (("us", "US"), "uS", None),
        (("😀", "😡"), "😡😡", "😡"),
        (("❤️", "💔"), "❤", "❤️"),
        (("积极", "消极"), "这是积极的", "积极"),
        (("Straße", "Weg"), "STRASSE", "Straße"),
        (("1", "2"), "11", None),
        ((".", ","), ",", ","),
    ],
)
def test_an_answer_names_one_label_or_none(labels: tuple[str, ...], answer: str, label: str | None) -> None:
    assert parse_label(task(*labels), answer) == label


@given(st.lists(st.text(min_size=1).map(str.strip).filter(bool), min_size=2, max_size=5, unique=True), st.text())
def test_an_answer_is_always_a_label_or_none(labels: list[str], answer: str) -> None:
    assert parse_label(task(*labels), answer) in (*labels, None)


@given(st.lists(st.from_regex(r"[a-z]{1,8}( [a-z]{1,8})?", fullmatch=True), min_size=2, max_size=5, unique=True))
def test_every_plain_label_is_understood_in_any_case(labels: list[str]) -> None:
    for label in labels:
        assert parse_label(task(*labels), f" {label.upper()}.\n") == label
