"""The test of two models on one participant."""

import numpy as np
import pytest
from scipy.stats import kstest

from evaluate_metrics.brain_alignment.alignment import pearson
from evaluate_metrics.statistics import block_exchange_test


@pytest.mark.parametrize("voxel_batch", [7, 1000])
@pytest.mark.parametrize("normalised", [False, True])
def test_block_exchange_is_the_plain_loop_done_at_once(simulate, normalised, voxel_batch):
    layers_a, references, ceiling = simulate(n_trs=64)
    others, _, _ = simulate(n_trs=64, seed=1)
    layers_b = [layer + 0.4 * noise for layer, noise in zip(layers_a, others, strict=True)]
    ceiling = ceiling if normalised else np.ones(20)

    def score(layers):
        return np.mean([(pearson(layer, references) / ceiling).mean() for layer in layers])

    def standard(layers):
        return [(layer - layer.mean(axis=0)) / layer.std(axis=0) for layer in layers]

    def difference(exchanged):
        swap = np.repeat(exchanged, 10)[:64, np.newaxis] == 1
        pairs = list(zip(standard(layers_a), standard(layers_b), strict=True))
        mixed = [np.where(swap, b, a) for a, b in pairs], [np.where(swap, a, b) for a, b in pairs]
        return score(mixed[0]) - score(mixed[1])

    draws = np.random.default_rng(5).integers(2, size=(50, 7))
    as_far = [abs(difference(draw)) >= abs(difference(np.zeros(7))) - 1e-12 for draw in draws]
    found = block_exchange_test(
        [3 * layer + 100 for layer in layers_a],
        layers_b,
        references,
        ceiling if normalised else None,
        n_permutations=50,
        seed=5,
        voxel_batch=voxel_batch,
    )
    assert found["statistic"] == pytest.approx(score(layers_a) - score(layers_b), abs=1e-12)
    assert found["p"] == (1 + sum(as_far)) / 51
    assert found["n"] == 7


def exchange_p(drifting, noise_a, noise_b, n_stories, block=20):
    """p-values of simulated stories: two models see the same signal, each with its own noise."""
    rng = np.random.default_rng(2)
    p = []
    for _ in range(n_stories):
        signal, noise, own_a, own_b = drifting(rng, 200, 4, 5).swapaxes(0, 1)
        a, b = signal + noise_a * own_a, signal + noise_b * own_b
        p.append(block_exchange_test(a, b, signal + noise, None, block, 200)["p"])
    return np.array(p)


def test_exchange_p_is_uniform_where_models_are_equally_good(drifting):
    assert kstest(exchange_p(drifting, 1.0, 1.0, n_stories=300), "uniform").pvalue > 0.05


def test_exchange_p_is_low_where_one_model_is_better_whichever_it_is(drifting):
    assert np.median(exchange_p(drifting, 0.7, 1.5, n_stories=20, block=10)) < 0.02
    assert np.median(exchange_p(drifting, 1.5, 0.7, n_stories=20, block=10)) < 0.02


def test_model_exchanged_with_itself_has_p_1(simulate):
    layers, references, ceiling = simulate()
    expected = {"statistic": 0, "p": 1, "n": 15}
    assert block_exchange_test(layers, layers, references, ceiling) == expected
    assert block_exchange_test(layers[0], 2 * layers[0] + 1, references, ceiling)["p"] == 1


def test_single_layer_may_stand_alone(simulate):
    (a, b), references, ceiling = simulate()
    alone = block_exchange_test(a, b, references, ceiling)
    assert alone == block_exchange_test([a], [b], references, ceiling)


def test_constant_prediction_is_worse_than_a_good_one(simulate):
    (good, _), references, ceiling = simulate()
    found = block_exchange_test(good, np.full_like(good, 0.1), references, ceiling)
    assert found["statistic"] == pytest.approx((pearson(good, references) / ceiling).mean())
    assert found["p"] < 0.01
