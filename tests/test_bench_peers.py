"""The peers do the same job as limbeck: on the same tiny weights the same greedy paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

import tiny_model
from limbeck.bench import own
from limbeck.bench.base import PEERS, Shape
from limbeck.bench.contest import agreement
from limbeck.bench.decode import prompts_of
from limbeck.bench.weights import Weights
from limbeck.catalog import resolve


def _halved(values: Any) -> Any:
    """Matrices as the file holds them."""
    return values if values.ndim == 1 else values.astype(np.float16).astype(np.float32)


def write_folder(folder: Path) -> None:
    """The tiny model as Transformers has it: the same weights under its names."""
    transformers: Any = pytest.importorskip("transformers")
    torch: Any = pytest.importorskip("torch")
    config = transformers.Qwen2Config(
        vocab_size=tiny_model.VOCABULARY,
        hidden_size=tiny_model.WIDTH,
        intermediate_size=tiny_model.INNER,
        num_hidden_layers=tiny_model.LAYERS,
        num_attention_heads=tiny_model.HEADS,
        num_key_value_heads=tiny_model.SHARED,
        max_position_embeddings=128,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
    )
    model = transformers.Qwen2ForCausalLM(config)
    names = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "attn_norm": "input_layernorm"}
    names |= {f"attn_{one}": f"self_attn.{one}_proj" for one in "qkv"} | {"attn_output": "self_attn.o_proj"}
    names |= {f"ffn_{one}": f"mlp.{one}_proj" for one in ("gate", "up", "down")}
    names |= {"ffn_norm": "post_attention_layernorm"}
    found = {}
    for name, values in tiny_model.weights_of("qwen2").items():
        *block, kind, end = name.split(".")
        found[".".join([*(("model.layers", block[1]) if block else ()), names[kind], end])] = torch.tensor(
            _halved(values)
        )
    lost = model.load_state_dict(found, strict=False)
    assert (lost.missing_keys, lost.unexpected_keys) == (["lm_head.weight"], [])
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)


@pytest.mark.extras
def test_transformers_does_the_same_job(tmp_path: Path) -> None:
    source = tiny_model.write(tmp_path / "tiny.gguf", "qwen2", kind=gguf.GGMLQuantizationType.F16, file_type=1)
    weights = Weights(source, tmp_path / "forms")
    write_folder(tmp_path / "forms" / "transformers")
    engine = resolve("limbeck.engines.openvino:load")(source, tmp_path / "converted")
    prompts = prompts_of(["2 + 3?", "Is 1 + 1 more?"], engine.tokenizer, room=100)
    ours = own.make(engine, branches=6)(prompts, 3, 6)
    variants = resolve(PEERS["transformers"])(weights, Shape(3, 6, 20, 2))
    for questions in (1, 4):
        with variants[f"float32, {questions} questions at a time"]() as run:
            theirs = run(prompts, 3, 6)
        assert agreement(ours, theirs) == 1
        assert theirs.read == ours.read
        assert 0 < theirs.written <= 2 * 3 * 6
