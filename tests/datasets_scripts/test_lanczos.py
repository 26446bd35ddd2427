import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_scripts import lanczos


def dense(values, times, tr_times, lobes):
    """The filter as it is written down, for every pair of TR and sample."""
    t = (tr_times[:, None] - times[None, :]) / np.mean(np.diff(tr_times))
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = lobes * np.sin(np.pi * t) * np.sin(np.pi * t / lobes) / (np.pi * t) ** 2
    weights[t == 0] = 1
    weights[np.abs(t) > lobes] = 0
    return weights @ values


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_samples=st.integers(0, 300),
    n_trs=st.integers(2, 30),
    tr=st.floats(0.5, 3.0),
    lobes=st.integers(1, 4),
    jitter=st.floats(0, 0.2),
)
def test_it_agrees_with_the_dense_formula(seed, n_samples, n_trs, tr, lobes, jitter):
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(-5, n_trs * tr + 5, n_samples))
    tr_times = np.sort((np.arange(n_trs) + rng.uniform(-jitter, jitter, n_trs)) * tr)
    values = rng.standard_normal((n_samples, 3))
    downsampled = lanczos(values, times, tr_times, lobes)
    np.testing.assert_allclose(
        downsampled, dense(values, times, tr_times, lobes), rtol=0, atol=1e-10
    )


def test_a_sample_at_a_tr_counts_fully_there_and_nowhere_else():
    tr_times = np.arange(5) * 2.0 + 1.0
    downsampled = lanczos(np.array([[3.0]]), np.array([5.0]), tr_times)
    np.testing.assert_allclose(downsampled[:, 0], [0, 0, 3, 0, 0], atol=1e-15)


def test_weights_are_not_renormalised():
    # Samples every tenth of a TR: their weights sum to about ten.
    tr_times = np.arange(20) * 2.0
    times = np.arange(-10, 50, 0.2)
    downsampled = lanczos(np.ones((len(times), 1)), times, tr_times)
    np.testing.assert_allclose(downsampled, 10, rtol=0.02)


def test_a_slow_wave_keeps_its_shape():
    tr_times = np.arange(50) * 2.0
    times = np.arange(-20, 120, 0.1)
    wave = np.sin(2 * np.pi * times / 60)[:, None]
    expected = 20 * np.sin(2 * np.pi * tr_times / 60)[:, None]
    np.testing.assert_allclose(lanczos(wave, times, tr_times), expected, atol=0.3)


def test_a_tr_without_samples_near_it_is_zero():
    downsampled = lanczos(np.ones((1, 2)), np.array([0.0]), np.arange(6) * 2.0)
    np.testing.assert_array_equal(downsampled[4:], 0)


@pytest.mark.parametrize(
    ("given_type", "expected"),
    [(np.float16, np.float32), (np.float32, np.float32), (np.float64, np.float64)],
)
def test_the_floating_type_is_kept(given_type, expected):
    values = np.ones((3, 2), dtype=given_type)
    assert lanczos(values, np.arange(3.0), np.arange(4) * 2.0).dtype == expected


@pytest.mark.parametrize(
    ("values", "times", "tr_times", "message"),
    [
        (np.ones(3), np.arange(3.0), [1.0, 3.0], r"\(n_samples, n_features\), got \(3,\)"),
        (np.ones((3, 1)), np.ones((3, 1)), [1.0, 3.0], r"times must be .*\(3,\), got \(3, 1\)"),
        (np.ones((3, 1)), np.arange(4.0), [1.0, 3.0], r"times must be .*\(3,\), got \(4,\)"),
        (np.ones((3, 1)), [0.0, 2.0, 1.0], [1.0, 3.0], "^times must be in increasing order"),
        (np.ones((3, 1)), [0.0, np.nan, 1.0], [1.0, 3.0], "^times must be in increasing order"),
        (np.ones((3, 1)), np.arange(3.0), [3.0, 1.0], "tr_times must be in increasing order"),
        (np.ones((3, 1)), np.arange(3.0), [1.0], "at least two TRs"),
    ],
)
def test_what_cannot_be_downsampled_is_refused(values, times, tr_times, message):
    with pytest.raises(ValueError, match=message):
        lanczos(values, times, tr_times)
