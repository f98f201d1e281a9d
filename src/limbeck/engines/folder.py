"""A model folder in the form of the Hugging Face hub, taken as data: what is in it, and what is refused.

Nothing of a folder is ever executed: weights must be safetensors, and a configuration that names code is refused, not
asked about. Knows nothing of torch or of how the model is run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.assets.base import checksum
from limbeck.errors import EngineError

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
INDEX = "model.safetensors.index.json"
# Ways of computing attention can be named in a configuration, and a name with a slash is a repository of kernels.
_NAMES_CODE = ("attn_implementation", "experts_implementation")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that was found in order.

    Attributes:
        path: where it lies.
        config: `config.json` without keys that are private or could name code.
        digest: sha256 over the names and sha256 of all its weights and tables, 64 hex digits.
    """

    path: Path
    config: Mapping[str, Any]
    digest: str

    @property
    def architectures(self) -> tuple[str, ...]:
        """Names of the model classes that the folder was saved from."""
        return tuple(map(str, self.config.get("architectures") or ()))


def open_folder(path: Path, checksums: Mapping[str, str] | None = None) -> ModelFolder:
    """Look through a model folder.

    Args:
        path: the folder.
        checksums: file → sha256 where known already, so that gigabytes are not hashed again.

    Raises:
        EngineError: when it is no model folder, its weights are pickles, or it wants code of its own to be run.
    """
    if not (path / "config.json").is_file():
        raise EngineError(
            f"{path.name}: is no model folder, it has no config.json",
            hint="A model folder holds config.json, tokenizer.json and *.safetensors.",
        )
    config = read_table(path / "config.json")
    for name in ("config.json", "tokenizer_config.json"):
        if "auto_map" in (config if name == "config.json" else read_table(path / name, needed=False)):
            raise EngineError(
                f"{path.name}: {name} has an auto_map: this model wants Python code of its own to be run",
                hint="limbeck runs no code of a model. Take a model that the transformers package knows by itself.",
            )
    if (path / "adapter_config.json").exists():
        raise EngineError(
            f"{path.name}: is an adapter without its model",
            hint="Merge the adapter into its model, save that as safetensors, and name the new folder.",
        )
    weights = _weights(path)
    # Hidden files are not the model's: the store keeps its own notes in one.
    tables = [file.name for kind in ("*.json", "*.jinja") for file in path.glob(kind) if not file.name.startswith(".")]
    files = sorted({*weights, *tables})
    known = checksums or {}
    lines = [f"{known.get(name) or checksum(path / name).sha256} {name}\n" for name in files]
    return ModelFolder(path, _cleaned(config), hashlib.sha256("".join(lines).encode()).hexdigest())


def read_table(path: Path, *, needed: bool = True) -> dict[str, Any]:
    """A JSON object from a file; not `needed`: an empty one where there is no file.

    Raises:
        EngineError: when it cannot be read.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if not needed:
            return {}
        raise EngineError(f"{path.parent.name}: has no {path.name}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise EngineError(f"{path.parent.name}: {path.name} cannot be read: {error}") from error
    if not isinstance(table, dict):
        raise EngineError(f"{path.parent.name}: {path.name} is not a JSON object")
    return table


def _weights(path: Path) -> list[str]:
    """Names of the safetensors files that make up the model."""
    if (path / INDEX).is_file():
        listed = read_table(path / INDEX).get("weight_map")
        names = sorted({str(name) for name in listed.values()}) if isinstance(listed, dict) else []
        if not names or any(Path(name).name != name or not name.endswith(".safetensors") for name in names):
            raise EngineError(f"{path.name}: {INDEX} does not list safetensors files of this folder")
    else:
        names = sorted(file.name for file in path.glob("*.safetensors"))
    lost = [name for name in names if not (path / name).is_file()]
    if names and not lost:
        return names
    pickles = sorted(file.name for kind in PICKLES for file in path.glob(kind))
    if pickles:
        raise EngineError(
            f"{path.name}: has its weights as a pickle ({pickles[0]}), which can run code when it is read",
            hint="Take a revision with *.safetensors, or convert the file where that does no harm.",
        )
    raise EngineError(
        f"{path.name}: lacks {', '.join(lost) or 'weights'}", hint="A model folder holds its weights as *.safetensors."
    )


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _cleaned(v) for k, v in value.items() if not k.startswith("_") and k not in _NAMES_CODE}
    return [_cleaned(one) for one in value] if isinstance(value, list) else value
