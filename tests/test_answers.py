"""Where an answer stands in a text, and which answers are the same: truths by hand and laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.decoding.answers import YES_NO, AnswerKind, Number, Option, Pattern, Phrase, Words, align

LABELS = Words.of({"pos": "positive", "neg": "negative", "ok": "not bad", "long": "very positive"})


def value(kind: AnswerKind, text: str) -> str | None:
    found = kind.find(text)
    return None if found is None else found.value


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It costs $1,000.", "1000"),
        ("1000 apples", "1000"),
        ("so $1000.00 in all", "1000"),
        ("3 + 5 = 8", "8"),
        ("x = -5", "-5"),
        ("x = −5.50", "-5.5"),
        ("10-5", "5"),
        ("about .5 of it", "0.5"),
        ("12/4 of a pie", "3"),
        ("1/8", "0.125"),
        ("2/6 is less", "1/3"),
        ("-0.0", "0"),
        ("007", "7"),
        ("50%", "50"),
        ("no digits", None),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_numbers(text: str, wanted: str | None) -> None:
    assert value(Number(), text) == wanted


@given(st.integers(-(10**15), 10**15))
def test_a_number_is_the_same_however_it_is_written(number: int) -> None:
    forms = [f"{number}", f"{number:,}", f"{number}.00", f"= {number}.", f"({number:,}.0)", f"{number * 2}/2"[:40]]
    assert {value(Number(), f"I think it is {form}") for form in forms} == {str(number)}


@given(st.text(), st.sampled_from([Number(), YES_NO, Option(), Phrase(), LABELS, Pattern(r"(\w+)!")]))
def test_spans_lie_in_the_text(text: str, kind: AnswerKind) -> None:
    found = kind.find(text)
    if found is not None:
        assert 0 <= found.start < found.end <= len(text)
        assert found.value


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I say positive, no: NEGATIVE.", "neg"),
        ("This is very  positive", "long"),
        ("not bad at all", "ok"),
        ("negative, not positive", "neg"),
        ("it isn't very positive", None),
        ("never negative", None),
        ("positively", None),
        ("positive-ish", "pos"),
    ],
)
def test_words(text: str, wanted: str | None) -> None:
    assert value(LABELS, text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The answer is (b).", "B"),
        ("The answer is C", "C"),
        ("A dog is B) brown. A cat is not.", "B"),
        ("B: because A is wrong", "B"),
        ("option a", None),
        ("DNA", None),
        ("I choose D\nbecause", "D"),
    ],
)
def test_options(text: str, wanted: str | None) -> None:
    assert value(Option(), text) == wanted


def test_yes_and_no() -> None:
    assert value(YES_NO, "Yes. On second thought, no!") == "no"
    assert value(YES_NO, "nobody knows") is None


def test_patterns_take_their_first_group() -> None:
    assert value(Pattern(r"\\boxed\{([^}]*)\}"), r"so \boxed{1} and \boxed{ X y }.") == "x y"
    assert value(Pattern(r"\d+ %"), "10 %, then 20 %") == "20 %"
    assert value(Pattern(r"^never$"), "ever") is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("So the answer is the Eiffel Tower. And so on", "eiffel tower"),
        ("So the answer is: 3.5 metres\nQ: next", "3 5 metres"),
        ('So the answer is no. So the answer is "Paris"!', "paris"),
        ("So the answer is ...", None),
    ],
)
def test_phrases(text: str, wanted: str | None) -> None:
    assert value(Phrase(), text) == wanted


def test_a_phrase_is_found_again_in_the_reasoning() -> None:
    text = 'It stands in Paris: the "Eiffel Tower", as the Eiffel tower is called.'
    found = align(text, "eiffel tower")
    assert found is not None
    assert text[found.start : found.end] == "Eiffel tower"
    quoted = align('built: the "Eiffel Tower".', "eiffel tower")
    assert quoted is not None
    assert 'built: the "Eiffel Tower".'[quoted.start : quoted.end] == "Eiffel Tower"
    assert align(text, "big ben") is None
    assert align("", "x") is None
