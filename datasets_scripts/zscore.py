"""Responses at mean 0 and variance 1 over the TRs."""

import numpy as np


def zscore_responses(values: np.ndarray) -> np.ndarray:
    """Z-score every voxel over the TRs, in place.

    A voxel that is constant or not finite at some TR has no z-score. It is dead: it becomes NaN,
    so that it can be excluded and never enters a mean as if it had responded.

    Parameters
    ----------
    values : float32 or float64 array of shape (n_trs, n_voxels)
        Overwritten, without a second array of its size. Sums are taken in its own precision.

    Returns
    -------
    array of shape (n_trs, n_voxels): `values`.

    Examples
    --------
    >>> zscore_responses(np.array([[1.0, 0.1], [3.0, 0.1]]))
    array([[-1., nan],
           [ 1., nan]])
    """
    constant = values.max(axis=0) == values.min(axis=0)  # rounding may leave these a spread
    with np.errstate(invalid="ignore"):
        values -= values.mean(axis=0)
        spread = np.sqrt(np.einsum("ij,ij->j", values, values) / len(values))
        values /= np.where(constant | ~np.isfinite(spread), np.nan, spread)
    return values
