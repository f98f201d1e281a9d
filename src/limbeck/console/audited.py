"""An audit in words. Knows nothing of how its numbers were found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SAME = "for the same reason"


def audited(report: Mapping[str, Any]) -> str:
    """What an audit found, a line for each finding, and every reason why there is none."""
    return "\n".join(_lines(report))


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    gold, right = report["gold"], report["accuracy"]
    where = f"{gold['source']}; chosen: {gold['chosen']}"
    yield f"{gold['answered']:,} of {gold['of']:,} labels have a human label ({where})"
    yield f"of these {right['right']:,} are right"
    yield f"accuracy of all: {_both(right)}"
    why = right.get("value_reason")
    for one in report["classes"]:
        again = why is not None and one.get("value_reason") == why
        share = f"unknown, {SAME}" if again else _both(one)
        yield f"share of {one['label']!r}: {share}; the committee gives it to {100 * one['committee']:.1f} %"
    accepted = report["acceptance"]
    promise = f"at most {100 * accepted['error']:g} % of them wrong, at a risk of {100 * accepted['risk']:g} %"
    if accepted["threshold"] is None:
        reason = accepted["threshold_reason"]
        yield f"accepted ({promise}): none, {SAME if reason == why else f'because {reason}'}"
    else:
        by_label = ", ".join(f"{label} {count:,}" for label, count in accepted["by_label"].items())
        yield (
            f"accepted: {accepted['accepted']:,} labels ({100 * accepted['share']:.1f} %) of a confidence of at least "
            f"{accepted['threshold']:.4f}: {promise}"
        )
        yield f"  {by_label}"
    test = report["alternative_annotator"]
    if test["passed"] is None:
        yield f"alternative-annotator test: none, because {test['passed_reason']}"
    else:
        outcome = "may" if test["passed"] else "may not"
        yield (
            f"alternative-annotator test (ε = {test['epsilon']:g}): the committee {outcome} stand in for a person; "
            f"winning rate {test['winning_rate']:.2f}, advantage {test['advantage']:.2f}"
        )
    for note in report["notes"]:
        yield f"Note: {note}"


def _both(block: Mapping[str, Any]) -> str:
    if block["value"] is None:
        return f"unknown, because {block['value_reason']}"
    text = _estimate(block, "value")
    if block.get("saved") is not None:
        return f"{text}; from the human labels alone {_estimate(block, 'alone')}; {_saving(block['saved'])}"
    if block["value_interval"] is None and block["exact_interval"] is not None:
        text += f"; exactly, from the human labels alone, {_span(block['exact_interval'])}"
    return text


def _saving(saved: float) -> str:
    return f"{100 * saved:.0f} % of the human labels saved" if saved > 0.005 else "no human labels saved"


def _estimate(block: Mapping[str, Any], name: str) -> str:
    text = f"{100 * block[name]:.1f} %"
    interval = block[f"{name}_interval"]
    if interval is None:
        return f"{text} (no interval: {block[f'{name}_interval_reason']})"
    return text if interval[0] == interval[1] else f"{text} ({_span(interval)})"


def _span(interval: list[float]) -> str:
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f} %"
