"""The answer of a study in one sentence, and the methods paragraph for a paper, from the frozen design.

Knows nothing of how the numbers were found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limbeck.study.design import Design

UNIT = {"scale": "points of 5", "pairs": "of preference", "acceptable": "of acceptability"}
WHAT = {
    "scale": "rated single outputs on a scale from 1 to 5 with an anchor for each value",
    "pairs": "chose between two outputs side by side, ties allowed",
    "acceptable": "said of single outputs whether they are acceptable",
}


def sentence(found: Mapping[str, Any]) -> str:
    """What the primary criterion says."""
    main, systems = found["criteria"][0], found["systems"]
    first, second = systems["first"], systems["second"]
    margin = f"a margin of {main['margin']:g}"
    if main["shown"] is None:
        why = main["p_value_reason"] or main["difference_reason"] or "nobody judged"
        return f"Whether {first} is non-inferior to {second} within {margin} cannot be said: {why}."
    low, high = main["difference_interval"]
    level = 100 * (1 - 2 * found["study"]["alpha"])
    span = f"{main['difference']:+.2f} ({level:g} % interval {low:+.2f} to {high:+.2f})"
    verdict = "is non-inferior" if main["shown"] else "is not shown to be non-inferior"
    return (
        f"{first} {verdict} to {second} in {main['name']!r} within {margin}: the difference is {span}, "
        f"{found['study']['items']} items, {found['study']['raters']} raters."
    )


def methods(design: Design, found: Mapping[str, Any]) -> str:
    """A paragraph that says what was done; every number comes from the frozen design or the judgements."""
    names = ", ".join(one.name for one in design.criteria)
    checks = {role: sum(one.role == role for one in design.checks) for role in ("training", "gold", "attention")}
    counts = found["judgements"]
    more = " P-values of the other criteria were corrected after Holm (1979)." if len(design.criteria) > 1 else ""
    agreement = (
        "Krippendorff's α and Gwet's AC1" if design.method == "acceptable" else "Krippendorff's α and Gwet's AC2"
    )
    return (
        f"We compared the {design.kind} of two systems on {found['study']['items']} items. {design.raters} raters "
        f"{WHAT[design.method]} ({names}); each item was judged by {design.overlap} of them. Raters did not know which "
        f"system made an output; sides and order were random, balanced for every rater, drawn with seed {design.seed}, "
        f"and fixed with all texts and the margin before the first judgement (SHA-256 {found['study']['hash']}). "
        f"Raters first saw {checks['training']} training items with feedback; {checks['gold']} gold items, "
        f"{checks['attention']} checks of attention and {design.repeats} repeated pages for each rater served to flag "
        f"raters, none of whom was left out. Of {counts['pages']} pages {counts['answered']} were answered and "
        f"{counts['skipped']} skipped. The primary test was paired non-inferiority of the first system in "
        f"{design.criteria[0].name!r} with a margin of {design.margin:g} {UNIT[design.method]}, one-sided at "
        f"{design.alpha:g}, with standard errors from a bootstrap over items and raters.{more} Agreement is given as "
        f"{agreement}, with bootstrap intervals over items."
    )
