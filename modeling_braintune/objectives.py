"""What tuning minimises: a distance between predicted and measured responses."""

from collections.abc import Sequence

import torch

WEIGHTED = "weighted_"  # before the name of an objective in which voxels count by noise ceilings


def squared_error(
    predictions: torch.Tensor,
    responses: torch.Tensor,
    measured: torch.Tensor,
    weights: torch.Tensor | None = None,
    n_voxels: Sequence[int] | None = None,
) -> torch.Tensor:
    """Mean squared error: the mean over each clip's voxels, then over clips.

    Parameters
    ----------
    predictions, responses : float32 tensors of shape (batch, num_voxels)
    measured : bool tensor of shape (batch, num_voxels)
        Which responses there are: in a batch of several participants, those of each one's voxels.
    weights : tensor of shape (num_voxels,), or None for equal ones
    n_voxels : list of int, or None
        Number of voxels of each participant, in the order of columns; one by default. Not looked
        at here.

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
    n_voxels: Sequence[int] | None = None,
) -> torch.Tensor:
    """Minus the Pearson correlation of each voxel over the clips of a batch, averaged over voxels.

    It is blind to the scale of the predictions. Voxels measured in fewer than two clips of the
    batch are left out. Weights are those of the average. Arguments as in `squared_error`.

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
    share = usable if weights is None else usable * weights
    return -(correlation * share).sum() / share.sum()


def negative_spatial_correlation(
    predictions: torch.Tensor,
    responses: torch.Tensor,
    measured: torch.Tensor,
    weights: torch.Tensor | None = None,
    n_voxels: Sequence[int] | None = None,
) -> torch.Tensor:
    """Minus the Pearson correlation of each clip's responses over voxels, averaged over clips.

    The loss of Vattikonda et al. 2025 (BrainWavLM, arXiv 2502.08866): -1/T sum over TRs t of
    corr_v(R_t, R^_t). It asks which voxels respond more than others, and is blind to what rises and
    falls in all of them. With weights w, means, variances and covariance are sums over voxels times
    w_v. A clip counts once for each participant who heard it, whose voxels alone are correlated.
    Arguments as in `squared_error`.

    Raises
    ------
    ValueError
        If no participant has two measured voxels.
    """
    total, count = 0.0, 0
    n_voxels = [predictions.shape[1]] if n_voxels is None else list(n_voxels)
    shares = measured.to(predictions.dtype)
    shares = shares if weights is None else shares * weights
    for *values, heard, share in zip(
        *(v.split(n_voxels, dim=1) for v in (predictions, responses, measured, shares)), strict=True
    ):
        usable = heard.sum(1) >= 2
        sums = share.sum(1, keepdim=True).clamp(min=1e-12)
        x, y = (torch.where(heard, v, 0) for v in values)
        x, y = (torch.where(heard, v - (share * v).sum(1, keepdim=True) / sums, 0) for v in (x, y))
        squares = (share * x.square()).sum(1) * (share * y.square()).sum(1)
        correlation = (share * x * y).sum(1) / squares.clamp(min=1e-12).sqrt()
        total = total + (correlation * usable).sum()
        count = count + usable.sum()
    if not count:
        raise ValueError(
            "spatial_correlation needs two voxels of a participant, got at most one: select more, "
            "or take another objective"
        )
    return -total / count


def negative_correlations(
    predictions: torch.Tensor,
    responses: torch.Tensor,
    measured: torch.Tensor,
    weights: torch.Tensor | None = None,
    n_voxels: Sequence[int] | None = None,
) -> torch.Tensor:
    """The mean of `negative_correlation`, over clips, and `negative_spatial_correlation`.

    Arguments as in `squared_error`.

    Raises
    ------
    ValueError
        As either.
    """
    over_time = negative_correlation(predictions, responses, measured, weights)
    over_space = negative_spatial_correlation(predictions, responses, measured, weights, n_voxels)
    return (over_time + over_space) / 2


OBJECTIVES = {
    prefix + name: objective
    for name, objective in {
        "mse": squared_error,
        "correlation": negative_correlation,
        "spatial_correlation": negative_spatial_correlation,
        "both_correlations": negative_correlations,
    }.items()
    for prefix in ("", WEIGHTED)
}
