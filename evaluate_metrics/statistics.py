"""How far scores can be trusted: intervals, tests between models, corrections for many tests."""

import math
import warnings

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import false_discovery_control, wilcoxon

from .encoding_model import zscore

ROUNDING = 1e-12  # relative to unit variance: less is no variation


def bootstrap_interval(statistic, n_trs, block=10, n_resamples=1000, confidence=0.95, seed=0):
    """Percentile interval of a statistic, from resampled blocks of TRs.

    Neighbouring TRs resemble each other, so blocks of them are drawn with replacement instead of
    single ones. Blocks may begin at any TR and wrap around the end (the circular block bootstrap
    of Politis and Romano 1992), so that every TR is drawn equally often.

    Parameters
    ----------
    statistic : callable
        Given an integer array of shape (n_trs,), the TRs of a resample, returns a float.
    n_trs : int
    block : int
        Length of a block in TRs; it should exceed the time over which TRs depend on each other.
    n_resamples : int
    confidence : float
        Between 0 and 1.
    seed : int

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        If a block is longer than the story, or a number is out of its range.

    Examples
    --------
    >>> responses = np.sin(np.arange(100.0))
    >>> low, high = bootstrap_interval(lambda rows: responses[rows].mean(), n_trs=100)
    >>> bool(low < responses.mean() < high)
    True
    """
    resamples = _resampled_rows(n_trs, block, n_resamples, seed)
    return percentile_interval([statistic(rows) for rows in resamples], confidence)


def alignment_interval(
    predictions,
    references,
    noise_ceiling,
    baseline=None,
    block=10,
    n_resamples=1000,
    confidence=0.95,
    seed=0,
    voxel_batch=1024,
):
    """Percentile interval of normalised alignment, averaged over voxels and layers.

    The same resamples as `bootstrap_interval` draws, for all voxels at once: a correlation under
    resampling depends on how often each TR was drawn alone, so matrix products give all resamples.

    Parameters
    ----------
    predictions : list of arrays of shape (n_trs, n_voxels)
        One array per layer.
    references : array of shape (n_trs, n_voxels)
        The measured responses in the voxels to average, each of which must vary over time.
    noise_ceiling : array of shape (n_voxels,)
        Above 0: only voxels that passed the threshold belong here.
    baseline : list of arrays of shape (n_trs, n_voxels), optional
        Predictions of another model. The interval is then that of the difference, predictions
        minus baseline, both scored on the same resamples.
    block, n_resamples, confidence, seed
        As in `bootstrap_interval`.
    voxel_batch : int
        Voxels per pass, which bounds memory.

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        If shapes do not match, values are not finite, a voxel's reference is constant or its
        noise ceiling is not above 0, or a number is out of its range.

    Notes
    -----
    A prediction that does not vary within a resample scores 0 there.
    """
    mine = _resampled_alignment(
        predictions, references, noise_ceiling, block, n_resamples, seed, voxel_batch
    )
    if baseline is not None:
        mine -= _resampled_alignment(
            baseline, references, noise_ceiling, block, n_resamples, seed, voxel_batch
        )
    return percentile_interval(mine, confidence)


def impact_resamples(
    predictions,
    residual_predictions,
    references,
    noise_ceiling,
    block=10,
    n_resamples=1000,
    seed=0,
    voxel_batch=1024,
):
    """Low-level impact, 100 (B_o - B_r) / B_o, in resamples of blocks of TRs.

    Both alignments, each averaged over voxels and layers, are scored on the same resamples.

    Parameters
    ----------
    predictions, residual_predictions : list of arrays of shape (n_trs, n_voxels)
        From the representations of each layer, and from what is left of them without a low-level
        feature.
    references, noise_ceiling, block, n_resamples, seed, voxel_batch
        As in `alignment_interval`.

    Returns
    -------
    array of shape (n_resamples,), per cent; or None if B_o is not positive in every resample, so
        that the ratio means nothing in some.

    Raises
    ------
    ValueError
        As `alignment_interval`.
    """
    whole, rest = (
        _resampled_alignment(p, references, noise_ceiling, block, n_resamples, seed, voxel_batch)
        for p in (predictions, residual_predictions)
    )
    return 100 * (whole - rest) / whole if (whole > 0).all() else None


