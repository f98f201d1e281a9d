"""The bookkeeping of ragged rows, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from limbeck.engines.rows import Rows
from limbeck.errors import EngineError


def test_two_ragged_calls_by_hand() -> None:
    first = Rows().grow([[5, 6, 7], [8]], [0, 0], context=9)
    assert first.ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert first.positions.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert first.last.tolist() == [2, 0]
    second = first.rows.grow([[1], [2, 3], [4]], [1, 1, 0], context=9)
    assert second.origin.tolist() == [1, 1, 0]
    assert second.positions.tolist() == [[1, 2], [1, 2], [3, 4]]
    assert second.rows.mask.tolist() == [[1, 0, 0, 1, 0], [1, 0, 0, 1, 1], [1, 1, 1, 1, 0]]
    assert second.rows.lengths.tolist() == [2, 3, 4]
    assert first.rows.lengths.tolist() == [3, 1], "what was read before is untouched"


def test_padding_never_stands_beyond_the_last_position() -> None:
    full = Rows().grow([[1] * 4, [1]], [0, 0], context=6).rows
    assert full.grow([[1], [1] * 5], [0, 1], context=6).positions.tolist() == [[4, 5, 5, 5, 5], [1, 2, 3, 4, 5]]


@pytest.mark.parametrize(
    ("rows", "parents", "what"),
    [
        ([], [], "without tokens"),
        ([[1], []], [0, 0], "without tokens"),
        ([[1]], [-1], "does not exist"),
        ([[1]], [1], "holds 1 rows"),
        ([[1], [2]], [0], "does not exist"),
        ([[1] * 10], [0], "a row of 10 tokens is longer than the context of 9"),
    ],
)
def test_calls_out_of_order_are_refused(rows: list[list[int]], parents: list[int], what: str) -> None:
    with pytest.raises(EngineError, match=what):
        Rows().grow(rows, parents, context=9)


def test_a_fresh_session_holds_one_empty_row() -> None:
    assert np.array_equal(Rows().lengths, [0])
    assert Rows().mask.shape == (1, 0)
