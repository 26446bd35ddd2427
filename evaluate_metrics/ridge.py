"""Ridge regression of many voxels at once, with a penalty of its own for each of them."""

import numpy as np
import torch


def ridge_cv(features, responses, penalties, folds, device="cpu", voxel_batch=2048):
    """Fit ridge regressions without intercept, choosing each voxel's penalty on held-out rows.

    Every penalty and every voxel of a fold share one symmetric eigendecomposition: of the
    features' Gram matrix, or of their kernel where features outnumber rows. Decompositions are
    float64; products with the responses have the responses' precision.

    Parameters
    ----------
    features : array of shape (n_rows, n_features)
    responses : array of shape (n_rows, n_voxels), float32 or float64
    penalties : array of shape (n_penalties,)
        Candidate lambdas of ``||X b - y||^2 + lambda ||b||^2``, all positive.
    folds : list of integer arrays
        Rows held out in turn; all other rows train.
    device : str or torch.device
    voxel_batch : int
        Voxels per pass; memory on the device grows with it.

    Returns
    -------
    coef : array of shape (n_features, n_voxels), of the responses' dtype
    penalty : array of shape (n_voxels,), float64
        The candidate with the highest held-out R^2, averaged over the folds in which the
        voxel varies; the first of equals.
    score : array of shape (n_voxels,), float64
        That average.
    """
    X = torch.as_tensor(features, dtype=torch.float64, device=device)
    Y = torch.as_tensor(responses)
    lambdas = torch.as_tensor(penalties, dtype=Y.dtype, device=device)
    wide = X.shape[1] > X.shape[0]
    gram = X @ X.T if wide else X.T @ X
    directions, spectrum, basis = _cast(_factors(X, gram, wide), Y.dtype)
    splits = [_split(X, gram, wide, fold, Y.dtype) for fold in folds]

    n_voxels = Y.shape[1]
    coef = np.empty((X.shape[1], n_voxels), dtype=responses.dtype)
    best, score = np.empty(n_voxels, dtype=int), np.empty(n_voxels)
    for start in range(0, n_voxels, voxel_batch):
        voxels = slice(start, start + voxel_batch)
        y = Y[:, voxels].to(device)
        scores = torch.stack(
            [_held_out_r2(factors, y[train], y[held], lambdas) for train, held, factors in splits]
        ).nanmean(dim=0)
        chosen = scores.argmax(dim=0)
        shrunk = (basis.T @ y) / (spectrum[:, None] + lambdas[chosen])
        coef[:, voxels] = (directions @ shrunk).cpu().numpy()
        best[voxels] = chosen.cpu().numpy()
        score[voxels] = scores.amax(dim=0).cpu().numpy()
    return coef, np.asarray(penalties, dtype=float)[best], score


def _factors(X, gram, wide):
    """D, s, B with ridge coefficients D @ ((B.T @ Y) / (s + lambda)) for every lambda and Y."""
    spectrum, vectors = torch.linalg.eigh(gram)
    spectrum = spectrum.clamp(min=0)  # rounding makes zero eigenvalues slightly negative
    return (X.T @ vectors, spectrum, vectors) if wide else (vectors, spectrum, X @ vectors)


def _split(X, gram, wide, fold, dtype):
    """A fold's training rows, held-out rows, and factors with D applied to the latter."""
    train = torch.as_tensor(np.delete(np.arange(len(X)), fold), device=X.device)
    held = torch.as_tensor(fold, device=X.device)
    train_gram = gram[train][:, train] if wide else gram - X[held].T @ X[held]
    directions, spectrum, basis = _factors(X[train], train_gram, wide)
    return train, held, _cast((X[held] @ directions, spectrum, basis), dtype)


def _cast(tensors, dtype):
    return tuple(tensor.to(dtype) for tensor in tensors)


def _held_out_r2(factors, y_train, y_held, lambdas):
    """R^2 of shape (n_penalties, n_voxels); NaN for a voxel that does not vary in the fold."""
    projection, spectrum, basis = factors
    weights = basis.T @ y_train
    residual = torch.stack(
        [
            (y_held - projection @ (weights / (spectrum + penalty)[:, None])).square().sum(dim=0)
            for penalty in lambdas
        ]
    )
    total = (y_held - y_held.mean(dim=0)).square().sum(dim=0)
    constant = y_held.amax(dim=0) == y_held.amin(dim=0)
    return 1 - residual / total.masked_fill(constant, torch.nan)
