"""Words of a story that others do not hold: what was learned by heart says nothing of them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..labels import is_silence
from ..story import Story


class NewWords(NamedTuple):
    """Where a story has words that other stories do not have.

    Parameters
    ----------
    follows : bool array of shape (n_trs,)
        Whether a TR's response can depend on such a word.
    n_new, n_words : int
        Such words, and all words, as often as they are said.
    """

    follows: np.ndarray
    n_new: int
    n_words: int


def new_words(story: Story, others: Iterable[Story], delays: Sequence[int]) -> NewWords:
    """Find the TRs of a story that follow words which are in none of the other stories.

    A TR follows a word whose middle lies in one of the TRs that an encoding model's delays reach
    back to: from (max + 1/2) to (min - 1/2) TRs before the TR's own middle, min and max being the
    smallest and the largest delay.

    Parameters
    ----------
    story : Story
    others : iterable of Story
    delays : list of int
        In TRs.

    Returns
    -------
    NewWords
        Of the labels that `is_silence` says are words; they are compared in lower case. Without
        words in the story, or in all of the others, nothing can be new: `n_words` is 0.
    """
    known = {label for other in others for label, _ in _words(other)}
    said = _words(story) if known else []
    middles = np.array([middle for label, middle in said if label not in known])
    back = story.tr_times[:, np.newaxis] - middles
    least, most = min(delays) - 0.5, max(delays) + 0.5
    reached = (back > least * story.tr) & (back <= most * story.tr)
    return NewWords(reached.any(axis=1), len(middles), len(said))


def _words(story):
    """Each word's label and the middle of its time in seconds."""
    labelled = ((word.label.strip().lower(), word) for word in story.words)
    return [(label, (w.start + w.end) / 2) for label, w in labelled if not is_silence(label)]
