"""The truth that a conversion is held against: a plain NumPy forward pass of a GGUF model's own weights in float32.

Works layer by layer over all rows at once, so that only one layer's weights are in memory.
Knows nothing of any runtime: tokens and the converted model's scores come from callables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from limbeck.engines.architecture import Sizes, check_tensors, sizes
from limbeck.engines.base import Floats
from limbeck.engines.container import Container
from limbeck.errors import EngineError

Rows = Sequence[Sequence[int]]
LIMIT = 0.05
"""Mean KL in nats per position beyond which a conversion is wrong: rounding to 8 bits gives about 0.01, a misread
quantisation about 0.3 (both measured with SmolLM2-135M)."""

BATCH = 8

TEXTS = (
    "The ferry leaves the harbour at seven and",
    "My grandmother kept her recipes in a blue tin, and every autumn she would",
    "Question: What is the capital of Portugal?\nAnswer:",
    "I wanted to like this film, but the second half is so slow that",
    "An utterly charming story, beautifully acted and",
    "def area(width, height):\n    return",
    "2, 4, 8, 16,",
    "Mira has 12 plums. She gives 5 of them to her brother, so she has",
    "Water boils at a lower temperature in the mountains because",
    "The committee voted against the proposal after",
    "Dear Sir or Madam,\n\nI am writing to complain about",
    "List three things to pack for a rainy day:\n1.",
    "If all roses are flowers and some flowers fade quickly, then",
    "The battery lasts two days, the screen is bright, but the speaker",
    "Once the bees had found the open window, nobody in the kitchen",
    "Translate to French: The house is small.\nFrench:",
    "In 1969, the first people to walk on the moon were",
    '{"name": "Ada", "age": 36, "city":',
    'Is this sentence positive or negative? "What a waste of an evening." It is',
    "Photosynthesis turns light, water and carbon dioxide into",
    "Der Zug nach Hamburg fährt heute von",
    "She opened the letter, read it twice, and then quietly",
    "The opposite of generous is",
    "Stock prices fell sharply on Tuesday as investors",
)
"""Short beginnings of unlike kinds; each is cut at one and two thirds and its end; all joined give a long one."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a converted model is from its source: KL(source ‖ converted) of next tokens, in nats per position."""

    mean: float
    worst: float
    positions: int


def check(source: Path, encode: Callable[[str], list[int]], score: Callable[[Rows], Floats]) -> Agreement:
    """Compare a converted model with its source.

    Args:
        source: the original GGUF file.
        encode: text → tokens.
        score: at most `BATCH` rows of tokens, each from the beginning → logits after each, shape [rows, vocabulary].

    Raises:
        EngineError: when the mean KL is above `LIMIT` or cannot be computed.
    """
    rows = _rows(encode, Container(source))
    divergences: list[float] = []
    truth = log_probabilities(source, rows)
    for start in range(0, len(rows), BATCH):
        logits = score(rows[start : start + BATCH])
        expected = truth[start : start + BATCH].astype(np.float64)
        if logits.shape != expected.shape or not np.isfinite(logits).all():
            raise EngineError(
                f"the converted model of {source.name} gives scores of shape {logits.shape}, or not numbers; "
                f"expected {expected.shape}",
                hint="This model cannot be converted: use the transformers engine or a server.",
            )
        found = _log_softmax(logits)
        divergences += (np.exp(expected) * (expected - found)).sum(1).tolist()
    agreement = Agreement(float(np.mean(divergences)), float(np.max(divergences)), len(divergences))
    if not agreement.mean <= LIMIT:
        raise EngineError(
            f"the converted model of {source.name} is {agreement.mean:.3f} nats per token away from its source; "
            f"at most {LIMIT} can be rounding",
            hint="The converter misreads this file: use another quantisation, the transformers engine or a server.",
        )
    return agreement


def log_probabilities(source: Path, rows: Rows) -> Floats:
    """Next-token log-probabilities after each row of tokens.

    Returns:
        Shape [len(rows), vocabulary], float32, in nats.

    Raises:
        EngineError: when the model is not one that this file knows, or a row is empty or holds an unknown token.
    """
    model = Container(source)
    found = sizes(model.value("general.architecture"), model.values(f"{model.value('general.architecture')}."))
    check_tensors(found, {name: tensor.shape for name, tensor in model.tensors.items()}, None)
    vocabulary = model.tensors["token_embd.weight"].shape[0]
    if any(len(row) == 0 or min(row) < 0 or max(row) >= vocabulary for row in rows):
        raise EngineError(f"{source.name}: a row is empty or holds a token outside 0 … {vocabulary - 1}")
    carriers, wanted = _carriers(rows)
    tokens = np.concatenate([np.asarray(row, np.int64) for row in carriers])
    pieces = _pieces(carriers)
    angles = _angles(model, found, max(map(len, carriers)))
    unique, places = np.unique(tokens, return_inverse=True)
    stream = model.floats("token_embd.weight", unique)[places]
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in range(found.layers):
            stream = _layer(_Weights(model, f"blk.{layer}."), found, stream, pieces, angles)
    if not np.isfinite(stream).all():
        raise EngineError(f"{source.name}: its own weights give no finite scores", hint="The file is damaged.")
    last = _norm(stream[wanted], model.floats("output_norm.weight"), found.epsilon)
    head = "output.weight" if "output.weight" in model.tensors else "token_embd.weight"
    logits = np.concatenate([last @ chunk.T for chunk in model.chunks(head)], axis=1)
    return _log_softmax(logits).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Weights:
    """One layer's tensors by their short names."""

    model: Container
    prefix: str

    def __call__(self, name: str) -> Floats:
        return self.model.floats(f"{self.prefix}{name}")

    def project(self, stream: Floats, name: str) -> Floats:
        """Product with a matrix, and its bias where there is one."""
        result: Floats = stream @ self(f"{name}.weight").T
        return result + self(f"{name}.bias") if f"{self.prefix}{name}.bias" in self.model.tensors else result


