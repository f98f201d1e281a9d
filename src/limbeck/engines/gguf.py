"""From a GGUF file to an OpenVINO model: inspect, rewrite what the native reader misreads, convert, check, keep.

The native reader only ever sees a file that was found whole, of a known architecture, and in quantisations that it
reads rightly, and it sees it in a child process. Knows nothing of how the converted model is run.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import filelock

from limbeck.engines.architecture import KNOWN, check_tensors, sizes
from limbeck.engines.container import Container
from limbeck.engines.reference import Agreement
from limbeck.engines.regrouping import regroup
from limbeck.engines.requantisation import is_read_rightly, rewrite_q8_0
from limbeck.errors import EngineError

Check = Callable[[Path], Agreement]
"""Folder of a converted model → its agreement with the source; raises EngineError when it is too far away."""

RECIPE = 3
"""Counted up whenever a conversion would come out differently, so that older ones are done anew."""

_MODEL = ("openvino_model.xml", "openvino_model.bin")


@dataclass(frozen=True, slots=True)
class GGUFInfo:
    """What a GGUF file holds.

    Attributes:
        architecture: such as "llama".
        parameters: number of weights.
        quantisation: type of tensor → number of weights stored so.
        context: the longest row in tokens.
        layers: number of layers.
        vocabulary: number of tokens, or None when the file brings no tokenizer.
        tokenizer: kind of tokenizer, such as "gpt2", or None.
        has_chat: whether the file brings a chat template.
        bytes: size of the file.
    """

    architecture: str
    parameters: int
    quantisation: Mapping[str, int]
    context: int
    layers: int
    vocabulary: int | None
    tokenizer: str | None
    has_chat: bool
    bytes: int


def inspect(path: Path) -> GGUFInfo:
    """Read what a GGUF file holds; the weights themselves are not read.

    Raises:
        EngineError: for a file that is foreign, truncated or contradicts itself.
    """
    return _info(Container(path))


def convert(source: Path, folder: Path, *, check: Check) -> None:
    """Make `folder` hold the OpenVINO model of a GGUF file, and `conversion.json` with how it was made.

    Built beside its place and renamed at the end, so the folder is there whole or not at all.

    Raises:
        EngineError: when the file is damaged or of an unknown architecture, when the native reader fails, or when
            the result is too far from the source.
    """
    model = Container(source)
    info = _info(model)
    if info.architecture not in KNOWN:
        sizes(info.architecture, {})  # raises, with the way out
    if "rope_freqs.weight" in model.tensors:
        raise EngineError(
            f"{source.name}: has rotary factors (rope_freqs), which OpenVINO's reader leaves out",
            hint="Use the transformers engine or a server for this model.",
        )
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        _build(model, partial)
        agreement = check(partial)
        _describe(source, partial, agreement)
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    except OSError as error:
        raise EngineError(
            f"{folder}: cannot be written: {error.strerror or error}", hint="Check the free space and the permissions."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def converted(source: Path, cache: Path, *, check: Check, sha256: str | None = None) -> Path:
    """The folder with the OpenVINO model of a GGUF file, converted at first use.

    Args:
        source: the GGUF file.
        cache: where conversions are kept, each in a folder named by the source's sha256.
        check: compares a new conversion with its source; see `reference.check`.
        sha256: of the source, where it is known already.

    Raises:
        EngineError: see `convert`.
    """
    digest = sha256 or _sha256(source)
    folder = cache / digest
    if _is_whole(folder, digest):
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(cache / f"{digest}.lock"):
            if not _is_whole(folder, digest):
                convert(source, folder, check=check)
    except OSError as error:
        raise EngineError(
            f"{cache}: cannot be written: {error.strerror or error}", hint="Check the free space and the permissions."
        ) from error
    return folder


def _info(model: Container) -> GGUFInfo:
    architecture = model.value("general.architecture")
    if not isinstance(architecture, str):
        raise EngineError(f"{model.path.name}: names no architecture", hint="It is no model: get another file.")
    tokens = model.value("tokenizer.ggml.tokens")
    context, layers = (model.value(f"{architecture}.{name}") for name in ("context_length", "block_count"))
    if architecture in KNOWN:
        found = sizes(architecture, model.values(f"{architecture}."))
        shapes = {name: tensor.shape for name, tensor in model.tensors.items()}
        check_tensors(found, shapes, len(tokens) if isinstance(tokens, list) else None)
    elif type(context) is not int or type(layers) is not int:
        raise EngineError(f"{model.path.name}: tells no context length or number of layers", hint="Get another file.")
    histogram: Counter[str] = Counter()
    for tensor in model.tensors.values():
        histogram[tensor.kind.name] += tensor.size
    return GGUFInfo(
        architecture=architecture,
        parameters=histogram.total(),
        quantisation=dict(histogram),
        context=context,
        layers=layers,
        vocabulary=len(tokens) if isinstance(tokens, list) else None,
        tokenizer=model.value("tokenizer.ggml.model"),
        has_chat="tokenizer.chat_template" in model.fields,
        bytes=model.bytes,
    )


def _build(model: Container, folder: Path) -> None:
    """Rewrite where needed, have the child process convert, and keep only the model."""
    file = folder / "model.gguf"
    if is_read_rightly(model):
        try:
            os.link(model.path.resolve(), file)
        except OSError:
            shutil.copyfile(model.path, file)
    else:
        rewrite_q8_0(model.path, file)
    _run_converter(file, model.path.name)
    regroup(folder / _MODEL[0])
    for path in folder.iterdir():
        if path.name not in _MODEL:
            path.unlink()


def _run_converter(file: Path, shown: str) -> None:
    size = file.stat().st_size
    command = [sys.executable, "-P", "-m", "limbeck.engines.converter", str(file), str(32 * size + (16 << 30))]
    limit = 600 + size / 1e6
    # openvino's telemetry counts a run under CI as opted out.
    surroundings = os.environ | {"CI": "true"}
    hint = "Use another quantisation of the model, the transformers engine or a server."
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=limit, check=False, env=surroundings
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{shown}: converting took longer than {limit:.0f} s", hint=hint) from error
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise EngineError(f"{shown}: the converter died of {name}, perhaps for want of memory", hint=hint)
    if done.returncode or not all((file.parent / name).is_file() for name in _MODEL):
        last = (done.stderr.strip().splitlines() or ["it wrote no model"])[-1]
        raise EngineError(f"{shown}: cannot be converted: {last[:300]}", hint=hint)


def _describe(source: Path, folder: Path, agreement: Agreement) -> None:
    """Write down what was converted, with what, and how far it is from its source."""
    packages = ("openvino", "openvino-genai", "gguf", "numpy")
    described = {
        "recipe": RECIPE,
        "source": {"file": source.name, "sha256": _sha256(source), "bytes": source.stat().st_size},
        "files": {name: {"sha256": _sha256(folder / name), "bytes": (folder / name).stat().st_size} for name in _MODEL},
        "tools": {name: importlib.metadata.version(name) for name in packages},
        "agreement": asdict(agreement) | {"unit": "KL(source, converted) of next tokens in nats per position"},
    }
    (folder / "conversion.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def _is_whole(folder: Path, digest: str) -> bool:
    """Whether a folder holds a finished conversion of that source by this recipe."""
    try:
        described = json.loads((folder / "conversion.json").read_text(encoding="utf-8"))
        sizes_fit = all(
            (folder / name).stat().st_size == it["bytes"] for name, it in sorted(described["files"].items())
        )
        return bool(described["recipe"] == RECIPE and described["source"]["sha256"] == digest and sizes_fit)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise EngineError(f"{path}: cannot be read: {error.strerror}", hint="Check the path.") from error
