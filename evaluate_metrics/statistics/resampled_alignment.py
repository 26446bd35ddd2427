"""Alignment and low-level impact under resampling, of all voxels at once."""

from collections.abc import Iterable

import numpy as np

from ..zscore import zscore
from .bootstrap import resampled_rows, student_interval
from .scored_voxels import check_scored_voxels, correlations_of


def alignment_interval(
    predictions: Iterable[np.ndarray],
    references: np.ndarray,
    noise_ceiling: np.ndarray,
    baseline: Iterable[np.ndarray] | None = None,
    block: int = 10,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    voxel_batch: int = 1024,
) -> tuple[float, float]:
    """Interval of normalised alignment, averaged over voxels and layers: `student_interval`.

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
    given = (references, noise_ceiling, block, n_resamples, seed, voxel_batch)
    drawn = alignment_resamples(predictions, *given)
    if baseline is not None:
        drawn -= alignment_resamples(baseline, *given)
    return student_interval(drawn, len(references) / block, confidence)


def impact_resamples(
    predictions: Iterable[np.ndarray],
    residual_predictions: Iterable[np.ndarray],
    references: np.ndarray,
    noise_ceiling: np.ndarray,
    block: int = 10,
    n_resamples: int = 1000,
    seed: int = 0,
    voxel_batch: int = 1024,
) -> np.ndarray | None:
    """Low-level impact, 100 (B_o - B_r) / B_o, in resamples of blocks of TRs.

    Both alignments, each averaged over voxels and layers, are scored on the same resamples.

    Parameters
    ----------
    predictions, residual_predictions : list of arrays of shape (n_trs, n_voxels)
        From the representations of each layer, and from what is left of them without a low-level
        feature.
    references, noise_ceiling, block, n_resamples, seed, voxel_batch
        As in `alignment_interval`.

    Returns
    -------
    array of shape (n_resamples,), per cent; or None if B_o is not positive in every resample, so
        that the ratio means nothing in some.

    Raises
    ------
    ValueError
        As `alignment_interval`.
    """
    whole, rest = (
        alignment_resamples(p, references, noise_ceiling, block, n_resamples, seed, voxel_batch)[1:]
        for p in (predictions, residual_predictions)
    )
    return 100 * (whole - rest) / whole if (whole > 0).all() else None


def alignment_resamples(
    predictions: Iterable[np.ndarray],
    references: np.ndarray,
    noise_ceiling: np.ndarray,
    block: int = 10,
    n_resamples: int = 1000,
    seed: int = 0,
    voxel_batch: int = 1024,
    trs: np.ndarray | None = None,
) -> np.ndarray:
    """Alignment averaged over voxels and layers, as observed and in resamples of blocks of TRs.

    Models that are given the same seed are scored on the same resamples, so that the difference
    of their resamples is that of the models.

    Parameters
    ----------
    predictions, references, noise_ceiling, block, n_resamples, seed, voxel_batch
        As in `alignment_interval`.
    trs : bool array of shape (n_trs,), optional
        The TRs that are scored; those of whole blocks are drawn all the same, so that resamples
        are those of the whole story.

    Returns
    -------
    array of shape (1 + n_resamples,)
        The first is the alignment itself. NaN where a resample holds none of `trs`.

    Raises
    ------
    ValueError
        As `alignment_interval`.
    """
    references, noise_ceiling = np.asarray(references), np.asarray(noise_ceiling)
    predictions = [np.asarray(layer) for layer in predictions]
    check_scored_voxels(predictions, references, noise_ceiling)
    n_trs, n_voxels = references.shape
    resamples = resampled_rows(n_trs, block, n_resamples, seed)
    rows_of = [np.arange(n_trs), *resamples]
    shares = np.stack([np.bincount(rows, minlength=n_trs) for rows in rows_of]) / n_trs
    if trs is not None:
        shares = np.where(trs, shares, 0)
        held = shares.sum(axis=1, keepdims=True)
        shares = shares / np.where(held > 0, held, 1)

    totals = np.zeros(len(shares))
    for start in range(0, n_voxels, voxel_batch):
        voxels = slice(start, start + voxel_batch)
        y = zscore(references[:, voxels])
        y_mean, y_variance = _resampled_moments(shares, y)
        for layer in predictions:
            x = zscore(layer[:, voxels])
            x_mean, x_variance = _resampled_moments(shares, x)
            covariance = shares @ (x * y) - x_mean * y_mean
            correlations = correlations_of(covariance, np.sqrt(x_variance * y_variance))
            totals += correlations @ (1 / noise_ceiling[voxels])
    if trs is not None:
        totals[held[:, 0] == 0] = np.nan
    return totals / (n_voxels * len(predictions))


def _resampled_moments(shares, columns):
    """Mean and variance of z-scored columns in every resample, (n_resamples, n_voxels) each."""
    mean = shares @ columns
    return mean, (shares @ columns**2 - mean**2).clip(min=0)
