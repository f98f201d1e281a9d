"""Which OpenVINO settings make decoding faster, and what each costs in accuracy.

    python benchmarks/decoding/settings.py --data FOLDER --model FILE.gguf --cache FOLDER [--only NAME ...]

Each setting is timed on one prefill of 8 x 64 tokens and on decoding steps of 10, 40 and 100 rows that follow
64-token questions (median step, best round; settings take turns). Its accuracy is the KL divergence in nats of its
next-token distributions from those of plain float32 arithmetic on the same 8-bit weights: 24 questions, at the
question's end and after each of 16 tokens fed one by one. "dequantised" folds the 8-bit weights into plain ones first.
"two streams" are two sessions of one thread each on the same weights, each with half of the rows, at the same time.
On a machine that others use as well, `--cpu-time` counts processor time of one thread in place of wall time.
Knows nothing of branches or answers.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

from limbeck.bench.roofline import is_constant
from limbeck.engines.openvino import OpenVinoEngine, _project_last_token_only, load

SHIPPED: dict[str, Any] = {
    "INFERENCE_NUM_THREADS": 2,
    "INFERENCE_PRECISION_HINT": "f32",
    "KV_CACHE_PRECISION": "f32",
    "PERFORMANCE_HINT": "LATENCY",
}
EXACT = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
BF16 = {"INFERENCE_PRECISION_HINT": "bf16"}
clock = time.perf_counter
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "shipped": {},
    "exact": EXACT,
    "one thread": {"INFERENCE_NUM_THREADS": 1},
    "groups of 64": {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 64},
    "groups of 128": {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 128},
    "one group": {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 2**32 - 1},
    "cache f16": {"KV_CACHE_PRECISION": "f16"},
    "cache u8": {"KV_CACHE_PRECISION": "u8"},
    "not pinned": {"ENABLE_CPU_PINNING": False},
    "two streams": {"NUM_STREAMS": 2},
    "two streams, bf16": BF16 | {"NUM_STREAMS": 2},
    "two streams, bf16, cache bf16": BF16 | {"NUM_STREAMS": 2, "KV_CACHE_PRECISION": "bf16"},
    "two streams, bf16 dequantised": BF16 | {"NUM_STREAMS": 2, "dequantised": True},
    "bf16": BF16,
    "bf16, cache bf16": BF16 | {"KV_CACHE_PRECISION": "bf16"},
    "bf16, cache u8": BF16 | {"KV_CACHE_PRECISION": "u8"},
    "bf16 exact": BF16 | EXACT,
    "f32 dequantised": {"dequantised": True},
    "bf16 dequantised": BF16 | {"dequantised": True},
    "bf16 dequantised, cache bf16": BF16 | {"dequantised": True, "KV_CACHE_PRECISION": "bf16"},
}


def engines_with(shipped: OpenVinoEngine, folder: Path, settings: Mapping[str, Any]) -> list[OpenVinoEngine]:
    """The engine as it ships, but for the settings of its compiled model; one for each stream."""
    core = ov.Core()
    model = core.read_model(folder / "openvino_model.xml")
    _project_last_token_only(model)
    config = SHIPPED | dict(settings)
    if config.pop("dequantised", False):
        dequantise(model)
    compiled = core.compile_model(model, "CPU", config)
    engines = []
    for _ in range(config.get("NUM_STREAMS", 1)):
        engine = object.__new__(OpenVinoEngine)
        engine.__dict__.update(shipped.__dict__)
        engine._request = compiled.create_infer_request()
        engine.reset()
        engines.append(engine)
    return engines


def dequantise(model: ov.Model) -> None:
    """Put one plain constant in the place of each product's 8-bit weights with their scales."""
    for node in model.get_ops():
        if node.get_type_name() == "MatMul" and (weights := plain_weights(node)) is not None:
            node.input(1).replace_source_output(ops.constant(weights).output(0))
    model.validate_nodes_and_infer_types()


