"""The test of repeats' likeness, voxel by voxel."""

import numpy as np
import pytest
from scipy.stats import kstest
from scipy.stats import zscore as standardised

from evaluate_metrics.statistics import fdr, repeat_permutation_p


def heard(drifting, n_repeats, n_noise, n_signal=0, n_trs=150, seed=0):
    """Repeats of voxels without a signal, and of some with one as strong as half the noise."""
    rng = np.random.default_rng(seed)
    signal = np.zeros((n_trs, n_noise + n_signal))
    signal[:, n_noise:] = 0.5 * standardised(rng.standard_normal((n_trs, n_signal)))
    return np.stack([signal + standardised(drifting(rng, *signal.shape)) for _ in range(n_repeats)])


@pytest.mark.parametrize("voxel_batch", [3, 100])
def test_it_is_the_plain_loop_done_at_once(drifting, voxel_batch):
    repeats = heard(drifting, 3, 4, 1, n_trs=47)
    rng = np.random.default_rng(5)
    blocks = np.array_split(np.arange(47), 4)
    z = standardised(repeats, axis=1)
    n_as_high = np.zeros(5)
    for _ in range(40):
        total = z[0].copy()
        for repeat in z[1:]:
            total += repeat[np.concatenate([blocks[i] for i in rng.permutation(4)])]
        n_as_high += total.var(axis=0) >= z.sum(axis=0).var(axis=0) - 1e-6
    found = repeat_permutation_p(
        3 * repeats + 7, n_permutations=40, seed=5, voxel_batch=voxel_batch
    )
    assert found == pytest.approx((1 + n_as_high) / 41, abs=0)
    assert len(set(n_as_high)) > 3


@pytest.mark.parametrize("n_repeats", [2, 4])
def test_p_is_uniform_where_repeats_share_nothing(drifting, n_repeats):
    p = repeat_permutation_p(heard(drifting, n_repeats, 300), 20, n_permutations=200)
    assert kstest(p, "uniform").pvalue > 0.05


def test_voxels_that_share_something_are_found_at_the_rate_that_is_asked_for(drifting):
    repeats = heard(drifting, 4, 300, 100)
    found = fdr(repeat_permutation_p(repeats, n_permutations=400)) <= 0.05
    assert found[300:].mean() > 0.8
    assert found[:300].sum() < 0.1 * found.sum()


def test_voxels_that_two_repeats_select_by_likeness_are_predicted_wholly_by_an_oracle():
    """By a threshold on noise ceilings, noise is among them, whose ceiling is too high."""
    rng = np.random.default_rng(0)
    snr = np.where(np.arange(400) < 200, rng.uniform(0.3, 1.5, 400), 0)
    signal = standardised(rng.standard_normal((291, 400)))
    repeats = standardised(snr * signal + rng.standard_normal((10, 291, 400)), axis=1)
    first, scored = repeats[:2], standardised(repeats[2:].mean(axis=0))
    common = (first[0] * first[1]).mean(axis=0).clip(0)  # share of a repeat that the other has
    ceiling = np.sqrt(8 * common / (1 + 7 * common))  # of the mean of the other eight
    oracle = (signal * scored).mean(axis=0)

    def reached(voxels):
        return (oracle[voxels] / ceiling[voxels]).mean()

    by_threshold = ceiling > 0.4
    alike = fdr(repeat_permutation_p(first)) <= 0.05
    assert by_threshold[200:].mean() > 0.25 and reached(by_threshold) < 0.85
    assert alike[200:].mean() < 0.06 and reached(alike) == pytest.approx(1, abs=0.07)


@pytest.mark.parametrize(
    ("repeats", "message"),
    [
        (np.zeros((1, 40, 2)), r"at least two repeats, got \(1, 40, 2\)"),
        (np.zeros((40, 2)), r"at least two repeats, got \(40, 2\)"),
        (np.zeros((2, 15, 2)), "block must be from 1 to 7"),
        (np.full((2, 40, 2), np.nan), "NaN or infinite values: leave such voxels out"),
    ],
)
def test_what_holds_no_repeats_is_refused(repeats, message):
    with pytest.raises(ValueError, match=message):
        repeat_permutation_p(repeats)
