"""bench decode: CoT-decoding by limbeck and by other libraries, same prompts, same weights, one run, in turns.

A peer that is not installed is named with the way to get it; one that fails is named with the reason.
Knows nothing of how any library does the job.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from limbeck.assets.base import Say
from limbeck.assets.local import gguf_file
from limbeck.assets.store import Store
from limbeck.bench import own
from limbeck.bench.base import OWN, PEERS, Job, Opener, Peer, Prompt, Run, Shape
from limbeck.bench.contest import alone, contest, fewer
from limbeck.bench.results import FAILED, FLOOR, MISSING, SETTINGS, Results, circumstances
from limbeck.bench.weights import Weights
from limbeck.catalog import Models, resolve
from limbeck.engines.base import Engine, Tokenizer
from limbeck.engines.openvino import usable_cores
from limbeck.errors import ConfigError, EngineError, MissingExtra
from limbeck.flows.decode import ANSWER, QUESTION, Style, body_of, frame

FLOORS = "limbeck.bench.phases:measure"
INSTALL = "pip install 'limbeck[bench]'"
# Foreign libraries fail in ways of their own; the contest goes on without the one that did.
FOREIGN = (EngineError, ImportError, RuntimeError, OSError, ValueError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True)
class Arena:
    """Where limbeck meets its peers with one model.

    Attributes:
        mine: limbeck, ready.
        prompts: for all.
        weights: the model in every library's form.
        job: how much is done.
        settings: what else makes two contests the same one.
        say: is told of each turn.
        peers: name → where the peer is.
    """

    mine: Run
    prompts: Sequence[Prompt]
    weights: Weights
    job: Job
    settings: Mapping[str, Any]
    say: Say
    peers: Mapping[str, str] = field(default_factory=lambda: PEERS)

    def play(self, name: str, found: Results) -> None:
        """One peer's contest, unless it is there already with the same settings."""
        told = self._told(name)
        if found.has(name, told):
            self.say(f"{name}: is in the file already")
            return
        self.say(f"{name}:")
        try:
            variants = self._variants(name)
            result = contest(self.mine, name, variants, self.prompts, job=self.job, say=self.say)
        except MissingExtra as error:
            found.without(name, MISSING, f"{error.message}: {error.hint}")
        except FOREIGN as error:
            found.without(name, FAILED, f"failed: {str(error).strip() or type(error).__name__}")
        else:
            found.add(name, {SETTINGS: told, **result, "run": circumstances(name)})

    def alone(self, found: Results) -> None:
        """limbeck by itself, where no peer played."""
        told = self._told(OWN)
        if not found.has(OWN, told):
            self.say(f"{OWN}, alone:")
            found.add(OWN, {SETTINGS: told, **alone(self.mine, self.prompts, self.job), "run": circumstances()})

    def _variants(self, name: str) -> Mapping[str, Opener]:
        try:
            peer: Peer = resolve(self.peers[name])
        except MissingExtra as error:
            raise MissingExtra(error.message, hint=INSTALL) from error
        job = self.job
        longest = max(len(prompt.tokens) for prompt in self.prompts)
        return peer(self.weights, Shape(job.k, job.tokens, longest, usable_cores()))

    def _told(self, name: str) -> dict[str, Any]:
        around = circumstances(name)
        job = {key: value for key, value in asdict(self.job).items() if key not in ("floor", "slow", "few", "prompt")}
        return {
            **job,
            **self.settings,
            "questions": len(self.prompts),
            "rival's questions": fewer(name, self.prompts, self.job),
            "prompts": _digest("\0".join(prompt.text for prompt in self.prompts)),
            "cpu": around["machine"]["cpu"],
            "threads": usable_cores(),
            "versions": around["versions"],
        }


