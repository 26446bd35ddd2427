"""Resampled blocks of TRs: intervals and p-values of a statistic."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student


def bootstrap_interval(
    statistic: Callable[[np.ndarray], float],
    n_trs: int,
    block: int = 10,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic, from resampled blocks of TRs.

    Neighbouring TRs resemble each other, so blocks of them are drawn with replacement instead of
    single ones. Blocks may begin at any TR and wrap around the end (the circular block bootstrap
    of Politis and Romano 1992), so that every TR is drawn equally often.

    Parameters
    ----------
    statistic : callable
        Given an integer array of shape (n_trs,), the TRs of a resample, returns a float.
    n_trs : int
    block : int
        Length of a block in TRs; it should exceed the time over which TRs depend on each other.
    n_resamples : int
    confidence : float
        Between 0 and 1.
    seed : int

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        If a block is longer than the story, or a number is out of its range.

    Examples
    --------
    >>> responses = np.sin(np.arange(100.0))
    >>> low, high = bootstrap_interval(lambda rows: responses[rows].mean(), n_trs=100)
    >>> bool(low < responses.mean() < high)
    True
    """
    resamples = resampled_rows(n_trs, block, n_resamples, seed)
    return percentile_interval([statistic(rows) for rows in resamples], confidence)


def percentile_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Interval between percentiles of a resampled statistic.

    Parameters
    ----------
    values : array of shape (n_resamples,)
    confidence : float
        Between 0 and 1.

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        If the statistic is NaN in a resample, or the confidence is out of its range.
    """
    check_confidence(confidence)
    values = np.asarray(values)
    n_bad = np.isnan(values).sum()
    if n_bad:
        raise ValueError(f"the statistic is NaN in {n_bad} of {len(values)} resamples")
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def student_interval(
    drawn: ArrayLike, n_blocks: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of a statistic from its spread over resamples, with Student's quantiles.

    Percentiles of resamples are too narrow where blocks are few, as those of a story are: what is
    resampled varies less than what it was drawn from, by the factor of a variance whose mean is
    estimated, and how much it varies is itself uncertain. Both are made up for as for a mean of
    `n_blocks` values. `recipes/benchmarks/error_rates.py` counts how often such intervals hold the
    truth.

    Parameters
    ----------
    drawn : array of shape (1 + n_resamples,)
        The statistic as observed, then in resamples of blocks.
    n_blocks : float
        Blocks that there are, above 1.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        If the statistic is NaN in a resample, or a number is out of its range.
    """
    check_confidence(confidence)
    observed, drawn = np.float64(drawn[0]), np.asarray(drawn)[1:]
    if np.isnan(drawn).any() or not n_blocks > 1:
        raise ValueError(
            f"the statistic is NaN in {np.isnan(drawn).sum()} of {len(drawn)} resamples, of "
            f"{n_blocks:g} blocks; there must be more than one"
        )
    error = drawn.std() * math.sqrt(n_blocks / (n_blocks - 1))
    reach = student.ppf((1 + confidence) / 2, n_blocks - 1) * error
    return float(observed - reach), float(observed + reach)


def bootstrap_p(values: ArrayLike) -> float:
    """Chance of a difference as far from 0, from its resampled values: two-sided.

    The level of the widest `percentile_interval` that leaves 0 out (Efron and Tibshirani 1993,
    chapter 15). With few blocks such intervals are somewhat narrow, and p as much too small.

    Parameters
    ----------
    values : array of shape (n_resamples,)

    Returns
    -------
    float
        At least ``2 / (1 + n_resamples)``, at most 1.

    Raises
    ------
    ValueError
        If there are none, or the difference is NaN in a resample.

    Examples
    --------
    >>> bootstrap_p([0.1, 0.3, -0.1, 0.2, 0.4, 0.3, 0.2, 0.1, 0.2])
    0.4
    """
    values = np.asarray(values, dtype=float)
    if not values.size or np.isnan(values).any():
        raise ValueError(
            f"values must be the difference in every resample, got {np.isnan(values).sum()} NaN of "
            f"{values.size}"
        )
    fewer = min(np.count_nonzero(values <= 0), np.count_nonzero(values >= 0))
    return float(min(1, 2 * (1 + fewer) / (1 + values.size)))


def resampled_rows(n_trs: int, block: int, n_resamples: int, seed: int) -> np.ndarray:
    """TRs of each resample, of shape (n_resamples, n_trs)."""
    if not 1 <= block <= n_trs:
        raise ValueError(f"block must be from 1 to the {n_trs} TRs that there are, got {block}")
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, got {n_resamples}")
    n_blocks = math.ceil(n_trs / block)
    starts = np.random.default_rng(seed).integers(n_trs, size=(n_resamples, n_blocks, 1))
    return ((starts + np.arange(block)) % n_trs).reshape(n_resamples, -1)[:, :n_trs]


def check_confidence(confidence: float) -> None:
    """Refuse a confidence that is not between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
