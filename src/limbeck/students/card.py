"""The model card of a student: what it is, who taught it, and what it must not be trusted with.

Knows nothing of weights or of files.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

_LIMITS = """\
## Limits

- It repeats what its teachers taught, their errors and leanings included. The report of the run says how often they
  were right; without labels by people nobody knows.
- Its probabilities are calibrated to the teachers' labels, not to the truth, and only for texts like those it learned
  from.
- It always answers with one of its labels, also where none fits. A low highest probability is a reason to ask a person.
- Not for decisions about people without a person who looks at each case.

## Licence

The weights were computed from the texts and labels named above: use them under the terms that hold for those. An
encoder named above has a licence of its own, also where it was taught further and became part of this folder.
"""


def model_card(
    *,
    labels: Sequence[str],
    shares: Sequence[float],
    features: Sequence[str],
    facts: Mapping[str, str],
    card: Mapping[str, str],
    kind: str = "linear",
) -> str:
    """The card as Markdown; what comes from outside is shown as text and is never markup.

    Args:
        labels: names of the labels.
        shares: each label's share of the training labels, summing to 1.
        features: what the student looks at, one line each.
        facts: about the training, by name.
        card: what the caller tells about the labels and their teachers, by name.
        kind: of student.
    """
    lines = [
        "# Text classifier",
        "",
        f"Sorts a text into one of {len(labels)} labels. Made by limbeck; its kind: {kind}.",
        "",
        *_table("Label", "Share of the training labels"),
        *(_row(label, f"{share:.1%}") for label, share in zip(labels, shares, strict=True)),
        "",
        "## What it was taught",
        "",
        *_table("Fact", "Value"),
        *(_row(name, value) for name, value in [*card.items(), *facts.items()]),
        "",
        "## What it looks at",
        "",
        *(f"- {_shown(feature)}" for feature in features),
        "",
    ]
    return "\n".join(lines) + "\n" + _LIMITS


def _table(*heads: str) -> list[str]:
    return [_row(*heads), "|" + " --- |" * len(heads)]


def _row(*cells: str) -> str:
    return "| " + " | ".join(_shown(cell) for cell in cells) + " |"


def _shown(text: str) -> str:
    """Free text on one line, with everything that Markdown or HTML would act on written as an entity."""
    line = html.escape(" ".join(text.split()))
    return "".join(f"&#{ord(sign)};" if sign in "|`*_[]<>\\#!~" else sign for sign in line.replace("&#x27;", "'"))
