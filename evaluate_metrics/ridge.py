"""Ridge regression of many voxels at once, with a penalty of its own for each of them."""

import numpy as np
import scipy.linalg
import torch


def ridge_cv(features, responses, penalties, folds, device="cpu", voxel_batch=2048):
    """Fit ridge regressions without intercept, choosing each voxel's penalty on held-out rows.

    Every penalty and every voxel of a fold share one symmetric eigendecomposition: of the
    features' Gram matrix, or of their kernel where features outnumber rows. The predictions of
    all penalties are combinations of a few, as many as the precision can tell apart.

    The fit itself is decomposed in float64; products with the responses, and the folds, which
    choose and do not fit, have the responses' precision.

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
    lambdas = torch.as_tensor(penalties, dtype=torch.float64, device=device)
    wide = X.shape[1] > X.shape[0]
    gram = X @ X.T if wide else X.T @ X
    splits = [_Fold(X, gram, wide, fold, lambdas, Y.dtype) for fold in folds]
    # Coefficients are directions @ ((basis.T @ Y) / (spectrum + lambda)).
    spectrum, vectors = _eigh(gram)
    vectors, X = vectors.to(Y.dtype), X.to(Y.dtype)
    directions, basis = (X.T @ vectors, vectors) if wide else (vectors, X @ vectors)

    n_voxels = Y.shape[1]
    coef = np.empty((X.shape[1], n_voxels), dtype=responses.dtype)
    best, score = np.empty(n_voxels, dtype=int), np.empty(n_voxels)
    for start in range(0, n_voxels, voxel_batch):
        voxels = slice(start, start + voxel_batch)
        y = Y[:, voxels].to(device)
        scores = torch.stack([fold.held_out_r2(y) for fold in splits]).nanmean(dim=0)
        chosen = scores.argmax(dim=0)
        shrinkage = (1 / (spectrum[:, None] + lambdas[chosen])).to(Y.dtype)
        coef[:, voxels] = (directions @ ((basis.T @ y) * shrinkage)).cpu().numpy()
        best[voxels] = chosen.cpu().numpy()
        score[voxels] = scores.amax(dim=0).cpu().numpy()
    return coef, np.asarray(penalties, dtype=float)[best], score


def _eigh(gram):
    """Eigenvalues, none below 0, and eigenvectors of a symmetric matrix."""
    if gram.device.type == "cpu":
        # The same LAPACK routine takes 1.6 times as long through torch.
        values, vectors = map(torch.as_tensor, scipy.linalg.eigh(gram.numpy(), driver="evd"))
    else:
        values, vectors = torch.linalg.eigh(gram)
    return values.double().clamp(min=0), vectors


class _Fold:
    """What a fold's held-out R^2 needs, made once for all voxels."""

    def __init__(self, X, gram, wide, held, lambdas, dtype):
        self.train = torch.as_tensor(np.delete(np.arange(len(X)), held), device=X.device)
        self.held = torch.as_tensor(held, device=X.device)
        X_held = X[self.held]
        # The held-out predictions are projection.T @ ((basis.T @ y) / (spectrum + lambda)).
        if wide:
            spectrum, self.basis = _eigh(gram[self.train][:, self.train].to(dtype))
            self.projection = self.basis.T @ gram[self.train][:, self.held].to(dtype)
        else:
            spectrum, vectors = _eigh((gram - X_held.T @ X_held).to(dtype))
            self.basis = X[self.train].to(dtype) @ vectors
            self.projection = vectors.T @ X_held.T.to(dtype)

        # Direction i of the training rows enters a prediction by s_i / (s_i + lambda): a matrix
        # (n_directions, n_penalties) of low rank, since these curves are smooth in lambda.
        shrinkage = 1 / (spectrum[:, None] + lambdas)
        _, strength, curves = torch.linalg.svd(spectrum[:, None] * shrinkage, full_matrices=False)
        kept = strength > strength[0] * torch.finfo(dtype).eps * 100
        curves = curves[kept]
        self.filters = (shrinkage @ curves.T).T.to(dtype)
        self.combinations = curves

    def held_out_r2(self, y):
        """R^2 of shape (n_penalties, n_voxels); NaN for a voxel that does not vary here."""
        weights, y_held = y[self.train].T @ self.basis, y[self.held].T
        # Sums of squares of all combinations follow from the products of the few.
        parts = y.new_empty(len(y_held), len(self.filters) + 1, y_held.shape[1])
        parts[:, 0] = y_held
        for k, curve in enumerate(self.filters, 1):
            parts[:, k] = (weights * curve) @ self.projection
        products = (parts @ parts.mT).double()
        coefficients = torch.cat([torch.ones_like(self.combinations[:1]), -self.combinations])
        residual = torch.einsum("kp,vkl,lp->pv", coefficients, products, coefficients)
        total = (y_held - y_held.mean(dim=1, keepdim=True)).double().square().sum(dim=1)
        constant = y_held.amax(dim=1) == y_held.amin(dim=1)
        return 1 - residual / total.masked_fill(constant, torch.nan)
