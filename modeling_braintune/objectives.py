"""What tuning minimises: a distance between predicted and measured responses."""

import torch


def squared_error(
    predictions: torch.Tensor,
    responses: torch.Tensor,
    measured: torch.Tensor,
    weights: torch.Tensor | None,
) -> torch.Tensor:
    """Mean squared error: the mean over each clip's voxels, then over clips.

    Parameters
    ----------
    predictions, responses : float32 tensors of shape (batch, num_voxels)
    measured : bool tensor of shape (batch, num_voxels)
        Which responses there are: in a batch of several participants, those of each one's voxels.
    weights : tensor of shape (num_voxels,), or None for equal ones

    Returns
    -------
    tensor of shape ()
    """
    # Through a NaN that is masked afterwards, gradients would be NaN all the same.
    error = (predictions - torch.where(measured, responses, 0)).square()
    share = measured.float() if weights is None else measured * weights
    return ((error * share).sum(1) / share.sum(1)).mean()


def negative_correlation(
    predictions: torch.Tensor,
    responses: torch.Tensor,
    measured: torch.Tensor,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Minus the Pearson correlation of each voxel over the clips of a batch, averaged over voxels.

    It is blind to the scale of the predictions. Voxels measured in fewer than two clips of the
    batch are left out. Arguments as in `squared_error`.

    Raises
    ------
    ValueError
        If no voxel is measured in two clips.
    """
    count = measured.sum(0)
    usable = count >= 2
    if not usable.any():
        raise ValueError(
            "correlation needs two clips of a participant in a batch, got "
            f"{int(count.amax())}: use larger batches, and dataloader_drop_last if the last one "
            "of an epoch is too small"
        )
    x, y = (torch.where(measured, v, 0) for v in (predictions, responses))
    x, y = (torch.where(measured, v - v.sum(0) / count.clamp(min=1), 0) for v in (x, y))
    norms = (x.square().sum(0) * y.square().sum(0)).clamp(min=1e-12).sqrt()
    correlation = (x * y).sum(0) / norms
    return -(correlation * usable).sum() / usable.sum()


OBJECTIVES = {
    "mse": squared_error,
    "weighted_mse": squared_error,
    "correlation": negative_correlation,
}
