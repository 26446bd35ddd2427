"""The head: from the mean over time of the backbone's last layer to voxels."""

from numbers import Integral
from typing import Any

import torch
from torch import nn


class LowRankHead(nn.Module):
    """A linear head through a bottleneck, which all voxels share.

    Its map, of shape (out_features, in_features), is a product of two factors and has at most the
    given rank: tens of thousands of voxels then learn from each other which directions of the
    representation matter, and the head has rank x (width + voxels) weights, not width x voxels.

    Parameters
    ----------
    in_features, out_features, rank : int
    """

    def __init__(self, in_features: int, out_features: int, rank: int) -> None:
        super().__init__()
        self.in_features, self.out_features, self.rank = in_features, out_features, rank
        self.down = nn.Linear(in_features, rank, bias=False)
        self.up = nn.Linear(rank, out_features)

    def forward(self, representations: torch.Tensor) -> torch.Tensor:
        """Predict responses (batch, out_features) from representations (batch, in_features)."""
        return self.up(self.down(representations))


def make_head(width: int, n_voxels: int, rank: int = 0) -> nn.Module:
    """Make a head.

    Parameters
    ----------
    width : int, of the representations
    n_voxels : int, of all participants
    rank : int, of the bottleneck; 0 for a plain linear layer

    Returns
    -------
    nn.Linear or LowRankHead

    Raises
    ------
    TypeError, ValueError
        As `check_head_rank`.
    """
    rank = check_head_rank(rank, width, n_voxels)
    return LowRankHead(width, n_voxels, rank) if rank else nn.Linear(width, n_voxels)


def check_head_rank(rank: Any, width: int, n_voxels: int) -> int:
    """Return a head's rank as a plain int.

    Raises
    ------
    TypeError
        If it is no integer.
    ValueError
        If it is negative, or above what a map between so many dimensions and voxels can have.
    """
    if not isinstance(rank, Integral) or isinstance(rank, bool):
        raise TypeError(f"head_rank must be an int, got {rank!r} of type {type(rank).__name__}")
    rank = int(rank)
    if not 0 <= rank <= min(width, n_voxels):
        raise ValueError(
            f"head_rank must be from 1 to {min(width, n_voxels)}, the smaller of the "
            f"representations' width ({width}) and the number of voxels ({n_voxels}), or 0 for a "
            f"head without a bottleneck; got {rank}"
        )
    return rank