def _resampled_alignment(
    predictions, references, noise_ceiling, block, n_resamples, seed, voxel_batch
):
    """Alignment averaged over voxels and layers in every resample, (n_resamples,)."""
    references, noise_ceiling = np.asarray(references), np.asarray(noise_ceiling)
    predictions = [np.asarray(layer) for layer in predictions]
    _check_scored_voxels(predictions, references, noise_ceiling)
    n_trs, n_voxels = references.shape
    resamples = _resampled_rows(n_trs, block, n_resamples, seed)
    shares = np.stack([np.bincount(rows, minlength=n_trs) for rows in resamples]) / n_trs

    totals = np.zeros(n_resamples)
    for start in range(0, n_voxels, voxel_batch):
        voxels = slice(start, start + voxel_batch)
        y = zscore(references[:, voxels])
        y_mean, y_variance = _resampled_moments(shares, y)
        for layer in predictions:
            x = zscore(layer[:, voxels])
            x_mean, x_variance = _resampled_moments(shares, x)
            covariance = shares @ (x * y) - x_mean * y_mean
            correlations = _correlations(covariance, np.sqrt(x_variance * y_variance))
            totals += correlations @ (1 / noise_ceiling[voxels])
    return totals / (n_voxels * len(predictions))


def holm(p):
    """Adjust p-values so that the chance of any false positive is kept (Holm 1979).

    Parameters
    ----------
    p : array of shape (n_tests,)

    Returns
    -------
    array of shape (n_tests,)
        The smallest level at which each test would be rejected.

    Raises
    ------
    ValueError
        If p is not one-dimensional or holds NaN or values outside 0 to 1.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = _checked_p(p)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted


def fdr(p):
    """Adjust p-values so that the share of false positives is kept (Benjamini and Hochberg 1995).

    Parameters
    ----------
    p : array of shape (n_tests,)
        One per voxel, say.

    Returns
    -------
    array of shape (n_tests,)
        The smallest false discovery rate at which each test would be called positive.

    Raises
    ------
    ValueError
        If p is not one-dimensional or holds NaN or values outside 0 to 1.

    Examples
    --------
    >>> fdr([0.01, 0.04, 0.03])
    array([0.03, 0.04, 0.04])
    """
    return false_discovery_control(_checked_p(p))


def true_discoveries(p, sets, confidence=0.95):
    """How many effects each set of tests holds at the least, for all sets together.

    The chance that any of the numbers is too large is at most ``1 - confidence``, whichever sets
    are looked at and however they were chosen: closed testing with Simes' tests (Rosenblatt et
    al. 2018, NeuroImage 181:786; Goeman et al. 2019, Biometrika 106:841). That holds where tests
    depend on each other positively, as voxels do.

    Parameters
    ----------
    p : array of shape (n_tests,)
        One per voxel, say.
    sets : dict of {str: bool array of shape (n_tests,)}
        The members of each set: a region of interest, say.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    dict of {str: int}
        Never more in a set than `fdr` calls positive there at a rate of ``1 - confidence``.

    Raises
    ------
    ValueError
        If p is not one-dimensional or holds NaN or values outside 0 to 1, or the confidence is
        out of its range.

    Examples
    --------
    >>> true_discoveries([0.001, 0.01, 0.4, 0.9], {"all": np.ones(4, dtype=bool)})
    {'all': 2}
    """
    _check_confidence(confidence)
    p, rate = _checked_p(p), 1 - confidence
    low = np.sort(p[p < rate])
    n_higher = len(p) - 1 - np.arange(len(low))
    # Hommel's value: as many tests as may be without an effect all together.
    too_many = np.maximum(n_higher * rate / (rate - low), n_higher + 1).min(initial=len(p) + 1)
    n_without = np.ceil(too_many) - 1
    numbers = {}
    for name, members in sets.items():
        bounds = np.sort(np.ceil(n_without * p[members] / rate).clip(1))
        found = np.arange(1, len(bounds) + 1) - bounds + 1
        numbers[name] = int(found.max(initial=0))
    return numbers


def paired_test(a, b):
    """Test whether two models' scores differ over participants: two-sided Wilcoxon signed-rank.

    Parameters
    ----------
    a, b : arrays of shape (n_participants,)
        A score of each participant under either model. Equal scores are left out of the ranking,
        as scipy.stats.wilcoxon does by default.

    Returns
    -------
    dict
        "statistic", the smaller of the rank sums of positive and of negative differences; "p";
        "n", the number of participants. p is 1 where no score differs.

    Raises
    ------
    ValueError
        If the scores are not paired, there are none, or they are not finite.

    Warns
    -----
    UserWarning
        If fewer than 6 participants differ: p cannot fall below .05 then.

    Notes
    -----
    The comparison of brain-tuned with pretrained models of Moussa et al. 2025.

    Examples
    --------
    >>> paired_test([0.3, 0.4, 0.5, 0.6, 0.7, 0.8], [0.2, 0.2, 0.2, 0.2, 0.2, 0.2])
    {'statistic': 0.0, 'p': 0.03125, 'n': 6}
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise ValueError(
            f"a and b must both be (n_participants,), got shapes {a.shape} and {b.shape}"
        )
    if not np.isfinite([a, b]).all():
        raise ValueError("a and b must hold finite scores, got NaN or infinite values")
    n_differing = np.count_nonzero(a - b)
    if not n_differing:
        return {"statistic": 0.0, "p": 1.0, "n": len(a)}
    if n_differing < 6:
        warnings.warn(
            f"scores differ in {n_differing} of {len(a)} participants, and a two-sided Wilcoxon "
            "test needs 6 to reach p < .05",
            stacklevel=2,
        )
    result = wilcoxon(a, b)
    return {"statistic": float(result.statistic), "p": float(result.pvalue), "n": len(a)}


