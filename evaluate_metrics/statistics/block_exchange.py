"""A test of two models on one participant: blocks of TRs that change places between them."""

from collections.abc import Iterable

import numpy as np

from ..zscore import ROUNDING, zscore
from .scored_voxels import check_blocks, check_scored_voxels, correlations_of


def block_exchange_test(
    predictions_a: np.ndarray | Iterable[np.ndarray],
    predictions_b: np.ndarray | Iterable[np.ndarray],
    references: np.ndarray,
    noise_ceiling: np.ndarray | None = None,
    block: int = 10,
    n_permutations: int = 1000,
    seed: int = 0,
    voxel_batch: int = 1024,
) -> dict[str, float]:
    """Test whether two models predict one participant's region equally well.

    If they do, it does not matter which of them predicted which block of TRs: their labels are
    exchanged in blocks chosen by chance, and the difference of the region's mean score is
    compared with the differences that arise so. Voxels are no replications of each other, since
    they are correlated; here they are averaged, and chance is over time.

    Parameters
    ----------
    predictions_a, predictions_b : array of shape (n_trs, n_voxels) or list of such
        A list has one array per layer, as many for either model; layer by layer in the given
        order, labels are exchanged in the same blocks.
    references : array of shape (n_trs, n_voxels)
        The measured responses in the region's voxels, each of which must vary over time.
    noise_ceiling : array of shape (n_voxels,), optional
        Above 0: correlations are divided by it before the mean over voxels.
    block, seed, voxel_batch
        As in `block_permutation_p`, but TRs at the end that fill no block are a shorter one.
    n_permutations : int

    Returns
    -------
    dict
        "statistic", the mean score over voxels and layers of model a minus that of model b;
        "p", two-sided, ``(1 + n_as_far_from_0) / (1 + n_permutations)``; "n", the number of
        blocks.

    Raises
    ------
    ValueError
        If shapes or numbers of layers do not match, values are not finite, a voxel's reference is
        constant or its noise ceiling is not above 0, there are fewer than two blocks, or a number
        is out of its range.

    Notes
    -----
    Predictions are z-scored over the story before blocks are exchanged, so that models whose
    predictions only differ in scale do not differ. Sums over blocks give the correlations of all
    exchanges by matrix products. A prediction that does not vary after an exchange scores 0.
    """
    layers_a, layers_b = _layers(predictions_a), _layers(predictions_b)
    if not layers_a or len(layers_a) != len(layers_b):
        raise ValueError(
            "predictions_a and predictions_b need equally many layers, at least one, got "
            f"{len(layers_a)} and {len(layers_b)}"
        )
    references = np.asarray(references)
    noise_ceiling = np.ones(references.shape[1:]) if noise_ceiling is None else noise_ceiling
    noise_ceiling = np.asarray(noise_ceiling)
    check_scored_voxels([*layers_a, *layers_b], references, noise_ceiling)
    n_trs, n_voxels = references.shape
    check_blocks(n_trs, block, n_permutations)
    starts = np.arange(0, n_trs, block)
    exchanged = np.random.default_rng(seed).integers(2, size=(n_permutations, len(starts)))
    exchanged = np.vstack([np.zeros(len(starts)), exchanged])  # first, as observed

    differences = np.zeros(1 + n_permutations)
    for start in range(0, n_voxels, voxel_batch):
        voxels = slice(start, start + voxel_batch)
        y = zscore(references[:, voxels])
        for layer_a, layer_b in zip(layers_a, layers_b, strict=True):
            a, b = (
                _block_moments(zscore(layer[:, voxels]), y, starts) for layer in (layer_a, layer_b)
            )
            moved = exchanged @ (b - a)  # what a gains and b loses
            scores = (
                correlations_of(product, np.sqrt((square - mean**2).clip(min=0)))
                for mean, square, product in (
                    a.sum(axis=1, keepdims=True) + moved,
                    b.sum(axis=1, keepdims=True) - moved,
                )
            )
            differences += np.subtract(*scores) @ (1 / noise_ceiling[voxels])
    differences /= n_voxels * len(layers_a)
    observed, permuted = differences[0], differences[1:]
    n_as_far = np.count_nonzero(np.abs(permuted) >= abs(observed) - ROUNDING)
    return {
        "statistic": float(observed),
        "p": float((1 + n_as_far) / (1 + n_permutations)),
        "n": len(starts),
    }


def _block_moments(x, y, starts):
    """Shares that blocks have in the means of x, x^2 and x y, (3, n_blocks, n_voxels)."""
    return np.add.reduceat(np.stack([x, x**2, x * y]), starts, axis=1) / len(x)


def _layers(predictions):
    alone = isinstance(predictions, np.ndarray) and predictions.ndim == 2
    return [np.asarray(layer) for layer in ([predictions] if alone else predictions)]
