"""study.json → one self-contained page: the answer, each criterion, the raters, a gallery with all judgements.

Knows nothing of how the numbers were found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from limbeck.report import words
from limbeck.report.page import environment, page_style, read_facts, replace_page
from limbeck.report.safety import all_visible, cut
from limbeck.report.tables import Column, Missing, Table, tabulate

NUMBERS, PAGE = "study.json", "report.html"
LONGEST = 3000
Block = Mapping[str, Any]


def write_study_report(folder: Path) -> Path:
    """Write `folder/report.html` from `folder/study.json`, whole or not at all; return its path.

    Raises:
        RunError: when study.json is missing or damaged, or the page cannot be written.
    """
    found = read_facts(folder / NUMBERS, again="Run the same `limbeck study report` again.")
    target = folder / PAGE
    replace_page(target, render_study(found).encode("utf-8"))
    return target


def render_study(found: Block) -> str:
    """The page for the results of a study."""
    known: Any = all_visible(found)
    tables = {
        "tests": _tests(known),
        "answers": _answers(known),
        "agreement": _agreement(known),
        "raters": _raters(known),
        "cuts": _cuts(known),
    }
    gallery = [_card(one, known) for one in known["gallery"]]
    page = environment().get_template("study.html")
    return page.render(s=known, tables=tables, gallery=gallery, css=page_style()) + "\n"


def _value(name: str) -> Callable[[Block], Any]:
    return lambda row: Missing(row.get(f"{name}_reason")) if row[name] is None else row[name]


def _span(name: str) -> Callable[[Block], str]:
    return lambda row: words.span(row[f"{name}_interval"], parts="plain")


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{words.decimal(value)}"


def _chance(value: float) -> str:
    return words.fine(value) if value >= 0.001 else "< 0.001"


def _tests(s: Block) -> Table | None:
    """The difference of every criterion, with its interval drawn beside the margin."""
    ends = [end for row in s["criteria"] for end in (row["difference_interval"] or ())]
    margin = s["study"]["margin"]
    reach = max([2 * margin, *(abs(end) for end in ends)])
    columns: list[Column[Block]] = [
        Column(
            "Criterion", lambda row: row["name"], number=False, extra=lambda row: "primary" if row["primary"] else ""
        ),
        Column("Difference", _value("difference"), _signed, small="first − second", extra=_span("difference")),
        Column(
            "beside the margin",
            lambda row: _drawn(row, margin=margin, reach=reach),
            number=False,
            small=f"lines: 0 and −{margin:g}",
            note=False,
        ),
        Column("p", _value("p_value"), _chance, small="one-sided"),
        Column("after Holm", lambda row: row["p_holm"], _chance, absent="–"),
        Column("Non-inferior", lambda row: row["shown"], lambda shown: "shown" if shown else "not shown", number=False),
        Column("Power", lambda row: row["power_after"], words.percent, small="for equals, as it came out"),
        Column("Margin", lambda row: row["margin_after"], words.decimal, small="that could be shown"),
    ]
    return tabulate("Differences", s["criteria"], columns, hide_caption=True)


def _drawn(row: Block, *, margin: float, reach: float) -> Any:
    if row["difference"] is None:
        return Missing(row["difference_reason"])

    def at(value: float) -> float:
        return 50 + 48 * value / reach

    low, high = row["difference_interval"] or (row["difference"],) * 2
    return Markup(
        '<svg class="dots committee" width="100%" height="18" aria-hidden="true">'
        '<line class="mark" x1="{0:.2f}%" x2="{0:.2f}%" y1="-9" y2="27"/>'
        '<line class="mark" x1="{1:.2f}%" x2="{1:.2f}%" y1="-9" y2="27" stroke-dasharray="3 3"/>'
        '<line class="ci" x1="{2:.2f}%" x2="{3:.2f}%" y1="9" y2="9"/><circle cx="{4:.2f}%" cy="9" r="5"/></svg>'
    ).format(at(0), at(-margin), at(low), at(high), at(row["difference"]))


def _answers(s: Block) -> Table | None:
    first, second = (cut(s["systems"][side], 60) for side in ("first", "second"))
    columns: list[Column[Block]] = [Column("Criterion", lambda row: row["name"], number=False)]
    if s["study"]["method"] == "pairs":
        columns += [
            Column(f"{first} preferred", lambda row: row["wins"]["first"], words.count),
            Column("Ties", lambda row: row["wins"]["tie"], words.count),
            Column(f"{second} preferred", lambda row: row["wins"]["second"], words.count),
            Column(
                "Strength", _value("strength"), _signed, small=f"log, of {first}; Davidson", extra=_span("strength")
            ),
        ]
    else:
        write = words.decimal if s["study"]["method"] == "scale" else words.percent
        columns += [
            Column(name, _value(f"mean_{side}"), write, extra=_span(f"mean_{side}"))
            for side, name in (("first", first), ("second", second))
        ]
    columns.append(
        Column(
            "First shown preferred",
            _value("first_preferred"),
            words.percent,
            small="50 % is no bias",
            extra=lambda row: words.span(row["first_preferred_interval"]),
        )
    )
    columns.append(Column("p", lambda row: row["position_p_value"], _chance, small="of position bias", absent="–"))
    return tabulate("Answers", s["criteria"], columns, hide_caption=True)


def _agreement(s: Block) -> Table | None:
    columns: list[Column[Block]] = [
        Column("Criterion", lambda row: row["name"], number=False),
        Column("Krippendorff’s α", _value("alpha"), words.decimal, extra=_span("alpha")),
        Column("Level", lambda row: row["alpha_level"], number=False),
        Column("Gwet’s AC", _value("ac"), words.decimal, extra=_span("ac")),
        Column("Kind", lambda row: row["ac_kind"], number=False),
    ]
    return tabulate("Agreement", s["criteria"], columns, hide_caption=True)


def _raters(s: Block) -> Table | None:
    columns: list[Column[Block]] = [
        Column("Rater", lambda row: row["name"], number=False, extra=lambda row: "; ".join(row["flags"])),
        Column("Answered", lambda row: row["answered"], words.count, extra=lambda row: f"of {row['pages']}"),
        Column("Skipped", lambda row: row["skipped"], words.count),
        Column("Seconds a page", lambda row: row["median_s"], words.rate, small="median", absent="–"),
        Column("Like oneself", _value("consistency"), words.percent, small="on repeated pages", absent="–"),
        Column("Drift", _value("drift"), _signed, small="second half − first", extra=_span("drift"), absent="–"),
        Column("Gold", lambda row: f"{row['gold_right']} of {row['gold_asked']}"),
        Column("Attention", lambda row: f"{row['attention_right']} of {row['attention_asked']}"),
    ]
    return tabulate("Raters", s["raters"], columns, hide_caption=True)


def _cuts(s: Block) -> Table | None:
    main = s["criteria"][0]
    columns: list[Column[Block]] = [
        Column("Label", lambda row: row["label"], number=False),
        Column("Items", lambda row: row["items"], words.count),
        Column("Difference", _value("difference"), _signed, extra=_span("difference")),
    ]
    return tabulate(f"By label: {main['name']}", main["cuts"], columns) if len(main["cuts"]) > 1 else None


def _card(one: Block, s: Block) -> dict[str, Any]:
    """One unit of the gallery; sides are named by system now."""
    names = {"a": s["systems"]["first"], "b": s["systems"]["second"]}
    said: Sequence[dict[str, Any]] = [
        {
            "rater": row["rater"],
            "answer": _spelt(row, s, names),
            "comment": cut(row["comment"] or "", 600),
        }
        for row in one["judgements"]
    ]
    return {
        "unit": one["unit"],
        "context": cut(one["context"], LONGEST),
        "outputs": [(names["a"], cut(one["first"], LONGEST)), (names["b"], cut(one["second"], LONGEST))],
        "said": said,
    }


def _spelt(row: Block, s: Block, names: Mapping[str, str]) -> str:
    if row["answers"] is None:
        return f"skipped: {row['skipped']}"
    parts = []
    for name, value in row["answers"].items():
        if s["study"]["method"] == "pairs":
            parts.append(f"{name}: {'a tie' if value == len(row['shows']) else names[row['shows'][value]]}")
        elif s["study"]["method"] == "scale":
            parts.append(f"{name} {value + 1}")
        else:
            parts.append(f"{name}: {('no', 'yes')[value]}")
    about = "" if s["study"]["method"] == "pairs" else f"{names[row['shows']]}: "
    return about + ", ".join(parts)