def block_permutation_p(
    predictions, references, block=10, n_permutations=1000, seed=0, voxel_batch=128
):
    """Chance, voxel by voxel, that a correlation at least as high comes from misplaced blocks.

    The story's predictions are cut into blocks of TRs, whose order is shuffled while the order
    within a block is kept, so that the likeness of neighbouring TRs survives.

    Parameters
    ----------
    predictions : array of shape (n_trs, n_voxels)
    references : array of shape (n_trs, n_voxels)
        The measured responses, each of which must vary over time.
    block : int
        Length of a block in TRs; it should exceed the time over which TRs depend on each other.
        TRs at the end that fill no block stay where they are.
    n_permutations : int
        The same permutations are used for all voxels.
    seed : int
    voxel_batch : int
        Voxels per pass, which bounds memory.

    Returns
    -------
    array of shape (n_voxels,)
        One-sided p, ``(1 + n_as_high) / (1 + n_permutations)``; uniform if predictions are
        unrelated to references (Phipson and Smyth 2010). 1 where the prediction is constant.

    Raises
    ------
    ValueError
        If shapes do not match, values are not finite, a voxel's reference is constant, there are
        fewer than two blocks, or a number is out of its range.
    """
    predictions, references = np.asarray(predictions), np.asarray(references)
    _check_scored_voxels([predictions], references, np.ones(references.shape[1:]))
    n_trs, n_voxels = references.shape
    _check_blocks(n_trs, block, n_permutations)
    n_blocks = n_trs // block
    picks = _picked_pairs(n_blocks, n_permutations, seed)
    whole = slice(n_blocks * block)  # what follows adds the same to every permutation's correlation

    p = np.empty(n_voxels)
    for start in range(0, n_voxels, voxel_batch):
        voxels = slice(start, start + voxel_batch)
        x, y = (
            zscore(columns[:, voxels])[whole].reshape(n_blocks, block, -1)
            for columns in (predictions, references)
        )
        products = np.einsum("ikv,jkv->ijv", x, y).reshape(n_blocks**2, -1) / n_trs
        correlations = picks @ products
        n_as_high = (correlations[1:] >= correlations[0] - ROUNDING).sum(axis=0)
        p[voxels] = (1 + n_as_high) / (1 + n_permutations)
    return p


