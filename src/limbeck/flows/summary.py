"""A run's result in one sentence, and what a reader must be warned of. Knows nothing but the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Calibration that changes more labels than this share has met a strong bias of the model, or uneven classes.
MOVED = 0.2
# An agent that the order of two texts leads more often than this hardly reads them.
LED = 0.3
# A protocol that saves less than this share of the votes is not worth its complication.
WORTHWHILE = 0.05


def sentence(metrics: Mapping[str, Any]) -> str:
    """The answer in one sentence, of what was measured only."""
    committee, student, cost = metrics["committee"], metrics["student"], metrics["resources"]
    agents = len(metrics["agents"])
    who = "One agent" if agents == 1 else f"{_number(agents)} agents"
    parts = [f"{who} labelled {metrics['items']:,} texts in {duration(cost['wall_s'])} on this machine"]
    if committee.get("tokens_saved") is not None:
        saved = committee["tokens_saved"]
        if saved >= 0:
            parts[0] += f", with {saved:.0%} fewer tokens than if all had been asked about all"
        else:
            parts[0] += f", with {-saved:.0%} more tokens than a plain vote"
    if committee["accuracy"] is not None:
        what = {"open": "answer", "labels": "set of labels"}.get(metrics["task"]["kind"], "label")
        right = f"their joint {what} is right for {_share(committee, 'accuracy')} of {committee['n']:,} texts"
        rater = (committee.get("people") or {}).get("rater_accuracy")
        beside = "" if rater is None else f", where a single average person is right for {100 * rater:.1f} %"
        kappa = committee.get("quadratic_kappa")
        scale = "" if kappa is None else f" (quadratic kappa {kappa:.2f})"
        parts.append(right + scale + beside)
    if student.get("accuracy") is not None:
        parts.append(f"the {_size(student['bytes'])} student they taught reaches {_share(student, 'accuracy')}")
    elif student.get("kind") is not None:
        parts.append(f"the student they taught takes {_size(student['bytes'])}")
    return "; ".join(parts) + "."


def warnings(metrics: Mapping[str, Any], *, stopped: str | None) -> list[str]:
    """What a reader must know before trusting the numbers."""
    found = []
    if stopped:
        found.append(f"Asking stopped early: {stopped}. Labels rest on the votes cast until then.")
    if metrics["committee"].get("warning"):
        found.append(metrics["committee"]["warning"])
    found += _protocol(metrics["committee"])
    if metrics["committee"]["accuracy"] is None:
        found.append(f"Nothing here says how right the labels are: {metrics['committee']['accuracy_reason']}.")
    if metrics["data"]["gold_unknown"]:
        unknown = metrics["data"]["gold_unknown"]
        found.append(f"{unknown:,} gold labels are none of the task's labels; these items count as without gold.")
    if metrics["data"]["test_in_pool"]:
        both = metrics["data"]["test_in_pool"]
        found.append(f"{both:,} test texts are in the pool as well: the student may have learned from them.")
    for name, agent in metrics["agents"].items():
        if agent["failed"]:
            found.append(f"Agent {name} gave no label for {agent['failed']:,} of {agent['votes']:,} items.")
    moved = [name for name, agent in metrics["agents"].items() if agent["changed_by_calibration"] > MOVED]
    if moved and metrics["task"]["kind"] != "labels":  # whose raw sets say little, and whose shares are told
        found.append(
            f"Calibration changed more than {MOVED:.0%} of the labels of {', '.join(moved)}. It takes all labels to be "
            "equally frequent: if yours are not, give their shares under committee.prior."
        )
    led = [name for name, agent in metrics["agents"].items() if (agent.get("orders_differ") or 0) > LED]
    if led:
        found.append(
            f"{', '.join(led)} answered more than {LED:.0%} of the pairs otherwise when the texts stood in the other "
            "order. Both answers are averaged; that the order says so much means that the texts say little to it."
        )
    if metrics["data"]["truncated"]:
        found.append(f"{metrics['data']['truncated']:,} texts were longer than a model's context and were cut.")
    if metrics["student"].get("kind") is None:
        found.append(f"There is no student: {metrics['student']['kind_reason']}.")
    return found


def _protocol(committee: Mapping[str, Any]) -> list[str]:
    """Where another protocol than a plain vote did not pay."""
    name, found = committee["protocol"], []
    saved, gain = committee.get("votes_saved"), committee.get("gain_over_all_interval")
    if name == "cascade" and saved is not None and saved < WORTHWHILE:
        found.append(f"The {name} saved only {saved:.0%} of the votes: a plain vote is as good.")
    if gain and gain[1] < 0:
        found.append(
            f"The {name} cost accuracy: {100 * committee['gain_over_all']:.1f} points against asking "
            "everybody, measured where everybody was asked."
            + (" Raise committee.cascade.sure." if name == "cascade" else "")
        )
    return found if gain and gain[1] < 0 else found + _beside_rival(committee)


def _beside_rival(committee: Mapping[str, Any]) -> list[str]:
    """Where plain voting would have given as much for the same tokens."""
    name, gain = committee["protocol"], committee.get("gain_at_equal_tokens")
    interval = committee.get("gain_at_equal_tokens_interval")
    if gain is None or (interval and interval[0] > 0):
        return []
    between = f" ({100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})" if interval else ""
    price = committee.get("equal_tokens_price")
    return [
        f"The {name} brought no gain that can be told from chance over what the same tokens buy by plain voting: "
        f"{100 * gain:+.1f} points{between} against the vote of {', '.join(committee['equal_tokens_agents'])}"
        + (f", which takes {price:.0%} of its tokens." if price is not None else ".")
    ]


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _share(block: Mapping[str, Any], name: str) -> str:
    text = f"{100 * block[name]:.1f} %"
    interval = block.get(f"{name}_interval")
    return f"{text} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else text


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _number(count: int) -> str:
    words = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
    return words[count] if count < len(words) else f"{count}"
