"""Percentile intervals and p-values from resampled blocks of TRs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import norm

from evaluate_metrics.statistics import (
    alignment_interval,
    bootstrap_interval,
    bootstrap_p,
    student_interval,
)


def coverage(drifting, block, n_stories=200, n_trs=300):
    """Share of simulated stories whose 95 % interval of the mean holds the truth, 0."""
    rng = np.random.default_rng(0)
    inside = 0
    for story in drifting(rng, n_trs, n_stories).T:
        low, high = bootstrap_interval(lambda rows, y=story: y[rows].mean(), n_trs, block, 200)
        inside += low < 0 < high
    return inside / n_stories


def test_interval_holds_the_truth_about_as_often_as_it_says(drifting):
    assert 0.88 < coverage(drifting, block=20) < 0.99


def test_single_trs_would_promise_too_much(drifting):
    assert coverage(drifting, block=1) < 0.75


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


def test_higher_confidence_is_wider(simulate):
    layers, references, ceiling = simulate()
    narrow, wide = (
        alignment_interval(layers, references, ceiling, confidence=confidence)
        for confidence in (0.5, 0.99)
    )
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"block": 151}, "block must be from 1 to the 150 TRs that there are, got 151"),
        ({"block": 0}, "block must be from 1"),
        ({"n_resamples": 0}, "n_resamples must be at least 1, got 0"),
        ({"confidence": 95}, "confidence must be between 0 and 1, got 95"),
    ],
)
def test_settings_out_of_range_are_refused(simulate, settings, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(lambda rows: 0.0, 150, **settings)
    with pytest.raises(ValueError, match=message):
        alignment_interval(*simulate(), **settings)


def test_statistic_that_fails_is_reported():
    with pytest.raises(ValueError, match="the statistic is NaN in 1000 of 1000 resamples"):
        bootstrap_interval(lambda rows: np.nan, 20)


def test_bootstrap_p_is_the_two_sided_one_of_a_normal_difference():
    quantiles = norm.ppf((np.arange(10_000) + 0.5) / 10_000)
    for shift in (-2.5, -1, 0, 0.5, 2):
        assert bootstrap_p(quantiles + shift) == pytest.approx(2 * norm.sf(abs(shift)), abs=5e-4)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_bootstrap_p_is_never_0_and_has_no_side(values):
    p = bootstrap_p(values)
    assert 2 / (1 + len(values)) <= p + 1e-12 and p <= 1
    assert bootstrap_p(np.negative(values)) == p
    assert bootstrap_p(np.zeros(len(values))) == 1


@pytest.mark.parametrize(
    ("values", "message"), [([], "got 0 NaN of 0"), ([1.0, np.nan, 2.0], "got 1 NaN of 3")]
)
def test_bootstrap_p_needs_the_difference_in_every_resample(values, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_p(values)


def test_students_interval_is_that_of_a_mean_where_blocks_are_single_values():
    values = np.random.default_rng(0).standard_normal(8)
    rows = np.random.default_rng(1).integers(8, size=(100_000, 8))
    found = student_interval([values.mean(), *values[rows].mean(axis=1)], n_blocks=8)
    expected = stats.t.interval(0.95, 7, values.mean(), stats.sem(values))
    np.testing.assert_allclose(found, expected, rtol=0.02)


def test_students_interval_needs_blocks_and_numbers():
    with pytest.raises(ValueError, match="of 1 blocks; there must be more than one"):
        student_interval([0.0, 0.1, 0.2], n_blocks=1)
    with pytest.raises(ValueError, match="NaN in 1 of 2 resamples"):
        student_interval([0.0, np.nan, 0.2], n_blocks=5)
