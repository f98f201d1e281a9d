"""Rated texts: gold labels and people's labels from means and single ratings."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.assets.ratings import join
from limbeck.assets.store import Store

TEXTS = "1\t2.0\tfine day\r\n2\t-0.5\tbad, \tvery\r\n3\t0\tso so\r\n4\t1.5\tno ratings\r\n5_1\t-3\tother mean\r\n"
RATINGS = (
    "1\t2.0\t0.1\t[1, 2, 3]\r\n2\t-0.5\t0.1\t[-1, 0, 0, -1]\r\n3\t0\t0\t[1, -1, 0]\r\n"
    "5_1\t-1\t0\t[-1, -1]\r\n9\t1\t0\t[1]\r\n"
)


def _read(texts: bytes, ratings: bytes) -> tuple[list[dict[str, Any]], dict[str, int]]:
    lines, counts = join(texts, ratings)
    return [json.loads(line) for line in lines.decode().split("\n")[:-1]], counts


def _people(negative: int, neutral: int, positive: int) -> dict[str, int]:
    return {"negative": negative, "neutral": neutral, "positive": positive}


def test_the_truth_worked_out_by_hand() -> None:
    items, counts = _read(TEXTS.encode(), RATINGS.encode())
    assert items == [
        {"id": "1", "text": "fine day", "gold": "positive", "rating": 2.0, "people": _people(0, 0, 3)},
        {"id": "2", "text": "bad, \tvery", "gold": "negative", "rating": -0.5, "people": _people(2, 2, 0)},
        {"id": "3", "text": "so so", "gold": None, "rating": 0.0, "people": _people(1, 1, 1)},
        {"id": "4", "text": "no ratings", "gold": "positive", "rating": 1.5, "people": None},
        {"id": "5_1", "text": "other mean", "gold": "negative", "rating": -3.0, "people": None},
    ]
    told = {name: count for name, count in counts.items() if count}
    assert told == {
        "items": 5,
        "gold_positive": 2,
        "gold_negative": 2,
        "gold_none": 1,
        "texts_without_ratings": 1,
        "ratings_of_another_mean": 1,
        "ratings_without_text": 1,
    }


def test_line_ends_and_byte_order_marks_change_nothing() -> None:
    expected = join(TEXTS.encode(), RATINGS.encode())
    assert join(TEXTS.replace("\r\n", "\n").encode("utf-8-sig"), RATINGS.encode("utf-8-sig")) == expected


def test_rows_that_do_not_fit_are_counted() -> None:
    texts = b"1\t1\ta\n1\t2\tagain\n2\tmuch\tb\n3\t1\n4\tnan\tc\n5\t9\td\n\t1\te\n6\t1\t \n7\t1\tcaf\xe9\n8\t1\ta\n"
    ratings = (
        b'1\t1\t0\t[1]\n1\t1\t0\t[1]\n2\t1\t0\t[1.5]\n3\t1\t0\t[true]\n4\t1\t0\t[5]\n5\t1\t0\t[]\n6\t1\t0\t{"a": 1}\n'
    )
    items, counts = _read(texts, ratings + b"7\t1\t0\t[" + b"[" * 100_000 + b"\n8\t1\t0\n")
    assert [(it["id"], it["text"]) for it in items] == [("1", "a"), ("7", "café"), ("8", "a")]
    assert counts["repeated_text_ids"] == counts["repeated_rating_ids"] == counts["rows_not_in_utf_8"] == 1
    assert (counts["bad_text_rows"], counts["bad_rating_rows"]) == (6, 7)
    assert (counts["repeated_texts"], counts["texts_without_ratings"]) == (1, 2)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_row_is_lost_whatever_the_bytes(texts: bytes, ratings: bytes) -> None:
    items, counts = _read(texts, ratings)
    rows = sum(1 for line in texts.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.removesuffix(b"\r"))
    assert rows == counts["items"] + counts["bad_text_rows"] + counts["repeated_text_ids"]
    assert counts["items"] == len(items)


REAL = {
    # name: items, positive, negative, without gold, without people's ratings
    "movie-reviews": (10605, 5242, 5326, 37, 0),
    "tweets": (4200, 2897, 1299, 4, 199),
    "newspaper-editorials": (5190, 2204, 2742, 244, 0),
    "product-reviews": (3708, 2128, 1482, 98, 0),
}


@pytest.mark.model
@pytest.mark.parametrize("name", REAL)
def test_the_real_sets(store: Store, name: str) -> None:
    folder = store.pull(name)
    assert store.verify(name) == [(name, "ok")]
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]
    gold = Counter(it["gold"] for it in items)
    without = sum(it["people"] is None for it in items)
    assert (len(items), gold["positive"], gold["negative"], gold[None], without) == REAL[name]
    assert all(15 <= sum(it["people"].values()) <= 99 for it in items if it["people"])
