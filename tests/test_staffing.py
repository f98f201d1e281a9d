"""Who earns a place in a committee, on votes whose truth is counted by hand."""

from __future__ import annotations

import numpy as np

from limbeck.aggregation.base import VoteTable
from limbeck.aggregation.majority import Majority
from limbeck.flows.staffing import RIGHT, SAME, staffing

NO_GOLD = np.full(400, -1)


def table_of(choices: dict[str, list[int]], *, common: list[bool] | None = None) -> VoteTable:
    array = np.array(list(choices.values())).T
    items = tuple(str(i) for i in range(len(array)))
    rows = None if common is None else np.array(common)
    return VoteTable(items, tuple(choices), ("no", "yes"), array, np.eye(2)[array], rows)


# Of 400 items that are all "yes", "good" misses 40, "other" another 40, and "copy" says what "good" says.
GOOD = [0] * 40 + [1] * 360
OTHER = [1] * 360 + [0] * 40
TABLE = table_of({"copy": GOOD, "good": GOOD, "other": OTHER})
YES = np.ones(400, np.int64)


def test_the_path_and_the_drops_by_hand() -> None:
    plan = staffing(TABLE, Majority(), YES, seconds={"copy": 3.0, "good": 1.0, "other": 1.0}, seed=0)["plan"]
    assert plan["measure"] == RIGHT
    first, *rest = plan["path"]
    # All three are right on 360; the cheap ones come before the dear one, and of these the first by name.
    assert (first["agent"], first["share"], first["gain"]) == ("good", 0.9, None)
    assert {step["agent"] for step in rest} == {"copy", "other"}
    # The majority of the three is what good and its copy say.
    assert plan["path"][-1]["share"] == 0.9
    without = {one["agent"]: one for one in plan["without"]}
    assert without["other"]["change"] == 0
    assert [without[name]["saves"] for name in ("copy", "good", "other")] == [0.6, 0.2, 0.2]
    # Without other nothing changes on 400 items; without copy, ties between good and other go to the first label.
    assert plan["drop"] == "other"


def test_too_few_items_prove_nothing() -> None:
    few = table_of({"copy": GOOD[:100], "good": GOOD[:100], "other": OTHER[:100]})
    assert staffing(few, Majority(), YES[:100], seconds={}, seed=0)["plan"]["drop"] is None


def test_without_gold_the_whole_committee_is_the_measure() -> None:
    plan = staffing(TABLE, Majority(), NO_GOLD, seconds={}, seed=0)["plan"]
    assert plan["measure"] == SAME
    assert plan["path"][-1]["share"] == 1
    assert all(one["saves"] is None and one["saves_reason"] for one in plan["without"])


def test_only_items_that_everybody_was_asked_about_count() -> None:
    table = table_of({"copy": GOOD, "good": GOOD, "other": OTHER}, common=[i >= 40 for i in range(400)])
    plan = staffing(table, Majority(), YES, seconds={}, seed=0)["plan"]
    assert plan["path"][0]["share"] == 1


def test_nobody_to_drop() -> None:
    alone = staffing(table_of({"good": GOOD}), Majority(), YES, seconds={}, seed=0)
    assert alone == {"plan": None, "plan_reason": "a committee of one has nobody to drop"}
    crowd = staffing(table_of({f"agent {i}": GOOD for i in range(13)}), Majority(), YES, seconds={}, seed=0)
    assert crowd["plan"] is None
