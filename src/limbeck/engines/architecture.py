"""What a llama, qwen2 or qwen3 model must hold: its sizes, and exactly which tensors of which shapes.

Knows nothing of how a file is stored, of quantisation or of any runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limbeck.errors import EngineError

KNOWN = ("llama", "qwen2", "qwen3")
"""Architectures that can be converted."""

_LAYERS_LIMIT, _WIDTH_LIMIT = 1024, 1 << 20


@dataclass(frozen=True, slots=True)
class Sizes:
    """A decoder's sizes.

    Attributes:
        architecture: one of `KNOWN`.
        layers, width, inner: number of layers, width of the residual stream, width inside the feed-forward part.
        heads, shared, size: query heads, key/value heads, and the width of one head.
        rotated: how many of a head's dimensions the rotary position encoding turns.
        base: the rotary base frequency.
        epsilon: what the root mean square norms add.
        context: the longest row, in tokens.
    """

    architecture: str
    layers: int
    width: int
    inner: int
    heads: int
    shared: int
    size: int
    rotated: int
    base: float
    epsilon: float
    context: int


def sizes(architecture: str, fields: Mapping[str, Any]) -> Sizes:
    """Read the sizes from a GGUF file's fields `{architecture}.*`.

    Raises:
        EngineError: for an unknown architecture, or sizes that are missing, contradictory or beyond reason.
    """
    if architecture not in KNOWN:
        raise EngineError(
            f"architecture {architecture!r} cannot be run by the embedded engine",
            hint=f"It runs {', '.join(KNOWN)}. Others: use the transformers engine or a server.",
        )
    width = _whole(fields, architecture, "embedding_length", limit=_WIDTH_LIMIT)
    heads = _whole(fields, architecture, "attention.head_count", limit=width)
    size = _whole(fields, architecture, "attention.key_length", limit=_WIDTH_LIMIT, default=width // heads)
    found = Sizes(
        architecture=architecture,
        layers=_whole(fields, architecture, "block_count", limit=_LAYERS_LIMIT),
        width=width,
        inner=_whole(fields, architecture, "feed_forward_length", limit=_WIDTH_LIMIT),
        heads=heads,
        shared=_whole(fields, architecture, "attention.head_count_kv", limit=heads, default=heads),
        size=size,
        rotated=_whole(fields, architecture, "rope.dimension_count", limit=size, default=size),
        base=_real(fields, f"{architecture}.rope.freq_base", 10000.0),
        epsilon=_real(fields, f"{architecture}.attention.layer_norm_rms_epsilon", 1e-6),
        context=_whole(fields, architecture, "context_length", limit=1 << 31),
    )
    scaling = fields.get(f"{architecture}.rope.scaling.type", "none")
    linear = fields.get(f"{architecture}.rope.scale_linear", 1.0)
    if scaling != "none" or linear != 1.0:
        raise EngineError(
            f"rotary scaling {scaling!r} by {linear!r} cannot be run by the embedded engine",
            hint="Take a version of the model without it, or use the transformers engine or a server.",
        )
    if found.heads % found.shared or found.rotated % 2 or _whole_values(fields, architecture, found.size) != found.size:
        raise EngineError(
            f"{architecture} with {found.heads} heads, {found.shared} shared, {found.rotated} dimensions rotated",
            hint="The file contradicts itself: get it again.",
        )
    return found


def check_tensors(found: Sizes, shapes: Mapping[str, tuple[int, ...]], tokens: int | None) -> None:
    """Refuse a model whose tensors are not exactly those of its architecture.

    Args:
        found: the model's sizes.
        shapes: tensor name → shape, rows first.
        tokens: how many tokens the file's vocabulary has, or None when it brings none.

    Raises:
        EngineError: naming the first tensor that is missing, of another shape or not of this architecture.
    """
    vocabulary = shapes.get("token_embd.weight", (0, 0))[0]
    if tokens is not None and tokens > vocabulary:
        raise EngineError(
            f"{tokens} tokens but only {vocabulary} embeddings", hint="The file contradicts itself: get it again."
        )
    required, optional = _shared_tensors(found, vocabulary)
    for layer in range(found.layers):
        must, may = _layer_tensors(found)
        required |= {f"blk.{layer}.{name}": shape for name, shape in must.items()}
        optional |= {f"blk.{layer}.{name}": shape for name, shape in may.items()}
    for name, shape in (required | optional).items():
        if name not in shapes and name in optional:
            continue
        if shapes.get(name) != shape:
            raise EngineError(
                f"tensor {name} is {shapes.get(name, 'missing')}; {found.architecture} of these sizes needs {shape}",
                hint="The file is damaged or of another architecture than it says: get it again.",
            )
    if strange := sorted(shapes.keys() - required.keys() - optional.keys()):
        raise EngineError(
            f"tensor {strange[0]} is not part of {found.architecture} as the embedded engine knows it",
            hint="Use the transformers engine or a server for this model.",
        )


Shapes = dict[str, tuple[int, ...]]


def _shared_tensors(found: Sizes, vocabulary: int) -> tuple[Shapes, Shapes]:
    """What stands outside the layers: required, optional."""
    required: Shapes = {"token_embd.weight": (vocabulary, found.width), "output_norm.weight": (found.width,)}
    optional: Shapes = {"output.weight": (vocabulary, found.width), "rope_freqs.weight": (found.rotated // 2,)}
    return required, optional


def _layer_tensors(found: Sizes) -> tuple[Shapes, Shapes]:
    """What each layer holds: required, optional."""
    queries, shared = found.heads * found.size, found.shared * found.size
    required: Shapes = {
        "attn_norm.weight": (found.width,),
        "attn_q.weight": (queries, found.width),
        "attn_k.weight": (shared, found.width),
        "attn_v.weight": (shared, found.width),
        "attn_output.weight": (found.width, queries),
        "ffn_norm.weight": (found.width,),
        "ffn_gate.weight": (found.inner, found.width),
        "ffn_up.weight": (found.inner, found.width),
        "ffn_down.weight": (found.width, found.inner),
    }
    biases: Shapes = {"attn_q.bias": (queries,), "attn_k.bias": (shared,), "attn_v.bias": (shared,)}
    if found.architecture == "qwen2":
        return required | biases, {}
    if found.architecture == "qwen3":
        return required | {"attn_q_norm.weight": (found.size,), "attn_k_norm.weight": (found.size,)}, {}
    return required, {}


def _whole(fields: Mapping[str, Any], architecture: str, name: str, *, limit: int, default: int | None = None) -> int:
    """A whole number from 1 to the limit."""
    value = fields.get(f"{architecture}.{name}", default)
    if type(value) is not int or not 1 <= value <= limit:
        raise EngineError(
            f"field {architecture}.{name} is {value!r}, not a whole number from 1 to {limit}",
            hint="The file is damaged or of a kind that the embedded engine does not know.",
        )
    return value


def _whole_values(fields: Mapping[str, Any], architecture: str, default: int) -> int:
    """The width of one head's values; this engine needs it to equal that of its keys."""
    return _whole(fields, architecture, "attention.value_length", limit=_WIDTH_LIMIT, default=default)


def _real(fields: Mapping[str, Any], name: str, default: float) -> float:
    """A finite number above 0."""
    value = fields.get(name, default)
    if not isinstance(value, float) or not 0 < value < 1e12:
        raise EngineError(f"field {name} is {value!r}, not a number above 0", hint="The file is damaged: get it again.")
    return value
