"""The test of two models over participants."""

import numpy as np
import pytest

from evaluate_metrics.statistics import paired_test


def test_paired_test_is_wilcoxons_exact_one():
    a = np.array([0.31, 0.42, 0.50, 0.61, 0.70, 0.45, 0.38, 0.52])
    differences = np.array([5, 1, 4, 8, 6, -2, 7, -3]) / 100
    signs = 1 - 2 * ((np.arange(2**8)[:, np.newaxis] >> np.arange(8)) & 1)  # all that could be
    rank_sums = ((signs > 0) * np.arange(1, 9)).sum(axis=1)
    expected = 2 * np.mean(rank_sums <= 5)
    assert paired_test(a, a - differences) == {"statistic": 5, "p": expected, "n": 8}


def test_six_participants_are_the_fewest_for_significance():
    a = np.array([0.3, 0.45, 0.5, 0.62, 0.7, 0.81])
    assert paired_test(a, np.full(6, 0.2))["p"] == 2 / 2**6
    with pytest.warns(UserWarning, match="differ in 5 of 5 participants, .* needs 6"):
        assert paired_test(a[:5], np.full(5, 0.2))["p"] > 0.05


def test_participants_without_a_difference_take_no_part():
    a, b = np.array([0.3, 0.45, 0.5, 0.62, 0.7, 0.81]), np.full(6, 0.2)
    with_zeros = paired_test([*a, 0.2, 0.2], [*b, 0.2, 0.2])
    assert with_zeros == {**paired_test(a, b), "n": 8}
    assert paired_test(a, a) == {"statistic": 0, "p": 1, "n": 6}


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([0.1, 0.2], [0.1], r"got shapes \(2,\) and \(1,\)"),
        ([], [], r"got shapes \(0,\) and \(0,\)"),
        ([0.1, np.nan], [0.1, 0.2], "finite scores"),
    ],
)
def test_scores_that_cannot_be_paired_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        paired_test(a, b)
