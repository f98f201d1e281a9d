"""Any prompts to any model by name: `limbeck decode`, and the same in Python.

Knows nothing of task files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from limbeck.assets.base import Say
from limbeck.assets.store import Store
from limbeck.catalog.decoders import answer_kind, build_decoder
from limbeck.catalog.models import Models
from limbeck.catalog.names import DECODERS, ENGINES, resolve
from limbeck.decoding.answers import Words
from limbeck.decoding.base import BRANCHES, Draw
from limbeck.errors import ConfigError
from limbeck.flows.decode import Style, decode_all
from limbeck.flows.job import Notify, silent
from limbeck.task import EngineSection, on_this_machine, parse_decode


@overload
def decode(model: str, prompts: str, decode: str = ..., **options: Any) -> Draw: ...
@overload
def decode(model: str, prompts: Sequence[str], decode: str = ..., **options: Any) -> list[Draw]: ...
def decode(model: str, prompts: str | Sequence[str], decode: str = "cot", **options: Any) -> Draw | list[Draw]:
    """Answer one prompt or ten thousand: `decode("smollm2-135m-instruct", "Tom has 3 apples …").answer`.

    Args:
        model: a name of `limbeck models list`, a `.gguf` file, a model folder, `hf:owner/name`, or a server's model.
        prompts: one, or a sequence.
        decode: as in a task file, such as `cot` or `{cot: {k: 5, stop: exact}}`.
        options: see `open_asker`, and `style` and `notify` of `flows.decode`.

    Returns:
        What was drawn for the prompt, or for each prompt in its order.

    Raises:
        LimbeckError: when the model cannot be opened, or a name is unknown.
    """
    told = {name: options.pop(name) for name in ("style", "notify") if name in options}
    asker = open_asker(model, decode, **options)
    found = asker([prompts] if isinstance(prompts, str) else prompts, **told)
    return found[0] if isinstance(prompts, str) else found


class Asker:
    """A model and a decoder, ready to be asked again and again."""

    def __init__(self, engine: Any, decoder: Any, *, branches: int) -> None:
        self.engine, self.decoder, self._branches = engine, decoder, branches

    def __call__(self, prompts: Sequence[str], *, style: Style | None = None, notify: Notify = silent) -> list[Draw]:
        """What was drawn for each prompt, in order."""
        answers = decode_all(self.engine, self.decoder, prompts, style=style, branches=self._branches, notify=notify)
        found = dict(answers)
        return [found[i] for i in range(len(prompts))]


def open_asker(
    model: str,
    decode: str = "cot",
    *,
    answer: str = "number",
    engine: str = "openvino",
    seed: int = 0,
    allow_remote: bool = False,
    store: Store | None = None,
    say: Say | None = None,
) -> Asker:
    """Open a model and make a decoder for it.

    Args:
        model: see `decode`.
        decode: see `decode`.
        answer: what an answer is, see `answer_kind`; `choice` and `gate` need `label:…`.
        engine: the engine's name, or a server's address.
        seed: of sampled paths.
        allow_remote: whether a server that is not on this machine may be sent the prompts.
        store: where models are kept; None = the user's own.
        say: is told what is being fetched, and what leaves the machine.

    Raises:
        LimbeckError: when the model cannot be opened, or a name is unknown.
    """
    section, kind = parse_decode(decode), answer_kind(answer)
    models, run_by = Models(store or Store(), say=say), _engine(engine, allow_remote=allow_remote)
    found = models.engine(run_by, model, shown=["the prompts"])
    words = [word for _, word in kind.words] if isinstance(kind, Words) else []

    def choice() -> Any:
        if len(words) < 2:
            raise ConfigError(f"{section.name} scores labels, and none are named", hint="Try --answer label:yes,no")
        options = [found.tokenizer.encode(f" {word}") for word in words]
        return resolve(DECODERS["choice"])(options, end=found.tokenizer.end)

    decoder = build_decoder(section, kind, choice=choice, values=words, seed=seed)
    return Asker(found, decoder, branches=models.branches(run_by, found) if decoder.width > 1 else BRANCHES)


def _engine(text: str, *, allow_remote: bool) -> str | EngineSection:
    """The engine's name, or the server behind an address."""
    if "://" not in text:
        if text not in ENGINES or text in ("server", "masked"):
            names = ", ".join(name for name in ENGINES if name not in ("server", "masked"))
            raise ConfigError(f"no engine is called {text!r}", hint=f"Known: {names}, or a server's http:// address.")
        return text
    if not allow_remote and not on_this_machine(text):
        raise ConfigError(
            f"{text} is not on this machine, and prompts do not leave it unless you say so",
            hint="Add --allow-remote if they may.",
        )
    return EngineSection.model_validate({"server": text})
