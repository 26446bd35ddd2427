"""The test of one model's predictions, voxel by voxel."""

import numpy as np
import pytest
from scipy.stats import kstest

from evaluate_metrics.brain_alignment.alignment import pearson
from evaluate_metrics.statistics import block_permutation_p


@pytest.mark.parametrize("voxel_batch", [7, 1000])
def test_block_permutation_is_the_plain_loop_done_at_once(simulate, voxel_batch):
    (x, _), y, _ = simulate(n_trs=64)
    orders = np.random.default_rng(3).permuted(np.tile(np.arange(6), (50, 1)), axis=1)
    tail = [np.arange(60, 64)]  # fills no block
    rows = [np.concatenate([10 * i + np.arange(10) for i in order] + tail) for order in orders]
    n_as_high = sum(pearson(x[permuted], y) >= pearson(x, y) - 1e-12 for permuted in rows)
    found = block_permutation_p(3 * x - 7, y, n_permutations=50, seed=3, voxel_batch=voxel_batch)
    assert found == pytest.approx((1 + n_as_high) / 51, abs=0)


def unrelated_p(drifting, block, n_voxels):
    """p-values of voxels whose predictions have nothing to do with them."""
    rng = np.random.default_rng(1)
    x, y = drifting(rng, 300, n_voxels), drifting(rng, 300, n_voxels)
    return block_permutation_p(x, y, block, n_permutations=400)


def test_permutation_p_is_uniform_where_predictions_are_chance(drifting):
    assert kstest(unrelated_p(drifting, block=20, n_voxels=600), "uniform").pvalue > 0.05
    white = np.random.default_rng(1).standard_normal((2, 300, 600))
    assert kstest(block_permutation_p(*white, n_permutations=400), "uniform").pvalue > 0.05


def test_permuting_single_trs_would_find_too_much(drifting):
    assert np.mean(unrelated_p(drifting, block=1, n_voxels=200) < 0.05) > 0.1


def test_permutation_p_is_lowest_where_predictions_are_good(simulate):
    (x, _), y, _ = simulate(n_trs=300)
    assert (block_permutation_p(x, y, n_permutations=200) == 1 / 201).all()
    assert (block_permutation_p(-x, y, n_permutations=200) > 0.9).all()  # one-sided


def test_permutation_p_of_a_constant_prediction_is_1(simulate):
    _, y, _ = simulate()
    assert (block_permutation_p(np.full_like(y, 0.1), y) == 1).all()
