"""What tests of voxels share: checks of what is given, and correlations of what varies."""

import numpy as np

from ..zscore import ROUNDING


def correlations_of(covariance: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Covariances over scales, 0 where either of what is correlated does not vary."""
    return np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > ROUNDING)


def check_scored_voxels(
    layers: list[np.ndarray], references: np.ndarray, noise_ceiling: np.ndarray
) -> None:
    """Refuse what does not fit together, is not finite, or cannot be scored."""
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


def check_blocks(n_trs: int, block: int, n_permutations: int) -> None:
    """Refuse a story of fewer than two blocks, and no permutation."""
    if not 1 <= block <= n_trs // 2:
        raise ValueError(
            f"block must be from 1 to {n_trs // 2}, half of the {n_trs} TRs that there are, "
            f"got {block}"
        )
    if n_permutations < 1:
        raise ValueError(f"n_permutations must be at least 1, got {n_permutations}")
