"""The appraisal of synthetic examples as a person reads it: what there is, how good, how diverse, at what cost.

Knows nothing of how it was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def appraisal(found: Mapping[str, Any]) -> str:
    """A few lines for each part of what `flows.appraise` gives."""
    accepted = ", ".join(f"{label} {count:,}" for label, count in found["accepted"].items())
    lines = [f"accepted: {accepted}   of {found['attempts']:,} texts written ({_share(found, 'acceptance')})"]
    lines += [f"  {count:>6,}  {why}" for why, count in found["outcomes"].items() if why != "accepted"]
    judged = found["fidelity"]
    if judged["label_fidelity"] is None:
        lines.append(f"label fidelity: not measured, {judged['label_fidelity_reason']}")
    else:
        right = _share(judged, "judge_accuracy") if judged["judge_accuracy"] is not None else "unknown"
        lines.append(f"label fidelity: {_share(judged, 'label_fidelity')}, judged by {judged['judge']}")
        lines.append(f"  the judge's own accuracy on real texts: {right}")
    diversity = found["diversity"]
    lines.append(f"{'':12}{'texts':>7}{'words':>7}{'distinct-1':>12}{'distinct-2':>12}{'self-BLEU':>11}{'Vendi':>8}")
    for name in ("synthetic", "real"):
        own = diversity[name]
        numbers = (_number(own[key], ".3f") for key in ("distinct_1", "distinct_2", "self_bleu"))
        cells = zip(numbers, (12, 12, 11), strict=True)
        row = "".join(cell.rjust(width) for cell, width in cells) + _number(own["vendi"], ".1f").rjust(8)
        lines.append(f"{name:12}{own['texts']:>7}{_number(own['words'], '.1f').rjust(7)}{row}")
    near = diversity["likeness"]
    if near["distance"] is not None:
        lines.append(
            f"beside real texts: distance {near['distance']:.3f}, density {near['density']:.2f}, "
            f"coverage {near['coverage']:.3f}"
        )
    copies, cost = found["copies"], found["cost"]
    leaked = "no test set" if copies["leaked_from_test"] is None else f"{copies['leaked_from_test']} of the test set"
    lines.append(f"near-copies: {copies['within']} within, {copies['of_the_pool']} of the pool, {leaked}")
    if cost["tokens_per_accepted"] is not None:
        each = f"{cost['tokens_per_accepted']:,.0f} tokens and {cost['cpu_s_per_accepted']:.1f} CPU-seconds"
        lines.append(f"cost of an accepted example: {each}")
    return "\n".join(lines)


def _share(found: Mapping[str, Any], name: str) -> str:
    interval = found[f"{name}_interval"]
    if found[name] is None:
        return "undefined"
    return f"{found[name]:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
