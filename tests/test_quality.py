"""Measures of generated text: truths by hand, laws, and nltk's BLEU as oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.quality import (
    Bounds,
    Sieve,
    closeness,
    distinct,
    flaw,
    jaccard,
    likeness,
    self_bleu,
    shingles,
    vendi_score,
)
from limbeck.quality.diversity import words

SENTENCES = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=1, max_size=12).map(" ".join)


def test_distinct_n_by_hand() -> None:
    # Words: a b a | a b. Unigrams 2 of 5; bigrams (a,b) (b,a) (a,b): 2 of 3.
    assert distinct(["a b a", "A b"], 1) == 2 / 5
    assert distinct(["a b a", "A b"], 2) == 2 / 3
    assert distinct(["a"], 2) is None
    assert distinct([], 1) is None


def test_vendi_by_hand() -> None:
    same, other = [1.0, 0.0], [0.0, 1.0]
    assert vendi_score(np.array([same, other], np.float32)) == pytest.approx(2)
    assert vendi_score(np.array([same] * 5, np.float32)) == pytest.approx(1)
    # Three of one kind and one of another: exp of the entropy of (3/4, 1/4).
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert vendi_score(np.array([same] * 3 + [other], np.float32)) == pytest.approx(math.exp(entropy))
    assert vendi_score(np.zeros((0, 2), np.float32)) is None


def test_vendi_is_the_same_from_either_product() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shares = np.linalg.eigvalsh(vectors @ vectors.T / 30)
    shares = shares[shares > 1e-10]
    wanted = math.exp(-(shares * np.log(shares)).sum())
    assert vendi_score(vectors.astype(np.float32)) == pytest.approx(wanted, rel=1e-5)


def test_self_bleu_of_equal_and_of_strange_texts() -> None:
    assert self_bleu(["the cat sat on the mat"] * 3) == pytest.approx(1)
    assert self_bleu(["one two three four", "five six seven eight"]) == 0
    assert self_bleu(["alone"]) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(SENTENCES, min_size=2, max_size=6))
def test_self_bleu_is_nltks(texts: list[str]) -> None:
    bleu = pytest.importorskip("nltk.translate.bleu_score")
    bags = [words(text) for text in texts]
    smoothing = bleu.SmoothingFunction().method1
    wanted = [
        bleu.sentence_bleu([*bags[:i], *bags[i + 1 :]], bag, smoothing_function=smoothing) for i, bag in enumerate(bags)
    ]
    assert self_bleu(texts) == pytest.approx(sum(wanted) / len(wanted), abs=1e-9)


def test_shingles_by_hand() -> None:
    assert shingles("A-bc de!", 3) == {"a b", " bc", "bc ", "c d", " de"}
    assert shingles("hi") == {"hi"}
    assert shingles("...") == frozenset()
    assert jaccard(frozenset("abc"), frozenset("bcd")) == 2 / 4
    assert jaccard(frozenset(), frozenset()) == 0


def test_the_sieve_finds_copies_and_only_copies() -> None:
    sieve = Sieve(0.6)
    sieve.add(["A gripping film with a fine cast.", "Dull from start to end.", "!!!"], "pool")
    sieve.add(["Nobody should see this twice."], "test")
    found = sieve.find("a gripping film, with a fine cast")
    assert found is not None
    assert (found.name, found.text, found.overlap) == ("pool", "A gripping film with a fine cast.", 1.0)
    other = sieve.find("Nobody should ever see this twice!")
    assert other is not None
    assert other.name == "test"
    assert 0.6 <= other.overlap < 1
    assert sieve.find("A tender story about two brothers.") is None
    assert sieve.find("?!") is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text("abcdefgh ", min_size=20, max_size=60), min_size=1, max_size=20), st.integers(0, 19))
def test_the_sieve_agrees_with_looking_at_all(texts: list[str], place: int) -> None:
    """Pairs at 0.7 and more are missed with probability below 1e-7."""
    sieve = Sieve(0.7)
    sieve.add(texts, "pool")
    asked = texts[place % len(texts)][:-1]
    best = max(jaccard(shingles(asked), shingles(text)) for text in texts)
    found = sieve.find(asked)
    assert (found is not None) == (best >= 0.7)
    assert found is None or found.overlap == best


def test_closeness_by_hand() -> None:
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    others = np.array([[0.6, 0.8], [1, 0]], np.float32)
    assert closeness(vectors, others).tolist() == pytest.approx([1.0, 0.8])
    assert closeness(vectors, others[:0]).tolist() == [-1, -1]


def test_likeness_by_hand() -> None:
    """Real texts at 0°, 10°, 20° and 90°; with k = 1 their neighbourhoods reach 10°, 10°, 10° and 70°."""

    def at(*degrees: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        turned = np.radians(degrees)
        return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)

    found = likeness(at(-5), at(0, 10, 20, 90), k=1)
    assert found is not None
    assert found.distance == pytest.approx(1 - math.cos(math.radians(5)), abs=1e-6)
    assert (found.density, found.coverage) == (1, 1 / 4)
    # One at 30°: within 70° of the last one only.
    far = likeness(at(-5, 31), at(0, 10, 20, 90), k=1)
    assert far is not None
    assert (far.density, far.coverage) == (1, 2 / 4)
    assert likeness(at(0), at(0, 10), k=2) is None
    assert likeness(at(), at(0, 10), k=1) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A fine film with heart.", None),
        ("Fine.", "too short"),
        ("word " * 3 + "and so on and on and more", "loops"),
        ("it is so very good it is so very bad", "loops"),
        ("one two three four five six seven eight nine ten eleven twelve thirteen", "too long"),
        ("A film. Sentiment: positive, of course", "repeats the prompt"),
        ("A film \ufffd about love", "broken characters"),
        ("A film \x07 about love", "broken characters"),
        ("+++ --- 12 === ((( )))", "hardly any words"),
        ("Ein schöner Film über Größe", None),
        ("一部 很好 的 电影", None),
    ],
)
def test_form(text: str, wanted: str | None) -> None:
    assert flaw(text, Bounds(3, 12), ["sentiment:"]) == wanted
