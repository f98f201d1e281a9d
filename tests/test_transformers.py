"""Causal models on PyTorch: batches, forks, dropped rows and snapshots change nothing, and folders are only read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limbeck.assets.base import Asset, checksum
from limbeck.assets.local import LocalPath
from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop
from limbeck.engines.base import HOLE, Floats, Message
from limbeck.errors import EngineError
from limbeck.meter import Meter
from limbeck.task import load_task

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from limbeck.engines.folder import open_folder
from limbeck.engines.transformers import TransformersEngine, load
from tiny_folder import write
from toy_job import write_toy

pytestmark = pytest.mark.extras
FAMILIES = ("gpt2", "llama", "qwen2", "mistral", "gemma3", "bloom")
TEXTS = ("The film was", "A long and rather winding road led us down to the harbour", "2 + 2 =", "bad")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: write(tmp_path_factory.mktemp(family), family) for family in FAMILIES}


@pytest.fixture(scope="session")
def engines(folders: dict[str, Path]) -> dict[str, TransformersEngine]:
    return {family: load(folder) for family, folder in folders.items()}


@pytest.fixture(params=FAMILIES)
def engine(request: pytest.FixtureRequest, engines: dict[str, TransformersEngine]) -> TransformersEngine:
    found = engines[request.param]
    found.reset()
    return found


@pytest.fixture
def rows(engine: TransformersEngine) -> list[list[int]]:
    return [engine.tokenizer.encode(text) for text in TEXTS]


def plain(engine: TransformersEngine, rows: list[list[int]]) -> Floats:
    """Each whole row alone through the bare model, without a cache."""
    with torch.inference_mode():
        found = [engine._model(input_ids=torch.tensor([row]), use_cache=False).logits[0, -1].numpy() for row in rows]
    return np.stack(found)


def near(found: Floats, truth: Floats) -> None:
    assert found.dtype == np.float32
    assert np.abs(found - truth).max() < 1e-4


def test_a_ragged_batch_equals_the_bare_model(engine: TransformersEngine, rows: list[list[int]]) -> None:
    near(engine.extend(rows, [0] * 4), plain(engine, rows))


def test_the_hidden_state_is_what_the_output_layer_was_given(engine: TransformersEngine, rows: list[list[int]]) -> None:
    engine.extend(rows, [0] * 4)
    together = engine.hidden()
    with torch.inference_mode():
        outputs = [engine._model(input_ids=torch.tensor([row]), output_hidden_states=True) for row in rows]
    near(together, np.stack([output.hidden_states[-1][0, -1].float().numpy() for output in outputs]))


def test_a_shared_prefix_equals_the_whole_prompt(engine: TransformersEngine, rows: list[list[int]]) -> None:
    prefix = engine.tokenizer.encode("The label of the text is good, very good.")
    engine.extend([prefix], [0])
    near(engine.extend(rows, [0] * 4), plain(engine, [prefix + row for row in rows]))


def test_forks_reorder_and_drop_rows(engine: TransformersEngine, rows: list[list[int]]) -> None:
    tails = [engine.tokenizer.encode(text) for text in (" very good, and so", " old", " not")]
    parents = [3, 0, 3]
    engine.extend(rows, [0] * 4)
    whole = [rows[parent] + tail for parent, tail in zip(parents, tails, strict=True)]
    near(engine.extend(tails, parents), plain(engine, whole))
    near(engine.extend([[7]], [1]), plain(engine, [[*whole[1], 7]]))


def test_padding_of_earlier_calls_is_never_seen(engine: TransformersEngine, rows: list[list[int]]) -> None:
    whole: list[list[int]] = [[], [], []]
    parents = [0, 0, 0]
    for call in range(5):
        pieces = [[(11 * call + 3 * row + i) % 300 for i in range(1 + (row + call) % 3 * 4)] for row in range(3)]
        whole = [before + piece for before, piece in zip(whole, pieces, strict=True)]
        near(engine.extend(pieces, parents), plain(engine, whole))
        parents = [0, 1, 2]


def test_rows_up_to_the_last_position(engine: TransformersEngine) -> None:
    # The padding beside the long row's tokens would stand beyond the table of positions.
    full = [i % 300 for i in range(engine.context)]
    engine.extend([full[:-1], [5]], [0, 0])
    near(engine.extend([full[-1:], [6] * 9], [0, 1]), plain(engine, [full, [5] + [6] * 9]))


def test_snapshot_and_restore(engine: TransformersEngine, rows: list[list[int]]) -> None:
    engine.extend([rows[1]], [0])
    state = engine.snapshot()
    first = engine.extend([rows[0], rows[2]], [0, 0])
    engine.extend([[5]], [1])
    engine.reset()
    for _ in range(2):
        engine.restore(state)
        assert np.array_equal(engine.extend([rows[0], rows[2]], [0, 0]), first)


def test_equal_batches_give_equal_bits(engine: TransformersEngine, rows: list[list[int]]) -> None:
    first = engine.extend(rows, [0] * 4)
    engine.reset()
    assert np.array_equal(engine.extend(rows, [0] * 4), first)


def test_calls_out_of_order_are_refused(engine: TransformersEngine) -> None:
    for rows, parents, what in (
        ([[]], [0], "without tokens"),
        ([[1]], [1], "does not exist"),
        ([[1], [2]], [0], "does not exist"),
        ([[1] * (engine.context + 1)], [0], "longer than the context"),
    ):
        with pytest.raises(EngineError, match=what):
            engine.extend(rows, parents)
    assert engine.extend([[1]], [0]).shape[0] == 1


def test_a_call_that_fails_leaves_the_session_as_it_was(engine: TransformersEngine, rows: list[list[int]]) -> None:
    engine.extend([rows[1]], [0])
    with pytest.raises((EngineError, IndexError)):
        engine.extend([[10**6]], [0])
    near(engine.extend([[5]], [0]), plain(engine, [[*rows[1], 5]]))


@pytest.mark.parametrize("family", ["gpt2", "llama", "mistral", "gemma3"])
def test_bfloat16(family: str, folders: dict[str, Path]) -> None:
    rough, fine = load(folders[family], dtype="bfloat16"), load(folders[family])
    rows = [fine.tokenizer.encode(text) for text in TEXTS]
    found = rough.extend(rows, [0] * 4)
    assert found.dtype == np.float32
    assert np.corrcoef(found.ravel(), fine.extend(rows, [0] * 4).ravel())[0, 1] > 0.98
    assert rough.identity != fine.identity
    assert ":bfloat16:cpu:" in rough.identity


def test_identity_follows_the_files(folders: dict[str, Path], tmp_path: Path) -> None:
    known = open_folder(folders["gpt2"]).digest
    assert open_folder(folders["gpt2"], {"model.safetensors": "0" * 64}).digest != known
    other = write(tmp_path, "gpt2", add_bos_token=False)
    assert open_folder(other).digest != known


def test_chats_end_where_the_assistant_begins(engines: dict[str, TransformersEngine]) -> None:
    tokenizer = engines["qwen2"].tokenizer
    turn = tokenizer.encode("<|turn|>")
    assert len(turn) > 1
    before, after = tokenizer.frame([Message("user", f"<|turn|>{HOLE}")])
    assert tokenizer.decode(before) == "user: <|turn|>"
    assert tokenizer.decode(after) == "\nassistant: "


def test_no_chat_template_says_what_to_do(tmp_path: Path) -> None:
    engine = load(write(tmp_path, "gpt2", chat_template=None))
    with pytest.raises(EngineError, match="style: plain"):
        engine.tokenizer.frame([Message("user", HOLE)])


def edit(folder: Path, name: str, **changes: Any) -> None:
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_pickles_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "gpt2")
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(EngineError, match=r"as a pickle \(pytorch_model.bin\)"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_of_a_folder_never_runs(name: str, tmp_path: Path) -> None:
    write(tmp_path, "gpt2")
    canary = tmp_path / "canary"
    code = f"import pathlib\npathlib.Path({str(canary)!r}).touch()\nclass Mine: pass\n"
    (tmp_path / "modeling_mine.py").write_text(code)
    (tmp_path / "custom_generate").mkdir()
    (tmp_path / "custom_generate" / "generate.py").write_text(code)
    load(tmp_path)  # files alone are harmless: nothing names them
    edit(tmp_path, name, auto_map={"AutoConfig": "modeling_mine.Mine", "AutoModelForCausalLM": "modeling_mine.Mine"})
    with pytest.raises(EngineError, match="auto_map"):
        load(tmp_path)
    assert not canary.exists()


def test_kernels_named_by_a_configuration_are_not_fetched(tmp_path: Path) -> None:
    write(tmp_path, "llama")
    edit(tmp_path, "config.json", attn_implementation="owner/kernel", _attn_implementation="owner/kernel")
    assert load(tmp_path)._model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"model_type": "unheard-of"}, "cannot load this model"),
        ({"num_hidden_layers": 3}, "lacks the weights"),
        ({"architectures": ["BertForMaskedLM"]}, "is a masked model"),
    ],
)
def test_folders_that_cannot_be_run(changes: dict[str, Any], what: str, tmp_path: Path) -> None:
    write(tmp_path, "llama")
    edit(tmp_path, "config.json", **changes)
    with pytest.raises(EngineError, match=what):
        load(tmp_path)


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no config\.json"):
        load(tmp_path)
    write(tmp_path, "llama")
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(EngineError, match="an adapter"):
        load(tmp_path)
    (tmp_path / "adapter_config.json").unlink()
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../b.safetensors"}}')
    with pytest.raises(EngineError, match="does not list"):
        load(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "b.safetensors"}}')
    with pytest.raises(EngineError, match=r"lacks b\.safetensors"):
        load(tmp_path)
    (tmp_path / "model.safetensors.index.json").unlink()
    (tmp_path / "model.safetensors").write_bytes(b"\x08")
    with pytest.raises(EngineError, match="cannot load"):
        load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("[")
    with pytest.raises(EngineError, match=r"tokenizer\.json cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("family", "what"),
    [
        ("mpt", "otherwise than each alone"),
        ("gpt-neo", "layers of kind local"),
        ("mamba", "layers of kind linear_attention|the model failed"),
    ],
)
def test_families_that_cannot_be_forked_are_refused(family: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=what):
        load(write(tmp_path, family))


def test_a_model_of_the_store_keeps_its_identity(tmp_path: Path) -> None:
    source = write(tmp_path / "source", "gpt2")
    files = {path.name: checksum(path) for path in source.iterdir()}
    tiny = Asset("tiny", "model", LocalPath(source), files, None, "tiny")
    task = write_toy(tmp_path, agents=[{"name": "one", "model": "tiny", "engine": "transformers"}])
    file = load_task(task, names=NAMES)
    store = Store(tmp_path / "home", {"tiny": tiny})
    with Meter() as meter:
        jobs = [Workshop(file, store, meter).job() for _ in range(2)]
    assert [job.facts["reproduce"]["assets"][0]["name"] for job in jobs] == ["tiny", "tiny"]
    assert open_folder(store.locate("tiny")).digest == open_folder(source).digest
    keys = [[q.key for batch in job.committee.workers[0].plan([job.pool[0]]) for q in batch] for job in jobs]
    assert keys[0] == keys[1]
