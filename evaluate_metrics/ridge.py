"""Ridge regression of many voxels at once, with a penalty of its own for each of them."""

import math

import numpy as np
import scipy.linalg
import torch

WORKING_MEMORY = 2**28  # bytes
N_BANDS = 12
TOLERANCE = {torch.float32: 7e-4, torch.float64: 1e-8}
ROUNDING = 1e-3  # of a held-out prediction, above which float64 takes over
LOST = 1e-2  # the same, above which it means nothing any more


def ridge_cv(
    features: np.ndarray,
    responses: np.ndarray,
    penalties: np.ndarray,
    folds: list[np.ndarray],
    device: str | torch.device = "cpu",
    voxel_batch: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit ridge regressions without intercept, choosing each voxel's penalty on held-out rows.

    All folds, penalties and voxels share one symmetric eigendecomposition: of the features' Gram
    matrix, or of their kernel where features outnumber rows. What a fold would predict of its
    rows had it not seen them follows from the fit to all rows.

    The decomposition is made in float64; products with the responses have the responses'
    precision, unless a penalty is so small that held-out predictions would show its rounding.

    Parameters
    ----------
    features : array of shape (n_rows, n_features)
    responses : array of shape (n_rows, n_voxels), float32 or float64
    penalties : array of shape (n_penalties,)
        Candidate lambdas of ``||X b - y||^2 + lambda ||b||^2``, all positive.
    folds : list of integer arrays
        Rows held out in turn while all others train; each row is in exactly one fold.
    device : str or torch.device
    voxel_batch : int or None
        Voxels per pass; None takes as many as a working memory of 256 MiB holds, beside the
        decomposition.

    Returns
    -------
    coef : array of shape (n_features, n_voxels), of the responses' dtype
    penalty : array of shape (n_voxels,), float64
        The candidate with the highest held-out R^2, averaged over the folds in which the
        voxel varies; the first of equals.
    score : array of shape (n_voxels,), float64
        That average.

    Raises
    ------
    ValueError
        If a penalty is too small for held-out predictions even in float64.
    """
    rows = torch.as_tensor(np.concatenate(folds))
    X = torch.as_tensor(features, dtype=torch.float64, device=device)
    Y = torch.as_tensor(responses)
    lambdas = torch.as_tensor(penalties, dtype=torch.float64, device=device)
    spectrum, patterns, loadings = _decompose(X, Y.dtype)
    held_out = _HeldOut(spectrum, patterns, lambdas, folds, Y.dtype)
    if not held_out.rounding < ROUNDING:  # NaN where a factor fails
        held_out = _HeldOut(spectrum, patterns, lambdas, folds, torch.float64)
    if not held_out.rounding < LOST:
        raise ValueError(
            f"penalties must be larger for these features, got {lambdas.min():g}: what a fold "
            "would predict with it is lost in rounding"
        )

    shrinkage = (1 / (spectrum + lambdas[:, None])).to(held_out.patterns.dtype)
    n_voxels = Y.shape[1]
    coef = np.empty((n_voxels, X.shape[1]), dtype=responses.dtype)
    best, score = np.empty(n_voxels, dtype=int), np.empty(n_voxels)
    voxel_batch = voxel_batch or max(1, WORKING_MEMORY // held_out.bytes_per_voxel)
    for start in range(0, n_voxels, voxel_batch):
        voxels = slice(start, start + voxel_batch)
        y = Y[:, voxels].T.index_select(1, rows).to(device, held_out.patterns.dtype)
        weights = y @ held_out.patterns
        scores = held_out.r2(y, weights)
        chosen = scores.argmax(dim=0)
        weights *= shrinkage[chosen]
        coef[voxels] = (weights.to(Y.dtype) @ loadings).cpu().numpy()
        best[voxels] = chosen.cpu().numpy()
        score[voxels] = scores.amax(dim=0).cpu().numpy()
    return coef.T, np.asarray(penalties, dtype=float)[best], score


def ridge_validated(
    features: np.ndarray,
    responses: np.ndarray,
    penalties: np.ndarray,
    validation: list[tuple[np.ndarray, np.ndarray]],
    device: str | torch.device = "cpu",
    voxel_batch: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit ridge regressions without intercept, choosing each voxel's penalty on other stories.

    Parameters
    ----------
    features : array of shape (n_rows, n_features)
    responses : array of shape (n_rows, n_voxels), float32 or float64
    penalties : array of shape (n_penalties,)
        As in `ridge_cv`.
    validation : list of (features, responses)
        Of stories that nothing is fitted to, with the columns of those that are.
    device : str or torch.device
    voxel_batch : int or None
        As in `ridge_cv`.

    Returns
    -------
    coef, penalty, score
        As of `ridge_cv`, the stories being the folds.
    """
    X = torch.as_tensor(features, dtype=torch.float64, device=device)
    Y = torch.as_tensor(responses)
    lambdas = torch.as_tensor(penalties, dtype=torch.float64, device=device)
    spectrum, patterns, loadings = _decompose(X, Y.dtype)
    patterns = patterns.to(Y.dtype)
    shrinkage = (1 / (spectrum + lambdas[:, None])).to(Y.dtype)
    # (n_patterns, n_rows) of each story
    heard = [loadings @ torch.as_tensor(x, dtype=Y.dtype, device=device).T for x, _ in validation]

    n_rows, n_voxels = Y.shape
    coef = np.empty((n_voxels, X.shape[1]), dtype=responses.dtype)
    best, score = np.empty(n_voxels, dtype=int), np.empty(n_voxels)
    longest = max(len(y) for _, y in validation)
    needed = Y.itemsize * (n_rows + 2 * patterns.shape[1] + 4 * longest)
    voxel_batch = voxel_batch or max(1, WORKING_MEMORY // needed)
    for start in range(0, n_voxels, voxel_batch):
        voxels = slice(start, start + voxel_batch)
        weights = Y[:, voxels].T.to(device) @ patterns
        scores = []
        for story, (_, y) in zip(heard, validation, strict=True):
            measured = torch.as_tensor(y[:, voxels], dtype=Y.dtype, device=device).T
            residual = [(measured - (weights * s) @ story).square().sum(dim=1) for s in shrinkage]
            scores.append(1 - torch.stack(residual).double() / _variation(measured))
        mean = torch.stack(scores).nanmean(dim=0)
        chosen = mean.argmax(dim=0)
        coef[voxels] = ((weights * shrinkage[chosen]) @ loadings).cpu().numpy()
        best[voxels] = chosen.cpu().numpy()
        score[voxels] = mean.amax(dim=0).cpu().numpy()
    return coef.T, np.asarray(penalties, dtype=float)[best], score


def _variation(y):
    """Sum of squares of each row of y about its mean; NaN where it is constant."""
    total = (y - y.mean(dim=1, keepdim=True)).double().square().sum(dim=1)
    return total.masked_fill(y.amax(dim=1) == y.amin(dim=1), torch.nan)


def _decompose(X, dtype):
    """X as patterns @ diag(singular) @ directions.T, with orthonormal patterns and directions.

    Returns the squared singular values in increasing order, the patterns, and the directions
    times the singular values in `dtype`: ``loadings @ ((patterns.T @ y) / (spectrum + lambda))``
    is the solution of the ridge.
    """
    if X.shape[1] > X.shape[0]:
        spectrum, patterns = _eigh_gram(X)
        return spectrum.clamp(min=0), patterns, patterns.to(dtype).T @ X.to(dtype)
    spectrum, directions = _eigh_gram(X.T)
    precision = torch.finfo(X.dtype)
    spectrum = spectrum.clamp(min=max(precision.eps * spectrum[-1].item(), precision.tiny))
    singular = spectrum.sqrt()
    return spectrum, X @ directions / singular, (directions * singular).T.to(dtype)


def _eigh_gram(A):
    """Eigenvalues in increasing order, and eigenvectors, of A @ A.T."""
    if A.device.type != "cpu":
        return torch.linalg.eigh(A @ A.T)
    # SciPy needs half of the product and is the faster at decomposing it.
    gram = scipy.linalg.blas.dsyrk(1, A.numpy().T, trans=1, lower=1)
    return map(torch.as_tensor, scipy.linalg.eigh(gram, driver="evd", overwrite_a=True))


class _HeldOut:
    """Held-out predictions, from the fit to all rows.

    With the hat matrix H of a penalty, the fit to all rows is ``H y``, and the prediction of the
    rows f by a fit to all others is ``(H y)_f + (I - H_ff)^-1 H_ff ((H y)_f - y_f)`` (An, Liu &
    Venkatesh 2007, Pattern Recognition 40:2154). Rows are in the order of the folds here.

    H weights pattern i by s_i / (s_i + lambda). These curves are smooth, hence few are enough:
    the predictions of all penalties are combinations of those of a few, the nodes; and over a
    band of similar s_i, the curves of the nodes are again combinations of a few.
    """

    def __init__(self, spectrum, patterns, lambdas, folds, dtype):
        self.sizes = [len(fold) for fold in folds]
        self.patterns = patterns.to(dtype)[np.concatenate(folds)]
        nodes, combinations = _nodes(spectrum[-1].item(), lambdas.cpu(), TOLERANCE[dtype])
        self.combinations = combinations.to(spectrum.device)
        curves = _curves(spectrum, lambdas[nodes])
        self.bands, self.mixing = _bands(curves, TOLERANCE[dtype], dtype)
        self.memory = {}
        # (I - H_ff)^-1 H_ff of each fold, (n_nodes, n_held, n_held)
        self.corrections = []
        for held in self.patterns.split(self.sizes):
            hat = held.new_empty(len(nodes), len(held), len(held))
            self.fitted(self.weighted(held), held, out=hat.transpose(0, 1))
            identity = torch.eye(len(held), dtype=dtype, device=held.device)
            factor, failed = torch.linalg.cholesky_ex(identity - hat)
            correction = torch.cholesky_solve(hat, factor)
            correction[failed > 0] = torch.nan
            self.corrections.append(correction)
        # Relative error of the predictions: that of the fit, enlarged by the correction.
        largest = torch.stack([torch.stack(c.aminmax()) for c in self.corrections]).abs().max()
        self.rounding = torch.finfo(dtype).eps * largest.item()

    @property
    def bytes_per_voxel(self):
        n_nodes, n_parts = self.mixing.shape
        n_weights = sum(band.numel() for band in self.bands) + 4 * len(self.patterns)
        return self.patterns.itemsize * (max(self.sizes) * (n_parts + n_nodes + 4) + n_weights)

    def kept(self, name, *shape):
        """Memory kept between calls: as much anew in each fold takes a tenth longer."""
        if name not in self.memory or self.memory[name].numel() < math.prod(shape):
            self.memory[name] = None  # before there is more
            self.memory[name] = self.patterns.new_empty(math.prod(shape))
        return self.memory[name][: math.prod(shape)].view(shape)

    def weighted(self, weights):
        """Weights of shape (n, n_patterns) times curves: (n_curves * n, n_band) of each band."""
        runs = zip(self.bands, weights.tensor_split(N_BANDS, dim=1), strict=True)
        return [(band[:, None] * run).flatten(0, 1) for band, run in runs]

    def fitted(self, weighted, patterns, out):
        """The nodes' fits of shape (n, n_nodes, n_rows), at the rows that the patterns are of."""
        parts = self.kept("parts", self.mixing.shape[1], len(out), len(patterns))
        for part, band, run in zip(
            parts.split([len(band) for band in self.bands]),
            weighted,
            patterns.tensor_split(N_BANDS, dim=1),
            strict=True,
        ):
            torch.mm(band, run.T, out=part.flatten(0, 1))
        # As a single product, which is a thin one, it takes a third longer.
        return torch.bmm(self.mixing.expand(len(out), -1, -1), parts.transpose(0, 1), out=out)

    def r2(self, y, weights):
        """R^2 of shape (n_penalties, n_voxels), averaged over the folds in which a voxel varies.

        From y of shape (n_voxels, n_rows) and its weights, ``y @ patterns``.
        """
        weighted = self.weighted(weights)
        folds = zip(
            y.split(self.sizes, dim=1),
            self.patterns.split(self.sizes),
            self.corrections,
            strict=True,
        )
        return torch.stack([self._fold_r2(weighted, *fold) for fold in folds]).nanmean(dim=0)

    def _fold_r2(self, weighted, y, patterns, corrections):
        vectors = self.kept("vectors", len(y), 1 + len(corrections), y.shape[1])
        vectors[:, 0] = y
        predicted = self.fitted(weighted, patterns, out=vectors[:, 1:])
        for node, correction in zip(predicted.unbind(1), corrections, strict=True):
            node.addmm_(node - y, correction)
        # Sums of squares of all combinations follow from the products of the few.
        products = (vectors @ vectors.mT).double()
        coefficients = torch.cat([torch.ones_like(self.combinations[:1]), -self.combinations])
        residual = torch.einsum("kp,vkl,lp->pv", coefficients, products, coefficients)
        return 1 - residual / _variation(y)


def _curves(spectrum, lambdas):
    return spectrum[:, None] / (spectrum[:, None] + lambdas)


def _nodes(largest, lambdas, tolerance):
    """The penalties whose predictions give those of all, and the combinations that do.

    The combinations, of shape (n_nodes, n_penalties), hold for any spectrum up to its largest
    value: those of the folds are not known.
    """
    curves = _curves(largest * torch.logspace(-16, 0, 400, dtype=lambdas.dtype), lambdas)
    scaled = (curves / _root_mean_square(curves)).numpy()
    upper, order = scipy.linalg.qr(scaled, mode="r", pivoting=True)
    added = np.abs(np.diag(upper))  # what a curve adds to those before it
    nodes = order[: max(1, (added > tolerance * added[0]).sum())].copy()
    return nodes, torch.linalg.lstsq(curves[:, nodes], curves, driver="gelsd").solution


def _bands(curves, tolerance, dtype):
    """Each run of rows of curves as few curves, and the (n_nodes, n_parts) combinations of them.

    Both a curve and what it lacks of 1, its residual, keep their relative precision.
    """
    size = _root_mean_square(curves)
    bands, mixing = [], []
    for run in curves.tensor_split(N_BANDS):
        scale = size * _root_mean_square(1 - run)
        left, strength, right = torch.linalg.svd(run / scale, full_matrices=False)
        kept = strength > tolerance * len(run) ** 0.5
        bands.append((left * strength)[:, kept].T.to(dtype))
        mixing.append((right[kept] * scale).T.to(dtype))
    return bands, torch.cat(mixing, dim=1)


def _root_mean_square(curves):
    return curves.square().mean(dim=0).sqrt().clamp(min=torch.finfo(curves.dtype).eps)
