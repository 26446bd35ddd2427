"""Single words, cut from stories of which it is known what is said when."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import numpy as np

from ..labels import is_silence
from ..story import Story
from ..windows import cut

STEP = 160  # samples, 10 ms: lengths are multiples of it, so that cuts of like length share batches


class WordToken(NamedTuple):
    """Where a word is spoken.

    Parameters
    ----------
    word : str
        In lower case.
    story : str
    start, end : int
        First sample and the one after the last, at 16 kHz.
    """

    word: str
    story: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.word!r} at {self.start / Story.sampling_rate:.2f} s of {self.story}"


def word_tokens(stories: Iterable[Story], min_seconds: float = 0.1) -> tuple[list[WordToken], int]:
    """Find the words of stories.

    Parameters
    ----------
    stories : iterable of Story
        Of whose `words` those are left out that `is_silence` says are none.
    min_seconds : float

    Returns
    -------
    tokens : list of WordToken
        In the order of the stories and of time; lengths are rounded to 10 ms.
    n_left_out : int
        Words that are shorter, or reach beyond the end of the sound.

    Raises
    ------
    ValueError
        The stories hold no word that is long enough.
    """
    rate, tokens, n_left_out = Story.sampling_rate, [], 0
    for story in stories:
        for word in story.words:
            label = word.label.strip().lower()
            if is_silence(label):
                continue
            start = round(word.start * rate)
            end = start + round((word.end - word.start) * rate / STEP) * STEP
            if word.end - word.start >= min_seconds and 0 <= start and end <= len(story.audio):
                tokens.append(WordToken(label, story.name, start, end))
            else:
                n_left_out += 1
    if not tokens:
        raise ValueError(
            f"stories must hold words of at least {min_seconds:g} s, got none and {n_left_out} "
            "that are shorter or reach beyond the sound; have they a tier of words?"
        )
    return tokens, n_left_out


def draw_tokens(
    tokens: Iterable[WordToken], words: Collection[str], max_tokens: int = 10, seed: int = 0
) -> list[WordToken]:
    """Draw tokens of some words at random.

    Parameters
    ----------
    tokens : list of WordToken
    words : collection of str
    max_tokens : int
        Of each word; all are taken where there are fewer.
    seed : int

    Returns
    -------
    list of WordToken
        Those of a word stand together, the words in alphabetical order.

    Raises
    ------
    ValueError
        `max_tokens` is below 1.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens must be at least 1, got {max_tokens}")
    of_word = {word: [] for word in sorted(words)}
    for token in tokens:
        if token.word in of_word:
            of_word[token.word].append(token)
    rng = np.random.default_rng(seed)
    return [
        found[i]
        for found in of_word.values()
        for i in sorted(rng.permutation(len(found))[:max_tokens])
    ]


def cut_tokens(stories: Iterable[Story], tokens: list[WordToken]) -> list[np.ndarray]:
    """Cut words from the sound of their stories.

    Parameters
    ----------
    stories : iterable of Story
        All that the tokens are of.
    tokens : list of WordToken

    Returns
    -------
    list of float32 arrays of shape (n_samples,)
        Mono at 16 kHz, in the order of the tokens.

    Raises
    ------
    KeyError
        A token's story is not among the stories.
    """
    clips = {}
    for story in stories:
        own = [token for token in tokens if token.story == story.name]
        # What is cut is a copy, which lets the rest of the sound go.
        clips |= {token: cut(story.audio, token.start, token.end) for token in own}
    return [clips[token] for token in tokens]
