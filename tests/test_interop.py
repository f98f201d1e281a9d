"""The real libraries of other people, where limbeck reads what they wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from limbeck.pool import Pool

pytestmark = pytest.mark.extras

datasets = pytest.importorskip("datasets")


def test_a_data_set_saved_by_hugging_face(tmp_path: Path) -> None:
    made = datasets.Dataset.from_dict(
        {"text": ["one", "two", "two", ""], "label": [0, 1, 1, 0]},
        features=datasets.Features(
            {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
        ),
    )
    made.save_to_disk(tmp_path / "plain")
    datasets.DatasetDict({"train": made, "test": made.select([0])}).save_to_disk(tmp_path / "split")
    for folder, size in ((tmp_path / "plain", 2), (tmp_path / "split", 2), (tmp_path / "split:test", 1)):
        pool = Pool.read(folder, show=["text"], gold="label")
        assert len(pool) == size
        assert pool[0].fields == {"text": "one"}
        assert pool.gold()[0] == "bad"
