"""A test of two models over participants."""

import warnings

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import wilcoxon


def paired_test(a: ArrayLike, b: ArrayLike) -> dict[str, float]:
    """Test whether two models' scores differ over participants: two-sided Wilcoxon signed-rank.

    Parameters
    ----------
    a, b : arrays of shape (n_participants,)
        A score of each participant under either model. Equal scores are left out of the ranking,
        as scipy.stats.wilcoxon does by default.

    Returns
    -------
    dict
        "statistic", the smaller of the rank sums of positive and of negative differences; "p";
        "n", the number of participants. p is 1 where no score differs.

    Raises
    ------
    ValueError
        If the scores are not paired, there are none, or they are not finite.

    Warns
    -----
    UserWarning
        If fewer than 6 participants differ: p cannot fall below .05 then.

    Notes
    -----
    The comparison of brain-tuned with pretrained models of Moussa et al. 2025.

    Examples
    --------
    >>> paired_test([0.3, 0.4, 0.5, 0.6, 0.7, 0.8], [0.2, 0.2, 0.2, 0.2, 0.2, 0.2])
    {'statistic': 0.0, 'p': 0.03125, 'n': 6}
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise ValueError(
            f"a and b must both be (n_participants,), got shapes {a.shape} and {b.shape}"
        )
    if not np.isfinite([a, b]).all():
        raise ValueError("a and b must hold finite scores, got NaN or infinite values")
    n_differing = np.count_nonzero(a - b)
    if not n_differing:
        return {"statistic": 0.0, "p": 1.0, "n": len(a)}
    if n_differing < 6:
        warnings.warn(
            f"scores differ in {n_differing} of {len(a)} participants, and a two-sided Wilcoxon "
            "test needs 6 to reach p < .05",
            stacklevel=2,
        )
    result = wilcoxon(a, b)
    return {"statistic": float(result.statistic), "p": float(result.pvalue), "n": len(a)}
