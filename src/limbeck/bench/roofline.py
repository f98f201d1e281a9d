"""How much of the machine an engine uses: its speed beside what the same matrix products and the memory allow.

Three measurements, in the run itself:

- `products`: the model's own matrix products and nothing between them (same shapes, same number, each with weights of
  its own), as 8-bit weights in the model's own groups, as bfloat16 and as float32. For so many rows this is the best
  that the layers' sizes allow, and the best of the three formats counts.
- `roof`: one large square product in each format: what the processor can do at all.
- `bandwidth`: bytes per second of reading an array far larger than the caches, on all threads.

`achieved` puts measured tokens per second beside them. The floor of a step is the larger of two times: all weights and
the distinct keys and values over the bandwidth, and 2 x parameters x tokens over the roof's rate.
Knows nothing of the job or of who does it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops
from threadpoolctl import threadpool_limits

from limbeck.engines.regrouping import GROUP

Shape = tuple[int, int]
"""Outputs and inputs of a product."""

_GROUPED = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": str(GROUP)}
FORMATS: Mapping[str, Mapping[str, Any]] = {
    "int8": {"INFERENCE_PRECISION_HINT": "f32", **_GROUPED},
    "int8 bf16": {"INFERENCE_PRECISION_HINT": "bf16", **_GROUPED},
    "bf16": {"INFERENCE_PRECISION_HINT": "bf16"},
    "f32": {"INFERENCE_PRECISION_HINT": "f32"},
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a model computes and moves.

    Attributes:
        layers: shape of each product of the body, one entry a product.
        head: shape of the projection to the vocabulary.
        weight_bytes: of the model as stored.
        cache_bytes: of one token's keys and values in float32.
    """

    layers: tuple[Shape, ...]
    head: Shape
    weight_bytes: int
    cache_bytes: int

    def operations(self, *, tokens: int, projected: int) -> float:
        """Multiplications and additions of so many tokens, of which so many are projected to the vocabulary."""
        return 2.0 * (tokens * sum(n * k for n, k in self.layers) + projected * self.head[0] * self.head[1])


def sizes(folder: Path) -> Sizes:
    """Read a converted model's products; the one to the vocabulary is the last."""
    model = ov.Core().read_model(folder / "openvino_model.xml")
    shapes = []
    for node in model.get_ordered_ops():
        if node.get_type_name() == "MatMul" and is_constant(node.input_value(1).get_node()):
            outputs, inputs = (side.get_length() for side in node.input_value(1).partial_shape)
            shapes.append((outputs, inputs))
    head = max(shapes)
    cache = sum(_row(state.get_output_partial_shape(0)) for state in model.get_ops() if _is_cache(state))
    weight_bytes = (folder / "openvino_model.bin").stat().st_size
    return Sizes(tuple(shape for shape in shapes if shape != head), head, weight_bytes, 4 * cache)


def _is_cache(node: ov.Node) -> bool:
    return bool(node.get_type_name() == "ReadValue")


def _row(shape: ov.PartialShape) -> int:
    """Numbers that one token adds to a cache of shape [rows, heads, tokens, width]."""
    return int(np.prod([side.get_length() for side in shape if side.is_static]))


def is_constant(node: ov.Node) -> bool:
    """Whether a value hangs on constants only, such as weights with their scales."""
    if node.get_type_name() == "Constant":
        return True
    return node.get_input_size() > 0 and all(is_constant(value.get_node()) for value in node.input_values())


def products(shapes: tuple[Shape, ...], rows: int, *, form: str, threads: int) -> float:
    """Seconds that products of these shapes take for so many rows, with nothing between them.

    Products of one shape run in one model, each on weights of its own, so that the weights come from where they come
    from in the real model.
    """
    total = 0.0
    for shape in sorted(set(shapes)):
        run = _compiled(shape, shapes.count(shape), rows=rows, form=form, threads=threads)
        total += _fastest(run)
    return total


def roof(form: str, *, threads: int, side: int = 4096, rows: int = 1024) -> float:
    """Operations per second of one large product."""
    run = _compiled((side, side), 1, rows=rows, form=form, threads=threads)
    return 2.0 * side * side * rows / _fastest(run)


