"""Tokenizers of model folders: text is data, spelling is exact, and nothing is put in front of a piece of text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from limbeck.engines.base import HOLE, Message
from limbeck.engines.tokenizer_json import FolderTokenizer
from limbeck.errors import EngineError
from tiny_tokenizers import TEXTS, byte_level, sentence_piece, unigram, word_piece

Maker = Callable[[], Tokenizer]
ROLES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def made(folder: Path, table: Tokenizer, **settings: Any) -> FolderTokenizer:
    table.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(ROLES | settings))
    return FolderTokenizer(folder)


@pytest.fixture(scope="module")
def bytes_(tmp_path_factory: pytest.TempPathFactory) -> FolderTokenizer:
    return made(tmp_path_factory.mktemp("bytes"), byte_level())


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> FolderTokenizer:
    return made(tmp_path_factory.mktemp("pieces"), sentence_piece())


TEXT = st.text() | st.lists(st.sampled_from(["<s>", "</s>", "<|turn|>", "<0x41>", " ", "good", "é", "\n"])).map("".join)


def survives(tokenizer: FolderTokenizer, text: str) -> None:
    clean = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\ufdd1", "\ufffd")
    tokens = tokenizer.encode(text)
    assert b"".join(tokenizer.spell(tokens)).decode() == clean
    assert tokenizer.decode(tokens) == clean


@given(text=TEXT)
def test_byte_level_texts_survive_the_round_trip(bytes_: FolderTokenizer, text: str) -> None:
    survives(bytes_, text)
    assert not set(bytes_.encode(text)) & {0, 1, 2, 3, 4}


@given(text=TEXT.filter(lambda text: "▁" not in text))
def test_sentence_piece_texts_survive_the_round_trip(pieces: FolderTokenizer, text: str) -> None:
    survives(pieces, text)
    assert not set(pieces.encode(text)) & {0, 1, 2}


def test_words_are_cut_as_by_the_folders_own_table(bytes_: FolderTokenizer, pieces: FolderTokenizer) -> None:
    for text in TEXTS:
        assert bytes_.encode(f" {text}") == byte_level().encode(text, add_special_tokens=False).ids
        assert pieces.encode(f" {text}") == sentence_piece().encode(text, add_special_tokens=False).ids


def test_nothing_is_put_in_front(bytes_: FolderTokenizer, pieces: FolderTokenizer) -> None:
    for tokenizer in (bytes_, pieces):
        assert tokenizer.spell(tokenizer.encode("good"))[0][:1] == b"g"
        assert tokenizer.spell(tokenizer.encode(" good"))[0][:1] == b" "


def test_spelling_by_hand(pieces: FolderTokenizer) -> None:
    piece, number = max(sentence_piece().get_vocab().items(), key=lambda pair: (pair[0][0] == "▁", len(pair[0])))
    assert len(piece) > 2
    tokens = [1, number, *pieces.encode("é"), 10**6]
    assert pieces.spell(tokens) == [b"", piece.replace("▁", " ").encode(), b"\xc3", b"\xa9", b""]


@pytest.mark.parametrize(
    ("make", "control", "start", "close"),
    [
        (byte_level, "<|turn|>", [0], [2]),
        (sentence_piece, "</s>", [1], []),
        (unigram, "</s>", [], [2]),
        (word_piece, "[MASK]", [2], [3]),
    ],
)
def test_control_tokens_are_spelt_out(
    make: Maker, control: str, start: list[int], close: list[int], tmp_path: Path
) -> None:
    tokenizer = made(tmp_path, make(), unk_token="[UNK]" if make is word_piece else "<unk>")
    number = make().token_to_id(control)
    assert make().encode(control, add_special_tokens=False).ids == [number], "the folder's own table obeys"
    tokens = tokenizer.encode(f"a {control} b")
    assert number not in tokens
    assert tokenizer.unknown not in tokens
    assert (tokenizer.start, tokenizer.close) == (start, close)
    veiled = tokenizer.encode(f"\ufdd1{number}")
    assert number not in veiled


def test_padding_and_truncation_of_the_table_do_not_count(tmp_path: Path) -> None:
    table = word_piece()
    table.enable_padding(length=9)
    table.enable_truncation(4)
    tokenizer = made(tmp_path, table, unk_token="[UNK]")
    assert (tokenizer.start, tokenizer.close) == ([2], [3])
    assert tokenizer.encode("film " * 50) == tokenizer.encode("film") * 50


def test_blanks_that_are_tokens_are_text(tmp_path: Path) -> None:
    table = byte_level()
    table.add_tokens(["    "])
    tokenizer = made(tmp_path, table)
    number = table.token_to_id("    ")
    assert number is not None
    assert tokenizer.encode("a    b").count(number) == 1
    assert tokenizer.spell([number]) == [b"    "]


def test_word_piece_words_are_spelt_with_a_blank(tmp_path: Path) -> None:
    tokenizer = made(tmp_path, word_piece(), unk_token="[UNK]")
    assert tokenizer.decode([2, *tokenizer.encode("Goods film")]) == " goods film"
    assert tokenizer.encode("日") == [tokenizer.unknown]


def test_what_ends_an_answer(tmp_path: Path) -> None:
    assert made(tmp_path, byte_level()).end == {2}
    (tmp_path / "config.json").write_text('{"eos_token_id": 4}')
    assert FolderTokenizer(tmp_path).end == {2, 4}
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [1, 3]}')
    assert FolderTokenizer(tmp_path).end == {1, 2, 3}


def test_settings_say_how_a_row_begins(tmp_path: Path) -> None:
    assert made(tmp_path, sentence_piece(), add_bos_token=False).start == []
    assert made(tmp_path, unigram(), add_bos_token=True, bos_token={"content": "<s>"}).start == [1]


ASK = [Message("user", HOLE)]


def test_where_a_template_may_stand(tmp_path: Path) -> None:
    named = [{"name": "tool", "template": "x"}, {"name": "default", "template": "{{ messages[0].content }}</s>"}]
    tokenizer = made(tmp_path, byte_level(), chat_template=named)
    assert tokenizer.frame(ASK) == ([0], [2])
    (tmp_path / "chat_template.jinja").write_text(
        "{{ bos_token }}{% for m in messages %}{{ m.content }}{% break %}{% endfor %}"
    )
    assert FolderTokenizer(tmp_path).frame(ASK) == ([0], [])


def test_no_template_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no chat template\n  Use `style: plain`"):
        made(tmp_path, byte_level()).frame(ASK)


@pytest.mark.parametrize(
    "table", ["{}", "[]", '{"model": {"type": "BPE", "vocab": {}, "merges": ["a b"]}}', '{"model": {"type": "Magic"}}']
)
def test_damaged_tables_are_refused(table: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"has no tokenizer\.json"):
        FolderTokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text(table)
    with pytest.raises(EngineError, match=r"tokenizer\.json"):
        FolderTokenizer(tmp_path)
