"""Files of one repository of the Hugging Face hub. Weights as safetensors, ONNX or GGUF, tables as JSON or text.

Files that could hold code (pickles, Python) are refused, whatever the repository offers.
Knows nothing of the store or the catalogue.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub import errors

from limbeck.assets.base import Delivery, link_or_copy
from limbeck.errors import AssetError

SAFE = ("*.json", "*.txt", "*.model", "*.safetensors", "*.gguf", "*.onnx", "*.onnx_data", "*.jinja")
"""What may be fetched; everything else is left where it is."""

_WEIGHTS = ("*.safetensors", "*.gguf", "*.onnx", "*.onnx_data")
# The hub's library changed its own network library between versions; each gives its errors another root.
_FAILURES = (OSError, ValueError, errors.EntryNotFoundError, getattr(errors, "HTTPError", OSError))
_NAME = re.compile(
    r"hf:(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[A-Za-z0-9][\w./-]*))?(:(?P<file>[^:\\]+))?"
)


@dataclass(frozen=True, slots=True)
class HuggingFaceHub:
    """A repository at a revision.

    Attributes:
        repo: "owner/name".
        revision: branch, tag or commit.
        files: names inside the repository; empty = the model in its folder's top level, without pickles or code.
    """

    repo: str
    revision: str = "main"
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"hf:{self.repo}@{self.revision}" + "".join(f":{file}" for file in self.files)

    def fetch(self, delivery: Delivery) -> None:
        """Download the files, or name what cannot be reached."""
        names = tuple(delivery.wanted) or self.files or self._listed()
        for name in names:
            if not is_safe(name):
                raise AssetError(
                    f"hf:{self.repo}:{name}: refused, a file of this kind can hold code",
                    hint=f"Ask for one of {', '.join(SAFE)}.",
                )
        for name in names:
            delivery.say(f"downloading {name} of {self.repo}")
            try:
                cached = huggingface_hub.hf_hub_download(self.repo, name, revision=self.revision)
            except _FAILURES as error:
                raise self._unreachable(name, error) from error
            target = delivery.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(Path(cached).resolve(), target)

    def _listed(self) -> tuple[str, ...]:
        """The model's files at the top level of the repository; of several kinds of weights the first of `SAFE`."""
        try:
            everything = huggingface_hub.list_repo_files(self.repo, revision=self.revision)
        except _FAILURES as error:
            raise self._unreachable("the list of files", error) from error
        names = [name for name in everything if "/" not in name and is_safe(name)]
        weights = [[n for n in names if fnmatch.fnmatchcase(n, kind)] for kind in _WEIGHTS]
        chosen = next((found for found in weights if found), [])
        if not chosen:
            raise AssetError(
                f"hf:{self.repo}: holds no weights that are safe to load",
                hint=f"Name a file: hf:{self.repo}:FILE with one of {', '.join(_WEIGHTS)}.",
            )
        if chosen[0].endswith(".gguf") and len(chosen) > 1:
            raise AssetError(
                f"hf:{self.repo}: holds {len(chosen)} GGUF files",
                hint=f"Name one: hf:{self.repo}@{self.revision}:FILE with FILE one of {', '.join(chosen)}.",
            )
        others = [n for n in names if not any(fnmatch.fnmatchcase(n, kind) for kind in _WEIGHTS)]
        return (*others, *chosen)

    def _unreachable(self, name: str, error: Exception) -> AssetError:
        first = str(error).strip().splitlines() or [type(error).__name__]
        return AssetError(
            f"hf:{self.repo}@{self.revision}: cannot get {name}: {first[0]}",
            hint="Check the name and the network; without network, `limbeck models import FILE` takes a GGUF file.",
        )


def is_safe(name: str) -> bool:
    """Whether a file's name is of a kind that holds no code and stays inside its folder."""
    inside = not name.startswith("/") and ".." not in Path(name).parts
    return inside and any(fnmatch.fnmatchcase(name, kind) for kind in SAFE)


def parse(name: str) -> HuggingFaceHub:
    """Read `hf:owner/name[@revision][:file]`.

    Raises:
        AssetError: when it has another form.
    """
    match = _NAME.fullmatch(name)
    if match is None or (match["file"] is not None and not is_safe(match["file"])):
        raise AssetError(
            f"{name!r} does not name a repository's file that may be loaded",
            hint=f"Write hf:owner/name, hf:owner/name@revision or hf:owner/name@revision:FILE ({', '.join(SAFE)}).",
        )
    files = (match["file"],) if match["file"] else ()
    return HuggingFaceHub(match["repo"], match["revision"] or "main", files)