def bandwidth(threads: int, size: int = 1 << 28) -> float:
    """Bytes per second read: dot products of long arrays, one array a thread."""
    arrays = [np.ones(size // 4, np.float32) for _ in range(threads)]
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:

        def run() -> None:
            list(pool.map(lambda array: np.dot(array, array), arrays))

        return threads * size / _fastest(run)


def _compiled(shape: Shape, copies: int, *, rows: int, form: str, threads: int) -> Callable[[], Any]:
    inputs = shape[1]
    draws = np.random.default_rng(0)
    left = ops.parameter([rows, inputs], np.float32)
    results = []
    for _ in range(copies):
        weights = _grouped(draws, shape) if form.startswith("int8") else _plain(draws, shape)
        results.append(ops.result(ops.matmul(left, weights, False, True)))
    model = ov.Model(results, [left])
    config = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", **FORMATS[form]}
    request = ov.Core().compile_model(model, "CPU", config).create_infer_request()
    request.set_input_tensor(ov.Tensor(draws.standard_normal((rows, inputs), np.float32)))
    return lambda: request.infer()


def _plain(draws: np.random.Generator, shape: Shape) -> Any:
    return ops.constant(draws.standard_normal(shape, np.float32))


def _grouped(draws: np.random.Generator, shape: Shape) -> Any:
    """8-bit weights with a scale for each group, as the engine's models store them."""
    outputs, inputs = shape
    size = GROUP if inputs % GROUP == 0 else 32
    groups = (outputs, inputs // size, size)
    numbers = ops.constant(draws.integers(-127, 128, groups, np.int8))
    scale = ops.constant(np.full((*groups[:2], 1), 0.01, np.float16))
    product = ops.multiply(ops.convert(numbers, np.float16), scale)
    flat = ops.reshape(product, ops.constant(np.array(shape)), False)
    return ops.convert(flat, np.float32)


def _fastest(run: Callable[[], Any], seconds: float = 0.5) -> float:
    """The shortest of several runs, after one that does not count."""
    run()
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return min(times)


@dataclass(frozen=True, slots=True)
class Phase:
    """One measured phase.

    Attributes:
        rows: of one call: branches while decoding, tokens while reading.
        projected: rows of them that were projected to the vocabulary.
        cached: distinct tokens in the cache.
        speed: tokens per second, measured.
    """

    rows: int
    projected: int
    cached: int
    speed: float


@dataclass(frozen=True, slots=True)
class Machine:
    """What the processor and the memory can do.

    Attributes:
        bytes_per_second: read from memory.
        roofs: format → operations per second of one large product.
        threads: that were used.
    """

    bytes_per_second: float
    roofs: Mapping[str, float]
    threads: int


def machine(threads: int) -> Machine:
    """Measure it; takes some seconds."""
    return Machine(bandwidth(threads), {form: roof(form, threads=threads) for form in FORMATS}, threads)


def achieved(sizes: Sizes, phase: Phase, machine: Machine) -> dict[str, Any]:
    """What a phase reached of the best same-size products and of the floor, each as a fraction."""
    step = phase.rows / phase.speed
    alone = {}
    for form in FORMATS:
        head = products((sizes.head,), phase.projected, form=form, threads=machine.threads)
        alone[form] = products(sizes.layers, phase.rows, form=form, threads=machine.threads) + head
    best = min(alone, key=lambda form: alone[form])
    operations = sizes.operations(tokens=phase.rows, projected=phase.projected)
    moved = sizes.weight_bytes + phase.cached * sizes.cache_bytes
    floor = max(moved / machine.bytes_per_second, operations / max(machine.roofs.values()))
    return asdict(phase) | {
        "operations per second": operations / step,
        "best same-size products, operations per second": {form: operations / it for form, it in alone.items()},
        "best format": best,
        "of the best same-size products": alone[best] / step,
        "of the same products in int8": alone["int8"] / step,
        "floor, seconds": floor,
        "bound by": "memory" if floor == moved / machine.bytes_per_second else "arithmetic",
        "of the floor": floor / step,
    }
