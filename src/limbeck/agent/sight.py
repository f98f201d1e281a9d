"""What an agent's model makes of texts, with no label scored: the prompt is read once, and its last hidden state kept.

Knows nothing of tasks, votes or of what is learned from the states.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from limbeck.agent.base import fit, packed
from limbeck.decoding.base import plan_batches
from limbeck.engines.base import Engine, Floats, Remote, Seeing
from limbeck.errors import EngineError

Halves = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Frame:
    """A prompt in tokens, ready for any text.

    Attributes:
        before: tokens before the text.
        after: tokens after it.
        lead: the blank that is tokenised with the text's first word.
        reach: tokens that must stay free for the answer.
        long_text: which part of a text too long for the context is kept: head, tail or middle.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    lead: str
    reach: int
    long_text: str


class Sight:
    """Reads texts as an agent does.

    Args:
        engine: of the agent.
        frame: the agent's prompt.

    Raises:
        EngineError: when the engine shows no hidden states.
    """

    def __init__(self, engine: Engine | Remote, frame: Frame) -> None:
        if isinstance(engine, Remote) or not isinstance(engine, Seeing):
            raise EngineError(
                "this engine does not show what its model makes of a text",
                hint="A probe needs an agent of the engine openvino or transformers.",
            )
        self._engine: Engine = engine
        self._frame = frame

    @property
    def identity(self) -> str:
        """Hash of everything that changes a state: the engine and the prompt."""
        told = json.dumps([self._engine.identity, asdict(self._frame)])
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    @property
    def settings(self) -> Mapping[str, Any]:
        """The prompt as JSON values; see `frame_of`."""
        return asdict(self._frame)

    def encode(self, texts: Sequence[str]) -> Halves:
        """The state of each text, shape [texts, width], rounded as the ledger keeps it.

        Raises:
            EngineError: when the engine cannot read a text.
        """
        engine, frame = self._engine, self._frame
        room = engine.context - len(frame.before) - len(frame.after) - frame.reach
        rows = [[*fit(engine.tokenizer, frame.lead + text, room, frame.long_text)[0], *frame.after] for text in texts]
        engine.reset()
        if frame.before:
            engine.extend([frame.before], [0])
        prefix = engine.snapshot()
        found: dict[int, Floats] = {}
        for batch in plan_batches([len(row) for row in rows], 1):
            engine.restore(prefix)
            engine.extend([rows[i] for i in batch], [0] * len(batch))
            assert isinstance(engine, Seeing)  # the constructor's own rule
            found |= dict(zip(batch, engine.hidden(), strict=True))
        if not found:
            return np.zeros((0, 0), np.float16)
        return np.stack([np.frombuffer(packed(found[i]) or b"", "<f2") for i in range(len(texts))])


def frame_of(settings: Mapping[str, Any]) -> Frame:
    """The frame that `Sight.settings` told; raises TypeError or KeyError for anything else."""
    before, after = (tuple(int(token) for token in settings[name]) for name in ("before", "after"))
    return Frame(before, after, str(settings["lead"]), int(settings["reach"]), str(settings["long_text"]))
