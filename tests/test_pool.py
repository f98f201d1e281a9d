"""The pool: formats read, equal texts merged, ids, samples and splits that do not depend on the order of rows."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limbeck.errors import DataError
from limbeck.pool import Pool, columns, read_rows, split
from limbeck.records import Item

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
REUSED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


def saved(folder: Path, table: pa.Table, *, files: int = 1, features: dict[str, Any] | None = None) -> Path:
    """A folder as `datasets.save_to_disk` leaves it."""
    folder.mkdir(parents=True)
    names = [f"data-{i:05}-of-{files:05}.arrow" for i in range(files)]
    step = -(-table.num_rows // files)
    for i, name in enumerate(names):
        with pa.ipc.new_stream(str(folder / name), table.schema) as stream:
            stream.write_table(table.slice(i * step, step))
    write(folder / "state.json", json.dumps({"_data_files": [{"filename": name} for name in names]}))
    write(folder / "dataset_info.json", json.dumps({"features": features or {}}))
    return folder


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_of_every_delimiter(tmp_path: Path, delimiter: str) -> None:
    text = f'text{delimiter}label\r\n"a, b; c | d\te ""q""\n2nd"{delimiter}x\r\n\r\nplain{delimiter}\r\n'
    path = write(tmp_path / "a.csv", text)
    assert columns(path) == ["text", "label"]
    rows = list(read_rows(path))
    assert [row.fields for row in rows] == [
        {"text": 'a, b; c | d\te "q"\n2nd', "label": "x"},
        {"text": "plain", "label": ""},
    ]
    assert [row.where for row in rows] == [f"{path}:2", f"{path}:5"]


def test_one_column_and_unnamed_columns(tmp_path: Path) -> None:
    assert [row.fields for row in read_rows(write(tmp_path / "a.csv", "text\none two\n"))] == [{"text": "one two"}]
    assert columns(write(tmp_path / "b.csv", ",text, label \n0,a,x\n")) == ["column 1", "text", "label"]
    assert columns(write(tmp_path / "c.tsv", "text, or not\n")) == ["text, or not"]


def test_jsonl_values_become_text(tmp_path: Path) -> None:
    row = '{"s": "ä", "i": 12, "f": 1.5, "b": true, "n": null, "nan": NaN, "l": [1, {"k": "ü"}]}\n\n{"other": "x"}\n'
    path = write(tmp_path / "a.jsonl", row)
    first, second = read_rows(path)
    assert first.fields == {
        **{"s": "ä", "i": "12", "f": "1.5", "b": "true", "n": None, "nan": None},
        **{"l": '[1, {"k": "ü"}]'},
    }
    assert (second.fields, second.where) == ({"other": "x"}, f"{path}:3")
    assert columns(path) == ["s", "i", "f", "b", "n", "nan", "l", "other"]


def test_parquet_with_nested_values_nulls_and_class_names(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": ["a", None, "c"],
            "label": [1, -1, 0],
            "inner": [{"x": 1, "y": ["ü"]}, None, {"x": None, "y": []}],
            "people": pa.array([[("good", 2)], None, [("bad", 1)]], pa.map_(pa.string(), pa.int64())),
            "score": [1.0, float("nan"), None],
            "a.b": ["x", None, "z"],
        }
    )
    info = {"info": {"features": {"label": {"names": ["bad", "good"], "_type": "ClassLabel"}}}}
    table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    assert columns(path) == ["text", "label", "inner", "people", "score", "a.b"]
    rows = list(read_rows(path))
    assert rows[0].fields == {
        **{"text": "a", "label": "good", "inner": '{"x": 1, "y": ["ü"]}'},
        **{"people": '{"good": 2}', "score": "1.0", "a.b": "x"},
    }
    assert list(rows[1].fields.values()) == [None] * 6
    assert rows[2].where == f"{path}:row 3"
    assert [row.fields for row in read_rows(path, only=["text"])] == [{"text": one} for one in ("a", None, "c")]
    pool = Pool.read(path, show=["text"], gold="label", people="people")
    assert [(item.gold, item.people) for item in pool] == [("good", {"good": 2}), ("bad", {"bad": 1})]
    assert pool.where(1) == f"{path}:row 3"


def test_datasets_folder_in_several_files(tmp_path: Path) -> None:
    features = {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}
    table = pa.table({"text": [f"t{i}" for i in range(7)], "label": [i % 2 for i in range(7)]})
    folder = saved(tmp_path / "set", table, files=3, features=features)
    rows = list(read_rows(folder))
    assert [row.fields["text"] for row in rows] == [f"t{i}" for i in range(7)]
    assert (rows[3].fields["label"], rows[6].where) == ("yes", f"{folder}:row 7")
    assert columns(folder) == ["text", "label"]


def test_datasets_folder_with_splits(tmp_path: Path) -> None:
    both = tmp_path / "both"
    for name in ("train", "test"):
        saved(both / name, pa.table({"text": [f"of {name}"]}))
    write(both / "dataset_dict.json", json.dumps({"splits": ["test", "train"]}))
    assert next(read_rows(both)).fields == {"text": "of train"}
    assert next(read_rows(tmp_path / "both:test")).fields == {"text": "of test"}
    with pytest.raises(DataError, match="no split 'dev'; there are: test, train"):
        read_rows(tmp_path / "both:dev")
    write(both / "dataset_dict.json", json.dumps({"splits": ["test", "dev"]}))
    with pytest.raises(DataError, match="several splits; there are: test, dev"):
        read_rows(both)


def test_gzip_and_utf16(tmp_path: Path) -> None:
    for name, raw in (
        ("a.csv.gz", gzip.compress("text\nä\n".encode())),
        ("b.jsonl.gz", gzip.compress(b'{"text": "\\u00e4"}\n')),
        ("c.csv", "text\nä\n".encode("utf-16")),
        ("d.csv", b"\xfe\xff" + "text\nä\n".encode("utf-16-be")),
        ("e.csv", b"\xef\xbb\xbf" + "text\nä\n".encode()),
        ("f.jsonl", '{"text": "ä"}\r\n'.encode("utf-32")),
    ):
        (tmp_path / name).write_bytes(raw)
        assert [row.fields for row in read_rows(tmp_path / name)] == [{"text": "ä"}]


@REUSED
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), max_size=5))
def test_csv_gives_back_what_was_written(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    path = tmp_path / "r.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    assert [tuple(row.fields.values()) for row in read_rows(path)] == rows


@REUSED
@given(rows=st.lists(st.dictionaries(TEXTS, TEXTS | st.none(), max_size=3), max_size=5), plain=st.booleans())
def test_jsonl_gives_back_what_was_written(tmp_path: Path, rows: list[dict[str, str | None]], plain: bool) -> None:
    path = write(tmp_path / "r.jsonl", "".join(json.dumps(row, ensure_ascii=plain) + "\n" for row in rows))
    assert [row.fields for row in read_rows(path)] == rows


def test_equal_texts_are_one_item(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,label\na,\nb,x\n a,y\na,x\n" ",x\nb,x\na, z \n')
    pool = Pool.read(path, show=["text"], gold="label")
    content = hashlib.sha256(b'{"text":"a"}').hexdigest()[:32]
    assert list(pool) == [
        Item(content, {"text": "a"}, gold="x", count=3),
        Item(pool.ids[1], {"text": "b"}, gold="x", count=2),
        Item(pool.ids[2], {"text": " a"}, gold="y", count=1),
    ]
    assert dict(pool.notes) == {
        **{"rows": 7, "empty": 1, "duplicates": 3, "conflicts": 1},
        **{"merged_ids": 0, "repaired": 0, "left_out": 0},
    }
    assert (pool[0], pool[-1], pool[content], content in pool) == (*(list(pool)[i] for i in (0, 2, 0)), True)
    assert (pool.where(0), pool.where(1)) == (f"{path}:2", f"{path}:3")
    assert (pool.texts([1, 0]), pool.gold([2, 1]), pool.texts()) == (["b", "a"], ["y", "x"], ["a", "b", " a"])
    for strange in ("0" * 32, "zz", "", "é"):
        assert strange not in pool
        with pytest.raises(KeyError):
            pool.index(strange)
    with pytest.raises(IndexError):
        pool[3]


def test_several_fields_make_one_item_whatever_their_order(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [{"b": "2", "a": "ü", "z": 1}, {"a": "ü", "b": "2"}, {"a": "", "b": "x"}])
    one, other = Pool.read(path, show=["b", "a"]), Pool.read(path, show=["a", "b"])
    assert one.ids == other.ids
    assert one.ids[0] == hashlib.sha256('{"a":"ü","b":"2"}'.encode()).hexdigest()[:32]
    assert [dict(item.fields) for item in one] == [{"b": "2", "a": "ü"}, {"b": "x", "a": ""}]
    assert one.texts() == ["2\nü", "x"]


def test_own_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "key,text\nz,a\nä,b\nz,a\nother,a\n")
    pool = Pool.read(path, show=["text"], id_column="key")
    assert pool.ids == ("z", "ä")
    assert (pool["ä"].fields["text"], pool["z"].count, pool.notes["merged_ids"]) == ("b", 3, 1)
    assert "other" not in pool
    write(path, "key,text\nz,a\nx,c\nz,b\n")
    with pytest.raises(DataError) as caught:
        Pool.read(path, show=["text"], id_column="key", limit=1)
    assert caught.value.message == f"{path}:4: the same id as in {path}:2, for another text"
    write(path, "key,text\n ,a\n")
    with pytest.raises(DataError, match=r"a\.csv:2: the id is empty"):
        Pool.read(path, show=["text"], id_column="key")


def test_what_people_chose(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "a", "p": {" x ": 2, "y": None}},
        {"text": "b", "p": '{"x": 1.0}'},
        {"text": "c"},
    ]
    pool = Pool.read(lines(tmp_path / "a.jsonl", rows), show=["text"], people="p")
    assert [item.people for item in pool] == [{"x": 2}, {"x": 1}, None]
    for bad in ("{", "[1]", '{"x": -1}', '{"x": 1.5}', '{"x": true}', '{"x": "2"}', '{"x": 1e999}', "NaN"):
        path = lines(tmp_path / "b.jsonl", [{"text": "a", "p": {"x": 1}}, {"text": "b", "p": bad}])
        with pytest.raises(DataError, match=r"b\.jsonl:2: the choices of people cannot be read"):
            Pool.read(path, show=["text"], people="p")


def test_a_sample_does_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    rows = [{"text": f"text {i % 300}", "n": i} for i in range(500)]
    path = lines(tmp_path / "a.jsonl", rows)
    first = Pool.read(path, show=["text"], limit=40, seed=1)
    whole = Pool.read(path, show=["text"])
    assert [name for name in whole.ids if name in first] == list(first.ids)
    assert (len(first), first.notes["left_out"], first.notes["duplicates"]) == (40, 260, 200)
    assert all(item == whole[item.id] for item in first)
    random.Random(3).shuffle(rows)
    second = Pool.read(lines(path, rows), show=["text"], limit=40, seed=1)
    assert set(second.ids) == set(first.ids)
    assert second.digest == first.digest != whole.digest
    assert set(Pool.read(path, show=["text"], limit=40, seed=2).ids) != set(first.ids)
    assert len(Pool.read(path, show=["text"], limit=1000)) == 300


def test_a_split_does_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "gold": "x" if i % 2 else None} for i in range(100)]
    path = lines(tmp_path / "a.jsonl", rows)
    pool = Pool.read(path, show=["text"], gold="gold")
    rest, test = split(pool, share=0.2, seed=5)
    assert (len(rest), len(test), set(test.gold())) == (80, 20, {"x"})
    assert [name for name in pool.ids if name in test] == list(test.ids)
    assert set(rest.ids) | set(test.ids) == set(pool.ids)
    lines(path, rows[::-1])
    again = split(Pool.read(path, show=["text"], gold="gold"), items=20, seed=5)
    assert set(again[1].ids) == set(test.ids)
    assert set(split(pool, items=20, seed=6)[1].ids) != set(test.ids)
    assert rest[test.index(test.ids[0])].id in pool


def test_sample_and_split_of_one_seed_are_independent(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [{"text": f"text {i}"} for i in range(2000)])
    pool = Pool.read(path, show=["text"])
    sample = set(Pool.read(path, show=["text"], limit=500).ids)
    both = len(sample & set(split(pool, items=500)[1].ids))
    # Expected 125 with standard deviation 8.4; were the two draws one, all 500 would be shared.
    assert 90 < both < 160


def test_splits_that_cannot_be(tmp_path: Path) -> None:
    pool = Pool.read(lines(tmp_path / "a.jsonl", [{"text": "a", "g": "x"}, {"text": "b"}]), show=["text"], gold="g")
    wishes: list[dict[str, Any]] = [
        {"items": 2},
        {"items": 0},
        {"share": 1.0},
        {"share": 0.0},
        {},
        {"items": 1, "share": 0.5},
    ]
    for wish in wishes:
        with pytest.raises(DataError):
            split(pool, **wish)
    assert split(pool, share=0.01)[1].texts() == ["a"]
