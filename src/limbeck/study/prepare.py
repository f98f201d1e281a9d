"""new, plan, freeze: from two runs to a study whose items, sides, order and seeds are fixed.

Knows nothing of pages or results.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.errors import ConfigError, RunError
from limbeck.evaluation.noninferiority import items_if_noisy
from limbeck.evaluation.power import discordant_sd, items_needed, power_of
from limbeck.study import design as designs
from limbeck.study import file
from limbeck.study.checks import drafted
from limbeck.study.design import Design, Kind, Method
from limbeck.study.schedule import schedule
from limbeck.study.store import DRAFT, FROZEN, Study, stamp
from limbeck.study.units import collect


def new(
    folder: Path,
    runs: tuple[Path, Path],
    *,
    kind: Kind,
    method: Method,
    raters: int = 3,
    items: int | None = None,
    margin: float | None = None,
    seed: int = 0,
) -> Design:
    """Begin a study: texts of both runs are copied, a design and guidelines are written for the owner to change.

    Args:
        folder: of the study; must not hold one.
        runs: two run folders; the first is asked not to be inferior to the second.
        kind: examples, rationales or labels.
        method: scale, pairs or acceptable.
        raters: how many; each item is judged by all of them until the design says otherwise.
        items: how many items at most; None = all that both runs have.
        margin: largest loss that still counts as not inferior; None = a usual one, to be thought over.
        seed: of all draws.

    Raises:
        RunError: there is a study already, or no run.
        DataError: the runs have nothing in common.
    """
    if (folder / file.NAME).exists():
        raise RunError(f"{folder}: there is a study here already", hint="Choose another folder.")
    units = collect(*runs, kind, n=items, rng=np.random.default_rng((seed, 1)))
    design = designs.draft(folder.name, kind, method, raters=raters, margin=margin, seed=seed)
    design = design.model_copy(update={"checks": drafted(design, units, np.random.default_rng((seed, 2)))})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        designs.write(design, folder)
        (folder / designs.GUIDELINES).write_text(designs.guidelines(design), encoding="utf-8")
        file.build(folder)
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({error})", hint="Choose another folder.") from error
    with Study.open(folder) as study:
        study.fill(units)
        study.set_meta(systems=_names(runs), state=DRAFT, created=stamp())
    return design


def plan(folder: Path) -> dict[str, Any]:
    """What the study can show, and what it asks of people; of a draft or of a frozen study."""
    with Study.read(folder) as study:
        frozen = study.state != DRAFT
        design = study.design if frozen else designs.read(folder)
        items = len(study.units())
    sd = design.spread if design.method == "scale" else discordant_sd(design.spread)
    needed = items_needed(sd, design.margin, alpha=design.alpha, power=design.power)
    noisy = items_if_noisy(sd, design.margin, raters=design.raters, alpha=design.alpha, power=design.power)
    fixed = sum(1 for _ in design.checks) + design.repeats
    pages = math.ceil(items * design.overlap / design.raters) * (1 if design.method == "pairs" else 2) + fixed
    return {
        "items": items,
        "overlap": design.overlap,
        "raters": design.raters,
        "judgements": items * design.overlap * (1 if design.method == "pairs" else 2),
        "margin": design.margin,
        "spread": design.spread,
        "power": power_of(items, sd, design.margin, alpha=design.alpha),
        "items_needed": needed,
        "items_needed_if_noisy": noisy,
        "pages_per_rater": pages,
        "minutes_per_rater": pages * design.seconds / 60,
        "rests_on": (
            f"a guessed spread of {design.spread:g} over items and {design.seconds:g} s a page, both in design.yaml; "
            "the power is that where raters of an item agree"
        ),
        "frozen": frozen,
    }


def freeze(folder: Path) -> dict[str, Any]:
    """Fix everything: after this no edit of items, sides, order, seeds, design or guidelines is accepted.

    Raises:
        RunError: it is frozen already, or another program holds it.
        ConfigError: a design that cannot be used.
    """
    with Study.open(folder) as study:
        if study.state != DRAFT:
            raise RunError(f"{folder}: this study is frozen", hint="Begin a new one to change anything.")
        design = designs.read(folder)
        try:
            text = (folder / designs.GUIDELINES).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeError) as error:
            raise ConfigError(f"{folder / designs.GUIDELINES}: cannot be read: {error}") from error
        rng = np.random.default_rng((design.seed, 3))
        questions = schedule(design, [unit.id for unit in study.units()], rng)
        study.discard_questions()
        study.fill(questions=questions)
        study.set_meta(design=design.model_dump(mode="json"), guidelines=text)
        stamped = study.fingerprint()
        study.set_meta(hash=stamped, state=FROZEN, frozen=stamp())
        return {"hash": stamped, "questions": len(questions), "raters": design.raters, "items": len(study.units())}


def _names(runs: tuple[Path, Path]) -> list[str]:
    """Short names of both runs, without the paths of this machine."""
    one, two = (run.resolve() for run in runs)
    names = [one.name, two.name]
    return names if names[0] != names[1] else [f"{path.parent.name}/{path.name}" for path in (one, two)]
