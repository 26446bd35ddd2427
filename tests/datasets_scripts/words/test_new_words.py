"""Which TRs follow words that other stories do not hold, by hand."""

import dataclasses

import numpy as np
import pytest

from datasets_scripts import Interval, Story
from datasets_scripts.words import new_words

TR = 2.0


def story(*words, n_trs=10):
    """A story with words of half a second around the given times: (seconds, label)."""
    return Story(
        name="told",
        participant="P01",
        audio=np.zeros(16000, np.float32),
        audio_file="told.wav",
        tr=TR,
        tr_times=(np.arange(n_trs) + 0.5) * TR,  # 1, 3, 5, ...
        responses=np.zeros((n_trs, 1)),
        words=[Interval(middle - 0.25, middle + 0.25, label) for middle, label in words],
    )


HEARD = story((1.0, "The"), (2.0, "river"), (3.0, "sp"))


@pytest.mark.parametrize(
    ("middle", "delays", "expected"),
    [
        # a word in the TR of 4 to 6 s, whose middle is 5 s and which is the third
        (4.01, [1, 2, 3, 4], [3, 4, 5, 6]),
        (5.99, [1, 2, 3, 4], [3, 4, 5, 6]),
        (6.0, [1, 2, 3, 4], [4, 5, 6, 7]),
        (5.0, [0, 1], [2, 3]),
        (5.0, [2], [4]),
        (5.0, [1, 4], [3, 4, 5, 6]),  # what lies between is reached back to as well
        (19.0, [1, 2], []),
    ],
)
def test_trs_that_delays_reach_back_from_follow_a_new_word(middle, delays, expected):
    found = new_words(story((2.0, "river"), (middle, "lighthouse")), [HEARD], delays)
    assert np.flatnonzero(found.follows).tolist() == expected
    assert (found.n_new, found.n_words) == (1, 2)


def test_labels_are_compared_without_case_and_blanks_and_silence_is_no_word():
    told = story((1.0, "the"), (2.0, " RIVER "), (3.0, "{LG}"), (4.0, "sil"))
    found = new_words(told, [HEARD], [1])
    assert (found.n_new, found.n_words) == (0, 2)
    assert not found.follows.any()


def test_a_word_of_any_other_story_is_known_and_each_time_it_is_said_counts():
    told = story((1.0, "river"), (5.0, "lake"), (9.0, "lake"), (13.0, "the"))
    found = new_words(told, [HEARD, story((1.0, "sea"))], [1])
    assert (found.n_new, found.n_words) == (2, 4)
    assert np.flatnonzero(found.follows).tolist() == [3, 5]
    assert new_words(told, [HEARD, story((1.0, "lake"))], [1]).n_new == 0


@pytest.mark.parametrize(
    ("told", "others"),
    [(story(), [HEARD]), (story((1.0, "lake")), [story()]), (story((1.0, "lake")), [])],
    ids=["no words here", "no words there", "no other story"],
)
def test_without_words_nothing_is_new(told, others):
    found = new_words(told, others, [1, 2])
    assert (found.n_new, found.n_words) == (0, 0)
    assert not found.follows.any() and found.follows.shape == (10,)


def test_trs_are_those_of_the_story_however_it_is_trimmed():
    whole = story((5.0, "lake"))
    late = dataclasses.replace(whole, tr_times=whole.tr_times[2:], responses=whole.responses[2:])
    np.testing.assert_array_equal(
        new_words(late, [HEARD], [1, 2]).follows, new_words(whole, [HEARD], [1, 2]).follows[2:]
    )
