"""CoT-decoding: tokens per second of limbeck beside other libraries, same prompts, same weights, same machine, one run.

    python benchmarks/decoding/speed.py --data FOLDER --models FOLDER [--model smollm2-135m-instruct]
        [--questions 40] [--k 10] [--tokens 64] [--rounds 2]
        [--against transformers llama-cpp optillm ctranslate2] [--out results/FILE.json] [--again]

`--data` holds gsm8k/test.jsonl; `--models` is where the weights are kept in every library's own form (written at first
use); `--model` is an asset's name or a GGUF file. `pip install 'limbeck[bench]'` brings the rivals but two things are
left to you: compile llama-cpp-python for this very processor
(CMAKE_ARGS="-DGGML_NATIVE=ON" pip install --no-binary llama-cpp-python --force-reinstall --no-deps llama-cpp-python)
and `pip install --no-deps optillm`, which otherwise brings a web server and its friends.

Every rival is tried in each of its variants on a few questions, and the best one plays. Then limbeck and the rival take
turns, and a ratio is only ever made of turns of the same run. A rival that cannot be loaded is named with the reason.
optillm is so slow that it gets its own, smaller number of questions (`--few`); its ratio is one of tokens per second.
A rival that the result file already has with the same settings is not run again unless `--again` says so.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import own
from job import Outcome, Run, Weights, read_prompts
from limbeck.assets.store import Store
from limbeck.flows.facts import machine
from phases import measure

RIVALS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "transformers": ("peer_transformers", ("transformers", "torch")),
    "llama-cpp": ("peer_llama", ("llama-cpp-python",)),
    "ctranslate2": ("peer_ctranslate2", ("ctranslate2",)),
    "optillm": ("peer_optillm", ("optillm", "transformers", "torch")),
}
SLOW = ("optillm",)


def timed(run: Run, prompts: Sequence[Sequence[int]], *, k: int, tokens: int) -> tuple[float, Outcome]:
    begun = time.perf_counter()
    outcome = run(prompts, k, tokens)
    return time.perf_counter() - begun, outcome


def best_variant(rival: Any, weights: Weights, prompts: list[list[int]], *, k: int, tokens: int) -> dict[str, Any]:
    """Every variant's tokens per second on a few questions, the best one, and why others would not run."""
    longest = max(map(len, prompts))
    speeds: dict[str, float] = {}
    if len(rival.VARIANTS) > 1:
        for name, settings in rival.VARIANTS.items():
            run = rival.make(weights, k=k, limit=tokens, longest=longest, **settings)
            timed(run, prompts[:1], k=k, tokens=4)
            seconds, outcome = timed(run, prompts, k=k, tokens=tokens)
            speeds[name] = outcome.written / seconds
            print(f"    {name}: {speeds[name]:.0f} tokens a second", flush=True)
            close(run)
    best = max(speeds, key=lambda name: speeds[name]) if speeds else next(iter(rival.VARIANTS))
    return {"variant": best, "trial, tokens per second": speeds}


def close(run: Any) -> None:
    """Give back what a runner holds."""
    if hasattr(run, "close"):
        run.close()
    del run
    gc.collect()


def figures(seconds: list[float], outcome: Outcome, questions: int) -> dict[str, Any]:
    best = min(seconds)
    return {
        "seconds": seconds,
        "questions": questions,
        "seconds per question": best / questions,
        "tokens written": outcome.written,
        "tokens per second": outcome.written / best,
        "prompt tokens read": outcome.read,
        "prompt tokens per second": outcome.read / outcome.reading if outcome.reading else None,
    }


