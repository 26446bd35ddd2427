"""Word and phone error rates of speech recognition."""

from collections.abc import Sequence

import jiwer
import numpy as np


def count_errors(
    references: Sequence[str], hypotheses: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Count words, or phones, and errors in recognising them, clip by clip.

    Parameters
    ----------
    references, hypotheses : sequences of str, as many of one as of the other
        No reference is empty.

    Returns
    -------
    errors, words : int arrays of shape (n_clips,)
        Insertions, deletions and substitutions; words of the references. The sum of the errors
        over that of the words is jiwer's word error rate.

    Examples
    --------
    >>> errors, words = count_errors(["to be or not", "that is"], ["to be not", "that is"])
    >>> errors.tolist(), words.tolist()
    ([1, 0], [4, 2])
    """
    counted = [
        jiwer.process_words(reference, hypothesis)
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]
    errors = [c.insertions + c.deletions + c.substitutions for c in counted]
    words = [c.hits + c.deletions + c.substitutions for c in counted]
    return np.array(errors), np.array(words)


def error_rate(
    errors: np.ndarray, words: np.ndarray, clips: slice | np.ndarray = slice(None)
) -> float:
    """Return errors per word of the chosen clips.

    Parameters
    ----------
    errors, words : int arrays of shape (n_clips,)
        As `count_errors` has them.
    clips : slice or int array
        Of a resample; all by default.
    """
    return float(errors[clips].sum() / words[clips].sum())
