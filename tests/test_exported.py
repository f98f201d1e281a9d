"""A folder in OpenVINO's own form runs like the file that it was made of, and is refused where a part is missing."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
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


@pytest.fixture
def hub_folder(folder: Path, tmp_path: Path) -> Path:
    """Safetensors with the tables of the built-in model; what the weights are, only the program would look at."""
    place = tmp_path / "hub-model"
    place.mkdir()
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(folder / name, place / name)
    save_file({"w": np.zeros(1, np.float32)}, place / "model.safetensors")
    return place


def program(place: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the place of optimum-cli, first on the PATH; its folder is the last argument."""
    tools = place / "tools"
    tools.mkdir()
    (tools / "optimum-cli").write_text(f"#!{sys.executable}\n{script}")
    (tools / "optimum-cli").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)


def test_safetensors_are_exported_once_and_run(
    folder: Path, hub_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smollm2: OpenVinoEngine
) -> None:
    names = [*MODEL, "config.json", "tokenizer.json"]
    script = (
        "import os, shutil, sys\n"
        "assert sys.argv[1:3] == ['export', 'openvino'] and os.environ['HF_HUB_OFFLINE'] == '1'\n"
        f"os.mkdir(sys.argv[-1])\nopen({str(tmp_path / 'calls')!r}, 'a').write('x')\n"
        f"for name in {names}: shutil.copy({str(folder)!r} + '/' + name, sys.argv[-1])\n"
    )
    program(tmp_path, script, monkeypatch)
    for _ in range(2):
        engine = Models(Store(tmp_path / "home")).engine("openvino", str(hub_folder))
        rows = [engine.tokenizer.encode("The film was")]
        smollm2.reset()
        assert np.array_equal(engine.extend(rows, [0]), smollm2.extend(rows, [0]))
    assert (tmp_path / "calls").read_text() == "x"


def test_an_export_that_fails_says_why_and_leaves_nothing(
    hub_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "import sys\nsys.exit('\\nValueError: strange architecture\\n')", monkeypatch)
    with pytest.raises(EngineError, match=r"hub-model: optimum-cli could not export it: ValueError: strange arch"):
        Models(Store(tmp_path / "home")).engine("openvino", str(hub_folder))
    assert not list((tmp_path / "home" / "converted").glob("export-*/"))


def test_without_the_program_the_way_out_is_told(
    hub_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(EngineError, match="optimum-cli is not installed") as told:
        Models(Store(tmp_path / "home")).engine("openvino", str(hub_folder))
    assert told.value.hint is not None
    assert "pipx install optimum-intel" in told.value.hint
    assert "engine: transformers" in told.value.hint


def test_what_is_missing_is_told(folder: Path, tmp_path: Path) -> None:
    (folder / "config.json").write_text("{}")
    with pytest.raises(EngineError, match="does not say how long a row can be"):
        load(folder)
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(folder / MODEL[0], bare)
    with pytest.raises(EngineError, match=r"lacks openvino_model.bin, config.json, tokenizer.json"):
        load(bare)
