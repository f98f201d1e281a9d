"""Tiny Hugging Face model folders made on the spot, for tests: random weights and a real tokenizer.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer

from tiny_tokenizers import byte_level, word_piece

CHAT = "{% for m in messages %}<|turn|>{{ m.role }}: {{ m.content }}\n{% endfor %}<|turn|>assistant: "
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 1200,
}
GROUPED = SMALL | {"num_key_value_heads": 2}
# Family → its configuration class and what makes it small.
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2Config", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 1200}),
    "llama": ("LlamaConfig", GROUPED),
    "qwen2": ("Qwen2Config", GROUPED),
    "mistral": ("MistralConfig", GROUPED | {"sliding_window": 6}),
    "gemma3": ("Gemma3TextConfig", GROUPED | {"sliding_window": 6, "head_dim": 8, "sliding_window_pattern": 2}),
    "bloom": ("BloomConfig", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "mpt": ("MptConfig", {"d_model": 32, "n_layers": 2, "n_heads": 4}),
    "gpt-neo": (
        "GPTNeoConfig",
        {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]},
    ),
    "mamba": ("MambaConfig", {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}),
    "bert": ("BertConfig", SMALL),
    "distilbert": ("DistilBertConfig", {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4}),
    "roberta": ("RobertaConfig", SMALL | {"max_position_embeddings": 66}),
}
MASKED = ("bert", "distilbert", "roberta")


def write(folder: Path, family: str, *, tokenizer: Tokenizer | None = None, **settings: Any) -> Path:
    """A random model of two layers as safetensors, its tokenizer, and further settings of the tokenizer."""
    table = tokenizer or (word_piece() if family in ("bert", "distilbert") else byte_level())
    kind, changes = FAMILIES[family]
    ids = {f"{role}_token_id": table.token_to_id(text) for role, text in _roles(table).items()}
    config = getattr(transformers, kind)(vocab_size=table.get_vocab_size(), **ids, **changes)
    torch.manual_seed(3)
    auto = transformers.AutoModelForMaskedLM if family in MASKED else transformers.AutoModelForCausalLM
    model = auto.from_config(config).eval()
    with torch.no_grad():
        for weights in model.parameters():  # strong enough that the next token hangs on every token before
            weights.mul_(4 if weights.ndim > 1 else 1).add_(0.1 * torch.randn_like(weights))
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    table.save(str(folder / "tokenizer.json"))
    names = {f"{role}_token": text for role, text in _roles(table).items()}
    (folder / "tokenizer_config.json").write_text(json.dumps({**names, "chat_template": CHAT, **settings}))
    return folder


def _roles(table: Tokenizer) -> dict[str, str]:
    known = {"bos": "<s>", "eos": "</s>", "pad": "<pad>", "mask": "<mask>", "unk": "<unk>"}
    known |= {"cls": "[CLS]", "sep": "[SEP]"} | (
        {"mask": "[MASK]", "pad": "[PAD]", "unk": "[UNK]"} if _wordy(table) else {}
    )
    return {role: text for role, text in known.items() if table.token_to_id(text) is not None}


def _wordy(table: Tokenizer) -> bool:
    return table.token_to_id("[MASK]") is not None
