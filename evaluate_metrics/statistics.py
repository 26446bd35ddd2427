"""How far scores can be trusted: bootstrap intervals over blocks of TRs."""

import math

import numpy as np

from .encoding_model import zscore

ROUNDING = 1e-12  # relative to unit variance: less is no variation


def bootstrap_interval(statistic, n_trs, block=10, n_resamples=1000, confidence=0.95, seed=0):
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
    resamples = _resampled_rows(n_trs, block, n_resamples, seed)
    return _percentile_interval([statistic(rows) for rows in resamples], confidence)


def alignment_interval(
    predictions,
    references,
    noise_ceiling,
    baseline=None,
    block=10,
    n_resamples=1000,
    confidence=0.95,
    seed=0,
    voxel_batch=1024,
):
    """Percentile interval of normalised alignment, averaged over voxels and layers.

    The same resamples as `bootstrap_interval` draws, for all voxels at once: a correlation under
    resampling depends on how often each TR was drawn alone, so matrix products give all resamples.

    Parameters
    ----------
    predictions : list of arrays of shape (n_trs, n_voxels)
        One array per layer.
    references : array of shape (n_trs, n_voxels)
        The measured responses in the voxels to average, each of which must vary over time.
    noise_ceiling : array of shape (n_voxels,)
        Above 0: only voxels that passed the threshold belong here.
    baseline : list of arrays of shape (n_trs, n_voxels), optional
        Predictions of another model. The interval is then that of the difference, predictions
        minus baseline, both scored on the same resamples.
    block, n_resamples, confidence, seed
        As in `bootstrap_interval`.
    voxel_batch : int
        Voxels per pass, which bounds memory.

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        If shapes do not match, values are not finite, a voxel's reference is constant or its
        noise ceiling is not above 0, or a number is out of its range.

    Notes
    -----
    A prediction that does not vary within a resample scores 0 there.
    """
    references, noise_ceiling = np.asarray(references), np.asarray(noise_ceiling)
    weighted_layers = [(1 / len(predictions), np.asarray(layer)) for layer in predictions]
    if baseline is not None:
        weighted_layers += [(-1 / len(baseline), np.asarray(layer)) for layer in baseline]
    _check_scored_voxels([layer for _, layer in weighted_layers], references, noise_ceiling)
    n_trs, n_voxels = references.shape
    resamples = _resampled_rows(n_trs, block, n_resamples, seed)
    shares = np.stack([np.bincount(rows, minlength=n_trs) for rows in resamples]) / n_trs

    totals = np.zeros(n_resamples)
    for start in range(0, n_voxels, voxel_batch):
        voxels = slice(start, start + voxel_batch)
        y = zscore(references[:, voxels])
        y_mean, y_variance = _resampled_moments(shares, y)
        for weight, layer in weighted_layers:
            x = zscore(layer[:, voxels])
            x_mean, x_variance = _resampled_moments(shares, x)
            covariance = shares @ (x * y) - x_mean * y_mean
            scale = np.sqrt(x_variance * y_variance)
            correlations = np.divide(
                covariance, scale, out=np.zeros_like(scale), where=scale > ROUNDING
            )
            totals += weight * (correlations @ (1 / noise_ceiling[voxels]))
    return _percentile_interval(totals / n_voxels, confidence)


def _resampled_rows(n_trs, block, n_resamples, seed):
    """TRs of each resample, of shape (n_resamples, n_trs)."""
    if not 1 <= block <= n_trs:
        raise ValueError(f"block must be from 1 to the {n_trs} TRs that there are, got {block}")
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, got {n_resamples}")
    n_blocks = math.ceil(n_trs / block)
    starts = np.random.default_rng(seed).integers(n_trs, size=(n_resamples, n_blocks, 1))
    return ((starts + np.arange(block)) % n_trs).reshape(n_resamples, -1)[:, :n_trs]


def _resampled_moments(shares, columns):
    """Mean and variance of z-scored columns in every resample, (n_resamples, n_voxels) each."""
    mean = shares @ columns
    return mean, (shares @ columns**2 - mean**2).clip(min=0)


def _percentile_interval(values, confidence):
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    n_bad = np.isnan(values).sum()
    if n_bad:
        raise ValueError(f"the statistic is NaN in {n_bad} of {len(values)} resamples")
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _check_scored_voxels(layers, references, noise_ceiling):
    if references.ndim != 2 or not references.size:
        raise ValueError(f"references must be (n_trs, n_voxels), got shape {references.shape}")
    for layer in layers:
        if layer.shape != references.shape:
            raise ValueError(
                f"each layer's predictions must have the references' shape {references.shape}, "
                f"got {layer.shape}"
            )
        if not np.isfinite(layer).all():
            raise ValueError("predictions hold NaN or infinite values")
    if noise_ceiling.shape != references.shape[1:] or not (noise_ceiling > 0).all():
        raise ValueError(
            f"noise_ceiling must hold a number above 0 for each of {references.shape[1]} voxels, "
            f"got shape {noise_ceiling.shape} with minimum {noise_ceiling.min(initial=np.inf)}"
        )
    unusable = ~(np.isfinite(references).all(axis=0) & (references.max(0) > references.min(0)))
    if unusable.any():
        raise ValueError(
            f"references are constant or not finite in {unusable.sum()} voxels, the first is voxel "
            f"{np.flatnonzero(unusable)[0]}: leave them out"
        )