def contest(mine: Run, name: str, options: argparse.Namespace, *, weights: Weights, prompts: list[list[int]]) -> Any:
    """limbeck and one rival in turns."""
    file, packages = RIVALS[name]
    rival = importlib.import_module(file)
    few = prompts[: options.few] if name in SLOW else prompts
    trial = best_variant(rival, weights, prompts[: options.trial], k=options.k, tokens=options.tokens)
    settings = rival.VARIANTS[trial["variant"]]
    theirs = rival.make(weights, k=options.k, limit=options.tokens, longest=max(map(len, prompts)), **settings)
    spent: dict[str, list[float]] = {"limbeck": [], name: []}
    found: dict[str, Outcome] = {}
    for run in (mine, theirs):
        timed(run, prompts[:1], k=2, tokens=4)
    for _ in range(options.rounds):
        for who, run, asked in (("limbeck", mine, prompts), (name, theirs, few)):
            seconds, found[who] = timed(run, asked, k=options.k, tokens=options.tokens)
            spent[who].append(seconds)
            print(f"  {who}: {seconds:.1f} s, {found[who].written / seconds:.0f} tokens a second", flush=True)
    close(theirs)
    result = {
        "limbeck": figures(spent["limbeck"], found["limbeck"], len(prompts)),
        name: figures(spent[name], found[name], len(few)),
    }
    own_speed, rival_speed = (result[who]["tokens per second"] for who in ("limbeck", name))
    return {
        "settings": settings_of(options, name),
        "versions": {package: version(package) for package in packages},
        **trial,
        **result,
        "limbeck is times faster": own_speed / rival_speed,
        "prompt tokens saved against one reading a branch": options.k * sum(map(len, prompts)) - found["limbeck"].read,
        "same greedy path, first half": agreement(found["limbeck"], found[name]),
    }


def agreement(first: Outcome, second: Outcome) -> float:
    """How much of the first half of the greedy paths is the same, from their beginnings."""
    shares = []
    for mine, theirs in zip(first.paths, second.paths, strict=False):
        half = mine[0][: max(1, len(mine[0]) // 2)]
        same = next((i for i, (a, b) in enumerate(zip(half, theirs[0], strict=False)) if a != b), len(half))
        shares.append(same / len(half))
    return sum(shares) / len(shares)


def settings_of(options: argparse.Namespace, name: str) -> dict[str, Any]:
    """What makes two runs of a rival the same run."""
    return {
        "model": options.model,
        "k": options.k,
        "tokens": options.tokens,
        "questions": options.questions,
        "limbeck's questions at a time": options.width,
        "rival's questions": options.few if name in SLOW else options.questions,
    }


def circumstances() -> dict[str, Any]:
    """Machine, load, versions and commit."""
    here = Path(__file__).parent
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=here, capture_output=True, text=True, check=False
    )
    names = ("limbeck", "openvino", "numpy", "llama-cpp-python", "torch", "transformers", "ctranslate2", "optillm")
    return {
        "machine": machine(),
        "load": os.getloadavg()[0],
        "versions": {name: installed(name) for name in names},
        "commit": git.stdout.strip() or None,
    }


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--few", type=int, default=4, help="questions of a rival that reads one branch at a time")
    parser.add_argument("--trial", type=int, default=10, help="questions on which variants are tried")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--width", type=int, default=4, help="limbeck's questions at a time")
    parser.add_argument("--against", nargs="*", choices=RIVALS, default=list(RIVALS))
    parser.add_argument("--no-floor", action="store_true", help="leave out what is achieved of the floor")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("results/decoding-speed.json"))
    return parser.parse_args()


def main() -> None:
    options = parse()
    path = Path(options.model)
    (source,) = [path] if path.is_file() else Store().pull(options.model).glob("*.gguf")
    options.model = path.stem if path.is_file() else options.model
    weights = Weights(source, options.models / options.model)
    engine = own.open_engine(weights, options.models / "converted")
    prompts = [
        engine.tokenizer.start + engine.tokenizer.encode(text) for text in read_prompts(options.data, options.questions)
    ]
    mine = own.make(engine, questions=options.width)
    results = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    part = results.setdefault(options.model, {})
    for name in options.against:
        if not options.again and part.get(name, {}).get("settings") == settings_of(options, name):
            print(f"{name}: in {options.out} already", flush=True)
            continue
        print(f"{name}:", flush=True)
        try:
            part[name] = contest(mine, name, options, weights=weights, prompts=prompts) | {"run": circumstances()}
        except ImportError as error:
            part.setdefault(name, {"not installed": str(error)})
            print(f"  not installed: {error}", flush=True)
        else:
            print(f"  limbeck is {part[name]['limbeck is times faster']:.2f} times faster", flush=True)
        save(options.out, results)
    if not options.no_floor:
        part["floor"] = measure(engine, options.models / "converted") | {"run": circumstances()}
        save(options.out, results)


def save(path: Path, results: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    main()
