"""Any causal language model of the Hugging Face hub on PyTorch, from a folder with safetensors: CPU, CUDA or MPS.

Rows fork through the key/value cache: each call selects the parents' keys and values and lays the new ones beside
them, so older states stay whole and a snapshot costs nothing. One step of decoding copies the cache once.
Knows nothing of prompts, labels or strategies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, DynamicCache

from limbeck.engines.base import Floats, Tokenizer
from limbeck.engines.folder import ModelFolder, open_folder
from limbeck.engines.pretrained import Focus, identity, load_model
from limbeck.engines.rows import Rows, Step
from limbeck.engines.tokenizer_json import FolderTokenizer
from limbeck.errors import EngineError

FULL, SLIDING = "full_attention", "sliding_attention"
# A model that says nothing of its longest row.
CONTEXT = 2048
# Mean divergence, in nats, that rounding stays well below and a mistaken mask or position well above.
TOLERATED = {torch.float32: 1e-4, torch.bfloat16: 0.05}


@dataclass(frozen=True, slots=True)
class State:
    """A session's memory: each layer's keys and values, never changed in place, and the rows that it holds."""

    layers: tuple[tuple[Any, Any], ...]
    rows: Rows


class TransformersEngine:
    """One model in one stateful session.

    Args:
        model: a causal language model of the transformers package.
        tokenizer: text ↔ tokens of the same model.
        context: the longest row, in tokens.
        name: what is computed, for keys.

    Raises:
        EngineError: when the model's layers cannot be forked, or it computes ragged rows otherwise than each alone.
    """

    def __init__(self, model: Any, tokenizer: Tokenizer, *, context: int, name: str) -> None:
        self._model, self._tokenizer, self._context, self._name = model, tokenizer, context, name
        config = model.config.get_text_config()
        # GPT-Neo has a name of its own for its windows, and counts them in places.
        kinds = getattr(config, "attention_layers", None) or getattr(config, "layer_types", None)
        if kinds is not None and (strange := set(kinds) - {FULL, SLIDING, "global"}):
            raise EngineError(
                f"{type(model).__name__}: has layers of kind {', '.join(sorted(strange))}, which cannot be forked",
                hint="Take a model whose layers attend to all tokens or to a sliding window of them.",
            )
        slides = SLIDING in kinds if kinds else True
        self._window: int | None = getattr(config, "sliding_window", None) if slides else None
        self._by_kind = bool(kinds)
        takes = signature(model.forward).parameters
        self._takes_positions = "position_ids" in takes
        # Transformers renames this argument: 5.24 warns of the old name, older versions know no other.
        self._memory = "cache" if "cache" in takes else "past_key_values"
        self._focus = Focus(model)
        self._state = State((), Rows())
        self._try_out()

    @property
    def tokenizer(self) -> Tokenizer:
        """Text ↔ tokens of the engine's model."""
        return self._tokenizer

    @property
    def context(self) -> int:
        """The longest row, in tokens."""
        return self._context

    @property
    def identity(self) -> str:
        """The digest of the model's files, the engine, its versions, the number format and the kind of device."""
        return self._name

    def reset(self) -> None:
        """Forget everything: one empty row again."""
        self._state = State((), Rows())

    def extend(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> Floats:
        """Continue rows of the previous call; see `Engine.extend`."""
        step = self._state.rows.grow(rows, parents, context=self._context)
        inputs = {"input_ids": self._tensor(step.ids), "attention_mask": self._attention(step), "use_cache": True}
        if self._takes_positions:
            inputs["position_ids"] = self._tensor(step.positions)
        self._focus.places = (self._tensor(np.arange(len(step.last))), self._tensor(step.last))
        try:
            with torch.inference_mode():
                cache = self._selected(step)
                logits = self._model(**inputs, **{self._memory: cache}).logits[:, 0]
        except RuntimeError as error:  # no memory left, as a rule: the session stands as it stood before
            raise EngineError(f"the model failed on {len(rows)} rows: {str(error).strip().splitlines()[0]}") from error
        finally:
            self._focus.places = None
        self._state = State(tuple((layer.keys, layer.values) for layer in cache.layers), step.rows)
        found: Floats = logits.float().cpu().numpy()
        return found

    def hidden(self) -> Floats:
        """The last hidden state of each row of the last `extend`; see `Seeing.hidden`."""
        states: Floats = self._focus.seen[:, 0].float().cpu().numpy()
        return states

    def snapshot(self) -> State:
        """The state as a value that `restore` takes."""
        return self._state

    def restore(self, state: State) -> None:
        """Go back to a state that `snapshot` gave."""
        self._state = state

    def _tensor(self, values: Any) -> Any:
        return torch.from_numpy(values).to(self._model.device)

    def _selected(self, step: Step) -> Any:
        """A cache that holds the parents' keys and values, one row for each new row."""
        cache = DynamicCache()
        if len(self._state.rows.lengths) == 1:
            # One parent for all is only looked at: it is copied when the model lays the new keys beside it.
            layers = [[one.expand(len(step.last), -1, -1, -1) for one in pair] for pair in self._state.layers]
        else:
            origin = self._tensor(step.origin)
            layers = [[one[origin] for one in pair] for pair in self._state.layers]
        for place, (keys, values) in enumerate(layers):
            cache.update(keys, values, place)
        return cache

    def _attention(self, step: Step) -> Any:
        """The mask: of places; or, where layers see a window only, of pairs, as windows are counted in real tokens."""
        if self._window is None:
            return self._tensor(step.rows.mask)
        real = step.rows.mask
        queries = np.arange(real.shape[1] - step.ids.shape[1], real.shape[1])
        before = np.arange(real.shape[1]) <= queries[:, None]
        itself = np.arange(real.shape[1]) == queries[:, None]
        distance = step.positions[:, :, None] - (real.cumsum(axis=1) - 1)[:, None, :]
        full = real.astype(bool)[:, None] & before
        # Padding sees itself: a place that sees nothing would be no number, and spoil what it is masked from.
        pairs = {FULL: full | itself, SLIDING: (full & (distance < self._window)) | itself}
        masks = {kind: self._additive(seen) for kind, seen in pairs.items()}
        return masks if self._by_kind else masks[SLIDING]

    def _additive(self, seen: Any) -> Any:
        zero = torch.zeros((), dtype=self._model.dtype, device=self._model.device)
        return torch.where(self._tensor(seen)[:, None], zero, torch.finfo(self._model.dtype).min)

    def _try_out(self) -> None:
        """Compare forked, ragged rows with each row alone: positions and masks are each family's own affair."""
        size = int(self._model.get_output_embeddings().weight.shape[0])
        # The long row leaves a hole in the short one's memory, which no way of counting places can overlook.
        length = min(40, self._context - 4)
        one, two, more = ([(factor * i + 11) % size for i in range(1, length + 1)] for factor in (37, 101, 59))
        self.extend([one, two[:2]], [0, 0])
        ragged = _log_softmax(self.extend([more[:1], more[:4]], [1, 0]))
        self.reset()
        with torch.inference_mode():
            alone = [
                self._model(input_ids=self._tensor(np.array([row])), use_cache=False).logits[0, -1].float().cpu()
                for row in (two[:2] + more[:1], one + more[:4])
            ]
        truth = _log_softmax(torch.stack(alone).numpy())
        apart = float((np.exp(truth) * (truth - ragged)).sum(axis=1).mean())
        if not apart <= TOLERATED.get(self._model.dtype, 0.05):
            raise EngineError(
                f"{type(self._model).__name__}: rows of unequal length come out otherwise than each alone, by "
                f"{apart:.2g} nats",
                hint="This family of models cannot be run in batches here. Take another model.",
            )


def _log_softmax(logits: Floats) -> Any:
    wide = logits.astype(np.float64)
    return wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)


