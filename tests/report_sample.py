"""Metrics of an imagined run, drawn once with a fixed seed, so that the page can be looked at and tested."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
TEXTS = (
    "A film so sure of its own charm that it forgets to have any. The last half hour, though, is a small wonder.",
    "You leave the cinema humming, and cannot say what.",
    "Neither funny nor sad enough; the actors look as if they were waiting for a bus.",
    "Tense, clever and beautifully shot. I would have cut the dog.",
    "My mother loved it. I love my mother.",
    "It is what it is: two hours of rain, filmed by somebody who really likes rain.",
)
TWELVE = ("account", "billing", "cancel order", "complaint", "contact", "delivery", "feedback", "invoice", "newsletter",
          "payment issue", "refund", "shipping address")  # fmt: skip


def _opinions(rng: np.random.Generator, gold: Integers, *, labels: int, skill: float) -> Floats:
    logits = rng.normal(0, 1, (len(gold), labels))
    logits[np.arange(len(gold)), gold] += rng.normal(skill, 1.4, len(gold))
    weights = np.exp(logits)
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _about(value: float, n: int) -> list[float]:
    half = 1.96 * float(np.sqrt(max(value * (1 - value), 1e-4) / n))
    return [max(value - half, 0.0), min(value + half, 1.0)]


def _scored(shares: Floats, gold: Integers, names: tuple[str, ...]) -> dict[str, Any]:
    n, labels = shares.shape
    chosen, sure = shares.argmax(axis=1), shares.max(axis=1)
    right = chosen == gold
    counts = np.zeros((labels, labels), dtype=int)
    np.add.at(counts, (gold, chosen), 1)
    per_class = []
    for place, name in enumerate(names):
        hit, support, predicted = (int(x) for x in (counts[place, place], counts[place].sum(), counts[:, place].sum()))
        f1 = 2 * hit / max(support + predicted, 1)
        one = {"label": name, "precision": hit / max(predicted, 1), "recall": hit / max(support, 1), "f1": f1}
        per_class.append(one | {"support": support, "predicted": predicted, "f1_interval": _about(f1, support)})
    bins, ece = [], 0.0
    for low in np.arange(0, 1, 0.1):
        inside = (sure > low) & (sure <= low + 0.1)
        if inside.any():
            accuracy, confidence = float(right[inside].mean()), float(sure[inside].mean())
            ece += abs(accuracy - confidence) * float(inside.mean())
            bins.append({"low": float(low), "high": float(low) + 0.1, "count": int(inside.sum()), "accuracy": accuracy,
                         "confidence": confidence, "interval": _about(accuracy, int(inside.sum()))})  # fmt: skip
    ranked = right[np.argsort(-sure)]
    curve = []
    for share in np.arange(0.1, 1.01, 0.05):
        kept = ranked[: max(round(share * n), 1)]
        accuracy = float(kept.mean())
        curve.append({"coverage": float(min(share, 1)), "accuracy": accuracy, "interval": _about(accuracy, len(kept))})
    accuracy, macro = float(right.mean()), float(np.mean([one["f1"] for one in per_class]))
    return {"on": "test", "n": n, "accuracy": accuracy, "accuracy_interval": _about(accuracy, n), "macro_f1": macro,
            "macro_f1_interval": _about(macro, n), "ece": ece, "ece_interval": [ece * 0.8, ece * 1.4],
            "per_class": per_class, "confusion": counts.tolist(), "reliability": bins,
            "coverage_curve": curve}  # fmt: skip


def _agents(committee: float) -> dict[str, Any]:
    rows = {
        "chat": ("smollm2-135m-instruct", "chat", committee - 0.012, committee - 0.055, 0.44, 231_400, 168_000),
        "plain": ("smollm2-135m-instruct", "plain", committee - 0.068, committee - 0.13, 0.31, 198_210, 142_500),
        "similarity": ("all-minilm-l6-v2", None, committee - 0.121, committee - 0.14, 0.25, 61_020, 0),
    }
    agents = {}
    for name, (model, style, accuracy, raw, weight, tokens, reused) in rows.items():
        prompt = f"<|im_start|>user\nIs this review good or bad?\n\n{TEXTS[0]}<|im_end|>\n<|im_start|>assistant\n"
        agents[name] = {
            "model": model, "style": style, "prompt_example": prompt if style else None, "accuracy": accuracy,
            "accuracy_interval": _about(accuracy, 500), "accuracy_raw": raw, "on": "test", "votes": 2000,
            "abstained": 3 if name == "plain" else 0, "tokens": tokens, "reused": reused, "weight": weight,
            "items_per_second": 20.13 if style else 211.7, "seconds": 99.0 if style else 9.4,
        }  # fmt: skip
    return agents


def _resources() -> dict[str, Any]:
    phases = [
        ("load", "smollm2-135m-instruct", 6.4, 9.1, 0.61e9, None),
        ("embed", "all-minilm-l6-v2", 14.2, 27.3, 0.7e9, 61020),
        ("annotate", "smollm2-135m-instruct", 198.7, 391.2, 1.21e9, 429_610),
        ("train", "linear", 21.9, 34.8, 1.5e9, None),
        ("evaluate", None, 3.1, 3.9, 1.1e9, None),
    ]  # fmt: skip
    keys = ("name", "model", "wall_s", "cpu_s", "peak_rss_bytes", "tokens")
    return {
        "wall_s": 250.3, "cpu_s": 471.9, "peak_rss_bytes": 1_500_000_000, "energy_j": None,
        "energy_j_reason": "no RAPL counters are readable on this machine", "energy_method": "unavailable", "gpu": None,
        "gpu_reason": "no NVIDIA GPU seen", "phases": [dict(zip(keys, row, strict=True)) for row in phases],
        "tokens": {"prefilled": 490_630, "decoded": 0, "reused": 310_500},
    }  # fmt: skip


def _disagreements(rng: np.random.Generator, names: tuple[str, ...]) -> list[dict[str, Any]]:
    cards = []
    for number, text in enumerate(TEXTS):
        shares = rng.dirichlet(np.ones(len(names)) * 1.2, 3)
        mean = shares.mean(axis=0)
        votes = [{"worker": worker, "label": names[int(share.argmax())], "probabilities": [float(p) for p in share],
                  "rationale": f"{worker} <i>saw</i> a word"}
                 for worker, share in zip(("chat", "plain", "similarity"), shares, strict=True)]  # fmt: skip
        cards.append({"id": f"{number:032x}", "text": text, "gold": names[number % len(names)] if number % 3 else None,
                      "label": names[int(mean.argmax())], "confidence": float(mean.max()), "votes": votes})  # fmt: skip
    return cards


def sample(names: tuple[str, ...] = ("negative", "positive")) -> dict[str, Any]:
    """Metrics of a run that has everything: gold, people, a student, five rounds."""
    rng = np.random.default_rng(7)
    gold = rng.integers(0, len(names), 500)
    skill = 1.9 if len(names) == 2 else 3.0
    committee = _scored(_opinions(rng, gold, labels=len(names), skill=skill), gold, names)
    student = _scored(_opinions(rng, gold, labels=len(names), skill=skill - 0.25), gold, names)
    final = student["accuracy"]
    kept = min(committee["coverage_curve"], key=lambda point: abs(point["coverage"] - 0.9))
    people = {"rater_accuracy": 0.889, "rater_accuracy_interval": [0.874, 0.903], "raters_per_item": 15.0,
              "distance": 0.2041, "distance_interval": [0.188, 0.221], "rank_correlation": 0.694,
              "distance_name": "total variation distance"}  # fmt: skip
    committee |= {"aggregate": "opinion-pool", "coverage": kept["coverage"], "accept": 0.6, "agreement": 0.853,
                  "people": people, "accepted_accuracy": kept["accuracy"],
                  "effective_votes": 1.83, "error_correlation": 0.32,
                  "both_wrong_agreement": 1.0 if len(names) == 2 else 0.57, "best_agent": "chat",
                  "best_agent_accuracy": committee["accuracy"] - 0.012}  # fmt: skip
    student |= {
        "kind": "linear",
        "items_per_second": 304.2,
        "bytes": 1_204_000,
        "taught_by": 1480,
        "c": 1.0,
        "agreement_with_committee": 0.912,
        "people": people | {"distance": 0.231, "rank_correlation": 0.633},
    }
    drops = zip((300, 600, 900, 1200, 1500), (0.081, 0.034, 0.021, 0.006, 0.0), (None, 0.112, 0.064, 0.041, 0.028),
                strict=True)  # fmt: skip
    curve = [{"round": number, "strategy": "margin" if number else "k-means", "labelled": labelled,
              "accuracy": final - drop, "accuracy_interval": _about(final - drop, 500), "seconds": 41.5 + number,
              "committee_accuracy_selected": committee["accuracy"] - 0.02 * number, "tokens": 98_000 + 120 * number,
              "change": change} for number, (labelled, drop, change) in enumerate(drops)]  # fmt: skip
    hub = "hub, 2026"
    right = f"{100 * committee['accuracy']:.1f} %"
    return {
        "schema": 1, "limbeck": "0.1.0", "created": "2026-11-22T12:00:00Z",
        "sentence": f"Three agents labelled 1,500 texts in 4 min 10 s; {right} of their labels are right on "
        f"the test set, and the student they taught keeps {100 * final:.1f} % at 304 texts a second.",
        "warnings": ["The votes of these agents overlap: three of them are worth 1.8 independent ones."],
        "task": {"name": "movie-reviews", "instructions": "Decide whether the reviewer liked the film.",
                 "show": ["text"],
                 "labels": {name: f"the text is about: {name}" if place else None for place, name in enumerate(names)}},
        "data": {"pool": "movie-reviews", "pool_items": 3000, "rows": 3010, "duplicates": 10, "test_items": 500,
                 "gold_source": "mean of 15 people's ratings", "truncated": 0,
                 "example_items": [{"text": TEXTS[3], "gold": names[-1]}, {"text": TEXTS[2], "gold": names[0]}]},
        "items": 1500, "votes": 6000, "agents": _agents(committee["accuracy"]), "committee": committee,
        "student": student, "learning_curve": curve, "resources": _resources(),
        "disagreements": _disagreements(rng, names),
        "reproduce": {
            "command": "limbeck run task.yaml --run RUN", "seed": 0,
            "task_file": "task:\n  name: movie-reviews\n  labels: [negative, positive]\ndata:\n  pool: movie-reviews\n",
            "machine": {"cpu": "AMD EPYC 9R14", "cores": 2, "memory_bytes": 8_200_000_000, "system": "Linux 6.1"},
            "versions": {"limbeck": "0.1.0", "openvino": "2026.4.0", "numpy": "2.3.1", "scikit-learn": "1.7.0"},
            "assets": [
                {"name": "smollm2-135m-instruct", "sha256": "5a1f" * 16, "licence": "Apache-2.0", "source": hub},
                {"name": "all-minilm-l6-v2", "sha256": "c0de" * 16, "licence": "Apache-2.0", "source": hub},
            ],
        },
    }  # fmt: skip


def without_gold() -> dict[str, Any]:
    """The same run on a pool of which nobody knows the truth."""
    metrics = sample()
    reason = "the task file names no gold labels"
    scored = ("accuracy", "macro_f1", "ece")
    for part in (metrics["committee"], metrics["student"]):
        part |= {f"{key}{end}": None for key in scored for end in ("", "_interval")}
        part |= {f"{key}_reason": reason for key in scored}
        part |= {"n": None, "per_class": [], "confusion": [], "reliability": [], "coverage_curve": [], "people": None}
    empty = dict.fromkeys(("accepted_accuracy", "error_correlation", "effective_votes", "both_wrong_agreement"))
    metrics["committee"] |= empty | {f"{key}_reason": reason for key in empty} | {"best_agent_accuracy": None}
    for agent in metrics["agents"].values():
        agent |= {"accuracy": None, "accuracy_interval": None, "accuracy_raw": None, "accuracy_reason": reason}
    for one in metrics["learning_curve"]:
        one |= {
            "accuracy": None,
            "accuracy_interval": None,
            "committee_accuracy_selected": None,
            "accuracy_reason": reason,
        }
    for one in metrics["disagreements"]:
        one["gold"] = None
    metrics["data"] |= {"test_items": 0, "gold_source": None, "example_items": [{"text": TEXTS[0]}]}
    metrics["sentence"] = "Three agents labelled 1,500 texts in 4 min 10 s; how many are right is not known."
    return metrics


def nothing_known(value: Any) -> Any:
    """Every leaf of a metrics value made null."""
    if isinstance(value, dict):
        return {key: 1 if key == "schema" else nothing_known(inner) for key, inner in value.items()}
    return [nothing_known(inner) for inner in value] if isinstance(value, list) else None