def block_exchange_test(
    predictions_a,
    predictions_b,
    references,
    noise_ceiling=None,
    block=10,
    n_permutations=1000,
    seed=0,
    voxel_batch=1024,
):
    """Test whether two models predict one participant's region equally well.

    If they do, it does not matter which of them predicted which block of TRs: their labels are
    exchanged in blocks chosen by chance, and the difference of the region's mean score is
    compared with the differences that arise so. Voxels are no replications of each other, since
    they are correlated; here they are averaged, and chance is over time.

    Parameters
    ----------
    predictions_a, predictions_b : array of shape (n_trs, n_voxels) or list of such
        A list has one array per layer, as many for either model; layer by layer in the given
        order, labels are exchanged in the same blocks.
    references : array of shape (n_trs, n_voxels)
        The measured responses in the region's voxels, each of which must vary over time.
    noise_ceiling : array of shape (n_voxels,), optional
        Above 0: correlations are divided by it before the mean over voxels.
    block, seed, voxel_batch
        As in `block_permutation_p`, but TRs at the end that fill no block are a shorter one.
    n_permutations : int

    Returns
    -------
    dict
        "statistic", the mean score over voxels and layers of model a minus that of model b;
        "p", two-sided, ``(1 + n_as_far_from_0) / (1 + n_permutations)``; "n", the number of
        blocks.

    Raises
    ------
    ValueError
        If shapes or numbers of layers do not match, values are not finite, a voxel's reference is
        constant or its noise ceiling is not above 0, there are fewer than two blocks, or a number
        is out of its range.

    Notes
    -----
    Predictions are z-scored over the story before blocks are exchanged, so that models whose
    predictions only differ in scale do not differ. Sums over blocks give the correlations of all
    exchanges by matrix products. A prediction that does not vary after an exchange scores 0.
    """
    layers_a, layers_b = _layers(predictions_a), _layers(predictions_b)
    if not layers_a or len(layers_a) != len(layers_b):
        raise ValueError(
            "predictions_a and predictions_b need equally many layers, at least one, got "
            f"{len(layers_a)} and {len(layers_b)}"
        )
    references = np.asarray(references)
    noise_ceiling = np.ones(references.shape[1:]) if noise_ceiling is None else noise_ceiling
    noise_ceiling = np.asarray(noise_ceiling)
    _check_scored_voxels([*layers_a, *layers_b], references, noise_ceiling)
    n_trs, n_voxels = references.shape
    _check_blocks(n_trs, block, n_permutations)
    starts = np.arange(0, n_trs, block)
    exchanged = np.random.default_rng(seed).integers(2, size=(n_permutations, len(starts)))
    exchanged = np.vstack([np.zeros(len(starts)), exchanged])  # first, as observed

    differences = np.zeros(1 + n_permutations)
    for start in range(0, n_voxels, voxel_batch):
        voxels = slice(start, start + voxel_batch)
        y = zscore(references[:, voxels])
        for layer_a, layer_b in zip(layers_a, layers_b, strict=True):
            a, b = (
                _block_moments(zscore(layer[:, voxels]), y, starts) for layer in (layer_a, layer_b)
            )
            moved = exchanged @ (b - a)  # what a gains and b loses
            scores = (
                _correlations(product, np.sqrt((square - mean**2).clip(min=0)))
                for mean, square, product in (
                    a.sum(axis=1, keepdims=True) + moved,
                    b.sum(axis=1, keepdims=True) - moved,
                )
            )
            differences += np.subtract(*scores) @ (1 / noise_ceiling[voxels])
    differences /= n_voxels * len(layers_a)
    observed, permuted = differences[0], differences[1:]
    n_as_far = np.count_nonzero(np.abs(permuted) >= abs(observed) - ROUNDING)
    return {
        "statistic": float(observed),
        "p": float((1 + n_as_far) / (1 + n_permutations)),
        "n": len(starts),
    }


def _resampled_rows(n_trs, block, n_resamples, seed):
    """TRs of each resample, of shape (n_resamples, n_trs)."""
    if not 1 <= block <= n_trs:
        raise ValueError(f"block must be from 1 to the {n_trs} TRs that there are, got {block}")
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, got {n_resamples}")
    n_blocks = math.ceil(n_trs / block)
    starts = np.random.default_rng(seed).integers(n_trs, size=(n_resamples, n_blocks, 1))
    return ((starts + np.arange(block)) % n_trs).reshape(n_resamples, -1)[:, :n_trs]


def _resampled_moments(shares, columns):
    """Mean and variance of z-scored columns in every resample, (n_resamples, n_voxels) each."""
    mean = shares @ columns
    return mean, (shares @ columns**2 - mean**2).clip(min=0)


def _correlations(covariance, scale):
    return np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > ROUNDING)


def _picked_pairs(n_blocks, n_permutations, seed):
    """Which pairs (block of predictions, block of references) each permutation lays together.

    A sparse matrix of shape (1 + n_permutations, n_blocks**2); the first row leaves all in place.
    """
    orders = np.tile(np.arange(n_blocks), (1 + n_permutations, 1))
    orders[1:] = np.random.default_rng(seed).permuted(orders[1:], axis=1)
    pairs = orders * n_blocks + np.arange(n_blocks)
    row_ends = np.arange(0, pairs.size + 1, n_blocks)
    return csr_array(
        (np.ones(pairs.size), pairs.ravel(), row_ends), shape=(len(orders), n_blocks**2)
    )


