"""Intervals of alignment and of impact, from the resamples of the plain bootstrap."""

import numpy as np
import pytest

from evaluate_metrics.brain_alignment.alignment import pearson
from evaluate_metrics.statistics import (
    alignment_interval,
    alignment_resamples,
    bootstrap_interval,
    impact_resamples,
    percentile_interval,
    student_interval,
)


@pytest.mark.parametrize("voxel_batch", [7, 1000])
@pytest.mark.parametrize("paired", [False, True])
def test_alignment_interval_is_the_plain_bootstrap_done_at_once(simulate, paired, voxel_batch):
    layers, references, ceiling = simulate()
    references = 3 * references + 100  # correlations do not care
    baseline = [layers[1], simulate(seed=1)[0][0], layers[0]] if paired else []

    def alignment(rows, layers):
        return np.mean([(pearson(x[rows], references[rows]) / ceiling).mean() for x in layers])

    def statistic(rows):
        return alignment(rows, layers) - (alignment(rows, baseline) if paired else 0)

    drawn = []
    bootstrap_interval(
        lambda rows: drawn.append(statistic(rows)) or 0.0, len(references), n_resamples=50, seed=5
    )
    drawn = [statistic(np.arange(len(references))), *drawn]
    options = {"n_resamples": 50, "seed": 5, "voxel_batch": voxel_batch}
    resamples = alignment_resamples(layers, references, ceiling, **options)
    if paired:
        resamples -= alignment_resamples(baseline, references, ceiling, **options)
    np.testing.assert_allclose(resamples, drawn, atol=1e-10)
    found = alignment_interval(layers, references, ceiling, baseline or None, **options)
    assert found == pytest.approx(student_interval(drawn, len(references) / 10), abs=1e-10)


def test_interval_holds_the_alignment_itself(simulate):
    layers, references, ceiling = simulate()
    alignment = np.mean([(pearson(layer, references) / ceiling).mean() for layer in layers])
    low, high = alignment_interval(layers, references, ceiling)
    assert low < alignment < high


def test_pairing_makes_the_difference_of_like_models_tighter(simulate):
    (good, worse), references, ceiling = simulate(n_voxels=5)

    def width(*args):
        low, high = alignment_interval(*args)
        return high - low

    unpaired = np.hypot(width([good], references, ceiling), width([worse], references, ceiling))
    assert width([good], references, ceiling, [worse]) < 0.8 * unpaired


def test_model_against_itself_differs_by_nothing(simulate):
    layers, references, ceiling = simulate()
    assert alignment_interval(layers, references, ceiling, layers) == pytest.approx((0, 0))


def test_constant_prediction_scores_0(simulate):
    _, references, ceiling = simulate()
    assert alignment_interval([np.full_like(references, 0.1)], references, ceiling) == (0, 0)


def test_voxels_that_cannot_be_scored_are_refused(simulate):
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


def test_impact_interval_is_that_of_the_ratio_on_the_same_resamples():
    rng = np.random.default_rng(3)
    references = rng.standard_normal((120, 6))
    whole, rest = (references + k * rng.standard_normal((120, 6)) for k in (1.0, 3.0))
    ceiling = rng.uniform(0.5, 1, 6)

    def impact(rows):
        b = [np.mean(pearson(p[rows], references[rows]) / ceiling) for p in (whole, rest)]
        return 100 * (b[0] - b[1]) / b[0]

    resamples = impact_resamples([whole], [rest], references, ceiling, n_resamples=200)
    found = percentile_interval(resamples)
    assert found == pytest.approx(bootstrap_interval(impact, 120, n_resamples=200))


def test_impact_has_no_interval_where_alignment_may_be_none_at_all():
    rng = np.random.default_rng(4)
    references, noise, rest = rng.standard_normal((3, 60, 2))
    assert impact_resamples([noise], [rest], references, np.ones(2)) is None


def test_some_trs_alone_are_scored_in_the_resamples_of_the_whole_story(simulate):
    layers, references, ceiling = simulate()
    n_trs = len(references)
    trs = np.arange(n_trs) % 3 == 0

    def alignment(rows):
        rows = rows[trs[rows]]
        return np.mean([(pearson(x[rows], references[rows]) / ceiling).mean() for x in layers])

    drawn = []
    bootstrap_interval(
        lambda rows: drawn.append(alignment(rows)) or 0.0, n_trs, n_resamples=50, seed=5
    )
    found = alignment_resamples(layers, references, ceiling, n_resamples=50, seed=5, trs=trs)
    np.testing.assert_allclose(found, [alignment(np.arange(n_trs)), *drawn], atol=1e-10)


def test_a_resample_without_any_of_the_trs_is_nan(simulate):
    layers, references, ceiling = simulate()
    trs = np.arange(len(references)) < 10  # a block
    found = alignment_resamples(layers, references, ceiling, n_resamples=200, trs=trs)
    assert np.isfinite(found[0]) and 0 < np.isnan(found).mean() < 0.9
