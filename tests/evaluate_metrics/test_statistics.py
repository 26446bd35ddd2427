"""Bootstrap intervals over blocks of TRs, tests between models, corrections for many tests."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import kstest, norm

from evaluate_metrics.brain_alignment.alignment import pearson
from evaluate_metrics.statistics import (
    alignment_interval,
    block_exchange_test,
    block_permutation_p,
    bootstrap_interval,
    bootstrap_p,
    fdr,
    holm,
    impact_resamples,
    paired_test,
    percentile_interval,
    true_discoveries,
)

P_VALUES = st.lists(st.floats(0, 1), max_size=20)


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


@pytest.mark.parametrize("voxel_batch", [7, 1000])
def test_block_permutation_is_the_plain_loop_done_at_once(voxel_batch):
    (x, _), y, _ = simulate(n_trs=64)
    orders = np.random.default_rng(3).permuted(np.tile(np.arange(6), (50, 1)), axis=1)
    tail = [np.arange(60, 64)]  # fills no block
    rows = [np.concatenate([10 * i + np.arange(10) for i in order] + tail) for order in orders]
    n_as_high = sum(pearson(x[permuted], y) >= pearson(x, y) - 1e-12 for permuted in rows)
    found = block_permutation_p(3 * x - 7, y, n_permutations=50, seed=3, voxel_batch=voxel_batch)
    assert found == pytest.approx((1 + n_as_high) / 51, abs=0)


def unrelated_p(block, n_voxels):
    """p-values of voxels whose predictions have nothing to do with them."""
    rng = np.random.default_rng(1)
    x, y = drifting(rng, 300, n_voxels), drifting(rng, 300, n_voxels)
    return block_permutation_p(x, y, block, n_permutations=400)


def test_permutation_p_is_uniform_where_predictions_are_chance():
    assert kstest(unrelated_p(block=20, n_voxels=600), "uniform").pvalue > 0.05
    white = np.random.default_rng(1).standard_normal((2, 300, 600))
    assert kstest(block_permutation_p(*white, n_permutations=400), "uniform").pvalue > 0.05


def test_permuting_single_trs_would_find_too_much():
    assert np.mean(unrelated_p(block=1, n_voxels=200) < 0.05) > 0.1


def test_permutation_p_is_lowest_where_predictions_are_good():
    (x, _), y, _ = simulate(n_trs=300)
    assert (block_permutation_p(x, y, n_permutations=200) == 1 / 201).all()
    assert (block_permutation_p(-x, y, n_permutations=200) > 0.9).all()  # one-sided


def test_permutation_p_of_a_constant_prediction_is_1():
    _, y, _ = simulate()
    assert (block_permutation_p(np.full_like(y, 0.1), y) == 1).all()


@pytest.mark.parametrize("voxel_batch", [7, 1000])
@pytest.mark.parametrize("normalised", [False, True])
def test_block_exchange_is_the_plain_loop_done_at_once(normalised, voxel_batch):
    layers_a, references, ceiling = simulate(n_trs=64)
    others, _, _ = simulate(n_trs=64, seed=1)
    layers_b = [layer + 0.4 * noise for layer, noise in zip(layers_a, others, strict=True)]
    ceiling = ceiling if normalised else np.ones(20)

    def score(layers):
        return np.mean([(pearson(layer, references) / ceiling).mean() for layer in layers])

    def standard(layers):
        return [(layer - layer.mean(axis=0)) / layer.std(axis=0) for layer in layers]

    def difference(exchanged):
        swap = np.repeat(exchanged, 10)[:64, np.newaxis] == 1
        pairs = list(zip(standard(layers_a), standard(layers_b), strict=True))
        mixed = [np.where(swap, b, a) for a, b in pairs], [np.where(swap, a, b) for a, b in pairs]
        return score(mixed[0]) - score(mixed[1])

    draws = np.random.default_rng(5).integers(2, size=(50, 7))
    as_far = [abs(difference(draw)) >= abs(difference(np.zeros(7))) - 1e-12 for draw in draws]
    found = block_exchange_test(
        [3 * layer + 100 for layer in layers_a],
        layers_b,
        references,
        ceiling if normalised else None,
        n_permutations=50,
        seed=5,
        voxel_batch=voxel_batch,
    )
    assert found["statistic"] == pytest.approx(score(layers_a) - score(layers_b), abs=1e-12)
    assert found["p"] == (1 + sum(as_far)) / 51
    assert found["n"] == 7


def exchange_p(noise_a, noise_b, n_stories, block=20):
    """p-values of simulated stories: two models see the same signal, each with its own noise."""
    rng = np.random.default_rng(2)
    p = []
    for _ in range(n_stories):
        signal, noise, own_a, own_b = drifting(rng, 200, 4, 5).swapaxes(0, 1)
        a, b = signal + noise_a * own_a, signal + noise_b * own_b
        p.append(block_exchange_test(a, b, signal + noise, None, block, 200)["p"])
    return np.array(p)


def test_exchange_p_is_uniform_where_models_are_equally_good():
    assert kstest(exchange_p(1.0, 1.0, n_stories=300), "uniform").pvalue > 0.05


def test_exchange_p_is_low_where_one_model_is_better_whichever_it_is():
    assert np.median(exchange_p(0.7, 1.5, n_stories=20, block=10)) < 0.02
    assert np.median(exchange_p(1.5, 0.7, n_stories=20, block=10)) < 0.02


def test_model_exchanged_with_itself_has_p_1():
    layers, references, ceiling = simulate()
    expected = {"statistic": 0, "p": 1, "n": 15}
    assert block_exchange_test(layers, layers, references, ceiling) == expected
    assert block_exchange_test(layers[0], 2 * layers[0] + 1, references, ceiling)["p"] == 1


def test_single_layer_may_stand_alone():
    (a, b), references, ceiling = simulate()
    alone = block_exchange_test(a, b, references, ceiling)
    assert alone == block_exchange_test([a], [b], references, ceiling)


def test_constant_prediction_is_worse_than_a_good_one():
    (good, _), references, ceiling = simulate()
    found = block_exchange_test(good, np.full_like(good, 0.1), references, ceiling)
    assert found["statistic"] == pytest.approx((pearson(good, references) / ceiling).mean())
    assert found["p"] < 0.01


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"block": 76}, "block must be from 1 to 75, half of the 150 TRs that there are, got 76"),
        ({"block": 0}, "block must be from 1"),
        ({"n_permutations": 0}, "n_permutations must be at least 1, got 0"),
    ],
)
def test_permutation_settings_out_of_range_are_refused(settings, message):
    (a, b), references, _ = simulate()
    with pytest.raises(ValueError, match=message):
        block_permutation_p(a, references, **settings)
    with pytest.raises(ValueError, match=message):
        block_exchange_test(a, b, references, **settings)


def test_models_to_exchange_must_match():
    (a, b), references, ceiling = simulate()
    with pytest.raises(ValueError, match="equally many layers, at least one, got 2 and 1"):
        block_exchange_test([a, b], [a], references)
    with pytest.raises(ValueError, match="got 0 and 0"):
        block_exchange_test([], [], references)
    with pytest.raises(ValueError, match=r"shape \(150, 20\), got \(150, 19\)"):
        block_exchange_test(a, b[:, 1:], references)
    with pytest.raises(ValueError, match="above 0 for each of 20 voxels"):
        block_exchange_test(a, b, references, ceiling - 1)
    with pytest.raises(ValueError, match="predictions hold NaN"):
        block_permutation_p(np.full_like(a, np.nan), references)
    references[:, 4] = 1
    with pytest.raises(ValueError, match="not finite in 1 voxels, the first is voxel 4"):
        block_permutation_p(a, references)


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
