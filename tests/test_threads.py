"""Rows shared out to threads: every row is done once, and as it would be done alone."""

from __future__ import annotations

import numpy as np
import pytest

from limbeck.decoding import threads
from limbeck.decoding.paths import likeliest
from limbeck.decoding.sampling import Dice, Sampler, Sampling
from limbeck.decoding.threads import share


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(threads, "WORTH", 100)


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("rows", "size", "parts"), [(10, 100, [2, 3, 2, 3]), (3, 1000, [1, 1, 1]), (5, 30, [5]), (0, 9, [0])]
)
def test_all_rows_in_even_stretches(rows: int, size: int, parts: list[int]) -> None:
    done: list[range] = []
    share(done.append, rows, size)
    done.sort(key=lambda stretch: stretch.start)
    assert [len(stretch) for stretch in done] == parts
    assert [row for stretch in done for row in stretch] == list(range(rows))


@pytest.mark.usefixtures("four")
def test_what_goes_wrong_in_a_thread_is_told() -> None:
    def work(rows: range) -> None:
        if 7 in rows:
            raise ValueError("row 7")

    with pytest.raises(ValueError, match="row 7"):
        share(work, 10, 100)


@pytest.mark.parametrize("k", [1, 2, 5, 50])
def test_the_likeliest_are_those_of_each_row_alone(k: int, four: None) -> None:
    logits = np.random.default_rng(k).integers(-9, 9, (13, 50)).astype(np.float32)  # whole numbers, so that many tie
    logits[3] = np.nan
    logits[5, 1:] = -np.inf
    whole = likeliest(logits, k)
    for row in range(13):
        alone = likeliest(logits[row : row + 1], k)
        np.testing.assert_array_equal(whole.tokens[row], alone.tokens[0])
        np.testing.assert_array_equal(whole.logs[row], alone.logs[0])


def test_draws_are_those_of_each_path_alone(four: None) -> None:
    logits = np.random.default_rng(0).normal(size=(12, 60)).astype(np.float32)

    def sampler() -> Sampler:
        dice = [Dice(1, b"prompt", path) for path in range(12)]
        return Sampler(Sampling(temperature=0.7, top_k=20), dice, [[]] * 12)

    many, one = sampler(), sampler()
    for _ in range(5):
        drawn = many(logits, range(12))
        assert drawn.tolist() == [int(one(logits[path : path + 1], [path])[0]) for path in range(12)]
