"""A task file with some of its keys changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.errors import ConfigError
from limbeck.task import fingerprint, key_of, parse_task, vary
from limbeck.task.document import plain, read_document
from limbeck.task.variation import written

TEXT = """
task:  # what is asked
  labels: [no, "yes: surely", 'a "b"']
data:
  pool: texts.csv
  limit: 200
agents:
  - {name: first, model: smollm2-135m-instruct}
budget:
"""


def test_a_change_is_the_only_difference() -> None:
    before = parse_task(TEXT, source="task.yaml")
    after = vary(TEXT, {("data", "seed"): "3", ("budget", "items"): "50"}, source="task.yaml")
    assert (after.data.seed, after.budget.items) == (3, 50)
    assert after.task.labels == before.task.labels
    assert fingerprint(vary(TEXT, {}, source="task.yaml")) == fingerprint(before)
    assert fingerprint(after) != fingerprint(before)


def test_a_list_entry_and_a_whole_section() -> None:
    after = vary(
        TEXT, {key_of("agents.0.model"): "other.gguf", key_of("agents.0.decode"): "{cot: {k: 5}}"}, source="t/task.yaml"
    )
    assert after.agents is not None
    assert after.agents[0].model == "other.gguf"
    assert after.agents[0].decode.name == "cot"
    assert after.resolve("other.gguf") == Path("t/other.gguf")
    assert after.text is not None
    assert parse_task(after.text, source="t/task.yaml") == after


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("agents.1.model", "x", r"there is no agents\[1\]"),
        ("data.pool.path", "x", r"there is no data\.pool\.path"),
        ("data.seed", "!!int 3", "tag"),
        ("data.seed", "many", "data.seed"),
        ("data.sed", "3", "sed"),
    ],
)
def test_what_cannot_be_changed(key: str, value: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        vary(TEXT, {key_of(key): value}, source="task.yaml")


VALUES = st.recursive(
    st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)


@given(st.dictionaries(st.text(min_size=1, max_size=6), VALUES, min_size=1, max_size=4))
def test_what_is_written_reads_as_the_same(values: dict[str, object]) -> None:
    root, problems = read_document(json.dumps(values))
    assert root is not None
    if problems:
        return
    again, wrong = read_document(written(root))
    assert again is not None
    assert not wrong
    assert plain(again) == plain(root)
