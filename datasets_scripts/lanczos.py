"""Features brought from their own times to the TR axis."""

import numpy as np
from scipy.sparse import csr_array


def lanczos(
    values: np.ndarray, times: np.ndarray, tr_times: np.ndarray, lobes: int = 3
) -> np.ndarray:
    """Downsample features to TRs with a Lanczos filter (Moussa et al. 2025, section 3.2).

    The weight of a sample is sinc(t) sinc(t / lobes), which is
    lobes sin(pi t) sin(pi t / lobes) / (pi t)^2, with t the time from the sample to the TR in mean
    TR spacings, and zero where |t| exceeds `lobes`. Weights are not renormalised: a TR without
    samples near it gets zeros.

    Parameters
    ----------
    values : array of shape (n_samples, n_features)
    times : array of shape (n_samples,)
        Seconds, in increasing order.
    tr_times : array of shape (n_trs,)
        TR midpoints in seconds, in increasing order.
    lobes : int

    Returns
    -------
    array of shape (n_trs, n_features)
        Of the floating type of `values`, in which the products are taken.

    Raises
    ------
    ValueError
        Shapes that do not fit, times that are not sorted, or fewer than two TRs.
    """
    values, times, tr_times = np.asarray(values), np.asarray(times), np.asarray(tr_times)
    if values.ndim != 2:
        raise ValueError(f"values must be of shape (n_samples, n_features), got {values.shape}")
    if times.shape != values.shape[:1]:
        raise ValueError(f"times must be of shape ({len(values)},), got {times.shape}")
    if tr_times.ndim != 1 or len(tr_times) < 2:
        raise ValueError(f"tr_times must hold at least two TRs, got shape {tr_times.shape}")
    for name, axis in (("times", times), ("tr_times", tr_times)):
        if not (np.diff(axis) >= 0).all():
            raise ValueError(f"{name} must be in increasing order")
    dtype = np.result_type(values, np.float32)
    return _weights(times, tr_times, lobes).astype(dtype) @ values.astype(dtype, copy=False)


def _weights(times, tr_times, lobes):
    cutoff = 1 / np.diff(tr_times).mean()
    first = np.searchsorted(times, tr_times - lobes / cutoff, side="left")
    last = np.searchsorted(times, tr_times + lobes / cutoff, side="right")
    row_ends = np.concatenate([[0], np.cumsum(last - first)])
    rows = np.repeat(np.arange(len(tr_times)), last - first)
    columns = np.arange(row_ends[-1]) - (row_ends[:-1] - first)[rows]
    t = cutoff * (tr_times[rows] - times[columns])
    weights = np.sinc(t) * np.sinc(t / lobes)
    return csr_array((weights, columns, row_ends), shape=(len(tr_times), len(times)))
