"""A test of one model's predictions, voxel by voxel: blocks of TRs that are put elsewhere."""

import numpy as np
from scipy.sparse import csr_array

from ..zscore import ROUNDING, zscore
from .scored_voxels import check_blocks, check_scored_voxels


def block_permutation_p(
    predictions: np.ndarray,
    references: np.ndarray,
    block: int = 10,
    n_permutations: int = 1000,
    seed: int = 0,
    voxel_batch: int = 128,
) -> np.ndarray:
    """Chance, voxel by voxel, that a correlation at least as high comes from misplaced blocks.

    The story's predictions are cut into blocks of TRs, whose order is shuffled while the order
    within a block is kept, so that the likeness of neighbouring TRs survives.

    Parameters
    ----------
    predictions : array of shape (n_trs, n_voxels)
    references : array of shape (n_trs, n_voxels)
        The measured responses, each of which must vary over time.
    block : int
        Length of a block in TRs; it should exceed the time over which TRs depend on each other.
        TRs at the end that fill no block stay where they are.
    n_permutations : int
        The same permutations are used for all voxels.
    seed : int
    voxel_batch : int
        Voxels per pass, which bounds memory.

    Returns
    -------
    array of shape (n_voxels,)
        One-sided p, ``(1 + n_as_high) / (1 + n_permutations)``; uniform if predictions are
        unrelated to references (Phipson and Smyth 2010). 1 where the prediction is constant.

    Raises
    ------
    ValueError
        If shapes do not match, values are not finite, a voxel's reference is constant, there are
        fewer than two blocks, or a number is out of its range.
    """
    predictions, references = np.asarray(predictions), np.asarray(references)
    check_scored_voxels([predictions], references, np.ones(references.shape[1:]))
    n_trs, n_voxels = references.shape
    check_blocks(n_trs, block, n_permutations)
    n_blocks = n_trs // block
    picks = _picked_pairs(n_blocks, n_permutations, seed)
    whole = slice(n_blocks * block)  # what follows adds the same to every permutation's correlation

    p = np.empty(n_voxels)
    for start in range(0, n_voxels, voxel_batch):
        voxels = slice(start, start + voxel_batch)
        x, y = (
            zscore(columns[:, voxels])[whole].reshape(n_blocks, block, -1)
            for columns in (predictions, references)
        )
        products = np.einsum("ikv,jkv->ijv", x, y).reshape(n_blocks**2, -1) / n_trs
        correlations = picks @ products
        n_as_high = (correlations[1:] >= correlations[0] - ROUNDING).sum(axis=0)
        p[voxels] = (1 + n_as_high) / (1 + n_permutations)
    return p


def _picked_pairs(n_blocks, n_permutations, seed):
    """Which pairs (block of predictions, block of references) each permutation lays together.

    A sparse matrix of shape (1 + n_permutations, n_blocks**2); the first row leaves all in place.
    """
    orders = np.tile(np.arange(n_blocks), (1 + n_permutations, 1))
    orders[1:] = np.random.default_rng(seed).permuted(orders[1:], axis=1)
    pairs = orders * n_blocks + np.arange(n_blocks)
    row_ends = np.arange(0, pairs.size + 1, n_blocks)
    return csr_array(
        (np.ones(pairs.size), pairs.ravel(), row_ends), shape=(len(orders), n_blocks**2)
    )
