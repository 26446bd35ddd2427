import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import EvalPrediction

from modeling_braintune import RunningCorrelation


def in_batches(x, y, size):
    correlation = RunningCorrelation()
    for first in range(0, len(x), size):
        correlation.update(x[first : first + size], y[first : first + size])
    return correlation.pearson()


def numpy_pearson(x, y):
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(x.T, y.T, strict=True)])


@settings(deadline=None)
@given(
    n=st.integers(2, 60),
    voxels=st.integers(1, 4),
    size=st.integers(1, 70),
    seed=st.integers(0, 99),
    offset=st.floats(-1e6, 1e6),
    scale=st.floats(1e-3, 1e3),
)
def test_batches_agree_with_numpy(n, voxels, size, seed, offset, scale):
    rng = np.random.default_rng(seed)
    x = offset + scale * rng.standard_normal((n, voxels))
    y = rng.standard_normal((n, voxels)) + x / scale
    np.testing.assert_allclose(in_batches(x, y, size), numpy_pearson(x, y), atol=1e-6)


def test_an_offset_of_a_million_standard_deviations_costs_little():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 500, 3))
    shifted = in_batches(x + 1e6, y - 1e6, 7)
    np.testing.assert_allclose(shifted, numpy_pearson(x, y), atol=1e-8)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e8])
def test_constants_are_recognised(value):
    x = np.random.default_rng(0).standard_normal((9, 1))
    constant = np.full((9, 1), value)
    assert np.isnan(in_batches(x, constant, 4)).all()
    assert np.isnan(in_batches(constant, constant, 4)).all()
    assert in_batches(constant, x, 4).tolist() == [0.0]


def test_a_sample_without_a_reference_is_left_out_of_its_voxel():
    x, y = np.random.default_rng(0).standard_normal((2, 9, 3))
    y[[0, 3], 0] = np.nan  # also the first sample, to which the others are relative
    y[:, 2] = np.nan
    r = in_batches(x, y, 4)
    heard = [1, 2, 4, 5, 6, 7, 8]
    assert r[0] == pytest.approx(numpy_pearson(x[heard], y[heard])[0])
    assert r[1] == pytest.approx(numpy_pearson(x[:, :2], y[:, :2])[1]) and np.isnan(r[2])


def test_perfect_correlations_do_not_exceed_1():
    x = np.random.default_rng(0).standard_normal((50, 200)) * 1e-3 + 7
    assert (in_batches(x, 3 * x, 8) <= 1).all() and (in_batches(x, -3 * x, 8) >= -1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_tensors_are_taken(dtype):
    x = torch.tensor([[1.0], [2.0], [4.0]], dtype=dtype, requires_grad=True)
    correlation = RunningCorrelation()
    correlation.update(x, [[1.0], [2.0], [4.0]])
    assert correlation.pearson() == pytest.approx([1.0])


def test_trainer_gets_the_mean_over_voxels_and_a_fresh_start():
    rng = np.random.default_rng(0)
    metric = RunningCorrelation()
    for _ in range(2):
        x, y = rng.standard_normal((2, 20, 4))
        y[:, 3] = 1.0
        assert metric(EvalPrediction(x[:15], y[:15]), compute_result=False) == {}
        result = metric(EvalPrediction(x[15:], y[15:]), compute_result=True)
        assert result == {"pearson": pytest.approx(numpy_pearson(x[:, :3], y[:, :3]).mean())}


def test_without_a_defined_voxel_the_mean_is_nan():
    result = RunningCorrelation()(EvalPrediction(np.ones((3, 2)), np.ones((3, 2))), True)
    assert np.isnan(result["pearson"])


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        (np.ones((3, 2)), np.ones((3, 4)), r"got \(3, 2\) and \(3, 4\)"),
        (np.ones(3), np.ones(3), r"got \(3,\) and \(3,\)"),
        (np.ones((0, 2)), np.ones((0, 2)), r"got \(0, 2\)"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), "diverged"),
        (np.full((3, 2), np.inf), np.ones((3, 2)), "diverged"),
        (np.ones((3, 5)), np.ones((3, 5)), "got 5 voxels after batches of 2"),
    ],
)
def test_wrong_samples_are_an_error(predictions, references, message):
    correlation = RunningCorrelation()
    correlation.update(np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(ValueError, match=message):
        correlation.update(predictions, references)


def test_no_samples_are_an_error():
    with pytest.raises(ValueError, match="no samples"):
        RunningCorrelation().pearson()


def test_squared_error_is_the_mean_over_clips_of_each_ones_own_voxels():
    x, y = np.random.default_rng(0).standard_normal((2, 7, 5))
    y[:3, 2:], y[3:, :2] = np.nan, np.nan
    metric = RunningCorrelation(squared_error=True)
    metric(EvalPrediction(x[:6], y[:6]), compute_result=False)
    got = metric(EvalPrediction(x[6:], y[6:]), compute_result=True)
    assert got["loss"] == pytest.approx(np.nanmean((x - y) ** 2, axis=1).mean())
    again = metric(EvalPrediction(x[:3, :2], y[:3, :2]), compute_result=True)
    assert again["loss"] == pytest.approx(np.mean((x - y)[:3, :2] ** 2))
