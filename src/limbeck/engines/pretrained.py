"""Loading a model folder with Hugging Face Transformers, and projecting only chosen places on the vocabulary.

Knows nothing of rows, caches, prompts or labels.
"""

from __future__ import annotations

from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from limbeck.engines.folder import ModelFolder
from limbeck.errors import EngineError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_FAILURES = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError, SafetensorError)


def best_device() -> str:
    """The machine's first GPU, else its processor."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def load_model(
    kind: Any,
    folder: ModelFolder,
    *,
    device: str | None = None,
    dtype: str | None = None,
    unused: tuple[str, ...] = (),
) -> Any:
    """A model of the folder, ready to score.

    Args:
        kind: the class that knows which model a configuration means, such as `AutoModelForCausalLM`.
        folder: found in order.
        device: `cpu`, `cuda` or `mps`; None = the best there is.
        dtype: `float32` or `bfloat16`; None = float32 on the processor, bfloat16 on a GPU.
        unused: beginnings of names of weights that may be missing, as the caller does without them.

    Raises:
        EngineError: when the transformers package does not know the model, or weights are missing or damaged.
    """
    place = device or best_device()
    number = dtype or ("float32" if place == "cpu" else "bfloat16")
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        settings = dict(folder.config)
        config = CONFIG_MAPPING[settings.pop("model_type")].from_dict(settings)
        model, told = kind.from_pretrained(
            folder.path,
            config=config,
            dtype=DTYPES[number],
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
        lost = sorted(name for name in told["missing_keys"] if not name.startswith(unused))
        if not lost:
            return model.to(place).eval()
    except _FAILURES as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EngineError(
            f"{folder.path.name}: transformers {transformers.__version__} cannot load this model: {first}",
            hint="limbeck models verify checks the files; another version of transformers may know the model.",
        ) from error
    # Transformers would fill them with random numbers.
    raise EngineError(f"{folder.path.name}: lacks the weights {lost[0]} and {len(lost) - 1} more")


def identity(name: str, model: Any, folder: ModelFolder) -> str:
    """What is computed, for keys: engine, versions, number format, kind of device, and the files' digest."""
    number = str(model.dtype).removeprefix("torch.")
    versions = f"{transformers.__version__}:torch-{torch.__version__.split('+')[0]}"
    return f"{name}:{versions}:{number}:{model.device.type}:{folder.digest}"


def context(model: Any) -> int:
    """The longest row of a masked model or an encoder: RoBERTa counts its positions from behind the padding's."""
    longest = int(getattr(model.config, "max_position_embeddings", 0) or 512)
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    first = getattr(table, "padding_idx", None)
    return longest if first is None else longest - first - 1


class Focus:
    """Lets a model's last product see chosen places only: a vocabulary's width is saved for every other token.

    While `places` is None the model is as it was; `seen` is what the last product last saw, shape [places, 1, width].

    Args:
        model: any model with an output layer.

    Raises:
        EngineError: when the model has none.
    """

    def __init__(self, model: Any) -> None:
        self.places: tuple[Any, Any] | None = None
        self.seen: Any = None
        head = model.get_output_embeddings()
        if head is None:
            raise EngineError(f"{type(model).__name__}: has no output layer over a vocabulary")
        head.register_forward_pre_hook(self._pick)

    def _pick(self, _: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if self.places is None:
            return None
        rows, columns = self.places
        self.seen = inputs[0][rows, columns][:, None]
        return (self.seen,)
