"""Responses that belong to other moments of the story: the target of the permuted control."""

from collections.abc import Sequence

import numpy as np


def permute_blocks(n_trs: int, block: int = 15, seed: int | Sequence[int] = 0) -> np.ndarray:
    """Order of a story's TRs in which responses no longer belong to what was heard.

    Contiguous blocks of TRs change places. No block stays in its own, and TRs keep their order
    within a block, so that the responses change over time as they did. A model tuned on them is the
    permuted control, which Moussa et al. 2025, section 3.3.1, call random. Blocks are as equal as
    the story's length allows: a short one would move its neighbours by a few TRs only, to where
    they still fit what was heard.

    Parameters
    ----------
    n_trs : int
    block : int
        TRs per block, about.
    seed : int or sequence of int

    Returns
    -------
    int64 array of shape (n_trs,)
        For each TR, the one whose response takes its place.

    Raises
    ------
    ValueError
        A block is not shorter than the story.
    """
    if not 1 <= block < n_trs:
        raise ValueError(
            f"block must be from 1 to {n_trs - 1}, below the story's {n_trs} TRs, got {block}"
        )
    rng = np.random.default_rng(seed)
    blocks = np.array_split(np.arange(n_trs), max(2, round(n_trs / block)))
    places = np.arange(len(blocks))
    order = rng.permutation(places)
    while (order == places).any():
        order = rng.permutation(places)
    return np.concatenate([blocks[i] for i in order])
