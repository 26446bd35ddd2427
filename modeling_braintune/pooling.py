"""Means over time that leave padding out."""

import torch


def masked_mean(
    hidden_states: torch.Tensor, frame_mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Average each item over its real frames (Moussa et al. 2025, section 3.3).

    Parameters
    ----------
    hidden_states : tensor of shape (batch, frames, hidden)
    frame_mask : tensor of shape (batch, frames), or None
        True (or nonzero) where a frame is real. None: every frame is.

    Returns
    -------
    mean : tensor of shape (batch, hidden), in the dtype of `hidden_states`
        Accumulated in float32 or better. What padding frames hold, NaN included, has no influence.

    Raises
    ------
    ValueError
        If the shapes disagree or an item has no real frame.
    """
    if hidden_states.ndim != 3 or hidden_states.shape[1] == 0:
        raise ValueError(
            "hidden_states must have shape (batch, frames, hidden) with at least one frame, "
            f"got {tuple(hidden_states.shape)}"
        )
    dtype = torch.promote_types(hidden_states.dtype, torch.float32)
    if frame_mask is None:
        return hidden_states.mean(dim=1, dtype=dtype).to(hidden_states.dtype)
    if frame_mask.shape != hidden_states.shape[:2]:
        raise ValueError(
            f"frame_mask must have shape {tuple(hidden_states.shape[:2])} to match hidden_states, "
            f"got {tuple(frame_mask.shape)}"
        )
    real = frame_mask.bool()
    n_real = real.sum(dim=1, keepdim=True)
    # A traced graph cannot depend on what a batch holds.
    if not torch.compiler.is_compiling() and (n_real == 0).any():
        empty = (n_real[:, 0] == 0).nonzero()[:, 0].tolist()
        raise ValueError(f"items {empty} of the batch have no real frame: leave them out")
    total = hidden_states.to(dtype).masked_fill(~real[..., None], 0.0).sum(dim=1)
    return (total / n_real).to(hidden_states.dtype)
