"""Words are cut where they are spoken, each by itself."""

import numpy as np
import pytest

from datasets_scripts import Interval, Story, open_participant
from datasets_scripts.words.tokens import WordToken, cut_tokens, draw_tokens, word_tokens


def story(name, words, seconds=4.0):
    """A story whose sound tells where each sample is."""
    return Story(
        name=name,
        participant="P01",
        audio=np.arange(seconds * 16000, dtype=np.float32),
        audio_file=None,
        tr=2.0,
        tr_times=np.array([1.0]),
        responses=np.zeros((1, 1), dtype=np.float32),
        words=[Interval(*word) for word in words],
    )


STORIES = [
    story("b", [(0.0, 0.5, "THE"), (0.5, 0.6, "sp"), (1.0, 1.3, "Dog "), (1.3, 1.4, "{LG}")]),
    story("a", [(0.2, 0.29, "a"), (0.3, 0.4, "dog"), (1.0, 1.5, " "), (3.8, 4.1, "end")]),
]


def test_words_are_found_without_silences_and_short_ones():
    tokens, n_left_out = word_tokens(STORIES)
    assert tokens == [
        ("the", "b", 0, 8000),
        ("dog", "b", 16000, 20800),
        ("dog", "a", 4800, 6400),
    ]
    assert n_left_out == 2  # "a" is short, and "end" reaches beyond the sound
    tokens, n_left_out = word_tokens(STORIES, min_seconds=0.25)
    assert [token.word for token in tokens] == ["the", "dog"] and n_left_out == 3
    assert str(tokens[1]) == "'dog' at 1.00 s of b"


def test_lengths_are_rounded_to_10_ms():
    words = [(i / 3, i / 3 + 0.2 + i / 1000, "word") for i in range(10)]
    tokens, _ = word_tokens([story("a", words)])
    assert [token.start for token in tokens] == [round(16000 * i / 3) for i in range(10)]
    lengths = [token.end - token.start for token in tokens]
    assert lengths == [3200] * 5 + [3360] * 5 or lengths == [3200] * 6 + [3360] * 4


def test_stories_without_words_are_an_error():
    with pytest.raises(ValueError, match=r"at least 0.1 s, got none and 1 .*tier of words"):
        word_tokens([story("a", [(0.0, 0.05, "a")])])


def test_tokens_are_drawn_by_word_and_seed():
    tokens = [WordToken(word, "a", i, i + 1) for i in range(30) for word in ("dog", "cat", "the")]
    tokens.append(WordToken("once", "a", 99, 100))
    drawn = draw_tokens(tokens, {"once", "dog", "cat", "never"}, max_tokens=4, seed=3)
    assert [token.word for token in drawn] == ["cat"] * 4 + ["dog"] * 4 + ["once"]
    assert len(set(drawn)) == 9 and set(drawn) <= set(tokens)
    assert draw_tokens(tokens, ["dog", "once", "cat"], max_tokens=4, seed=3) == drawn
    assert draw_tokens(tokens, ["dog", "once", "cat"], max_tokens=4, seed=4) != drawn
    with pytest.raises(ValueError, match="max_tokens must be at least 1, got 0"):
        draw_tokens(tokens, ["dog"], max_tokens=0)


def test_cuts_are_the_sound_of_the_words_in_their_order():
    tokens = sorted(word_tokens(STORIES)[0])
    clips = cut_tokens(iter(STORIES), tokens)
    for token, clip in zip(tokens, clips, strict=True):
        np.testing.assert_array_equal(clip, np.arange(token.start, token.end))
        assert clip.dtype == np.float32 and clip.base is None
    with pytest.raises(KeyError):
        cut_tokens(STORIES[:1], tokens)


def test_words_of_a_phantom_are_louder_than_what_is_between_them(recordings, tmp_path):
    participant = open_participant(recordings, "P01", cache_dir=tmp_path)
    tokens, n_left_out = word_tokens(participant.stories())
    spoken = sum(len(story.words) for story in participant.stories())
    assert len(tokens) + n_left_out == spoken > 100
    clips = cut_tokens(participant.stories(), tokens)
    silent = [
        story.audio[round(phone.start * 16000) : round(phone.end * 16000)]
        for story in participant.stories()
        for phone in story.phones
        if phone.label == "sp"
    ]
    heard, between = (np.mean(np.concatenate(cuts) ** 2) for cuts in (clips, silent))
    assert heard > 30 * between
