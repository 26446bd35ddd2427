"""What tuning minimises: a distance between predicted and measured responses."""

import torch


def squared_error(predictions, responses, measured, weights):
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
    error = (predictions - torch.where(measured, responses, predictions.detach())).square()
    share = measured.float() if weights is None else measured * weights
    return ((error * share).sum(1) / share.sum(1)).mean()


def negative_correlation(predictions, responses, measured, weights=None):
    """Minus the Pearson correlation of each voxel over the clips of a batch, averaged over voxels.

    It is blind to the scale of the predictions. Voxels measured in fewer than two clips of the
    batch are left out. Arguments as in `squared_error`.
    """
    count = measured.sum(0)
    x, y = (
        torch.where(measured, values, 0)
        for values in (predictions, torch.where(measured, responses, 0))
    )
    mean = 1 / count.clamp(min=1)
    x, y = (torch.where(measured, v - v.sum(0) * mean, 0) for v in (x, y))
    norms = (x.square().sum(0) * y.square().sum(0)).clamp(min=1e-12).sqrt()
    correlation = (x * y).sum(0) / norms
    usable = count >= 2
    return -(correlation * usable).sum() / usable.sum().clamp(min=1)


OBJECTIVES = {
    "mse": squared_error,
    "weighted_mse": squared_error,
    "correlation": negative_correlation,
}