def plain_weights(product: ov.Node) -> npt.NDArray[np.float32] | None:
    """The weights of a product as numbers, or None where its second operand is no constant."""
    value = product.input_value(1)
    if value.partial_shape.is_dynamic or not is_constant(value.get_node()):
        return None
    folded = ov.Core().compile_model(ov.Model([ops.result(value)], []), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(folded([])[0], np.float32)


def joint_speeds(engines: list[OpenVinoEngine]) -> dict[str, float]:
    """The sum of the speeds of all sessions, which run at the same time and share the rows."""
    with ThreadPoolExecutor(len(engines)) as pool:
        each = list(pool.map(lambda engine: speeds(engine, len(engines)), engines))
    return {name: sum(found[name] for found in each) for name in each[0]}


def speeds(engine: OpenVinoEngine, sessions: int = 1) -> dict[str, float]:
    """Tokens per second of one of so many sessions: one prefill, then decoding at three widths."""
    draws = np.random.default_rng(0)
    limit = len(engine.tokenizer.spell(range(1000)))

    def fresh(rows: int, width: int) -> list[list[int]]:
        return [list(map(int, row)) for row in draws.integers(100, limit, (rows, width))]

    found = {}
    for name, shape in {"prefill 8x64": (8 // sessions, 64), "prefill 4x256": (4 // sessions, 256)}.items():
        times = []
        for _ in range(3):
            engine.reset()
            rows = fresh(*shape)
            begun = clock()
            engine.extend(rows, [0] * len(rows))
            times.append(clock() - begun)
        found[name] = shape[0] * shape[1] / min(times)
    for total in (10, 40, 100):
        branches = total // sessions
        questions = max(1, branches // 10)
        engine.reset()
        engine.extend(fresh(questions, 64), [0] * questions)
        parents, times = [row * questions // branches for row in range(branches)], []
        for _ in range(24):
            rows = fresh(branches, 1)
            begun = clock()
            engine.extend(rows, parents)
            times.append(clock() - begun)
            parents = list(range(branches))
        found[f"decode {total}"] = branches / float(np.median(times[1:]))
    return found


def distributions(engine: OpenVinoEngine, texts: list[tuple[list[int], list[int]]]) -> npt.NDArray[np.float64]:
    """Log-probabilities after each question and after each token of its answer: [steps, questions, vocabulary]."""
    engine.reset()
    steps = [engine.extend([question for question, _ in texts], [0] * len(texts))]
    for place in range(min(len(answer) for _, answer in texts)):
        steps.append(engine.extend([[answer[place]] for _, answer in texts], list(range(len(texts)))))
    logits = np.stack(steps).astype(np.float64)
    peak = logits.max(-1, keepdims=True)
    logs: npt.NDArray[np.float64] = logits - peak - np.log(np.exp(logits - peak).sum(-1, keepdims=True))
    return logs


def distance(truth: npt.NDArray[np.float64], found: npt.NDArray[np.float64]) -> dict[str, float]:
    """KL(truth, found): its mean and worst, at the question's end and later; and how often the winner is the same."""
    each = (np.exp(truth) * (truth - found)).sum(-1)
    same = float((truth.argmax(-1) == found.argmax(-1)).mean())
    return {"mean": float(each.mean()), "worst": float(each.max()), "decoding": float(each[1:].mean()), "same": same}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with gsm8k/test.jsonl")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="where conversions are kept")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    if options.cpu_time:
        global clock
        clock = time.process_time
        SHIPPED["INFERENCE_NUM_THREADS"] = 1
    shipped = load(options.model, options.cache)
    folder = options.cache / shipped._source
    lines = (options.data / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()[:24]
    told = [json.loads(line) for line in lines]
    encode = shipped.tokenizer.encode
    texts = [(encode(f"Q: {it['question']}\nA:"), encode(f" {it['answer']}")[:16]) for it in told]
    truth = distributions(engines_with(shipped, folder, EXACT)[0], texts)
    best: dict[str, dict[str, float]] = {name: {} for name in options.only}
    for turn in range(options.rounds):
        for name in options.only:
            engines = engines_with(shipped, folder, SETTINGS[name])
            for what, speed in joint_speeds(engines).items():
                best[name][what] = max(best[name].get(what, 0.0), speed)
            rates = ", ".join(f"{what} {speed:.0f}" for what, speed in best[name].items())
            apart = distance(truth, distributions(engines[0], texts)) if turn == 0 else {}
            print(f"{name}: {rates} | " + ", ".join(f"{what} {it:.5f}" for what, it in apart.items()), flush=True)
            del engines


if __name__ == "__main__":
    main()
