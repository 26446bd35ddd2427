"""Differences over seeds and participants: known answers, and error rates in simulated runs."""

import numpy as np
import pytest
from scipy import stats

from evaluate_metrics.statistics import difference_over_runs, student_interval

N_BLOCKS = 12


def runs(rng, n_participants=1, n_seeds=1, of_participants=0.0, of_seeds=0.0, of_blocks=0.01):
    """A difference of 0 that varies over participants, seeds and blocks of TRs by so much."""
    observed = of_participants * rng.standard_normal((n_participants, 1, 1))
    observed = observed + of_seeds * rng.standard_normal((1, n_seeds, 1))
    observed = observed + of_blocks * rng.standard_normal()  # all are scored on one story
    resampled = of_blocks * rng.standard_normal(200) * np.sqrt((N_BLOCKS - 1) / N_BLOCKS)
    return np.concatenate([observed, observed + resampled], axis=2)


def test_one_run_has_the_interval_of_its_blocks():
    drawn = runs(np.random.default_rng(0))
    found = difference_over_runs(drawn, N_BLOCKS)
    assert found["interval"] == pytest.approx(student_interval(drawn[0, 0], N_BLOCKS))
    assert (found["n_participants"], found["n_seeds"]) == (1, 1)


def test_where_only_seeds_vary_it_is_students_test_over_seeds():
    gains = np.array([0.046, -0.012, 0.004])  # the first alone seemed to be sure
    drawn = np.repeat(gains[None, :, None], 50, axis=2)
    found = difference_over_runs(drawn, N_BLOCKS)
    expected = stats.ttest_1samp(gains, 0)
    assert found["p"] == pytest.approx(expected.pvalue)
    assert found["interval"] == pytest.approx(expected.confidence_interval(), rel=1e-6)
    assert difference_over_runs(drawn[:, :1] + [0, *[1e-3, -1e-3] * 24, 0], 12)["p"] < 0.001


@pytest.mark.parametrize(
    ("n_participants", "n_seeds", "of_participants", "of_seeds"),
    [(1, 3, 0.0, 0.03), (1, 2, 0.0, 0.01), (6, 3, 0.02, 0.02), (4, 1, 0.03, 0.0)],
)
def test_a_null_difference_is_called_one_in_twenty_times(
    n_participants, n_seeds, of_participants, of_seeds
):
    rng = np.random.default_rng(1)
    drawn = [runs(rng, n_participants, n_seeds, of_participants, of_seeds) for _ in range(1000)]
    found = [difference_over_runs(of_runs, N_BLOCKS) for of_runs in drawn]
    positives = np.mean([one["p"] <= 0.05 for one in found])
    held = np.mean([one["interval"][0] <= 0 <= one["interval"][1] for one in found])
    assert 0.02 < positives < 0.07 and held == pytest.approx(1 - positives)


def test_runs_as_they_are_would_be_called_far_more_often():
    rng = np.random.default_rng(1)
    alone = [runs(rng, 1, 1, of_seeds=0.03) for _ in range(300)]
    assert np.mean([difference_over_runs(one, N_BLOCKS)["p"] <= 0.05 for one in alone]) > 0.3


def test_a_model_against_itself_differs_by_nothing():
    found = difference_over_runs(np.zeros((1, 3, 50)), N_BLOCKS)
    assert (found["mean"], found["interval"], found["p"]) == (0, (0, 0), 1)


def test_what_is_no_difference_is_refused():
    with pytest.raises(ValueError, match=r"got shape \(3, 50\)"):
        difference_over_runs(np.zeros((3, 50)), N_BLOCKS)
    with pytest.raises(ValueError, match="from 1$"):
        difference_over_runs(np.zeros((1, 3, 50)), 1)
