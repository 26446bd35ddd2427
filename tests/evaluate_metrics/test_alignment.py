"""The arithmetic of normalised alignment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr

from evaluate_metrics.brain_alignment.alignment import (
    alignment_scores,
    normalised_alignment,
    pearson,
)

N_TRS, N_VOXELS = 40, 6


@pytest.fixture
def responses():
    rng = np.random.default_rng(0)
    references = rng.standard_normal((N_TRS, N_VOXELS))
    return references + rng.standard_normal((N_TRS, N_VOXELS)), references


# correlation


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 1e4])
def test_correlation_is_that_of_scipy(responses, dtype, offset):
    predictions, references = (array.astype(dtype) + dtype(offset) for array in responses)
    expected = [
        pearsonr(p.astype(np.float64), r.astype(np.float64)).statistic
        for p, r in zip(predictions.T, references.T, strict=True)
    ]
    assert pearson(predictions, references) == pytest.approx(expected, rel=1e-10)


@given(
    arrays(np.float64, (8, 1), elements=st.integers(-100, 100)),
    st.floats(1e-150, 1e150),
    st.integers(-100, 100),
)
def test_correlation_with_itself_is_1_at_any_scale_or_0_where_constant(x, scale, offset):
    varying = np.arange(8.0)[:, None]
    expected = 0.0 if np.ptp(x) == 0 else 1.0
    reference = varying if np.ptp(x) == 0 else x
    assert pearson((x + offset) * scale, reference) == pytest.approx([expected], abs=1e-12)
    assert pearson((x + offset) * -scale, reference) == pytest.approx([-expected], abs=1e-12)


@pytest.mark.parametrize("dead", [np.nan, np.inf, 0.1])
def test_dead_reference_is_unknown(responses, dead):
    predictions, references = responses
    before = pearson(predictions, references)
    references[:, 2] = dead
    assert np.isnan(pearson(predictions, references)[2])
    assert np.array_equal(np.delete(pearson(predictions, references), 2), np.delete(before, 2))


def test_one_nan_makes_the_reference_unknown(responses):
    responses[1][7, 2] = np.nan
    assert np.isnan(pearson(*responses)).tolist() == [False, False, True, False, False, False]


def test_constant_prediction_is_0(responses):
    responses[0][:, 1] = 0.1
    assert pearson(*responses)[1] == 0


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_predictions_that_are_not_finite_are_refused(responses, bad):
    responses[0][3, 4] = bad
    with pytest.raises(
        ValueError, match="NaN or infinite values in 1 voxels, the first is voxel 4"
    ):
        pearson(*responses)


@pytest.mark.parametrize("shapes", [((4, 2), (4, 3)), ((4,), (4,)), ((1, 2), (1, 2))])
def test_shapes_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match=r"both be \(n_trs, n_voxels\) with 2 or more TRs, got"):
        pearson(*map(np.ones, shapes))


# normalisation


def test_only_voxels_above_the_threshold_are_divided():
    aligned = normalised_alignment([0.3, 0.3, 0.3, 0.3, np.nan], [0.6, 0.4, 0, np.nan, 0.9], 0.4)
    assert aligned[0] == pytest.approx(0.5)
    assert np.isnan(aligned[1:]).all()


@pytest.mark.parametrize(
    ("noise_ceiling", "threshold", "message"),
    [
        ([0.5], 0.4, r"one value for each of the 2 voxels, got shape \(1,\)"),
        ([0.5, 73.0], 0.4, "correlation from 0 to 1, got 73 for voxel 1"),
        ([-0.1, 0.5], 0.4, "correlation from 0 to 1, got -0.1 for voxel 0"),
        ([0.5, 0.5], -0.1, "threshold must be at least 0 and below 1, got -0.1"),
        ([0.5, 0.5], 40, "threshold must be at least 0 and below 1, got 40"),
    ],
)
def test_impossible_ceilings_are_refused(noise_ceiling, threshold, message):
    with pytest.raises(ValueError, match=message):
        normalised_alignment([0.1, 0.2], noise_ceiling, threshold)


# summaries


def test_alignment_is_the_mean_ratio_over_the_same_voxels_as_the_correlation(responses):
    noise_ceiling = np.array([0.9, 0.8, 0.4, 0.3, np.nan, 0.5])
    rho = pearson(*responses)
    scores = alignment_scores(*responses, noise_ceiling)
    voxels = [0, 1, 5]
    assert scores["brain_alignment"] == pytest.approx((rho[voxels] / noise_ceiling[voxels]).mean())
    assert scores["pearson"] == pytest.approx(rho[voxels].mean())
    assert (scores["n_voxels"], scores["n_excluded"]) == (3, 0)


def test_without_a_ceiling_there_is_only_the_correlation(responses):
    responses[1][:, 3] = 2.0
    scores = alignment_scores(*responses, regions={"all": range(N_VOXELS)})
    assert scores["brain_alignment"] is None
    assert scores["pearson"] == pytest.approx(np.nanmean(pearson(*responses)))
    assert (scores["n_voxels"], scores["n_excluded"]) == (5, 1)
    assert scores["regions"]["all"] == {
        key: scores[key] for key in ("brain_alignment", "pearson", "n_voxels")
    }


def test_excluded_voxels_are_counted_and_constant_predictions_stay(responses):
    predictions, references = responses
    predictions[:, 0] = 1.0
    references[:, 1], references[:, 2] = 5.0, np.nan
    scores = alignment_scores(predictions, references, np.full(N_VOXELS, 0.5), per_voxel=True)
    assert (scores["n_voxels"], scores["n_excluded"]) == (4, 2)
    assert scores["pearson_per_voxel"][0] == 0
    for name in ("pearson", "brain_alignment"):
        array = scores[f"{name}_per_voxel"]
        assert np.isnan(array).tolist() == [False, True, True, False, False, False]
        assert scores[name] == pytest.approx(np.nanmean(array))


def test_regions_are_indices_or_masks(responses):
    mask = np.arange(N_VOXELS) < 2
    scores = alignment_scores(
        *responses,
        np.full(N_VOXELS, 0.5),
        regions={"mask": mask, "indices": [1, 0], "list of bool": mask.tolist()},
    )
    same = scores["regions"]["mask"]
    assert same["n_voxels"] == 2
    assert scores["regions"]["indices"] == scores["regions"]["list of bool"] == same
    assert same["brain_alignment"] == pytest.approx((pearson(*responses)[:2] / 0.5).mean())


def test_region_without_voxels_is_empty_and_not_0(responses):
    empty = {"brain_alignment": None, "pearson": None, "n_voxels": 0}
    noise_ceiling = np.array([0.1, 0.5, 0.5, 0.5, 0.5, 0.5])
    scores = alignment_scores(*responses, noise_ceiling, regions={"none": [], "noisy": [0]})
    assert scores["regions"] == {"none": empty, "noisy": empty}
    below = alignment_scores(*responses, np.zeros(N_VOXELS))
    assert {key: below[key] for key in empty} == empty


@pytest.mark.parametrize(
    ("voxels", "error", "message"),
    [
        ([0, 6], ValueError, "region 'language' holds index 6, .* numbered from 0 to 5"),
        ([-1], ValueError, "holds index -1"),
        (
            [True, False],
            ValueError,
            r"mask of region 'language' must have shape \(6,\), got \(2,\)",
        ),
        ([0.0, 1.0], TypeError, "must be voxel indices or a boolean mask, got float64"),
    ],
)
def test_regions_that_name_no_voxels_are_refused(responses, voxels, error, message):
    with pytest.raises(error, match=message):
        alignment_scores(*responses, regions={"language": voxels})