def _layer(weights: _Weights, found: Sizes, stream: Floats, pieces: list[slice], angles: Floats) -> Floats:
    """One transformer block: attention within each piece, then SwiGLU; both on normed input, added to the stream."""
    normed = _norm(stream, weights("attn_norm.weight"), found.epsilon)
    queries = weights.project(normed, "attn_q").reshape(-1, found.heads, found.size)
    keys = weights.project(normed, "attn_k").reshape(-1, found.shared, found.size)
    values = weights.project(normed, "attn_v").reshape(-1, found.shared, found.size)
    if found.architecture == "qwen3":
        queries = _norm(queries, weights("attn_q_norm.weight"), found.epsilon)
        keys = _norm(keys, weights("attn_k_norm.weight"), found.epsilon)
    mixed = np.empty_like(queries)
    for piece in pieces:
        q, k = (_rotate(side[piece], angles, paired=found.architecture == "llama") for side in (queries, keys))
        mixed[piece] = _attend(q, k, values[piece])
    stream = stream + weights.project(mixed.reshape(len(stream), -1), "attn_output")
    normed = _norm(stream, weights("ffn_norm.weight"), found.epsilon)
    gate = weights.project(normed, "ffn_gate")
    inner = gate / (1 + np.exp(-np.clip(gate, -60, 60))) * weights.project(normed, "ffn_up")
    return stream + weights.project(inner, "ffn_down")


def _attend(queries: Floats, keys: Floats, values: Floats) -> Floats:
    """Causal attention of one piece; queries [tokens, heads, size], keys and values with fewer, shared heads."""
    repeats = queries.shape[1] // keys.shape[1]
    wide = (queries, *(np.repeat(side, repeats, axis=1) for side in (keys, values)))
    q, k, v = (np.ascontiguousarray(side.transpose(1, 0, 2)) for side in wide)
    scores = q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(queries.shape[2]))
    scores[:, np.triu(np.ones(scores.shape[1:], bool), 1)] = -np.inf
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    mixed: Floats = (shares @ v).transpose(1, 0, 2)
    return mixed


def _rotate(heads: Floats, angles: Floats, *, paired: bool) -> Floats:
    """Rotary position encoding (Su et al. 2021) of [tokens, heads, size].

    Files of the llama architecture store queries and keys so that neighbours form the turned pairs; the others turn
    dimension i with dimension i + half.
    """
    turned = angles[: len(heads), None]
    cos, sin, count = np.cos(turned), np.sin(turned), 2 * angles.shape[1]
    first = slice(0, count, 2) if paired else slice(0, count // 2)
    second = slice(1, count, 2) if paired else slice(count // 2, count)
    result = heads.copy()
    result[..., first] = heads[..., first] * cos - heads[..., second] * sin
    result[..., second] = heads[..., first] * sin + heads[..., second] * cos
    return result


def _angles(model: Container, found: Sizes, length: int) -> Floats:
    """Angle of each position and turned pair, shape [length, rotated / 2]."""
    speed = found.base ** (-np.arange(0, found.rotated, 2, dtype=np.float64) / found.rotated)
    if "rope_freqs.weight" in model.tensors:
        speed = speed / model.floats("rope_freqs.weight")
    return np.outer(np.arange(length), speed).astype(np.float32)


def _norm(stream: Floats, weight: Floats, epsilon: float) -> Floats:
    """Root mean square norm (Zhang & Sennrich 2019) over the last axis."""
    result: Floats = stream / np.sqrt(np.mean(stream**2, axis=-1, keepdims=True) + np.float32(epsilon)) * weight
    return result


def _log_softmax(logits: npt.ArrayLike) -> npt.NDArray[np.float64]:
    exact = np.asarray(logits, np.float64)
    exact = exact - exact.max(-1, keepdims=True)
    result: npt.NDArray[np.float64] = exact - np.log(np.exp(exact).sum(-1, keepdims=True))
    return result


def _rows(encode: Callable[[str], list[int]], model: Container) -> list[list[int]]:
    """The token rows to compare on, the short ones first."""
    texts = [encode(text) for text in TEXTS]
    context = model.value(f"{model.value('general.architecture')}.context_length")
    long = encode("\n\n".join(TEXTS))[: min(512, context)]
    cuts = [text[: max(1, len(text) * part // 3)] for text in texts for part in (1, 2, 3)]
    return sorted([*cuts, long[: max(1, len(long) // 2)], long], key=len)


def _carriers(rows: Rows) -> tuple[list[list[int]], npt.NDArray[np.int64]]:
    """Rows that are the beginning of no other, and for each row the place of its last token in their concatenation."""
    carriers: list[list[int]] = []
    starts: list[int] = []
    wanted = np.empty(len(rows), np.int64)
    for index in sorted(range(len(rows)), key=lambda i: -len(rows[i])):
        row = list(rows[index])
        home = next((i for i, carrier in enumerate(carriers) if carrier[: len(row)] == row), None)
        if home is None:
            home = len(carriers)
            starts.append(sum(map(len, carriers)))
            carriers.append(row)
        wanted[index] = starts[home] + len(row) - 1
    return carriers, wanted


def _pieces(carriers: list[list[int]]) -> list[slice]:
    ends = np.cumsum([len(row) for row in carriers]).tolist()
    return [slice(end - len(row), end) for row, end in zip(carriers, ends, strict=True)]
