"""Corrections for many tests."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from evaluate_metrics.statistics import fdr, holm, true_discoveries

P_VALUES = st.lists(st.floats(0, 1), max_size=20)


@given(P_VALUES)
def test_holm_rejects_what_its_steps_reject(p):
    adjusted = holm(p)
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for step, test in enumerate(np.argsort(p, kind="stable")):
            if p[test] * (len(p) - step) > level:
                break
            rejected.add(test)
        assert set(np.flatnonzero(adjusted <= level)) == rejected


@given(P_VALUES)
def test_fdr_calls_what_benjamini_and_hochberg_call(p):
    adjusted = fdr(p)
    ranked = np.sort(p)
    for rate in (0.01, 0.05, 0.3):
        passing = [k for k in range(len(p)) if ranked[k] * (len(p) / (k + 1)) <= rate]
        highest = ranked[passing[-1]] if passing else -1
        assert list(adjusted <= rate) == [value <= highest for value in p]


def closed_testing(p, members, rate):
    """The fewest effects in a set that Simes' tests of all sets whatsoever leave possible."""

    def may_be_null(tests):
        ranked = np.sort(p[list(tests)])
        return (len(tests) * ranked > rate * np.arange(1, len(tests) + 1)).all()

    sets = (c for size in range(len(p) + 1) for c in combinations(range(len(p)), size))
    inside = np.flatnonzero(members)
    return min(np.setdiff1d(inside, tests).size for tests in sets if may_be_null(tests))


@given(
    st.lists(st.integers(1, 101).map(lambda k: k / 101) | st.just(0.0), min_size=1, max_size=7),
    st.integers(0, 2**7 - 1),
    st.sampled_from([0.95, 0.6]),
)
def test_true_discoveries_are_those_of_closed_testing(p, chosen, confidence):
    members = np.array([bool(chosen >> k & 1) for k in range(len(p))])
    expected = closed_testing(np.array(p), members, 1 - confidence)
    assert true_discoveries(p, {"set": members}, confidence) == {"set": expected}


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=50), st.randoms())
def test_true_discoveries_are_among_those_of_the_false_discovery_rate(p, random):
    members = np.array([random.random() < 0.5 for _ in p])
    called = (fdr(p) <= 1 - 0.95)[members].sum()
    assert 0 <= true_discoveries(p, {"set": members})["set"] <= called


def test_true_discoveries_seldom_exceed_the_truth_and_are_many_where_effects_are_strong():
    rng = np.random.default_rng(0)
    effect = np.repeat([0, 4], 100)
    half = {"none": effect == 0, "all": np.ones(200, dtype=bool)}
    common = rng.standard_normal((400, 1))
    p = norm.sf(effect + np.sqrt(0.5) * (common + rng.standard_normal((400, 200))))
    found = [true_discoveries(story, half) for story in p]
    wrong = [f["none"] > 0 or f["all"] > 100 for f in found]
    assert np.mean(wrong) < 0.05
    assert np.median([f["all"] for f in found]) > 70


def test_confidence_of_true_discoveries_is_below_1():
    with pytest.raises(ValueError, match="confidence must be between 0 and 1, got 1"):
        true_discoveries([0.1], {}, confidence=1)


@given(P_VALUES, st.randoms())
def test_adjusted_p_follows_its_test_wherever_that_stands(p, random):
    order = list(range(len(p)))
    random.shuffle(order)
    for adjust in (holm, fdr):
        assert adjust([p[i] for i in order]) == pytest.approx(adjust(p)[order])


@pytest.mark.parametrize("adjust", [holm, fdr])
@pytest.mark.parametrize(
    ("p", "message"),
    [
        ([0.1, np.nan], "p must be from 0 to 1, got nan for test 1: leave out"),
        ([1.1], "got 1.1 for test 0"),
        ([[0.1]], r"p must be \(n_tests,\), got shape \(1, 1\)"),
    ],
)
def test_what_is_no_p_value_is_refused(adjust, p, message):
    with pytest.raises(ValueError, match=message):
        adjust(p)
