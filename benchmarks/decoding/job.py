"""The job that every runner does, and its weights in the form that each of them reads.

CoT-decoding (Wang & Zhou 2024, arXiv 2402.10200): after each prompt the k likeliest first tokens, each continued
greedily up to a limit. All runners get the same tokens and give back the same thing. The weights of every runner are
those of one Q8_0 file; `Weights` writes them out as each library wants them, once.
Knows nothing of who runs the job, nor of answers and votes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from limbeck.engines.base import Tokenizer
from limbeck.engines.container import Container
from limbeck.engines.requantisation import is_read_rightly, rewrite_q8_0
from limbeck.engines.tokens import ByteTokenizer


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a runner brings back.

    Attributes:
        paths: for each prompt its continuations, the greedy one first, without the token that ended them.
        read: prompt tokens that were computed.
        reading: seconds of reading the prompts, or None where the library does not tell it apart.
    """

    paths: list[list[list[int]]]
    read: int
    reading: float | None = None

    @property
    def written(self) -> int:
        """Tokens generated."""
        return sum(len(path) for paths in self.paths for path in paths)


CONVERTER = "from ctranslate2.converters.transformers import main; main()"

Run = Callable[[Sequence[Sequence[int]], int, int], Outcome]
"""(prompts, k, limit) → outcome."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One model under one folder.

    Attributes:
        source: the GGUF file that it all comes from.
        folder: where the other forms are written.
    """

    source: Path
    folder: Path

    @property
    def tokenizer(self) -> Tokenizer:
        """Of the source file."""
        return ByteTokenizer(Container(self.source).values("tokenizer."))

    def q8_0(self) -> Path:
        """A GGUF file whose matrices are all Q8_0."""
        if is_read_rightly(Container(self.source)):
            return self.source
        return self._made("model-q8_0.gguf", lambda target: rewrite_q8_0(self.source, target))

    def bf16(self) -> Path:
        """The Q8_0 file once more, its matrices in bfloat16 (written by llama.cpp itself)."""
        return self._made("model-bf16.gguf", self._write_bf16)

    def torch(self) -> Path:
        """A Transformers folder in float32, read from the Q8_0 file."""
        return self._made("transformers", self._write_torch)

    def ctranslate2(self) -> Path:
        """A CTranslate2 folder in its 8-bit form, made from the Transformers folder."""
        return self._made("ctranslate2-int8", self._write_ctranslate2)

    def _made(self, name: str, write: Callable[[Path], None]) -> Path:
        """A form of the model, written at first use; whole or not at all."""
        target, partial = self.folder / name, self.folder / f"partial-{name}"
        if not target.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(partial, ignore_errors=True)
            partial.unlink(missing_ok=True)
            write(partial)
            partial.replace(target)
        return target

    def _write_bf16(self, target: Path) -> None:
        import llama_cpp

        params = llama_cpp.llama_model_quantize_default_params()
        params.ftype, params.allow_requantize = llama_cpp.LLAMA_FTYPE_MOSTLY_BF16, True
        if llama_cpp.llama_model_quantize(str(self.q8_0()).encode(), str(target).encode(), params):
            raise OSError(f"llama.cpp could not write {target}")

    def _write_torch(self, target: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        file = self.q8_0()
        read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
        # A model read from GGUF counts as quantised and will not be saved; its numbers in a plain one will.
        config = type(read.config)(**{k: v for k, v in read.config.to_dict().items() if k != "quantization_config"})
        plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        plain.load_state_dict(read.state_dict())
        plain.save_pretrained(target)
        AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(target)

    def _write_ctranslate2(self, target: Path) -> None:
        command = [sys.executable, "-c", CONVERTER, "--model", str(self.torch())]
        subprocess.run([*command, "--output_dir", str(target), "--quantization", "int8"], check=True)


def read_prompts(data: Path, number: int) -> list[str]:
    """The first questions of GSM8K's test set, with nothing that asks for reasoning."""
    lines = (data / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()[:number]
    return [f"Q: {json.loads(line)['question']}\nA:" for line in lines]
