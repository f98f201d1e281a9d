"""Data that is broken or means harm: an error with its place, or a repair that is counted."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limbeck.errors import DataError
from limbeck.pool import Pool, columns, read_rows
from limbeck.pool.intake import digester, merged

BROKEN: list[tuple[str, bytes, str]] = [
    ("a.csv", b"", "{path}:1: the file is empty"),
    ("a.csv", b"\n\n", "{path}:1: the file is empty"),
    ("a.csv", b"text,label\n", "{path}: holds no rows"),
    ("a.csv", b"text\n \n\t\n", "{path}: no row has a text in 'text'"),
    ("a.csv", b"text,label\na,x\nb\n", "{path}:3: 1 value where the header names 2 columns"),
    ("a.csv", b"text,label\na,x,y\n", "{path}:2: 3 values where the header names 2 columns"),
    ("a.csv", b"text\nI like it, a lot\n", "{path}:2: 2 values where the header names 1 column"),
    ("a.csv", b"text,text\na,b\n", "{path}:1: two columns are called 'text'"),
    ("a.csv", b'text,label\na,x\n"open,x\nb,y\n', "{path}:3: not readable as CSV: unexpected end of data"),
    ("a.csv", b'text,label\n"a"b,x\n', "{path}:2: not readable as CSV: ',' expected after '\"'"),
    ("a.csv", b"text,label\na,x\nb\0,x\n", "{path}:3: a NUL character, which no text has"),
    ("a.csv", "text,label\na,x\n".encode("utf-16-le"), "{path}:1: a NUL character, which no text has"),
    ("a.csv", b"text,label\na,x\nb,\xe4\n", "{path}:3: byte 18 of the file (0xe4) is not UTF-8"),
    (
        "a.csv",
        b"text\n" + (b"x" * 99 + b"\n") * 1000 + b"\xff\n",
        "{path}:1002: byte 100006 of the file (0xff) is not UTF-8",
    ),
    ("a.csv", b"text\n\xc3", "{path}:2: the file ends within a character of UTF-8: unexpected end of data"),
    ("a.csv", b"\xff\xfet\0e\0x\0t\0\n\0\0\xd8\n\0", "{path}:2: byte 13 of the file (0x00) is not UTF-16"),
    ("a.csv", b"sentence,label\na,x\n", "{path}: there is no column 'text'"),
    ("a.csv", b"texts,label\na,x\n", "{path}: there is no column 'text'; did you mean 'texts'?"),
    ("a.jsonl", b"", "{path}: holds no rows"),
    ("a.jsonl", b'{"txt": "a"}\n', "{path}: there is no column 'text'; did you mean 'txt'?"),
    ("a.jsonl", b'{"text": "a"}\n{"text": \n', "{path}:2: not JSON: Expecting value at column 10"),
    ("a.jsonl", b'{"text": "a"}\n\n[1]\n', "{path}:3: not an object but a list"),
    ("a.jsonl", b"null\n", "{path}:1: not an object but null"),
    ("a.jsonl", b'{"text": ' + b"[" * 100_000 + b"\n", "{path}:1: not JSON that can be read: "),
    ("a.jsonl", b'{"text": ' + b"9" * 5000 + b"}\n", "{path}:1: not JSON that can be read: "),
    ("a.jsonl", b'{"text": "\x00"}\n', "{path}:1: a NUL character, which no text has"),
    ("a.jsonl", b'{"text": "\xed\xa0\x80"}\n', "{path}:1: byte 11 of the file (0xed) is not UTF-8"),
    ("a.parquet", b"PAR1 and no more", "{path}: not readable as Parquet: "),
    ("a.parquet", b"", "{path}: not readable as Parquet: "),
    ("a.csv.gz", b"text\na\n", "{path}:1: cannot be read: Not a gzipped file"),
    ("a.csv.gz", gzip.compress(b"text\na\n")[:-9], "{path}:1: cannot be read: Compressed file ended"),
    ("a.xlsx", b"PK", "{path}: an unknown kind of data file"),
]


@pytest.mark.parametrize(("name", "raw", "message"), BROKEN, ids=[f"{i}-{one[0]}" for i, one in enumerate(BROKEN)])
def test_broken_files(tmp_path: Path, name: str, raw: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(raw)
    with pytest.raises(DataError) as caught:
        Pool.read(path, show=["text"])
    assert caught.value.message.startswith(message.format(path=path))
    assert caught.value.exit_code == 2


def test_missing_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("text\na\n")
    with pytest.raises(DataError) as caught:
        columns(tmp_path / "review.csv")
    assert (caught.value.message, caught.value.hint) == (
        f"{tmp_path / 'review.csv'}: there is no such file",
        "Did you mean 'reviews.csv'?",
    )
    with pytest.raises(DataError, match="not a folder that `datasets` saved"):
        columns(tmp_path)
    with pytest.raises(DataError, match="there is no such file"):
        columns(tmp_path / "nowhere" / "a.csv")


def test_a_datasets_folder_cannot_point_elsewhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret.arrow"
    with pa.ipc.new_stream(str(secret), pa.schema([("text", pa.string())])) as stream:
        stream.write_table(pa.table({"text": ["secret"]}))
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "dataset_info.json").write_text("{}")
    for name in ("../secret.arrow", str(secret), "..\\secret.arrow"):
        (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
        with pytest.raises(DataError, match="is not the name of a data file"):
            list(read_rows(folder))
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "gone.arrow"}]}))
    with pytest.raises(DataError, match="row 1: cannot be read"):
        list(read_rows(folder))
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["../set", "train"]}))
    with pytest.raises(DataError, match=r"no split '\.\./set'|no such file"):
        read_rows(tmp_path / "set:../set")


def test_damaged_parquet_never_gives_wrong_rows_silently(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"text number {i}" for i in range(2000)]}), path)
    whole = path.read_bytes()
    for length in (10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"a\.parquet"):
            list(read_rows(path))
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, path)
    with pytest.raises(DataError, match="two columns are called 'text'"):
        list(read_rows(path))


def test_what_no_text_can_hold_is_replaced_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a\\ud800b\\u0000", "\\udfff": 1}\n{"text": "\\ud83d\\ude00"}\n')
    pool = Pool.read(path, show=["text"])
    assert pool.texts() == ["a\ufffdb\ufffd", "😀"]
    assert pool.notes["repaired"] == 3
    pq.write_table(pa.table({"text": ["a\0"]}), tmp_path / "b.parquet")
    other = Pool.read(tmp_path / "b.parquet", show=["text"])
    assert (other.texts(), other.notes["repaired"]) == (["a\ufffd"], 1)


def test_strange_but_good_texts_stay_as_they_are(tmp_path: Path) -> None:
    texts = [
        "\u202eright to left\u202c",
        "👩‍👩‍👧‍👦 é e\u0301",
        "=HYPERLINK(1)",
        "NaN",
        "null",
        "a\u2028\u0085b",
        "<script>",
        "\x1b[31m",
        "\ufeff",
    ]
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([["text", "🏷️"], *([text, "👍"] for text in texts)])
    pool = Pool.read(path, show=["text"], gold="🏷️")
    assert pool.texts() == texts
    assert set(pool.gold()) == {"👍"}


def test_a_text_of_ten_megabytes(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    long = "x " * (5 * 1024 * 1024)
    path = tmp_path / "a.csv"
    path.write_text(f"text,label\n{long},y\nshort,z\n")
    pool = Pool.read(path, show=["text"], gold="label")
    assert [len(text) for text in pool.texts()] == [len(long), 5]
    assert pool.gold() == ["y", "z"]
    path.write_text(f"text,label\n{long} more,y\n")
    with pytest.raises(DataError, match=r"a\.csv:2: not readable as CSV: field larger"):
        Pool.read(path, show=["text"])
    assert csv.field_size_limit() == limit
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": long}) + "\n")
    assert len(Pool.read(tmp_path / "b.jsonl", show=["text"]).texts()[0]) == len(long)


def test_one_label_only_and_labels_nobody_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,x\nb,x\nc, \nd,unheard of\n")
    assert Pool.read(path, show=["text"], gold="label").gold() == ["x", "x", None, "unheard of"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(raw=st.binary(max_size=200), name=st.sampled_from(["a.csv", "a.jsonl", "a.tsv", "a.parquet", "a.csv.gz"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, raw: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(raw)
    for read in (list_rows, columns):
        try:
            read(path)
        except DataError as error:
            assert str(path) in error.message  # noqa: PT017


def list_rows(path: Path) -> object:
    return list(read_rows(path))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "x", "y"])), max_size=12), st.integers(0, 12))
def test_merging_in_two_steps_is_merging_in_one(rows: list[tuple[str, str | None]], cut: int) -> None:
    table = pa.table(
        {
            "digest": pa.array([digester(["t"])([text]) for text, _ in rows], pa.binary(16)),
            "number": pa.array(range(len(rows)), pa.int64()),
            "count": pa.array([1] * len(rows), pa.int64()),
            "conflict": pa.array([False] * len(rows), pa.bool_()),
            "gold": pa.array([gold for _, gold in rows], pa.large_string()),
            "people": pa.array([None] * len(rows), pa.large_string()),
        }
    )
    at_once = merged(table).to_pylist()
    assert merged(pa.concat_tables([merged(table.slice(0, cut)), table.slice(cut)])).to_pylist() == at_once
    for number, row in enumerate(at_once):
        mine = [gold for text, gold in rows if digester(["t"])([text]) == row["digest"]]
        golds = [gold for gold in mine if gold]
        assert (row["count"], row["gold"]) == (len(mine), golds[0] if golds else None)
        assert row["conflict"] == (len(set(golds)) > 1)
        assert number == 0 or at_once[number - 1]["number"] < row["number"]


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.text(st.characters(exclude_categories=["Cs"])),
        min_size=1,
        max_size=4,
    )
)
def test_an_id_is_the_hash_of_canonical_json(fields: dict[str, str]) -> None:
    made: Callable[[list[str]], bytes] = digester(list(fields))
    text = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert made(list(fields.values())) == hashlib.sha256(text.encode()).digest()[:16]
