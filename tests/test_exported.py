"""A folder in OpenVINO's own form runs like the file that it was made of, and is refused where a part is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer

from limbeck.assets.store import Store
from limbeck.catalog import Models
from limbeck.engines.exported import MODEL, load
from limbeck.engines.openvino import OpenVinoEngine
from limbeck.errors import EngineError

pytestmark = pytest.mark.model


@pytest.fixture
def folder(store: Store, smollm2: OpenVinoEngine, tmp_path: Path) -> Path:
    """The built-in model as another program would have exported it."""
    (converted,) = (store.root / "converted").glob(f"{smollm2.identity.rsplit(':', 1)[1]}*/")
    for name in MODEL:
        (tmp_path / name).symlink_to(converted / name)
    table: Tokenizer = smollm2.tokenizer._splitter  # type: ignore[attr-defined]
    whole = Tokenizer.from_str(table.to_str())
    whole.add_special_tokens([AddedToken(text, special=True) for text in ("<|im_start|>", "<|im_end|>")])
    whole.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 2048}))
    return tmp_path


def test_an_exported_folder_scores_like_the_file_it_was_made_of(folder: Path, smollm2: OpenVinoEngine) -> None:
    engine = Models(Store(folder / "home")).engine("openvino", str(folder))
    rows = [engine.tokenizer.encode(text) for text in ("The film was", "2 + 2 =")]
    assert rows == [smollm2.tokenizer.encode(text) for text in ("The film was", "2 + 2 =")]
    smollm2.reset()
    assert np.array_equal(engine.extend(rows, [0, 0]), smollm2.extend(rows, [0, 0]))
    assert engine.context == 2048


def test_what_is_missing_is_told(folder: Path, tmp_path: Path) -> None:
    (folder / "config.json").write_text("{}")
    with pytest.raises(EngineError, match="does not say how long a row can be"):
        load(folder)
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(folder / MODEL[0], bare)
    with pytest.raises(EngineError, match=r"lacks openvino_model.bin, config.json, tokenizer.json"):
        load(bare)
