"""Every protocol in the same hardships: a budget that ends early, no gold, a member that fails, a plan beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from limbeck.assets.store import Store
from limbeck.catalog import NAMES, PROTOCOLS, Workshop
from limbeck.errors import RunError
from limbeck.flows.plan import plan
from limbeck.meter import Meter
from limbeck.task import load_task
from toy_job import execute, write_toy

SHARED = {"engine": "scripted", "style": "plain"}
AGENTS = [
    {"name": "weather", "model": "weather.json", **SHARED},
    {"name": "bread", "model": "bread.json", **SHARED},
    {"name": "third", "model": "bread.json", "role": "You are the third.", **SHARED},
]
SECTIONS: dict[str, dict[str, Any]] = {
    "vote": {},
    "cascade": {},
    "debate": {},
    "judge": {"judge": {"agent": "third"}},
    "critic": {"critic": {"agent": "third"}},
}
every = pytest.mark.parametrize("protocol", PROTOCOLS)


def toy(folder: Path, protocol: str, **sections: Any) -> Path:
    return write_toy(folder, agents=AGENTS, committee={"protocol": protocol, **SECTIONS[protocol]}, **sections)


def test_every_protocol_is_here() -> None:
    assert set(SECTIONS) == set(PROTOCOLS)


@every
def test_a_budget_that_ends_before_the_test_is_a_result_with_a_warning(protocol: str, tmp_path: Path) -> None:
    found = execute(toy(tmp_path, protocol, budget={"tokens": 500}), tmp_path / "run")
    assert found["committee"]["protocol"] == protocol
    assert found["committee"]["gain_at_equal_tokens"] is None
    assert found["committee"]["gain_at_equal_tokens_reason"]
    assert any("stopped early" in one for one in found["warnings"])


@every
def test_without_gold_no_gain_is_claimed(protocol: str, tmp_path: Path) -> None:
    data = {"gold": None, "test": None}
    found = execute(toy(tmp_path, protocol, data=data, task={"show": ["text"]}), tmp_path / "run")
    assert found["committee"]["gain_at_equal_tokens"] is None
    assert not any("no gain" in one for one in found["warnings"])


@every
def test_a_plan_spans_from_the_least_to_the_most(protocol: str, tmp_path: Path) -> None:
    with Meter() as meter:
        job = Workshop(load_task(toy(tmp_path, protocol), names=NAMES), Store(tmp_path / "home"), meter).job()
        tokens = plan(job)["tokens"]
    assert len(job.committee.fewest) == len(job.committee.most) == len(job.committee.workers)
    bounds = {"vote": (3, 3), "cascade": (1.2, 3), "debate": (3, 9), "judge": (2, 4), "critic": (2, 4)}
    assert sum(job.committee.fewest) == pytest.approx(bounds[protocol][0])
    assert sum(job.committee.most) == bounds[protocol][1]
    assert tokens["low"] < tokens["value"] < tokens["high"]


@pytest.mark.parametrize("protocol", ["judge", "critic"])
def test_a_judge_or_critic_that_always_fails_is_named(protocol: str, tmp_path: Path) -> None:
    rows = [{"text": f"{'rainy' if i % 2 else 'sunny'} fresh {i}", "label": "positive"} for i in range(120)]
    task = toy(tmp_path, protocol, selection={"rounds": 1})
    (tmp_path / "pool.csv").write_text("text,label\n" + "".join(f"{r['text']},{r['label']}\n" for r in rows))
    nan = '[{"when": "", "say": "%s", "weight": NaN}]' % ("No" if protocol == "critic" else "positive")
    (tmp_path / "nan.json").write_text(nan)
    task.write_text(task.read_text().replace("name: third\n  model: bread.json", "name: third\n  model: nan.json"))
    with pytest.raises(RunError, match="agent third failed on"):
        execute(task, tmp_path / "run")