def _block_moments(x, y, starts):
    """Shares that blocks have in the means of x, x^2 and x y, (3, n_blocks, n_voxels)."""
    return np.add.reduceat(np.stack([x, x**2, x * y]), starts, axis=1) / len(x)


def _layers(predictions):
    alone = isinstance(predictions, np.ndarray) and predictions.ndim == 2
    return [np.asarray(layer) for layer in ([predictions] if alone else predictions)]


def percentile_interval(values, confidence=0.95):
    """Interval between percentiles of a resampled statistic.

    Parameters
    ----------
    values : array of shape (n_resamples,) or None
    confidence : float
        Between 0 and 1.

    Returns
    -------
    low, high : float; or None if `values` is.

    Raises
    ------
    ValueError
        If the statistic is NaN in a resample, or the confidence is out of its range.
    """
    if values is None:
        return None
    _check_confidence(confidence)
    n_bad = np.isnan(values).sum()
    if n_bad:
        raise ValueError(f"the statistic is NaN in {n_bad} of {len(values)} resamples")
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def bootstrap_p(values):
    """Chance of a difference as far from 0, from its resampled values: two-sided.

    The level of the widest `percentile_interval` that leaves 0 out (Efron and Tibshirani 1993,
    chapter 15). With few blocks such intervals are somewhat narrow, and p as much too small.

    Parameters
    ----------
    values : array of shape (n_resamples,)

    Returns
    -------
    float
        At least ``2 / (1 + n_resamples)``, at most 1.

    Raises
    ------
    ValueError
        If there are none, or the difference is NaN in a resample.

    Examples
    --------
    >>> bootstrap_p([0.1, 0.3, -0.1, 0.2, 0.4, 0.3, 0.2, 0.1, 0.2])
    0.4
    """
    values = np.asarray(values, dtype=float)
    if not values.size or np.isnan(values).any():
        raise ValueError(
            f"values must be the difference in every resample, got {np.isnan(values).sum()} NaN of "
            f"{values.size}"
        )
    fewer = min(np.count_nonzero(values <= 0), np.count_nonzero(values >= 0))
    return float(min(1, 2 * (1 + fewer) / (1 + values.size)))


def _checked_p(p):
    p = np.asarray(p, dtype=float)
    if p.ndim != 1:
        raise ValueError(f"p must be (n_tests,), got shape {p.shape}")
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        raise ValueError(
            f"p must be from 0 to 1, got {p[bad][0]} for test {np.flatnonzero(bad)[0]}: "
            "leave out what could not be tested"
        )
    return p


def _check_confidence(confidence):
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")


def _check_blocks(n_trs, block, n_permutations):
    if not 1 <= block <= n_trs // 2:
        raise ValueError(
            f"block must be from 1 to {n_trs // 2}, half of the {n_trs} TRs that there are, "
            f"got {block}"
        )
    if n_permutations < 1:
        raise ValueError(f"n_permutations must be at least 1, got {n_permutations}")


def _check_scored_voxels(layers, references, noise_ceiling):
    if references.ndim != 2 or not references.size:
        raise ValueError(f"references must be (n_trs, n_voxels), got shape {references.shape}")
    for layer in layers:
        if layer.shape != references.shape:
            raise ValueError(
                f"each layer's predictions must have the references' shape {references.shape}, "
                f"got {layer.shape}"
            )
        if not np.isfinite(layer).all():
            raise ValueError("predictions hold NaN or infinite values")
    if noise_ceiling.shape != references.shape[1:] or not (noise_ceiling > 0).all():
        raise ValueError(
            f"noise_ceiling must hold a number above 0 for each of {references.shape[1]} voxels, "
            f"got shape {noise_ceiling.shape} with minimum {noise_ceiling.min(initial=np.inf)}"
        )
    unusable = ~(np.isfinite(references).all(axis=0) & (references.max(0) > references.min(0)))
    if unusable.any():
        raise ValueError(
            f"references are constant or not finite in {unusable.sum()} voxels, the first is voxel "
            f"{np.flatnonzero(unusable)[0]}: leave them out"
        )
