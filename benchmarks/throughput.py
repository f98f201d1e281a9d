"""Label scoring: items per second of limbeck, of a loop over llama-cpp-python and of Transformers.

    python benchmarks/throughput.py --data FOLDER [--items 192] [--rounds 3] [--examples 0 8]

Two prompts: the bare question, and the same behind eight worked examples. Same tokens, same 8-bit weights (Transformers
computes with them in float32), same process, taking turns; the best round of each counts, and the ratios are what to
keep. Peers that are not installed are left out, by name: `pip install 'limbeck[bench]'` brings them (llama-cpp-python
is compiled on the spot, for this very processor).
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.agent import LanguageAgent
from limbeck.assets.store import Store
from limbeck.catalog import NAMES, Workshop
from limbeck.engines.requantisation import rewrite_q8_0
from limbeck.meter import Meter
from limbeck.records import Item
from limbeck.task import parse_task
from machine import describe
from tasks import task_text

AGENTS = """agents:
  - {{name: plain, model: smollm2-135m-instruct, style: plain, examples: {{number: {number}, from: {source}}}}}
student: {{encoder: null}}
selection: {{cold: random}}
"""
Scores = dict[str, tuple[float, ...]]


def limbeck_runner(agent: LanguageAgent, items: list[Item]) -> Callable[[], Scores]:
    def run() -> Scores:
        votes = [vote for batch in agent.plan(items) for vote in agent.answer(batch)]
        return {vote.item: vote.scores or () for vote in votes}

    return run


def llama_runner(
    file: Path, prefix: list[int], bodies: dict[str, list[int]], options: list[int]
) -> Callable[[], Scores]:
    """One text after the other, as most scripts do it, and the prefix's cache is kept."""
    from llama_cpp import Llama

    model = Llama(str(file), n_ctx=2048, n_threads=2, n_threads_batch=2, logits_all=False, verbose=False)

    def run() -> Scores:
        model.reset()
        model.eval(prefix)
        found = {}
        for name, body in bodies.items():
            model.n_tokens = len(prefix)
            model.eval(body)
            logits = np.ctypeslib.as_array(model._ctx.get_logits_ith(-1), (model.n_vocab(),)).astype(np.float64)
            found[name] = tuple(logits[options] - np.logaddexp.reduce(logits))
        return found

    return run


def transformers_runner(
    file: Path, prefix: list[int], bodies: dict[str, list[int]], options: list[int], *, rows: int
) -> Callable[[], Scores]:
    """Batches of so many prompts of like length, padded on the left; only the last token is projected."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(2)
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).eval()
    names = sorted(bodies, key=lambda name: len(bodies[name]))

    def run() -> Scores:
        found: Scores = {}
        for start in range(0, len(names), rows):
            part = names[start : start + rows]
            whole = [prefix + bodies[name] for name in part]
            width = max(map(len, whole))
            ids = torch.tensor([[0] * (width - len(row)) + row for row in whole])
            mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in whole])
            positions = (mask.cumsum(1) - 1).clamp(min=0)
            with torch.inference_mode():
                logits = model(
                    input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=1, use_cache=False
                ).logits[:, -1]
            logs = torch.log_softmax(logits.double(), dim=1)[:, options]
            found |= {name: tuple(row) for name, row in zip(part, logs.tolist(), strict=True)}
        return found

    return run


PEERS = {
    "llama-cpp-python, one by one": llama_runner,
    "transformers, one by one": partial(transformers_runner, rows=1),
    "transformers, batches of 16": partial(transformers_runner, rows=16),
}


def contest(data: Path, gguf: Path, *, items: int, rounds: int, examples: int) -> dict[str, Any]:
    """All runners on one prompt, taking turns."""
    source = data / "sst2" / "test.csv"
    with source.open(encoding="utf-8") as file:
        asked = [Item(str(i), {"text": row["text"]}) for i, row in enumerate(csv.DictReader(file))][:items]
    agents = AGENTS.format(number=examples, source=data / "sst2" / "train.csv")
    with Meter() as meter:
        task = parse_task(task_text("sst2", source, extra=agents), source=str(source), names=NAMES)
        (agent,) = Workshop(task, Store(), meter, say=print).job().committee.workers
        assert isinstance(agent, LanguageAgent)
        bodies = {q.item.id: list(q.tokens) for batch in agent.plan(asked) for q in batch}
        options = [agent._engine.tokenizer.encode(word)[0] for word in (" negative", " positive")]
        runners = {"limbeck": limbeck_runner(agent, asked)}
        missing = {}
        for name, make in PEERS.items():
            try:
                runners[name] = make(gguf, agent._before, bodies, options)
            except ImportError as error:
                missing[name] = str(error)
        best = dict.fromkeys(runners, float("inf"))
        scores: dict[str, Scores] = {}
        for _ in range(rounds):
            for name, run in runners.items():
                begun = time.perf_counter()
                scores[name] = run()
                best[name] = min(best[name], time.perf_counter() - begun)
    own = scores["limbeck"]
    return {
        "shared tokens": len(agent._before),
        "own tokens of a text": sum(map(len, bodies.values())) / items,
        "runners": {
            name: {
                "items per second": items / seconds,
                "limbeck is times faster": seconds / best["limbeck"],
                "same winner": float(np.mean([np.argmax(scores[name][i]) == np.argmax(own[i]) for i in own])),
            }
            for name, seconds in best.items()
        },
        "not installed": missing,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--items", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", type=int, nargs="+", default=[0, 8])
    options = parser.parse_args()
    (gguf,) = Store().pull("smollm2-135m-instruct").glob("*.gguf")
    found: dict[str, Any] = {"machine": describe(), "items": options.items}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model-q8_0.gguf"
        rewrite_q8_0(gguf, target)
        for number in options.examples:
            found[f"{number} examples"] = contest(
                options.data.resolve(), target, items=options.items, rounds=options.rounds, examples=number
            )
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
