"""Standardising columns over time, as every model and every score of this room does."""

import numpy as np

ROUNDING = 1e-12  # of standardised columns, relative to their unit variance: less is no variation


def zscore(columns: np.ndarray) -> np.ndarray:
    """Standardise the columns of one story over its TRs, in float64.

    A constant column gives 0: it says nothing of how responses vary over the story, so it shall
    neither stop an analysis, as NaN would, nor have any weight in it. (Responses that are
    constant are no such column: whoever scores them refuses them or leaves them out.)

    Parameters
    ----------
    columns : array of shape (n_trs, n_columns)

    Returns
    -------
    array of shape (n_trs, n_columns), float64
        Columns of mean 0 and standard deviation 1 (ddof 0), and of 0 where they are constant.

    Examples
    --------
    >>> zscore(np.array([[1, 7], [3, 7]]))
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    columns = np.asarray(columns, dtype=np.float64)
    constant = np.ptp(columns, axis=0) == 0  # exact, where a standard deviation is rounded
    deviation = np.where(constant, 1, columns.std(axis=0))
    return np.where(constant, 0, (columns - columns.mean(axis=0)) / deviation)
