"""Corrections for many tests."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control

from .bootstrap import check_confidence


def holm(p: ArrayLike) -> np.ndarray:
    """Adjust p-values so that the chance of any false positive is kept (Holm 1979).

    Parameters
    ----------
    p : array of shape (n_tests,)

    Returns
    -------
    array of shape (n_tests,)
        The smallest level at which each test would be rejected.

    Raises
    ------
    ValueError
        If p is not one-dimensional or holds NaN or values outside 0 to 1.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = _checked_p(p)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted


def fdr(p: ArrayLike) -> np.ndarray:
    """Adjust p-values so that the share of false positives is kept (Benjamini and Hochberg 1995).

    Parameters
    ----------
    p : array of shape (n_tests,)
        One per voxel, say.

    Returns
    -------
    array of shape (n_tests,)
        The smallest false discovery rate at which each test would be called positive.

    Raises
    ------
    ValueError
        If p is not one-dimensional or holds NaN or values outside 0 to 1.

    Examples
    --------
    >>> fdr([0.01, 0.04, 0.03])
    array([0.03, 0.04, 0.04])
    """
    return false_discovery_control(_checked_p(p))


def true_discoveries(
    p: ArrayLike, sets: dict[str, np.ndarray], confidence: float = 0.95
) -> dict[str, int]:
    """How many effects each set of tests holds at the least, for all sets together.

    The chance that any of the numbers is too large is at most ``1 - confidence``, whichever sets
    are looked at and however they were chosen: closed testing with Simes' tests (Rosenblatt et
    al. 2018, NeuroImage 181:786; Goeman et al. 2019, Biometrika 106:841). That holds where tests
    depend on each other positively, as voxels do.

    Parameters
    ----------
    p : array of shape (n_tests,)
        One per voxel, say.
    sets : dict of {str: bool array of shape (n_tests,)}
        The members of each set: a region of interest, say.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    dict of {str: int}
        Never more in a set than `fdr` calls positive there at a rate of ``1 - confidence``.

    Raises
    ------
    ValueError
        If p is not one-dimensional or holds NaN or values outside 0 to 1, or the confidence is
        out of its range.

    Examples
    --------
    >>> true_discoveries([0.001, 0.01, 0.4, 0.9], {"all": np.ones(4, dtype=bool)})
    {'all': 2}
    """
    check_confidence(confidence)
    p, rate = _checked_p(p), 1 - confidence
    low = np.sort(p[p < rate])
    n_higher = len(p) - 1 - np.arange(len(low))
    # Hommel's value: as many tests as may be without an effect all together.
    too_many = np.maximum(n_higher * rate / (rate - low), n_higher + 1).min(initial=len(p) + 1)
    n_without = np.ceil(too_many) - 1
    numbers = {}
    for name, members in sets.items():
        bounds = np.sort(np.ceil(n_without * p[members] / rate).clip(1))
        found = np.arange(1, len(bounds) + 1) - bounds + 1
        numbers[name] = int(found.max(initial=0))
    return numbers


def _checked_p(p):
    p = np.asarray(p, dtype=float)
    if p.ndim != 1:
        raise ValueError(f"p must be (n_tests,), got shape {p.shape}")
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        raise ValueError(
            f"p must be from 0 to 1, got {p[bad][0]} for test {np.flatnonzero(bad)[0]}: "
            "leave out what could not be tested"
        )
    return p
