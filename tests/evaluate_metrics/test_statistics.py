"""Bootstrap intervals over blocks of TRs."""

import numpy as np
import pytest
from scipy.signal import lfilter

from evaluate_metrics import alignment_interval, bootstrap_interval
from evaluate_metrics.brain_alignment.alignment import pearson


def drifting(rng, *shape):
    """Noise of unit variance whose neighbouring TRs (axis 0) correlate by 0.7, like fMRI."""
    innovations = rng.standard_normal((50 + shape[0], *shape[1:])) * np.sqrt(1 - 0.7**2)
    return lfilter([1], [1, -0.7], innovations, axis=0)[50:]


def simulate(n_trs=150, n_voxels=20, seed=0):
    """A story's responses, two layers that see part of it, and noise ceilings."""
    rng = np.random.default_rng(seed)
    signal = drifting(rng, n_trs, n_voxels)
    references = signal + drifting(rng, n_trs, n_voxels)
    layers = [signal + noise * drifting(rng, n_trs, n_voxels) for noise in (0.5, 1.0)]
    return layers, references, rng.uniform(0.5, 0.9, n_voxels)


def coverage(block, n_stories=200, n_trs=300):
    """Share of simulated stories whose 95 % interval of the mean holds the truth, 0."""
    rng = np.random.default_rng(0)
    inside = 0
    for story in drifting(rng, n_trs, n_stories).T:
        low, high = bootstrap_interval(lambda rows, y=story: y[rows].mean(), n_trs, block, 200)
        inside += low < 0 < high
    return inside / n_stories


def test_interval_holds_the_truth_about_as_often_as_it_says():
    assert 0.88 < coverage(block=20) < 0.99


def test_single_trs_would_promise_too_much():
    assert coverage(block=1) < 0.75


def test_resamples_are_whole_blocks_and_wrap_around():
    drawn = []
    bootstrap_interval(lambda rows: drawn.append(rows) or 0.0, 25, block=10, n_resamples=500)
    steps = np.stack([np.diff(rows) % 25 for rows in drawn])
    assert all(len(rows) == 25 for rows in drawn)
    assert (np.delete(steps, [9, 19], axis=1) == 1).all()
    share = np.bincount(np.concatenate(drawn), minlength=25) / (500 * 25)
    assert share == pytest.approx(np.full(25, 1 / 25), rel=0.2)


def test_interval_follows_from_its_seed():
    values = np.random.default_rng(0).standard_normal(100)

    def interval(seed):
        return bootstrap_interval(lambda rows: values[rows].mean(), 100, seed=seed)

    assert interval(3) == interval(3) != interval(4)


def test_higher_confidence_is_wider():
    layers, references, ceiling = simulate()
    narrow, wide = (
        alignment_interval(layers, references, ceiling, confidence=confidence)
        for confidence in (0.5, 0.99)
    )
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize("voxel_batch", [7, 1000])
@pytest.mark.parametrize("paired", [False, True])
def test_alignment_interval_is_the_plain_bootstrap_done_at_once(paired, voxel_batch):
    layers, references, ceiling = simulate()
    references = 3 * references + 100  # correlations do not care
    baseline = [layers[1], simulate(seed=1)[0][0], layers[0]] if paired else []

    def alignment(rows, layers):
        return np.mean([(pearson(x[rows], references[rows]) / ceiling).mean() for x in layers])

    def statistic(rows):
        return alignment(rows, layers) - (alignment(rows, baseline) if paired else 0)

    expected = bootstrap_interval(statistic, len(references), n_resamples=50, seed=5)
    found = alignment_interval(
        layers,
        references,
        ceiling,
        baseline or None,
        n_resamples=50,
        seed=5,
        voxel_batch=voxel_batch,
    )
    assert found == pytest.approx(expected, abs=1e-10)


def test_interval_holds_the_alignment_itself():
    layers, references, ceiling = simulate()
    alignment = np.mean([(pearson(layer, references) / ceiling).mean() for layer in layers])
    low, high = alignment_interval(layers, references, ceiling)
    assert low < alignment < high


def test_pairing_makes_the_difference_of_like_models_tighter():
    (good, worse), references, ceiling = simulate(n_voxels=5)

    def width(*args):
        low, high = alignment_interval(*args)
        return high - low

    unpaired = np.hypot(width([good], references, ceiling), width([worse], references, ceiling))
    assert width([good], references, ceiling, [worse]) < 0.8 * unpaired


def test_model_against_itself_differs_by_nothing():
    layers, references, ceiling = simulate()
    assert alignment_interval(layers, references, ceiling, layers) == pytest.approx((0, 0))


def test_constant_prediction_scores_0():
    _, references, ceiling = simulate()
    assert alignment_interval([np.full_like(references, 0.1)], references, ceiling) == (0, 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"block": 151}, "block must be from 1 to the 150 TRs that there are, got 151"),
        ({"block": 0}, "block must be from 1"),
        ({"n_resamples": 0}, "n_resamples must be at least 1, got 0"),
        ({"confidence": 95}, "confidence must be between 0 and 1, got 95"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(lambda rows: 0.0, 150, **settings)
    with pytest.raises(ValueError, match=message):
        alignment_interval(*simulate(), **settings)


def test_statistic_that_fails_is_reported():
    with pytest.raises(ValueError, match="the statistic is NaN in 1000 of 1000 resamples"):
        bootstrap_interval(lambda rows: np.nan, 20)


def test_voxels_that_cannot_be_scored_are_refused():
    layers, references, ceiling = simulate()
    with pytest.raises(ValueError, match=r"shape \(150, 20\), got \(149, 20\)"):
        alignment_interval([layers[0][1:]], references, ceiling)
    with pytest.raises(ValueError, match="above 0 for each of 20 voxels"):
        alignment_interval(layers, references, np.append(ceiling[1:], 0))
    with pytest.raises(ValueError, match="predictions hold NaN"):
        alignment_interval([np.full_like(references, np.nan)], references, ceiling)
    references[:, 4] = 1
    with pytest.raises(ValueError, match="not finite in 1 voxels, the first is voxel 4"):
        alignment_interval(layers, references, ceiling)
