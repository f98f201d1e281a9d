"""The first task file: columns guessed, every value quoted so that it is read back as it was."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from limbeck.errors import ConfigError, DataError
from limbeck.flows.init import draft_task, init
from limbeck.pool import Pool
from limbeck.task import TaskFile, load_task, parse_task

VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30).filter(
    lambda text: bool(text.strip())
)


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def reviews(path: Path, *, label: str = "label") -> Path:
    rows = [
        {
            "id": f"r{i}",
            "text": f"a film number {i}, long enough",
            label: "yes" if i % 3 else "no",
            "year": 1990 + i % 4,
        }
        for i in range(40)
    ]
    return lines(path, rows)


def test_the_draft_names_the_columns_and_loads(tmp_path: Path) -> None:
    source, target = reviews(tmp_path / "My Films.jsonl"), tmp_path / "task.yaml"
    draft = init(source, target)
    assert (draft.path, draft.text_column, draft.label_column) == (target, "text", "label")
    assert (draft.labels, draft.rows) == (("yes", "no"), 40)
    read = load_task(target)
    assert (read.task.name, list(read.task.labels), read.task.show) == ("my-films", ["yes", "no"], ("text",))
    assert (read.data.pool, read.data.gold, read.data.id, read.data.people) == ("My Films.jsonl", "label", "id", None)
    pool = Pool.read(read.resolve(read.data.pool), show=["text"], gold=read.data.gold, id_column=read.data.id)
    assert (len(pool), set(pool.gold())) == (40, {"yes", "no"})


def test_every_setting_in_the_draft_holds_and_every_default_is_the_default(tmp_path: Path) -> None:
    text = draft_task(reviews(tmp_path / "a.jsonl"))
    plain = parse_task("task: {labels: [a, b]}\ndata: {pool: a.csv}\n", source="t.yaml")
    without = {"task", "data", "agents"}
    assert parse_task(text, source="t.yaml").agents is None
    assert parse_task(text, source="t.yaml").model_dump(exclude=without) == plain.model_dump(exclude=without)
    # The same with every setting that stands behind a comment mark.
    full = parse_task(re.sub(r"(?m)^( *)# ( *(- )?[a-z_]+:)", r"\1\2", text), source="t.yaml")
    assert full.model_dump(exclude=without) == plain.model_dump(exclude=without)
    assert full.agents is not None
    assert [agent.name for agent in full.agents] == ["chat", "similarity"]
    assert full.agents[0].label_words == {"yes": "another word"}
    assert (full.data.limit, full.data.people) == (3000, "people")
    assert full.data.test is not None
    assert (full.data.test.share, full.task.instructions) == (0.2, "Decide which label fits the text best.")


def test_a_column_is_known_by_its_values_where_its_name_says_nothing(tmp_path: Path) -> None:
    rows = [
        {"a": f"http://example.org/{'x' * 60}/{i}", "b": f"some words of item {i}", "c": i % 2, "d": "same"}
        for i in range(20)
    ]
    draft = init(lines(tmp_path / "a.jsonl", rows), tmp_path / "t.yaml")
    assert (draft.text_column, draft.label_column, draft.labels) == ("b", "c", ("0", "1"))


def test_a_telling_name_beats_fewer_values(tmp_path: Path) -> None:
    draft = init(reviews(tmp_path / "a.jsonl", label="Sentiment"), tmp_path / "t.yaml")
    assert draft.label_column == "Sentiment"
    rows = [{"text": f"words and words {i}", "flag": i % 2, "category": f"c{i % 5}"} for i in range(50)]
    assert init(lines(tmp_path / "b.jsonl", rows), tmp_path / "u.yaml").label_column == "category"


def test_what_people_chose_is_found(tmp_path: Path) -> None:
    rows = [{"text": f"words and words {i}", "votes": {"good": i, "bad": 2}} for i in range(10)]
    read = parse_task(draft_task(lines(tmp_path / "a.jsonl", rows)), source="t.yaml")
    assert (read.data.people, read.data.gold) == ("votes", None)


def test_without_labels_the_draft_says_what_to_edit(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("text\n" + "".join(f"words and words {i}\n" for i in range(5)))
    text = draft_task(source)
    assert "EDIT: no column with labels was found" in text
    read = parse_task(text, source="t.yaml")
    assert (read.data.gold, len(read.task.labels)) == (None, 2)


def test_only_the_first_rows_are_looked_at(tmp_path: Path) -> None:
    rows = [{"text": f"words and words {i}", "label": i % 2} for i in range(1500)]
    assert init(lines(tmp_path / "a.jsonl", rows), tmp_path / "t.yaml").rows == 1000


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    source, target = reviews(tmp_path / "a.jsonl"), tmp_path / "t.yaml"
    target.write_text("mine")
    with pytest.raises(ConfigError, match="is there already") as caught:
        init(source, target)
    assert (caught.value.exit_code, target.read_text()) == (2, "mine")
    init(source, target, overwrite=True)
    assert target.read_text() == draft_task(source)
    with pytest.raises(ConfigError, match="cannot be written"):
        init(source, tmp_path / "nowhere" / "t.yaml")


def test_the_pool_is_found_from_where_the_task_file_lies(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "tasks").mkdir()
    source = reviews(tmp_path / "data" / "a.jsonl")
    for target, raw in (
        (tmp_path / "t.yaml", "data/a.jsonl"),
        (tmp_path / "data" / "t.yaml", "a.jsonl"),
        (tmp_path / "tasks" / "t.yaml", str(source)),
    ):
        init(source, target)
        assert load_task(target).data.pool == raw


def test_data_without_rows_or_texts(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    for text, message in (("text\n", "no rows with text"), ("a,b\n ,\n", "no rows with text"), ("", "is empty")):
        source.write_text(text)
        with pytest.raises(DataError, match=message):
            draft_task(source)
    lines(tmp_path / "b.jsonl", [{"votes": {"a": 1}}])
    with pytest.raises(DataError, match="no column with texts"):
        draft_task(tmp_path / "b.jsonl")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    labels=st.lists(VALUES.map(str.strip), min_size=2, max_size=4, unique=True),
    columns=st.lists(VALUES, min_size=2, max_size=2, unique=True),
)
@example(labels=["yes", "no"], columns=["null", "true"])
@example(labels=["1", "2"], columns=["a: b", "- c"])
@example(labels=["👍🏽", 'it\'s "so": # no'], columns=["{x}", "[y"])
@example(labels=["!!python/object:x", "*a"], columns=["&b", "%c"])
@example(labels=["\u2028x\u0085y", "\x1b[0m\ufeff"], columns=["\n", "a"])  # a column of blanks is passed over
def test_any_value_comes_back_as_it_was(tmp_path: Path, labels: list[str], columns: list[str]) -> None:
    text, label = columns
    rows = [{text: f"some words that are long enough, {i}", label: one} for i, one in enumerate(labels * 3)]
    read = parse_task(draft_task(lines(tmp_path / "a.jsonl", rows)), source="t.yaml")
    assert isinstance(read, TaskFile)
    if text.strip() and label.strip():
        assert (read.task.show, read.data.gold) == ((text,), label)
        assert sorted(read.task.labels) == sorted(labels)
