"""The arithmetic of normalised brain alignment, in numpy alone."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .arrays import numeric

BLOCK = 2**17  # values at a time: a megabyte of float64 stays in the processor's cache


def pearson(predictions: ArrayLike, references: ArrayLike) -> np.ndarray:
    """Correlate predicted with measured responses, voxel by voxel.

    Parameters
    ----------
    predictions, references : arrays of shape (n_trs, n_voxels)

    Returns
    -------
    array of shape (n_voxels,), float64
        NaN where the reference is constant or not finite, so that nothing can be known about the
        voxel; 0 where only the prediction is constant, since it then explains nothing.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, are not 2-D or have fewer than 2 TRs, predictions are not finite, or
        something is no array of real numbers.

    Examples
    --------
    >>> pearson([[1, 5], [2, 5], [3, 5]], [[1, 1], [3, 2], [2, 3]])
    array([0.5, 0. ])
    """
    predictions = numeric(predictions, "predictions")
    references = numeric(references, "references")
    if predictions.shape != references.shape or predictions.ndim != 2 or len(predictions) < 2:
        raise ValueError(
            "predictions and references must both be (n_trs, n_voxels) with 2 or more TRs, got "
            f"shapes {predictions.shape} and {references.shape}"
        )
    correlations = np.empty(references.shape[1])
    bad = np.empty(references.shape[1], dtype=bool)
    width = max(BLOCK // len(references), 1)
    for start in range(0, len(correlations), width):
        voxels = slice(start, start + width)
        bad[voxels] = ~np.isfinite(predictions[:, voxels]).all(axis=0)
        correlations[voxels] = _correlations(predictions[:, voxels], references[:, voxels])
    if bad.any():
        raise ValueError(
            f"predictions hold NaN or infinite values in {bad.sum()} voxels, the first is voxel "
            f"{np.flatnonzero(bad)[0]}: a model must predict every voxel that it is scored on"
        )
    return correlations


def normalised_alignment(
    correlations: ArrayLike, noise_ceiling: ArrayLike, threshold: float = 0.4
) -> np.ndarray:
    """Divide each voxel's correlation by its noise ceiling, rho_v / NC_v.

    Parameters
    ----------
    correlations : array of shape (n_voxels,)
        As `pearson` gives them.
    noise_ceiling : array of shape (n_voxels,)
        Highest correlation that a perfect model could reach (Schoppe et al. 2016); NaN marks dead
        voxels.
    threshold : float
        Voxels need a noise ceiling above it (Moussa et al. 2025, section 3.2).

    Returns
    -------
    array of shape (n_voxels,), float64
        NaN for voxels at or below the threshold, or without a correlation.

    Raises
    ------
    TypeError, ValueError
        If the shapes differ, a ceiling is no correlation, or the threshold is not in [0, 1).
    """
    correlations = np.asarray(correlations, dtype=np.float64)
    noise_ceiling = numeric(noise_ceiling, "noise_ceiling").astype(np.float64)
    if noise_ceiling.shape != correlations.shape:
        raise ValueError(
            f"noise_ceiling must hold one value for each of the {len(correlations)} voxels, got "
            f"shape {noise_ceiling.shape}"
        )
    if not isinstance(threshold, Real) or not 0 <= threshold < 1:
        raise ValueError(f"threshold must be at least 0 and below 1, got {threshold!r}")
    # a ceiling estimated from z-scored repeats may pass 1 by less than a hundredth
    impossible = (noise_ceiling < 0) | (noise_ceiling > 1.01)
    if impossible.any():
        raise ValueError(
            "noise_ceiling must be a correlation from 0 to 1, got "
            f"{noise_ceiling[impossible][0]:g} for voxel {np.flatnonzero(impossible)[0]}"
        )
    selected = noise_ceiling > threshold
    return np.where(selected, correlations / np.where(selected, noise_ceiling, 1), np.nan)


def alignment_scores(
    predictions: ArrayLike,
    references: ArrayLike,
    noise_ceiling: ArrayLike | None = None,
    regions: dict[str, ArrayLike] | None = None,
    threshold: float = 0.4,
    per_voxel: bool = False,
) -> dict[str, Any]:
    """Score predictions over all voxels and over regions.

    Parameters
    ----------
    predictions, references : arrays of shape (n_trs, n_voxels)
    noise_ceiling : array of shape (n_voxels,) or None
        Without it nothing is normalised and no voxel is left out for its ceiling.
    regions : dict of {str: integer indices or boolean mask of shape (n_voxels,)} or None
    threshold : float
    per_voxel : bool
        Whether to add the arrays.

    Returns
    -------
    dict
        As the metric's card describes.

    Raises
    ------
    ValueError, TypeError
        If an argument has the wrong shape or range, or a region is not a set of voxels.
    """
    if not isinstance(regions, Mapping | None):
        raise TypeError(
            "regions must be a dict {name: voxel indices or boolean mask}, got "
            f"{type(regions).__name__}"
        )
    correlations = pearson(predictions, references)
    excluded = np.isnan(correlations)
    n_voxels = len(correlations)
    if noise_ceiling is None:
        aligned, selected = None, ~excluded
    else:
        aligned = normalised_alignment(correlations, noise_ceiling, threshold)
        selected = ~np.isnan(aligned)

    def summary(voxels):
        return {
            "brain_alignment": None if aligned is None else _mean(aligned[voxels]),
            "pearson": _mean(correlations[voxels]),
            "n_voxels": int(voxels.sum()),
        }

    scores = summary(selected)
    scores["n_excluded"] = int(excluded.sum())
    scores["regions"] = {
        name: summary(selected & _region_mask(name, voxels, n_voxels))
        for name, voxels in (regions or {}).items()
    }
    if per_voxel:
        scores["pearson_per_voxel"] = correlations
        scores["brain_alignment_per_voxel"] = aligned
    return scores


def _correlations(predictions, references):
    """`pearson` of a few voxels; without a meaning where predictions are not finite."""
    with np.errstate(invalid="ignore"):  # of infinite values
        x, y = _centred(predictions), _centred(references)
        xx, xy, yy = (np.einsum("tv,tv->v", a, b) for a, b in ((x, x), (x, y), (y, y)))
    known, constant = yy > 0, xx == 0
    rho = (xy / np.sqrt(np.where(known & ~constant, xx * yy, 1))).clip(-1, 1)
    return np.where(known, rho, np.nan)


def _centred(columns):
    """Centre columns over time, in float64 and to a largest deviation of 1; constants give 0."""
    columns = columns.astype(np.float64)
    columns -= columns[0]  # exactly 0 for constants, where a mean would be rounded
    columns -= columns.mean(axis=0)
    largest = np.abs(columns).max(axis=0)
    columns /= np.where(largest == 0, 1, largest)  # lest squares underflow
    return columns


def _mean(values):
    return float(values.mean()) if values.size else None


def _region_mask(name, voxels, n_voxels):
    voxels = numeric(voxels, f"voxels of region {name!r}")
    if voxels.dtype == bool:
        if voxels.shape != (n_voxels,):
            raise ValueError(
                f"the mask of region {name!r} must have shape ({n_voxels},), got {voxels.shape}"
            )
        return voxels
    if voxels.size and not np.issubdtype(voxels.dtype, np.integer):
        raise TypeError(
            f"region {name!r} must be voxel indices or a boolean mask, got {voxels.dtype} values"
        )
    outside = (voxels < 0) | (voxels >= n_voxels)
    if outside.any():
        raise ValueError(
            f"region {name!r} holds index {voxels[outside][0]}, but voxels are numbered from 0 to "
            f"{n_voxels - 1}"
        )
    mask = np.zeros(n_voxels, dtype=bool)
    mask[voxels.astype(int)] = True
    return mask
