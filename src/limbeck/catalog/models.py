"""Models, encoders and students by name, each opened once, and which files they were made of.

Knows nothing of tasks or of agents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from limbeck.agent.sight import Sight, frame_of
from limbeck.assets.base import Say
from limbeck.assets.local import gguf_file
from limbeck.assets.store import Store
from limbeck.catalog.names import (
    CAUSAL,
    EACH,
    ENGINES,
    EXPORTED,
    EXPORTER,
    FOLDERS,
    LOADERS,
    ONE_VS_REST,
    PROBED,
    SEQUENCE,
    TRUNK,
    WIDTH,
    resolve,
)
from limbeck.decoding.base import BRANCHES
from limbeck.encoder import Encoder
from limbeck.errors import ConfigError
from limbeck.students.base import Student
from limbeck.students.kept import load_student, needed_encoder
from limbeck.task import EngineSection, notice


class Models:
    """Opens what a task file or a command line names.

    Args:
        store: where models and encoders are kept.
        place: a path as written → the path on disk.
        say: is told what is being fetched, and what will leave the machine.
    """

    def __init__(self, store: Store, *, place: Callable[[str], Path] = Path, say: Say | None = None) -> None:
        self._store, self._place, self._say = store, place, say
        self._engines: dict[tuple[str | EngineSection, str], Any] = {}
        self._encoders: dict[str, Encoder] = {}
        self.used: dict[str, Mapping[str, Any]] = {}

    def files(self, name: str) -> Path:
        """The folder of an asset, fetched if it is not there."""
        folder = self._store.pull(name, self._say)
        self.used[name] = self._store.lock_entry(name)
        return folder

    def encoder(self, name: str) -> Encoder:
        """A sentence encoder."""
        if name not in self._encoders:
            self._encoders[name] = build_encoder(name, self._store, say=self._say)
            self.used[name] = self._store.lock_entry(name)
        return self._encoders[name]

    def engine(self, kind: str | EngineSection, model: str, *, shown: Sequence[str] = ()) -> Any:
        """A model, ready to be asked.

        Args:
            kind: the engine's name, or a server.
            model: its name, a file or a folder.
            shown: what of an item a prompt shows, to be said before it leaves the machine.

        Raises:
            LimbeckError: when it cannot be fetched, read or reached.
        """
        if (kind, model) not in self._engines:
            made = self._served(kind, model, shown) if isinstance(kind, EngineSection) else self._loaded(kind, model)
            self._engines[kind, model] = made
        return self._engines[kind, model]

    def trunk(self, name: str) -> Any:
        """A pretrained encoder to be taught further.

        Raises:
            MissingExtra: without torch.
            LimbeckError: when it cannot be fetched or read.
        """
        load = resolve(TRUNK)
        folder, checksums = self._model(name)
        return load(folder, name=name, checksums=checksums)

    def causal(self, name: str) -> Any:
        """A pretrained causal language model to be taught further.

        Raises:
            MissingExtra: without torch.
            LimbeckError: when it cannot be fetched or read.
        """
        load = resolve(CAUSAL)
        folder, checksums = self._model(name)
        return load(folder, name=name, checksums=checksums)

    def place(self, name: str) -> Path:
        """A path as written → the path on disk."""
        return self._place(name)

    def student(self, folder: Path) -> Student:
        """A kept student of any kind, with the encoder it was taught with.

        Raises:
            LimbeckError: when it cannot be read.
        """
        wanted = needed_encoder(folder)
        encoder = self.encoder(wanted.rpartition(":")[0]) if wanted else None
        return load_student(folder, encoder=encoder)

    def sequence(self, name: str) -> Any:
        """A model that gives texts the probability of each of its labels.

        Raises:
            MissingExtra: without torch.
            LimbeckError: when it cannot be fetched or read.
        """
        load = resolve(SEQUENCE)
        folder, checksums = self._model(name)
        return load(folder, checksums=checksums)

    def branches(self, kind: str | EngineSection, engine: Any) -> int:
        """Rows that an engine of this process decodes fastest; measured once for each machine and model."""
        if isinstance(kind, EngineSection) or kind == "scripted":
            return BRANCHES
        rows: int = resolve(WIDTH)(engine, self._store.root / "width.json")
        return rows

    def _loaded(self, kind: str, model: str) -> Any:
        load = resolve(ENGINES[kind])
        if kind == "scripted":
            return load(self._place(model))
        folder, checksums = self._model(model)
        if kind in FOLDERS:
            return load(folder, checksums=checksums)
        if (folder / "openvino_model.xml").is_file():
            return resolve(EXPORTED)(folder)
        if any(folder.glob("*.safetensors")) and not any(folder.glob("*.gguf")):
            made = resolve(EXPORTER)(folder, self._store.root / "converted", checksums=checksums)
            return resolve(EXPORTED)(made)
        file = gguf_file(folder, model)
        return load(file, self._store.root / "converted", sha256=checksums.get(file.name))

    def _served(self, kind: EngineSection, model: str, shown: Sequence[str]) -> Any:
        """A model behind a server; what will leave the machine is said before anything does."""
        leaving = notice(kind.server.url, shown)
        if leaving and self._say:
            self._say(leaving)
        connect = resolve(ENGINES["server"])
        engine, told = connect(model, proxies=leaving is not None, **kind.server.model_dump())
        self.used[f"{told['name']}, {told['source']}"] = told
        return engine

    def _model(self, name: str) -> tuple[Path, Mapping[str, str]]:
        """Where a model's files lie, and the sha256 of each where the catalogue knows it."""
        path = self._place(name)
        if not name.startswith("hf:") and (name.endswith(".gguf") or path.is_dir()):
            return path, {}
        return self.files(name), self._store.lock_entry(name)["files"]


def build_encoder(name: str, store: Store, *, say: Say | None = None) -> Encoder:
    """The encoder of that name, fetched if it is not there; its vectors are kept in the store."""
    folder = store.pull(name, say)
    weights = store.lock_entry(name)["files"]["onnx/model.onnx_data"]
    identity = f"{name}:{weights[:16]}"
    return Encoder(folder, identity=identity, cache=store.root / "vectors")


def open_student(folder: Path, kind: str, *, encoder: str | None, store: Store, say: Say | None = None) -> Student:
    """A kept student of one kind, with the encoder it was taught with.

    Raises:
        ConfigError: for a kind that is not known here.
    """
    if kind == ONE_VS_REST:
        load = partial(open_student, kind="linear", encoder=encoder, store=store, say=say)
        several: Student = resolve(EACH)(folder, load)
        return several
    if kind not in LOADERS:
        raise ConfigError(f"{folder}: a student of kind {kind!r} is not known here", hint="Is limbeck too old for it?")
    if kind == "probe":
        told = resolve(PROBED)(folder)
        model, engine = told.model
        probe: Student = resolve(LOADERS[kind])(
            folder, seer=Sight(Models(store, say=say).engine(engine, model), frame_of(told.frame))
        )
        return probe
    if kind == "causal":
        causal: Student = resolve(LOADERS[kind])(folder, find=Models(store, say=say).causal)
        return causal
    built = build_encoder(encoder, store, say=say) if encoder else None
    student: Student = resolve(LOADERS[kind])(folder, encoder=built)
    return student
