import numpy as np
import pytest

from recipes.benchmarks.error_rates import Arguments, error_rates, story


@pytest.mark.parametrize("autocorrelation", [0.0, 0.9])
def test_stories_are_as_autocorrelated_as_they_are_to_be(autocorrelation):
    arguments = Arguments(n_trs=20_000, n_voxels=4)
    scored, models = story(np.random.default_rng(0), arguments, autocorrelation, (1.0,))
    y = scored.references
    assert np.corrcoef(y[1:, 0], y[:-1, 0])[0, 1] == pytest.approx(autocorrelation, abs=0.03)
    assert y.var(axis=0) == pytest.approx(2, abs=0.3)  # signal and noise
    # What a model with errors of the noise's size can reach: half of the variance is shared.
    assert models[0].scores[1]["pearson"] == pytest.approx(0.5, abs=0.05)


def test_models_that_differ_gain_and_their_intervals_mostly_hold_it():
    arguments = Arguments(replicates=20, n_trs=100, n_voxels=4)
    positives, held, gain = error_rates(arguments, 0.3)
    assert positives <= 0.25 and held >= 0.75
    assert 0.1 < gain < 0.3
