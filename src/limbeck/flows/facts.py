"""What a report tells about a run beside its numbers: who was asked how, on which machine, with which files.

Knows nothing of votes or results. No absolute path and no user name gets in here.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from limbeck.agent import (
    Apprentice,
    BothOrders,
    ClassifierAgent,
    Demonstrated,
    FunctionAgent,
    LanguageAgent,
    MaskedAgent,
    Worker,
)
from limbeck.committee.base import Committee, calibrations
from limbeck.pool import Pool
from limbeck.task import Open, Pair, Scale, Several, Task, TaskFile

PROMPTED = (LanguageAgent, MaskedAgent, BothOrders, Demonstrated)
PACKAGES = ("limbeck", "openvino", "numpy", "scipy", "tokenizers")
# Engine or kind of student → what its results hang on beside those.
BEHIND: dict[str, tuple[str, ...]] = dict.fromkeys(("transformers", "masked", "encoder"), ("torch", "transformers"))
BEHIND["causal"] = ("torch", "transformers", "peft")


ONE_VS_REST = "one-vs-rest"


def describe(
    file: TaskFile, task: Task, pool: Pool, *, committee: Committee, assets: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Facts for the report, the model card and `status`, all of them JSON values."""
    data = file.data
    gold = "no gold labels" if not any(pool.gold(range(min(1000, len(pool))))) else _gold_source(file)
    agents = {
        worker.name: {
            "model": worker.model,
            "style": _style(worker),
            "prompt_example": worker.example(pool[0]) if isinstance(worker, PROMPTED) else None,
        }
        for worker in committee.workers
    }
    return {
        "agents": agents,
        "data": {"pool": Path(data.pool).name, "gold_source": gold},
        "student": file.student.kind if task.several is None else ONE_VS_REST,
        "encoder": file.student.encoder if file.student.kind == "linear" else None,
        "show": list(task.show),
        "labels": list(task.labels),
        "kind": task.kind,
        "scale": None if task.scale is None else asdict(task.scale),
        "pair": None if task.pair is None else asdict(task.pair),
        "open": None if task.open is None else asdict(task.open),
        "several": None if task.several is None else asdict(task.several),
        "descriptions": dict(zip(task.labels, task.descriptions, strict=True)),
        "calibration": calibrations(committee),
        "branches": {
            one.name: one.branches
            for one in committee.workers
            if isinstance(one, LanguageAgent | Demonstrated) and one.branches is not None
        },
        "prior": file.committee.prior,
        "aggregate": file.committee.aggregate,
        "accept": file.committee.accept,
        "card": {
            "task": task.name,
            "instructions": task.instructions,
            "taught by": ", ".join(f"{name} ({worker['model']})" for name, worker in agents.items()),
        },
        "reproduce": {
            "command": "limbeck run task.yaml",
            "task_file": file.text,
            "seed": data.seed,
            "machine": machine(),
            "versions": {name: version(name) for name in _packages(file)} | {"python": platform.python_version()},
            "assets": _assets(assets),
        },
    }


def task_of(facts: Mapping[str, Any]) -> Task:
    """The task of a finished run, as far as its labels go, from the facts that its ledger keeps."""
    labels = tuple(facts["labels"])
    scale, pair, several = facts.get("scale"), facts.get("pair"), facts.get("several")
    return Task(
        facts["card"]["task"],
        labels,
        (None,) * len(labels),
        "",
        tuple(facts["show"]),
        kind=facts.get("kind", "label"),
        scale=None if scale is None else Scale(tuple(scale["values"]), scale["point"]),
        pair=None if pair is None else Pair(pair["swap"] and tuple(pair["swap"]), pair["both"]),
        open=Open(facts["open"]["answer"]) if facts.get("open") else None,
        several=Several(**several | {"shares": tuple(several["shares"])}) if several else None,
    )


def _style(worker: Worker) -> str:
    """What an agent does, in a few words."""
    if isinstance(worker, PROMPTED):
        return worker.style
    told = {FunctionAgent: "labelling functions", ClassifierAgent: "an existing classifier", Apprentice: "the student"}
    return told.get(type(worker), "similarity of text and label")


def machine() -> dict[str, Any]:
    """Processor, cores, memory and system of this machine."""
    return {
        "cpu": _processor(),
        "cores": psutil.cpu_count() or 1,
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _packages(file: TaskFile) -> list[str]:
    named = [agent.engine for agent in file.agents or () if isinstance(agent.engine, str)]
    named.append(file.student.kind)
    used = {package for name in named for package in BEHIND.get(name, ())}
    return [*PACKAGES, *sorted(used)]


def _gold_source(file: TaskFile) -> str:
    if file.data_path(file.data.pool) is None and file.data.gold is None:
        return "the sign of people's mean rating of the text"
    return f"column {file.data.gold!r} of the data" if file.data.gold else "no gold labels"


def _assets(assets: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "sha256": ", ".join(f"{file} {sha256}" for file, sha256 in entry["files"].items()) or None,
            "licence": entry.get("licence"),
            "source": str(entry.get("source")),
        }
        for name, entry in sorted(assets.items())
    ]