def bench_decode(
    model: str, asked: Sequence[str], against: Sequence[str], *, job: Job, path: Path | None, say: Say
) -> dict[str, Any]:
    """Play against each peer and measure the machine's own limits.

    Args:
        model: a name, a GGUF file, or `hf:owner/name:file.gguf`.
        asked: questions; each is put as `job.prompt` says.
        against: names of peers.
        job: how much is done.
        path: JSON file of results that is gone on with; None keeps nothing.
        say: is told of each turn.

    Returns:
        Peer's name → its contest, or why there is none; `limbeck` where no peer played; `floor` → what is achieved of
        the machine's own limits.

    Raises:
        LimbeckError: for an unknown peer, or a model that cannot be opened or has no room for the job.
    """
    check_names(against)
    store = Store()
    models = Models(store, say=say)
    place = Path(model) if model.endswith(".gguf") and not model.startswith("hf:") else models.files(model)
    source = gguf_file(place, model)
    engine = models.engine("openvino", model)
    chat = job.prompt == "chat"
    branches = job.width * job.k or models.branches("openvino", engine)
    told = source.stat()
    name = f"{source.stem}-{_digest(f'{source.resolve()} {told.st_size} {told.st_mtime_ns}')[:12]}"
    arena = Arena(
        own.make(engine, branches=branches, style="chat" if chat else "plain"),
        prompts_of(asked, engine.tokenizer, room=engine.context - job.tokens, style=job.prompt),
        Weights(source, store.root / "bench" / name),
        job,
        {"branches at a time": branches, "model": engine.identity},
        say,
    )
    known = source.stem if place == source else model
    found = Results(path, f"{known}, chat" if chat else known)
    for peer in against:
        arena.play(peer, found)
    if not any(OWN in one for one in found.part.values()):
        arena.alone(found)
    if job.floor:
        measure_floor(engine, store.root / "converted", found, say)
    return found.part


def measure_floor(engine: Engine, converted: Path, found: Results, say: Say) -> None:
    """What the engine achieves of the machine's limits, unless it is known."""
    around = circumstances()
    told = {"model": engine.identity, "cpu": around["machine"]["cpu"], "versions": around["versions"]}
    # An engine's identity names the model file, and so does the folder of its conversion.
    folders = [converted / part for part in engine.identity.split(":")]
    folder = next((one for one in folders if (one / "openvino_model.xml").is_file()), None)
    if folder is not None and not found.has(FLOOR, told):
        say("the machine's own limits:")
        measured = resolve(FLOORS)(engine, folder, threads=usable_cores(), say=say)
        found.add(FLOOR, {SETTINGS: told, **measured, "run": around})


def check_names(against: Sequence[str]) -> None:
    """Every peer must be known.

    Raises:
        ConfigError: when one is not.
    """
    for name in against:
        if name not in PEERS:
            raise ConfigError(f"no peer is called {name!r}", hint=f"Known: {', '.join(PEERS)}.")


def prompts_of(asked: Sequence[str], tokenizer: Tokenizer, *, room: int, style: Style = "qa") -> list[Prompt]:
    """Questions as prompts: as CoT-decoding's paper has them ("Q: …", a new line and "A:"), or as turns of a chat.

    Raises:
        ConfigError: when there is none, or one is longer than the room for it.
        EngineError: when a chat is wanted and the model has no template.
    """
    prompts = []
    before, after = frame(tokenizer, style)
    for text in asked:
        put = text
        if style == "qa":
            put = (text if text.startswith(QUESTION) else QUESTION + text).removesuffix(ANSWER) + ANSWER
        prompts.append(Prompt(put, (*before, *body_of(tokenizer, put, after))))
    if not prompts:
        raise ConfigError("there are no questions to ask", hint="Is the file of --from empty?")
    longest = max(len(prompt.tokens) for prompt in prompts)
    if longest > room:
        raise ConfigError(
            f"a prompt has {longest} tokens and the model's context has room for {max(0, room)} beside the answer",
            hint="Take shorter prompts, or fewer tokens with --tokens.",
        )
    return prompts


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
