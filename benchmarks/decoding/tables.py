"""The accuracy table, made from the trees that `grow.py` left; needs no model.

    python benchmarks/decoding/tables.py [--write docs/benchmarks/decoding.md] [--json results/accuracy.json]

Every line rests on the same questions of one model and set; differences are paired, intervals are 95 % bootstrap
intervals over questions. Policies are replayed on the stored trees, so what they spend is counted in real tokens.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.decoding.branches import Branch, of_facts
from limbeck.decoding.stopping import Adaptive, Exact, Never, Rule, Short, Window, replay
from limbeck.evaluation.intervals import mean_estimate

RESULTS = Path(__file__).parent / "results"
POLICIES: Mapping[str, tuple[Rule, str, int]] = {
    "sum of Δ, all branches": (Never(), "sum", 10),
    "surest branch alone (max Δ)": (Never(), "max", 10),
    "majority": (Never(), "majority", 10),
    "confidence-weighted": (Never(), "confidence", 10),
    "sum of Δ, first 4 to end": (Short(4), "sum", 0),
    "sum of Δ, first 3 to end": (Short(3), "sum", 0),
    "sum of Δ, exact stop": (Exact(), "sum", 1),
    "sum of Δ, adaptive 0.95": (Adaptive(0.95), "sum", 1),
    "sum of Δ, adaptive 0.9": (Adaptive(0.9), "sum", 1),
    "sum of Δ, adaptive 0.8": (Adaptive(0.8), "sum", 2),
    "sum of Δ, window 2": (Window(2), "sum", 2),
    "sum of Δ, window 3": (Window(3), "sum", 1),
}


@dataclass(frozen=True, slots=True)
class Grown:
    """The trees of one model, set and method: question → (branches, gold, CPU seconds, tokens read)."""

    model: str
    name: str
    method: str
    trees: Mapping[str, tuple[list[Branch], str, float, int]]


def read(path: Path) -> Grown:
    model, name, method = path.name.removesuffix(".jsonl").rsplit(".", 2)
    trees = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "question" in row:
            tree = [of_facts(facts) for facts in row["branches"]]
            trees[row["question"]] = (tree, row["gold"], row["cpu_seconds"], row["prefilled"])
    return Grown(model, name, method, trees)


Outcome = tuple[bool, int]


def outcomes(grown: Grown, decide: Callable[[Sequence[Branch]], tuple[str | None, int]]) -> dict[str, Outcome]:
    """Question → (whether the answer is right, tokens generated)."""
    found = {}
    for question, (tree, gold, _, _) in grown.trees.items():
        answer, tokens = decide(tree)
        found[question] = (answer == gold, tokens)
    return found


def by_policy(rule: Rule, weighing: str, window: int) -> Callable[[Sequence[Branch]], tuple[str | None, int]]:
    def decide(tree: Sequence[Branch]) -> tuple[str | None, int]:
        outcome = replay(tree, rule, weighing=weighing, window=window)
        return outcome.verdict.answer, outcome.tokens

    return decide


def greedy(tree: Sequence[Branch]) -> tuple[str | None, int]:
    return (tree[0].answer if tree[0].votes else None), tree[0].tokens


def row(label: str, own: Mapping[str, Outcome], base: Mapping[str, Outcome], whole: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    names = [name for name in own if name in base]
    right = np.array([own[name][0] for name in names], np.float64)
    accuracy = mean_estimate(right, rng=rng)
    gain = mean_estimate(right - np.array([base[name][0] for name in names], np.float64), rng=rng)
    tokens = sum(own[name][1] for name in names)
    return {
        "policy": label,
        "questions": len(names),
        "accuracy": accuracy.value,
        "interval": accuracy.interval,
        "over greedy": gain.value,
        "gain interval": gain.interval,
        "tokens a question": tokens / max(1, len(names)),
        "tokens of all branches": tokens / max(1, whole),
    }


def table(grown: Grown, *, paths: Grown | None) -> list[dict[str, Any]]:
    """All policies on one model and set; `paths` are sampled ones for self-consistency."""
    base = outcomes(grown, greedy)
    whole = sum(branch.tokens for tree, *_ in grown.trees.values() for branch in tree)
    rows = [row("greedy", base, base, whole)]
    if grown.method == "cot":
        for label, (rule, weighing, window) in POLICIES.items():
            rows.append(row(label, outcomes(grown, by_policy(rule, weighing, window)), base, whole))
    if paths is not None:
        budget = {name: sum(branch.tokens for branch in tree) for name, (tree, *_) in grown.trees.items()}
        rows.append(row("self-consistency, T = 0.7, equal tokens", equal_tokens(paths, budget), base, whole))
    return rows


def equal_tokens(paths: Grown, budget: Mapping[str, int]) -> dict[str, Outcome]:
    """Sampled paths in order, as many as the branches of the same question cost."""
    found = {}
    for question, (tree, gold, _, _) in paths.trees.items():
        if question not in budget:
            continue
        kept: list[Branch] = []
        for path in tree:
            if kept and sum(one.tokens for one in kept) + path.tokens > budget[question]:
                break
            kept.append(path)
        outcome = replay(kept, Never(), weighing="majority", window=len(kept))
        found[question] = (outcome.verdict.answer == gold, outcome.tokens)
    return found


def markdown(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"### {title}, {rows[0]['questions']} questions", ""]
    lines += ["| policy | right | over greedy | tokens a question |", "| --- | --- | --- | --- |"]
    for one in rows:
        lines.append(
            f"| {one['policy']} | {_share(one['accuracy'], one['interval'])} | "
            f"{_share(one['over greedy'], one['gain interval'])} | {one['tokens a question']:.0f} |"
        )
    return "\n".join([*lines, ""])


def _share(value: float, interval: tuple[float, float] | None) -> str:
    spread = f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else ""
    return f"{100 * value:.1f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "accuracy.json")
    options = parser.parse_args()
    grown = [read(path) for path in sorted((RESULTS / "trees").glob("*.jsonl"))]
    sampled = {(one.model, one.name): one for one in grown if one.method == "sc"}
    found = {}
    for one in grown:
        if one.method != "sc" and one.trees:
            title = f"{one.model}, {one.name}, {one.method}"
            rows = table(one, paths=sampled.get((one.model, one.name)) if one.method == "cot" else None)
            cpu = sum(seconds for _, _, seconds, _ in one.trees.values()) / len(one.trees)
            found[title] = {"rows": rows, "CPU seconds a question, all branches": cpu}
            print(markdown(title, rows))
            print(f"{cpu:.1f} CPU seconds a question with all branches\n")
    options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
