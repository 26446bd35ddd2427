"""A difference of two models over participants, seeds and blocks of TRs, level by level."""

from typing import Any

import numpy as np
from scipy.stats import t as student

from .bootstrap import check_confidence


def difference_over_runs(
    drawn: np.ndarray, n_blocks: float, confidence: float = 0.95
) -> dict[str, Any]:
    """Mean of a difference over runs, with what it varies by from run to run in its interval.

    An interval over blocks of TRs takes two checkpoints as they are; tuned with another seed, or on
    another participant, they would differ by something else. The variance of the mean is that of a
    bootstrap which draws participants, seeds and blocks of TRs, level by level, each made unbiased
    for the few units that there are: three values drawn with replacement vary by a third too
    little, and their percentiles end at the least and the greatest of them. Hence Student's
    quantiles, for the degrees of freedom of a sum of variances (Satterthwaite 1946).

    Parameters
    ----------
    drawn : array of shape (n_participants, n_seeds, 1 + n_resamples)
        The difference in every run, as observed and then in resamples of blocks of TRs, the same
        ones for all runs.
    n_blocks : float
        Blocks that there are, above 1.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    dict
        "mean"; "interval", (low, high); "p", two-sided, of a difference of 0; "n_participants" and
        "n_seeds", of which those that are one are not covered.

    Raises
    ------
    ValueError
        If the difference is not finite in a resample, or a number is out of its range.
    """
    check_confidence(confidence)
    drawn = np.asarray(drawn, dtype=float)
    if drawn.ndim != 3 or not np.isfinite(drawn).all() or not n_blocks > 1:
        raise ValueError(
            "drawn must be finite, of shape (n_participants, n_seeds, 1 + n_resamples), from more "
            f"than one block, got shape {drawn.shape} from {n_blocks:g}"
        )
    observed = drawn[..., 0]
    variances = [drawn.mean(axis=(0, 1))[1:].var() * n_blocks / (n_blocks - 1)]
    freedom = [n_blocks - 1]
    for axis, n in enumerate(observed.shape):
        if n > 1:
            variances.append(observed.mean(axis=1 - axis).var(ddof=1) / n)
            freedom.append(n - 1)
    mean, variance = observed.mean(), np.sum(variances)
    squares = np.sum(np.square(variances) / freedom)
    degrees = variance**2 / squares if squares else 1.0
    error = np.sqrt(variance)
    reach = error * student.ppf((1 + confidence) / 2, degrees)
    p = 2 * student.sf(abs(mean) / error, degrees) if error else float(mean == 0)
    return {
        "mean": float(mean),
        "interval": (float(mean - reach), float(mean + reach)),
        "p": float(p),
        "n_participants": observed.shape[0],
        "n_seeds": observed.shape[1],
    }
