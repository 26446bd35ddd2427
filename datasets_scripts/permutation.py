"""Responses that belong to other moments of the story: the target of the random control."""

import numpy as np


def permute_blocks(responses, block=15, seed=0):
    """Permute contiguous blocks of TRs, so that responses no longer belong to what was heard.

    No block stays in its place, and TRs keep their order within a block, so that the responses
    change over time as they did (the random control of Moussa et al. 2025, section 3.3.1). Blocks
    are as equal as the story's length allows: a short one would move its neighbours by a few TRs
    only, to where they still fit what was heard.

    Parameters
    ----------
    responses : array of shape (n_trs, n_voxels)
    block : int
        TRs per block, about.
    seed : int or sequence of int

    Returns
    -------
    array of shape (n_trs, n_voxels)

    Raises
    ------
    ValueError
        `responses` is not two-dimensional, or a block is not shorter than the story.
    """
    if responses.ndim != 2:
        raise ValueError(f"responses must be (n_trs, n_voxels), got shape {responses.shape}")
    if not 1 <= block < len(responses):
        raise ValueError(
            f"block must be from 1 to {len(responses) - 1}, below the story's {len(responses)} "
            f"TRs, got {block}"
        )
    rng = np.random.default_rng(seed)
    n_blocks = max(2, round(len(responses) / block))
    blocks = np.array_split(np.arange(len(responses)), n_blocks)
    places = np.arange(len(blocks))
    order = rng.permutation(places)
    while (order == places).any():
        order = rng.permutation(places)
    return responses[np.concatenate([blocks[i] for i in order])]
