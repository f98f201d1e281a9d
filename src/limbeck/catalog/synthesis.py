"""The `synthesis` section → the author and the terms.

Knows nothing of committees, pools or files.
"""

from __future__ import annotations

from limbeck.agent.author import Author
from limbeck.catalog.models import Models
from limbeck.catalog.names import resolve
from limbeck.flows.commission import Terms
from limbeck.quality import Bounds
from limbeck.task import SynthesisSection, Task


def build_author(section: SynthesisSection, task: Task, models: Models, *, seed: int) -> Author:
    """Who writes.

    Raises:
        LimbeckError: when its model cannot be opened, or the task cannot be written for.
    """
    sampling = resolve("limbeck.decoding.sampling:Sampling")
    drawn = section.draw.model_dump()
    opening = sampling(**(drawn | {"temperature": section.opening.temperature})) if section.opening.tokens else None
    writer = resolve("limbeck.decoding.writing:Writer")(
        sampling(**drawn),
        resolve("limbeck.decoding.paths:Limits")(section.max_tokens, ("\n",)),
        seed,
        opening,
        section.opening.tokens,
        section.guidance,
    )
    engine = models.engine(section.engine, section.model, shown=task.show)
    return Author(task, engine=engine, writer=writer, model=section.model, style=section.style)


def terms_of(section: SynthesisSection) -> Terms:
    """What is accepted, and what may be spent."""
    return Terms(
        accept=section.accept,
        anchors=section.anchors,
        examples=section.examples,
        attributes=section.attributes,
        words=Bounds(section.words.least, section.words.most),
        overlap=section.overlap,
        novelty=section.novelty,
        spread=section.spread,
        cosine=section.cosine,
        attempts=section.attempts,
        tokens=section.tokens,
    )