def load(
    path: Path, *, checksums: Mapping[str, str] | None = None, device: str | None = None, dtype: str | None = None
) -> TransformersEngine:
    """An engine for a model folder: config.json, tokenizer.json and safetensors.

    Args:
        path: the folder.
        checksums: file → sha256 where known already.
        device: see `load_model`.
        dtype: see `load_model`.

    Raises:
        EngineError: when the folder is refused, damaged, or holds no causal language model.
    """
    folder = open_folder(path, checksums)
    if any("MaskedLM" in name for name in folder.architectures):
        raise EngineError(f"{path.name}: is a masked model, which continues no text", hint="Use `engine: masked`.")
    tokenizer = FolderTokenizer(path)
    model = load_model(AutoModelForCausalLM, folder, device=device, dtype=dtype)
    name = identity("transformers", model, folder)
    return TransformersEngine(model, tokenizer, context=_context(folder, tokenizer, model), name=name)


def _context(folder: ModelFolder, tokenizer: FolderTokenizer, model: Any) -> int:
    """The longest row; a model that stretches its positions with the batch's longest row is used without stretching."""
    config = model.config.get_text_config()
    longest = getattr(config, "max_position_embeddings", None) or tokenizer.longest or CONTEXT
    stretch = folder.config.get("rope_scaling") or folder.config.get("rope_parameters") or {}
    if stretch.get("rope_type", stretch.get("type")) in ("dynamic", "longrope"):
        first = stretch.get("original_max_position_embeddings") or getattr(
            config, "original_max_position_embeddings", None
        )
        longest = min(longest, first or longest)
    return int(longest)
