"""Tiny GGUF models made on the spot, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np

from limbeck.engines.architecture import KNOWN

VOCABULARY, WIDTH, INNER, HEADS, SHARED, LAYERS = 300, 64, 96, 4, 2, 2
SIZE = WIDTH // HEADS


def write(path: Path, architecture: str = "llama", **changes: Any) -> Path:
    """A random model of two layers. Changes: `kind` (tensor type), `fields`, `weights`, `drop`,
    `tokenizer`, `file_type`."""
    assert architecture in KNOWN or changes.get("foreign")
    writer = gguf.GGUFWriter(path, architecture)
    fields = {
        "context_length": 128,
        "block_count": LAYERS,
        "embedding_length": WIDTH,
        "feed_forward_length": INNER,
        "attention.head_count": HEADS,
        "attention.head_count_kv": SHARED,
    } | changes.get("fields", {})
    for name, value in fields.items():
        if value is not None:
            writer.add_uint32(f"{architecture}.{name}", value)
    writer.add_float32(f"{architecture}.rope.freq_base", 10000.0)
    writer.add_float32(f"{architecture}.attention.layer_norm_rms_epsilon", 1e-5)
    if changes.get("file_type", 0) is not None:
        writer.add_file_type(changes.get("file_type", 0))
    if changes.get("tokenizer", True):
        _add_tokenizer(writer)
    kind = changes.get("kind", gguf.GGMLQuantizationType.F32)
    for name, weights in (weights_of(architecture) | changes.get("weights", {})).items():
        if name in changes.get("drop", ()):
            continue
        if weights.ndim == 1 or kind == gguf.GGMLQuantizationType.F32:
            writer.add_tensor(name, weights)
        elif kind == gguf.GGMLQuantizationType.F16:
            writer.add_tensor(name, weights.astype(np.float16))
        else:
            writer.add_tensor(name, gguf.quants.quantize(weights, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def weights_of(architecture: str, seed: int = 1) -> dict[str, Any]:
    """Random weights, strong enough that the next token depends on all of them."""
    rng = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> Any:
        return (rng.standard_normal((rows, columns)) * columns**-0.5).astype(np.float32)

    def vector(size: int, middle: float = 1.0) -> Any:
        return (middle + 0.3 * rng.standard_normal(size)).astype(np.float32)

    weights = {"token_embd.weight": matrix(VOCABULARY, WIDTH) * 4, "output_norm.weight": vector(WIDTH)}
    for layer in range(LAYERS):
        block = {
            "attn_norm.weight": vector(WIDTH),
            "attn_q.weight": matrix(HEADS * SIZE, WIDTH) * 2,
            "attn_k.weight": matrix(SHARED * SIZE, WIDTH) * 2,
            "attn_v.weight": matrix(SHARED * SIZE, WIDTH) * 2,
            "attn_output.weight": matrix(WIDTH, HEADS * SIZE) * 2,
            "ffn_norm.weight": vector(WIDTH),
            "ffn_gate.weight": matrix(INNER, WIDTH),
            "ffn_up.weight": matrix(INNER, WIDTH),
            "ffn_down.weight": matrix(WIDTH, INNER),
        }
        if architecture == "qwen2":
            sides = {"attn_q.bias": HEADS, "attn_k.bias": SHARED, "attn_v.bias": SHARED}
            block |= {name: vector(heads * SIZE, 0.0) for name, heads in sides.items()}
        if architecture == "qwen3":
            block |= {"attn_q_norm.weight": vector(SIZE), "attn_k_norm.weight": vector(SIZE)}
        weights |= {f"blk.{layer}.{name}": values for name, values in block.items()}
    return weights


def _add_tokenizer(writer: gguf.GGUFWriter) -> None:
    """Byte-level tokens with no merges but one; control tokens at the end."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
    tokens = [*letters, "ab"]
    tokens += [f"<|{i}|>" for i in range(VOCABULARY - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 257 + [3] * (VOCABULARY - 257))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(298)
    writer.add_eos_token_id(299)
