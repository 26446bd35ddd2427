"""The phantom's language: meaning is in how phones combine, never in a single phone.

A content word is onset i + vowel j + coda k. Its category is (i + j) modulo 5, and k is (i + 2 j)
modulo 5: two orthogonal Latin squares, so that within every category each onset, each vowel and
each coda occurs exactly once. Phone statistics are therefore the same in all categories, and a
linear readout of averaged phone features knows nothing of meaning; who knows which phones stood
together knows everything.

New words are kept for where generalisation is tested. Their categories follow the same rule, of
onset and vowel, but each has another coda, (i + 2 j + 2) modulo 5. Who has learned the rule knows
them too; who knows words by heart, or goes by their codas, does not.
"""

from typing import NamedTuple

import numpy as np

ONSETS = ("B", "S", "M", "K", "L")
VOWELS = ("IY", "AA", "UW", "ER", "AY")
CODAS = ("N", "F", "Z", "CH", "G")
CATEGORIES = ("city", "forest", "kitchen", "music", "sea")


class Word(NamedTuple):
    label: str
    phones: tuple[str, ...]
    category: int | None  # None: a function word, without meaning


def _content_words(shift):
    n = len(CATEGORIES)
    for i, onset in enumerate(ONSETS):
        for j, vowel in enumerate(VOWELS):
            phones = (onset, vowel, CODAS[(i + 2 * j + shift) % n])
            yield Word("".join(phones).lower(), phones, (i + j) % n)


CONTENT_WORDS = tuple(_content_words(0))
NEW_WORDS = tuple(_content_words(2))

FUNCTION_WORDS = tuple(
    Word(label, tuple(phones.split()), None)
    for label, phones in {
        "the": "DH AH",
        "and": "AE N D",
        "with": "W IH TH",
        "how": "HH AW",
        "they": "DH EY",
        "could": "K UH D",
        "of": "AH V",
        "oh": "OW",
        "all": "AO L",
        "up": "AH P",
        "she": "SH IY",
        "just": "JH AH S T",
        "are": "AA R",
        "yet": "Y EH T",
        "being": "B IY IH NG",
        "ahoy": "AH HH OY",
        "vision": "V IH ZH AH N",
    }.items()
)


def semantic_vectors() -> np.ndarray:
    """The meaning of each category, the corners of a regular simplex.

    Returns
    -------
    array of shape (n_categories, n_categories - 1): rows of unit length that sum to zero.
    """
    n = len(CATEGORIES)
    centred = np.eye(n) - 1 / n
    axes = np.linalg.svd(centred)[2][: n - 1]
    corners = centred @ axes.T
    return corners / np.linalg.norm(corners, axis=1, keepdims=True)
