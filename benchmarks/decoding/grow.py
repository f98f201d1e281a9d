"""Grow the trees that the accuracy figures rest on: CoT-decoding, greedy and sampled paths of school mathematics.

    python benchmarks/decoding/grow.py --data FOLDER --model FILE.gguf --set svamp --questions 200 --method cot

Every question's tree is appended to `results/trees/MODEL.SET.METHOD.jsonl` as soon as it is grown; started again, the
command goes on where it stopped. `tables.py` reads these files and needs no model.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from limbeck.decoding.answers import Number
from limbeck.decoding.consistency import SelfConsistency
from limbeck.decoding.cot import Cot
from limbeck.decoding.sampling import Sampling
from limbeck.decoding.trees import Policy
from limbeck.engines.base import HOLE, Message
from limbeck.engines.openvino import load
from machine import describe
from questions import Problem, problems

RESULTS = Path(__file__).parent / "results" / "trees"
SYSTEM = "You are a helpful assistant."
# Questions that are grown together: about so many branches a batch.
ROWS = 100


def decoder(method: str, tokens: int) -> Any:
    """The decoder of a method's name."""
    policy = Policy(Number(), max_tokens=tokens)
    if method == "cot":
        return Cot(policy, k=10)
    if method == "greedy":
        return Cot(policy, k=1)
    vote = Policy(Number(), max_tokens=tokens, aggregate="majority")
    return SelfConsistency(vote, paths=10, sampling=Sampling(temperature=0.7))


def done(path: Path) -> set[str]:
    """Names of the questions whose trees are there; a line that was cut off is forgotten."""
    if not path.exists():
        return set()
    whole = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    path.write_text("".join(whole), encoding="utf-8")
    return {name for line in whole if (name := json.loads(line).get("question"))}


def grow(engine: Any, asked: list[Problem], method: Any, out: Path) -> None:
    """Batch after batch, each one written before the next begins."""
    tokenizer = engine.tokenizer
    before, after = tokenizer.frame([Message("system", SYSTEM), Message("user", HOLE)])
    engine.reset()
    engine.extend([before], [0])
    prefix = engine.snapshot()
    rows = max(1, ROWS // method.width)
    for start in range(0, len(asked), rows):
        part = asked[start : start + rows]
        engine.restore(prefix)
        begun, spent = time.perf_counter(), time.process_time()
        draws = method(engine, [[*tokenizer.encode(one.text), *after] for one in part])
        cost = {
            "seconds": (time.perf_counter() - begun) / len(part),
            "cpu_seconds": (time.process_time() - spent) / len(part),
        }
        with out.open("a", encoding="utf-8") as file:
            for one, draw in zip(part, draws, strict=True):
                line = {"question": one.name, "gold": one.gold, "prefilled": draw.prefilled, **cost}
                file.write(json.dumps(line | {"branches": (draw.trace or {})["branches"]}) + "\n")
        print(f"{out.name}: {start + len(part)} of {len(asked)}, {cost['seconds']:.1f} s a question", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--set", dest="name", choices=("svamp", "gsm8k"), required=True)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--method", choices=("cot", "greedy", "sc"), default="cot")
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--cache", type=Path, required=True, help="where conversions are kept")
    options = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    out = RESULTS / f"{options.model.stem}.{options.name}.{options.method}.jsonl"
    known = done(out)
    # In the draw's own order of batches, so that an interrupted run has the batches of one that was not.
    asked = sorted(problems(options.data, options.name, options.questions), key=lambda one: len(one.text))
    left = [one for one in asked if one.name not in known]
    engine = load(options.model, options.cache)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    method = decoder(options.method, options.tokens)
    about = {"machine": describe(), "commit": commit.stdout.strip(), "decoder": method.identity, "system": SYSTEM}
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"about": about, "engine": engine.identity}) + "\n")
    grow(engine, left, method, out)


if __name__ == "__main__":
    main()
