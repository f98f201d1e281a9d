"""compare: finished runs of several task files on the same texts, item by item and cost by cost.

Everything is read from the run folders, so a comparison can be made anew at any time. Knows nothing of models, of how
the runs were made, or of pages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.errors import DataError, RunError
from limbeck.evaluation.comparison import mcnemar
from limbeck.evaluation.intervals import Estimate, undefined
from limbeck.evaluation.noninferiority import NonInferiority, non_inferiority
from limbeck.flows.appraise import QUALITY
from limbeck.flows.outcomes import COMMITTEE, STUDENT, Outcomes, read_outcomes
from limbeck.flows.pareto import pareto
from limbeck.flows.run import METRICS
from limbeck.flows.words import estimate

Floats = npt.NDArray[np.float64]
# What a run costs: key of `resources` in metrics.json → its unit.
COSTS = {"cpu_s": "s", "wall_s": "s", "tokens": "tokens", "energy_j": "J", "peak_rss_bytes": "bytes"}
WHAT = {COMMITTEE: "labels", STUDENT: "student"}


@dataclass(frozen=True, slots=True)
class Side:
    """One task file's runs.

    Attributes:
        name: as it stands in tables.
        runs: its run folders, one for each seed, in the order of the seeds.
        examples: folders of synthetic examples made with the same task file; may be empty.
    """

    name: str
    runs: tuple[Path, ...]
    examples: tuple[Path, ...] = ()


def compare(sides: Sequence[Side], *, seeds: Sequence[int], margin: float, seed: int = 0) -> dict[str, Any]:
    """Every side beside the last one, which is the reference (the large one), as JSON values.

    An item counts once: its rightness is the mean over the seeds. Non-inferiority is tested with items and seeds both
    as samples; McNemar's test is of the first seed's run alone.

    Args:
        sides: two or more, with different names and as many runs each.
        seeds: of the runs.
        margin: the largest loss of accuracy that still counts as not inferior, 0 to 1, fixed before the runs.
        seed: of the bootstrap.

    Raises:
        DataError: fewer than two sides, equal names, or test items that are not the same.
        RunError: when a run is not finished.
    """
    names = [side.name for side in sides]
    if len(sides) < 2 or len(set(names)) < len(names):
        raise DataError(
            f"These cannot be compared: {', '.join(names) or 'nothing'}.",
            hint="Name two or more task files with different names.",
        )
    outcomes = {side.name: [read_outcomes(run) for run in side.runs] for side in sides}
    _same_items(outcomes)
    metrics = {side.name: [_read(run / METRICS) for run in side.runs] for side in sides}
    rng = np.random.default_rng(seed)
    *others, reference = sides
    pairs = [
        _pair(side.name, reference.name, who, outcomes, margin=margin, rng=rng)
        for side in others
        for who in (COMMITTEE, STUDENT)
    ]
    described = {side.name: _side(side, outcomes[side.name], metrics[side.name], rng=rng) for side in sides}
    found = {
        "schema": 1,
        "reference": reference.name,
        "margin": margin,
        "seeds": list(seeds),
        "items": len(_items(outcomes)),
        "sides": described,
        "pairs": pairs,
        "front": _front(described),
        "task": metrics[reference.name][0]["task"],
        "machine": metrics[reference.name][0]["reproduce"]["machine"],
    }
    return found | {"sentence": sentence(found)}


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read: {error}", hint="Finish the run: the same command goes on.") from error
    return found


def _same_items(outcomes: Mapping[str, Sequence[Outcomes]]) -> None:
    """Seed by seed all sides must have been judged on the same items with the same gold."""
    first, *rest = outcomes.items()
    for name, runs in rest:
        for ours, theirs in zip(first[1], runs, strict=True):
            if ours.gold != theirs.gold:
                raise DataError(
                    f"{first[0]} and {name} were not tested on the same items with the same gold labels.",
                    hint="Let both task files name the same data and labels.",
                )
    if not any(run.gold for runs in outcomes.values() for run in runs):
        raise DataError("No test item has a gold label, so nothing can be compared.", hint="Set `data.test`.")


def _items(outcomes: Mapping[str, Sequence[Outcomes]]) -> list[str]:
    """All test items, those of later seeds behind those of earlier ones."""
    return list(dict.fromkeys(item for runs in outcomes.values() for run in runs for item in run.gold))


def _right(runs: Sequence[Outcomes], who: str, items: Sequence[str]) -> Floats:
    """Whether each item's label is right in each run, shape [items, seeds]; NaN where it was no test item.

    An item without a label is wrong, but where the side has no such labels at all.
    """
    return np.array(
        [
            [
                float(run.said[who].get(item) == run.gold[item]) if item in run.gold and run.said[who] else np.nan
                for run in runs
            ]
            for item in items
        ]
    )


def _pair(
    name: str,
    reference: str,
    who: str,
    outcomes: Mapping[str, Sequence[Outcomes]],
    *,
    margin: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    items = _items(outcomes)
    ours, theirs = (_right(outcomes[one], who, items) for one in (name, reference))
    test = _tested(ours - theirs, margin=margin, rng=rng)
    head = {"first": name, "second": reference, "what": WHAT[who]} | estimate("difference", test.difference)
    block = head | {"not_inferior": test.shown, "p_value": test.p_value, "margin": margin}
    for key in ("not_inferior", "p_value"):
        if block[key] is None:
            block[f"{key}_reason"] = test.reason or test.difference.reason
    both = ~np.isnan(ours[:, 0]) & ~np.isnan(theirs[:, 0])
    only = [int(((one[both, 0] == 1) & (other[both, 0] == 0)).sum()) for one, other in ((ours, theirs), (theirs, ours))]
    return block | {"only_first": only[0], "only_second": only[1], "mcnemar": mcnemar(*only)}


def _tested(differences: Floats, *, margin: float, rng: np.random.Generator) -> NonInferiority:
    if np.isnan(differences).all():
        return NonInferiority(undefined("one side has no such labels"), margin)
    return non_inferiority(differences, margin=margin, rng=rng)


def _side(
    side: Side, outcomes: Sequence[Outcomes], metrics: Sequence[Mapping[str, Any]], *, rng: np.random.Generator
) -> dict[str, Any]:
    """One side: how right, at which cost, and the quality of its examples."""
    items = _items({side.name: outcomes})
    block: dict[str, Any] = {"runs": [str(run) for run in side.runs], "agents": _agents(metrics[0])}
    for who, what in WHAT.items():
        block |= estimate(what, _accuracy(_right(outcomes, who, items), rng))
    costs = [_costs(one["resources"]) for one in metrics]
    for key in COSTS:
        known = [value for cost in costs if (value := cost[key]) is not None]
        block[key] = float(np.mean(known)) if known else None
        if not known:
            block[f"{key}_reason"] = metrics[0]["resources"].get(f"{key}_reason") or "not measured"
    block["phases"] = _phases(metrics)
    qualities = [_read(folder / QUALITY) for folder in side.examples]
    block["examples"] = [_examples(one) for one in qualities]
    return block if qualities else block | {"examples_reason": "no examples were asked for"}


def _accuracy(right: Floats, rng: np.random.Generator) -> Estimate:
    """Mean rightness with an interval over items and seeds: the difference to a side that is never right."""
    return _tested(right, margin=1.0, rng=rng).difference


def _front(sides: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, list[str]]]:
    """For labels and student, and each cost that all sides know: the sides that no other beats in both."""
    found: dict[str, dict[str, list[str]]] = {}
    for what in WHAT.values():
        named = {name: side for name, side in sides.items() if side[what] is not None}
        for key in COSTS:
            if named and all(side[key] is not None for side in named.values()):
                best = pareto([(side[key], side[what]) for side in named.values()])
                found.setdefault(what, {})[key] = [name for name, on in zip(named, best, strict=True) if on]
    return found


def _agents(metrics: Mapping[str, Any]) -> list[str]:
    return [f"{name} ({one['model']})" if one.get("model") else name for name, one in metrics["agents"].items()]


def _costs(resources: Mapping[str, Any]) -> dict[str, float | None]:
    tokens = resources["tokens"]
    return {key: resources.get(key) for key in COSTS} | {"tokens": tokens["prefilled"] + tokens["decoded"]}


def _phases(metrics: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each phase cost, mean over the runs."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in metrics:
        for phase in one["resources"]["phases"]:
            found.setdefault((phase["name"], phase.get("model") or ""), []).append(phase)
    return [
        {"name": name, "model": model or None}
        | {key: sum(one[key] or 0.0 for one in parts) / len(metrics) for key in ("wall_s", "cpu_s", "tokens")}
        | {"peak_rss_bytes": max(one["peak_rss_bytes"] or 0 for one in parts)}
        for (name, model), parts in found.items()
    ]


def _examples(quality: Mapping[str, Any]) -> dict[str, Any]:
    """The measures of one set of synthetic examples that stand side by side."""
    own, cost = quality["diversity"]["synthetic"], quality["cost"]
    fidelity = quality["fidelity"]
    return {
        "accepted": sum(quality["accepted"].values()),
        "acceptance": quality["acceptance"],
        "judge": fidelity.get("judge"),
        "label_fidelity": fidelity["label_fidelity"],
        "label_fidelity_interval": fidelity.get("label_fidelity_interval"),
        **{key: own[key] for key in ("distinct_2", "self_bleu", "vendi")},
        "distance": quality["diversity"]["likeness"]["distance"],
        "cpu_s_per_accepted": cost["cpu_s_per_accepted"],
        "tokens_per_accepted": cost["tokens_per_accepted"],
    }


def sentence(found: Mapping[str, Any]) -> str:
    """The answer of each side's labels, and of its student, in one sentence each."""
    told = []
    reference = found["sides"][found["reference"]]
    for pair in found["pairs"]:
        name, what = pair["first"], "labels" if pair["what"] == "labels" else "student"
        if pair["difference"] is None:
            told.append(f"The {what} of {name}: not compared, {pair['difference_reason']}.")
            continue
        points, interval = 100 * pair["difference"], pair["difference_interval"]
        spread = f", 95 % CI {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}" if interval else ""
        claim = {
            True: f"is not inferior to {found['reference']} within {100 * found['margin']:g} points",
            False: f"is not shown to be non-inferior to {found['reference']} within {100 * found['margin']:g} points",
            None: f"cannot be tested against {found['reference']}",
        }[pair["not_inferior"]]
        price = ""
        if what == "labels" and reference["cpu_s"] and found["sides"][name]["cpu_s"]:
            price = f" at {found['sides'][name]['cpu_s'] / reference['cpu_s']:.2f}× the CPU time"
        told.append(f"{name} ({what}) {claim} ({points:+.1f} points{spread}){price}.")
    return " ".join(told)
