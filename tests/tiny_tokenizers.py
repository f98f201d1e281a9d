"""Tiny tokenizers made on the spot, for tests: one of each kind that a model folder's tokenizer.json may be."""

from __future__ import annotations

import json

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = (
    "The film was good, and the ending was very good indeed.",
    "A long and rather winding road led us down to the harbour.",
    "film 3: rainy plot, stale cast; a bad film with a bad ending.",
    "positive negative sunny fresh the label of the text is",
) * 3


def byte_level() -> Tokenizer:
    """As GPT-2, Llama 3 and Qwen2 have it, with control tokens; RoBERTa's marks around a text."""
    table = Tokenizer(models.BPE())
    table.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    table.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<mask>", "<|turn|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    table.train_from_iterator(TEXTS, trainer)
    table.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return table


def sentence_piece() -> Tokenizer:
    """As Llama 2 and Mistral have it: blanks are letters, a blank goes before each text, bytes for the rest."""
    table = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    table.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    table.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=420, special_tokens=special, show_progress=False))
    # The trainer marks the bytes as special; in real tables they are common pieces.
    made = json.loads(table.to_str())
    made["added_tokens"] = made["added_tokens"][:3]
    made["decoder"] = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}
    table = Tokenizer.from_str(json.dumps(made))
    table.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return table


def word_piece() -> Tokenizer:
    """As BERT has it."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    words = sorted({word for text in TEXTS for word in text.lower().replace(",", "").replace(".", "").split()})
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters if letter.isalnum()), *words]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    table = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    table.normalizer = normalizers.BertNormalizer(lowercase=True)
    table.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    table.decoder = decoders.WordPiece()
    table.add_special_tokens(special)
    table.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return table


def unigram() -> Tokenizer:
    """As T5 and XLM-R have it, with pieces that would win over the letters of a control token."""
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), ("▁", -3.0), *((chr(code), -5.0) for code in range(33, 127))]
    table = Tokenizer(models.Unigram([*pieces, ("▁good", -4.0), ("▁film", -4.0)], unk_id=0))
    table.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    table.decoder = decoders.Metaspace(prepend_scheme="always")
    table.add_special_tokens(["<unk>", "<s>", "</s>"])
    table.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return table
