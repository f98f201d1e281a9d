"""The embedded engine: causal language models on the OpenVINO runtime, one stateful session, on the CPU.

The model is a stateful OpenVINO model with the inputs `input_ids`, `attention_mask`, `position_ids` and `beam_idx`.
`beam_idx` reorders the key/value cache, which is exactly what `parents` asks for. The attention mask may have holes.
Knows nothing of prompts, labels, strategies or of how a model file became an OpenVINO model.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

from limbeck.engines.base import Floats, Tokenizer
from limbeck.engines.container import Container
from limbeck.engines.gguf import converted, inspect
from limbeck.engines.reference import Agreement, check
from limbeck.engines.regrouping import group_of, is_small, spread
from limbeck.engines.rows import Rows
from limbeck.engines.tokens import ByteTokenizer
from limbeck.errors import EngineError


@dataclass(frozen=True, slots=True)
class State:
    """A session's memory: every layer's key/value cache, and the rows that it holds."""

    caches: dict[str, npt.NDArray[Any]]
    rows: Rows


class OpenVinoEngine:
    """One model in one stateful session.

    Args:
        folder: holds `openvino_model.xml` and its weights.
        tokenizer: text ↔ tokens of the same model.
        context: the longest row, in tokens.
        source: sha256 of the model file that the folder was made from.
        threads: threads to use; None = all the process may use.

    Raises:
        EngineError: when the folder holds no model of the expected form.
    """

    def __init__(
        self, folder: Path, tokenizer: Tokenizer, *, context: int, source: str, threads: int | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._context = context
        self._threads = threads or usable_cores()
        self._source = source
        try:
            core = ov.Core()
            model = core.read_model(folder / "openvino_model.xml")
            _demand_inputs(model, folder)
            _project_last_token_only(model)
            self._group = group_of(model)
            self._plain = is_small(model) and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            if self._plain:
                spread(model)
            compiled = core.compile_model(
                model,
                "CPU",
                {
                    # Another size than that of the weights' groups would switch 8-bit products off.
                    **({"DYNAMIC_QUANTIZATION_GROUP_SIZE": str(self._group)} if self._group else {}),
                    "INFERENCE_PRECISION_HINT": "bf16" if self._plain else "f32",
                    "INFERENCE_NUM_THREADS": self._threads,
                    # In its default precision a restored snapshot scores otherwise than the fresh prefix, by up to
                    # 0.8 in logits, and a resumed run would not end like one that was never killed.
                    "KV_CACHE_PRECISION": "f32",
                    "PERFORMANCE_HINT": "LATENCY",
                },
            )
            self._request = compiled.create_infer_request()
        except RuntimeError as error:
            raise EngineError(
                f"{folder}: OpenVINO cannot load this model: {str(error).strip().splitlines()[-1]}",
                hint="limbeck models verify checks the file; limbeck models import FILE.gguf converts one anew.",
            ) from error
        self._rows = Rows()

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
        """The model file's sha256, the engine and its version."""
        form = "bf16" if self._plain else f"group-{self._group}"
        return f"openvino:{ov.__version__.split('-')[0]}:cache-f32:{form}:{self._source}"

    def reset(self) -> None:
        """Forget everything: one empty row again."""
        self._request.reset_state()
        self._rows = Rows()

    def extend(self, rows: Sequence[Sequence[int]], parents: Sequence[int]) -> Floats:
        """Continue rows of the previous call; see `Engine.extend`."""
        step = self._rows.grow(rows, parents, context=self._context)
        self._request.infer(
            {
                "input_ids": step.ids,
                "attention_mask": step.rows.mask,
                "position_ids": step.positions,
                "beam_idx": step.origin.astype(np.int32),
                "last": step.last,
            },
            share_outputs=True,  # else all logits are copied once more
        )
        self._rows = step.rows
        logits: Floats = self._request.get_output_tensor(0).data[:, 0].astype(np.float32)
        return logits

    def hidden(self) -> Floats:
        """The last hidden state of each row of the last `extend`; see `Seeing.hidden`."""
        states: Floats = self._request.get_output_tensor(1).data[:, 0].astype(np.float32)
        return states

    def snapshot(self) -> State:
        """The state as a value that `restore` takes."""
        caches = {state.name: np.array(state.state.data) for state in self._request.query_state()}
        return State(caches, self._rows)

    def restore(self, state: State) -> None:
        """Go back to a state that `snapshot` gave."""
        if not state.rows.mask.shape[1]:  # OpenVINO takes an empty cache for one without any row
            self.reset()
            return
        for variable in self._request.query_state():
            variable.state = ov.Tensor(state.caches[variable.name])
        self._rows = state.rows


def usable_cores() -> int:
    """Cores that this process may use, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load(source: Path, cache: Path, *, sha256: str | None = None, threads: int | None = None) -> OpenVinoEngine:
    """An engine for a GGUF file, converted at first use and checked against the file's own weights.

    Args:
        source: the GGUF file.
        cache: where conversions are kept.
        sha256: of the file, where it is known already.
        threads: see `OpenVinoEngine`.

    Raises:
        EngineError: when the file is damaged, of an unknown kind, or its conversion differs from it.
    """
    container = Container(source)
    tokenizer = ByteTokenizer(container.values("tokenizer."))
    context = inspect(source).context

    def compare(folder: Path) -> Agreement:
        candidate = OpenVinoEngine(folder, tokenizer, context=context, source="unchecked", threads=threads)

        def score(rows: Sequence[Sequence[int]]) -> Floats:
            candidate.reset()
            return candidate.extend(rows, [0] * len(rows))

        return check(source, tokenizer.encode, score)

    folder = converted(source, cache, check=compare, sha256=sha256)
    return OpenVinoEngine(folder, tokenizer, context=context, source=folder.name, threads=threads)


INPUTS = {"input_ids", "attention_mask", "position_ids", "beam_idx"}


def _demand_inputs(model: ov.Model, folder: Path) -> None:
    """Rows of unlike lengths and forks need a model that keeps its own cache and takes positions and parents."""
    lost = INPUTS - {name for one in model.inputs for name in one.names}
    if lost:
        raise EngineError(
            f"{folder.name}: the model has no input {', '.join(sorted(lost))}",
            hint="Export it as a stateful text-generation-with-past model.",
        )


def _project_last_token_only(model: ov.Model) -> None:
    """Compute logits for each row's last token instead of for all: saves a vocabulary-wide product per token.

    What is projected becomes the second output.
    """
    projection = model.outputs[0].node
    while projection.get_type_name() != "MatMul":
        projection = projection.input_value(0).get_node()
    last = ops.parameter([-1], np.int64, name="last")
    last.output(0).set_names({"last"})
    axis = ops.constant(np.array(1))
    picked = ops.gather(projection.input_value(0), ops.unsqueeze(last, axis), axis, 1)
    projection.input(0).replace_source_output(picked.output(0))
    model.add_parameters([last])
    model.add_results([ops.result(picked)])
    model.validate_nodes_and_infer_types()
