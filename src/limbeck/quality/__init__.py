"""How good generated texts are: their form, copies among them, how diverse they are, how near to real ones.

Pure functions over texts and arrays; each measure says whose definition it keeps. Knows nothing of models, engines,
files or of how the texts came about.
"""

from limbeck.quality.copies import Copy, Sieve, jaccard, shingles
from limbeck.quality.diversity import distinct, pairs_of_words, self_bleu, vendi_score
from limbeck.quality.form import Bounds, flaw
from limbeck.quality.likeness import Likeness, closeness, likeness

__all__ = [
    "Bounds",
    "Copy",
    "Likeness",
    "Sieve",
    "closeness",
    "distinct",
    "flaw",
    "jaccard",
    "likeness",
    "pairs_of_words",
    "self_bleu",
    "shingles",
    "vendi_score",
]
