"""Solvers of linear probes, functions on arrays: all layers at once, or a weighted sum of them."""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from torch.autograd import grad
from torch.autograd.functional import hessian

TOLERANCE = 1e-6  # about twice the loss per clip that is left to gain
MAX_ITERATIONS = 500


def layer_by_layer(
    layers: list[np.ndarray],
    y: np.ndarray,
    start: np.ndarray,
    cumulant: Callable[[torch.Tensor], torch.Tensor],
    penalties: np.ndarray,
    device: str | torch.device,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Coefficients and intercepts of all layers with each penalty, from strong to weak.

    The loss of a clip with outputs eta is A(eta) - <eta, y>, with the cumulant function A: but
    for a constant, the negative log likelihood. `start` holds the outputs that ignore features.

    On a layer's principal axes the loss is nearly a sum over coefficients, each with a curvature
    that is known at the start: conjugate gradients preconditioned so take some ten iterations
    where scikit-learn's L-BFGS takes up to hundreds, and one for ridge regression.
    """
    X, means, deviations = _standardised(layers, device)
    spectrum, axes = map(torch.stack, zip(*map(_principal_axes, X), strict=True))
    for layer, directions in zip(X, axes, strict=True):
        layer.copy_(layer @ directions.float())
    y, W, stiffness, penalised = _at_start(y, start, cumulant, spectrum)
    for penalty in penalties:
        W = _conjugate_gradients(X, y, W, cumulant, penalty * penalised, stiffness)
        yield _for_given_features(axes @ W.double(), means, deviations)


def weighted_sums(
    layers: list[np.ndarray],
    y: np.ndarray,
    start: np.ndarray,
    cumulant: Callable[[torch.Tensor], torch.Tensor],
    penalties: np.ndarray,
    device: str | torch.device,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """As `layer_by_layer`, but of one weighted sum of the layers; and the weights."""
    X, means, deviations = _standardised(layers, device)
    spectrum, axes = _principal_axes(X.mean(dim=0))
    y, W, stiffness, penalised = _at_start(y, start, cumulant, spectrum)
    logits = torch.zeros(len(X), device=device)
    for penalty in penalties:
        logits, W = _quasi_newton(X, y, logits, W, axes, cumulant, penalty * penalised, stiffness)
        weights = logits.double().softmax(0)[:, None, None]
        coef, intercepts = _for_given_features(weights * (axes @ W.double()), means, deviations)
        yield coef, intercepts.sum(axis=0, keepdims=True), weights.flatten().cpu().numpy()


def _standardised(layers, device):
    """Layers with a last column of ones, float32, and the means and deviations of their columns.

    Columns that are constant become 0 for whatever clips, as their deviation is infinite.
    """
    n_clips, n_features = layers[0].shape
    X = torch.ones(len(layers), n_clips, n_features + 1, device=device)
    means = np.stack([layer.mean(axis=0, dtype=np.float64) for layer in layers])
    deviations = np.stack([layer.std(axis=0, dtype=np.float64) for layer in layers])
    deviations[np.stack([np.ptp(layer, axis=0) == 0 for layer in layers])] = np.inf
    for columns, layer, mean, deviation in zip(X, layers, means, deviations, strict=True):
        columns[:, :-1] = torch.as_tensor((layer - mean) / deviation)
    return X, means, deviations


def _principal_axes(X):
    """Eigenvalues and eigenvectors of the Gram matrix; the last axis is that of the ones."""
    features = X[:, :-1].double()
    spectrum = features.new_full(X.shape[1:], len(X))
    axes = torch.eye(X.shape[1], dtype=torch.float64, device=X.device)
    spectrum[:-1], axes[:-1, :-1] = torch.linalg.eigh(features.T @ features)
    return spectrum.clamp(min=0), axes


def _at_start(y, start, cumulant, spectrum):
    """Targets, coefficients, curvature of the loss there, and which coefficients are penalised."""
    start = torch.as_tensor(start, device=spectrum.device)
    W = torch.zeros(*spectrum.shape, len(start), device=spectrum.device)
    W[..., -1, :] = start
    stiffness = (spectrum[..., None] * hessian(cumulant, start).diagonal()).float()
    penalised = torch.ones_like(stiffness[..., :1])
    penalised[..., -1, :] = 0
    return torch.as_tensor(y, dtype=W.dtype, device=W.device), W, stiffness, penalised


def _for_given_features(W, means, deviations):
    """Coefficients and intercepts before standardising."""
    W = W.cpu().numpy()
    coef = W[:, :-1] / deviations[:, :, None]
    return coef, W[:, -1] - np.einsum("lf,lfk->lk", means, coef)


def _conjugate_gradients(X, y, W, cumulant, ridge, stiffness):
    """Minimise the penalised loss of every layer; a layer that has converged stays as it is.

    Nonlinear conjugate gradients (Polak and Ribiere's, restarted where they do not descend), each
    step to the minimum of the parabola along the direction.
    """
    enough = TOLERANCE * len(y)
    outputs = (X @ W).requires_grad_()
    direction, last_slope, last_gain = torch.zeros_like(W), torch.zeros_like(W), torch.inf
    for _ in range(MAX_ITERATIONS):
        (expected,) = grad(cumulant(outputs).sum(), outputs, create_graph=True)
        slope = X.mT @ (expected.detach() - y) + ridge * W
        descent = -slope / (stiffness + ridge)
        gain = -_dot(slope, descent)
        unfinished = gain > enough
        if not unfinished.any():
            return W
        momentum = (_dot(last_slope - slope, descent) / last_gain).clamp(min=0)
        direction = descent + momentum * direction
        direction = torch.where(_dot(slope, direction) < 0, direction, descent)
        change = X @ direction
        (bend,) = grad(expected, outputs, change)
        curvature = _dot(change, bend) + _dot(ridge * direction, direction)
        step = torch.where(unfinished, -_dot(slope, direction) / curvature, 0)
        W, outputs = W + step * direction, (outputs + step * change).detach().requires_grad_()
        last_slope, last_gain = slope, gain
    _warn_of_weak_penalty(ridge)
    return W


def _dot(a, b):
    return (a * b).sum(dim=(-2, -1), keepdim=True)


def _quasi_newton(X, y, logits, W, axes, cumulant, ridge, stiffness):
    """Minimise the penalised loss of the weighted sum over its weights and coefficients."""
    axes = axes.float()
    scale = ((stiffness + ridge) / len(y)).rsqrt()  # for curvatures of 1 at the start

    def unpacked(parameters):
        return parameters[: len(logits)], scale * parameters[len(logits) :].view_as(W)

    def loss(parameters):
        parameters = torch.as_tensor(parameters).to(W).requires_grad_()
        a, B = unpacked(parameters)
        outputs = torch.tensordot(a.softmax(0), X, 1) @ (axes @ B)
        losses = cumulant(outputs) - (outputs * y).sum(-1)
        total = (losses.double().sum() + (ridge * B.square()).sum() / 2) / len(y)
        return total.item(), grad(total, parameters)[0].double().cpu().numpy()

    found = minimize(
        loss,
        torch.cat([logits, (W / scale).flatten()]).cpu().numpy(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "ftol": TOLERANCE / 10},
    )
    if found.nit == MAX_ITERATIONS:
        _warn_of_weak_penalty(ridge)
    return unpacked(torch.as_tensor(found.x).to(W))


def _warn_of_weak_penalty(ridge):
    warnings.warn(
        f"no convergence in {MAX_ITERATIONS} iterations with the penalty {ridge.max():g}: give "
        "stronger penalties",
        ConvergenceWarning,
        stacklevel=2,
    )
