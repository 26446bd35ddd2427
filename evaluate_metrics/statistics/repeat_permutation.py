"""A test of repeated responses, voxel by voxel: whether the repeats have anything in common."""

import numpy as np

from ..zscore import zscore
from .scored_voxels import check_blocks

ROUNDING = 1e-5  # of the power of a sum of z-scored repeats in float32


def repeat_permutation_p(
    repeats: np.ndarray,
    block: int = 10,
    n_permutations: int = 1000,
    seed: int = 0,
    voxel_batch: int = 256,
) -> np.ndarray:
    """Chance, voxel by voxel, that repeats which share nothing are as much alike.

    The likeness is the power of the repeats' mean, each being z-scored: what the noise ceiling
    follows from. Under the null hypothesis a repeat's blocks of TRs may stand anywhere, whatever
    the others' order: blocks are shuffled in each repeat but the first by itself, and TRs keep
    their order within a block, so that the likeness of neighbouring TRs survives. A block may stay
    in its place.

    Parameters
    ----------
    repeats : array of shape (n_repeats, n_trs, n_voxels)
        Responses to one story heard repeatedly.
    block : int
        TRs per block, about: blocks are as equal as the story's length allows.
    n_permutations, seed, voxel_batch
        As in `block_permutation_p`.

    Returns
    -------
    array of shape (n_voxels,)
        One-sided p, ``(1 + n_as_high) / (1 + n_permutations)``.

    Raises
    ------
    ValueError
        Fewer than two repeats or two blocks, values that are not finite, or no permutation.
    """
    repeats = np.asarray(repeats)
    if repeats.ndim != 3 or len(repeats) < 2:
        raise ValueError(
            "repeats must be of shape (n_repeats, n_trs, n_voxels) with at least two repeats, got "
            f"{repeats.shape}"
        )
    n_repeats, n_trs, n_voxels = repeats.shape
    check_blocks(n_trs, block, n_permutations)
    rng = np.random.default_rng(seed)
    blocks = np.array_split(np.arange(n_trs), n_trs // block)
    orders = np.empty((n_permutations, n_repeats - 1, n_trs), dtype=int)
    for order in orders.reshape(-1, n_trs):
        order[:] = np.concatenate([blocks[i] for i in rng.permutation(len(blocks))])

    p = np.empty(n_voxels)
    for start in range(0, n_voxels, voxel_batch):
        batch = repeats[:, :, start : start + voxel_batch]
        if not np.isfinite(batch).all():
            raise ValueError("repeats hold NaN or infinite values: leave such voxels out")
        first, *others = (zscore(repeat).astype(np.float32) for repeat in batch)

        def power(of_others, first=first):
            total = sum(of_others, start=first)
            return np.einsum("tv,tv->v", total, total)

        least = power(others) * (1 - ROUNDING)
        n_as_high = sum(
            power(repeat[rows] for repeat, rows in zip(others, order, strict=True)) >= least
            for order in orders
        )
        p[start : start + voxel_batch] = (1 + n_as_high) / (1 + n_permutations)
    return p
