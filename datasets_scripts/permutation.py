"""Responses that belong to other moments than what was heard: targets of the permuted control."""

from collections.abc import Sequence

import numpy as np


def permute_stories(n_trs: Sequence[int], seed: int | Sequence[int] = 0) -> np.ndarray:
    """Order of all stories' TRs in which each TR has the response to another story.

    Stories are laid in a circle, in an order of chance, and each takes what is as many TRs further
    on, over the borders of stories. So responses keep their order, and nothing in them tells of the
    story at hand: they are the control without a signal. Each response is used once, unless a story
    is longer than all others together, which are then begun again.

    Parameters
    ----------
    n_trs : sequence of int
        TRs of each story.
    seed : int or sequence of int

    Returns
    -------
    int64 array of shape (sum of n_trs,)
        For each TR, counted over the stories in order, the one whose response takes its place.

    Raises
    ------
    ValueError
        There are fewer than two stories, or one is empty.
    """
    if len(n_trs) < 2 or min(n_trs) < 1:
        raise ValueError(f"responses of other stories need two stories or more, got {[*n_trs]} TRs")
    rng = np.random.default_rng(seed)
    stories = np.split(np.arange(sum(n_trs)), np.cumsum(n_trs)[:-1])
    longest, total = max(n_trs), sum(n_trs)
    shift = rng.integers(longest, max(longest, total - longest), endpoint=True)
    turn = rng.permutation(len(stories))
    order = np.empty(total, dtype=np.int64)
    for i, story in enumerate(turn):
        others = np.concatenate([stories[k] for k in (*turn[i + 1 :], *turn[:i])])
        n = len(stories[story])
        order[stories[story]] = others[(shift - n + np.arange(n)) % len(others)]
    return order


def permute_blocks(n_trs: int, block: int = 15, seed: int | Sequence[int] = 0) -> np.ndarray:
    """Order of a story's TRs in which its own responses no longer belong to what was heard.

    Contiguous blocks of TRs change places, as in the control that Moussa et al. 2025, section
    3.3.1, call random. No block stays in its own, and TRs keep their order within a block, so that
    the responses change over time as they did. Blocks are as equal as the story's length allows: a
    short one would move its neighbours by a few TRs only, to where they still fit what was heard.

    It is no control without a signal: `blocks_correlation` says what is left, where
    `permute_stories` leaves nothing.

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
    blocks = np.array_split(np.arange(n_trs), _n_blocks(n_trs, block))
    places = np.arange(len(blocks))
    order = rng.permutation(places)
    while (order == places).any():
        order = rng.permutation(places)
    return np.concatenate([blocks[i] for i in order])


def blocks_correlation(n_trs: int, block: int = 15) -> float:
    """Correlation that `permute_blocks` is expected to leave, of what varies little in a block.

    As responses are z-scored over the story, what others than the own block hold is on average the
    own one's opposite, over their number. What varies within a block too has less left.

    Parameters
    ----------
    n_trs : int
    block : int

    Returns
    -------
    float
        ``-1 / (n_blocks - 1)``.
    """
    return -1 / (_n_blocks(n_trs, block) - 1)


def _n_blocks(n_trs, block):
    return max(2, round(n_trs / block))
