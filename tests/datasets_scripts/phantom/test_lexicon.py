import numpy as np
import pytest

from datasets_scripts.phantom.lexicon import (
    CATEGORIES,
    CODAS,
    CONTENT_WORDS,
    FUNCTION_WORDS,
    NEW_WORDS,
    ONSETS,
    VOWELS,
    semantic_vectors,
)
from datasets_scripts.phantom.speech import PHONES, SILENCE

N = len(CATEGORIES)
WORDS = CONTENT_WORDS + FUNCTION_WORDS


def phone_counts(words):
    """How often each phone is in each word, (n_words, n_phones)."""
    labels = list(PHONES)
    return np.array([[word.phones.count(label) for label in labels] for word in words])


def categories(words):
    return np.array([word.category for word in words])


@pytest.mark.parametrize("words", [CONTENT_WORDS, NEW_WORDS], ids=["usual", "new"])
@pytest.mark.parametrize("category", range(N))
@pytest.mark.parametrize("place, phones", list(enumerate([ONSETS, VOWELS, CODAS])))
def test_a_category_holds_each_onset_vowel_and_coda_once(words, category, place, phones):
    said = [word.phones[place] for word in words if word.category == category]
    assert sorted(said) == sorted(phones)


def test_new_words_follow_the_rule_of_onset_and_vowel_but_not_of_codas():
    known = {word.phones: word.category for word in CONTENT_WORDS}
    assert not known.keys() & {word.phones for word in NEW_WORDS}
    for places, agree in [((0, 1), True), ((0, 2), False), ((1, 2), False)]:
        learned = {tuple(phones[p] for p in places): known[phones] for phones in known}
        for word in NEW_WORDS:
            guessed = learned[tuple(word.phones[p] for p in places)]
            assert (guessed == word.category) is agree


def test_any_two_phones_of_a_word_tell_its_category():
    for one, other in [(0, 1), (0, 2), (1, 2)]:
        pairs = {(word.phones[one], word.phones[other]) for word in CONTENT_WORDS}
        assert len(pairs) == len(CONTENT_WORDS) == N**2


def test_a_linear_readout_of_phones_knows_no_category():
    counts = phone_counts(CONTENT_WORDS)
    design = np.column_stack([counts, np.ones(len(counts))])
    labels = np.eye(N)[categories(CONTENT_WORDS)]
    readout = np.linalg.lstsq(design, labels, rcond=None)[0]
    np.testing.assert_allclose(design @ readout, 1 / N, atol=1e-12)


def test_summed_phones_of_a_topic_are_those_of_any_other():
    counts = phone_counts(CONTENT_WORDS)
    sums = [counts[categories(CONTENT_WORDS) == category].sum(axis=0) for category in range(N)]
    np.testing.assert_array_equal(sums, np.tile(sums[0], (N, 1)))


def test_who_knows_which_phones_stood_together_knows_the_category():
    together = np.array(
        [
            np.outer(
                [word.phones[0] == onset for onset in ONSETS],
                [word.phones[1] == vowel for vowel in VOWELS],
            ).ravel()
            for word in CONTENT_WORDS
        ]
    )
    labels = np.eye(N)[categories(CONTENT_WORDS)]
    readout = np.linalg.lstsq(together, labels, rcond=None)[0]
    np.testing.assert_allclose(together @ readout, labels, atol=1e-12)


def test_every_phone_can_be_spoken_and_no_word_holds_silence():
    said = {phone for word in WORDS for phone in word.phones}
    assert said <= PHONES.keys() - {SILENCE}


def test_words_are_told_apart_by_label_and_by_sound():
    assert len({word.label for word in WORDS}) == len(WORDS)
    assert len({word.phones for word in WORDS}) == len(WORDS)


def test_function_words_mean_nothing():
    assert {word.category for word in FUNCTION_WORDS} == {None}


def test_meanings_are_the_corners_of_a_regular_simplex():
    vectors = semantic_vectors()
    assert vectors.shape == (N, N - 1)
    expected = np.where(np.eye(N, dtype=bool), 1, -1 / (N - 1))
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-12)
    np.testing.assert_allclose(vectors.sum(axis=0), 0, atol=1e-12)
