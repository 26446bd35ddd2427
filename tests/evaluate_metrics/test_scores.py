"""Models compared on one participant: every number against a plain restatement of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from evaluate_metrics.brain_alignment.alignment import alignment_scores
from evaluate_metrics.scores import MEAN_IMPACT, Scores
from evaluate_metrics.statistics import (
    alignment_interval,
    block_exchange_test,
    block_permutation_p,
    bootstrap_p,
    fdr,
    holm,
    impact_resamples,
    percentile_interval,
    true_discoveries,
)

N_TRS, N_VOXELS = 60, 9
MEMBERS = {"language": [0, 1, 2, 3], "auditory": [3, 4, 5, 6, 7], "silent": []}
LIVE = ("language", "auditory")
EMPTY = {"mean": None, "interval": None, "n_voxels": 0}


def regions():
    return {name: np.isin(np.arange(N_VOXELS), members) for name, members in MEMBERS.items()}


def noisy(rng, signal, noise):
    return (signal + noise * rng.standard_normal(signal.shape)).astype(np.float32)


def simulate(seed=0):
    """Scores of a story, and predictions by two layers of a good and of a worse model."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((N_TRS, N_VOXELS))
    scored = Scores(noisy(rng, signal, 1), rng.uniform(0.5, 0.9, N_VOXELS), regions())
    good, worse = (
        {layer: noisy(rng, signal, noise) for layer, noise in noises.items()}
        for noises in ({12: 0.5, 2: 2.0}, {12: 1.0, 2: 1.5})
    )
    return scored, good, worse


@pytest.fixture(scope="module")
def simulated():
    return simulate()


def normalised(scored, predicted, voxel):
    """rho_v / NC_v"""
    return pearsonr(predicted[:, voxel], scored.references[:, voxel])[0] / scored.ceiling[voxel]


def plain(scored, predictions, region):
    """B of each layer, one voxel after the other."""
    return {
        layer: np.mean([normalised(scored, predicted, v) for v in MEMBERS[region]])
        for layer, predicted in predictions.items()
    }


def plain_mean(scored, predictions, region):
    return np.mean(list(plain(scored, predictions, region).values()))


def within(region, scored, *models):
    """What the statistics take: layers, responses and ceilings of a region's voxels."""
    members = MEMBERS[region]
    layers = [[p[:, members] for p in model.values()] for model in models]
    return *layers, scored.references[:, members], scored.ceiling[members]


def test_alignment_is_the_mean_over_layers_of_the_mean_over_voxels(simulated):
    scored, good, _ = simulated
    alignment = scored.alignment(scored.score(good))
    assert list(alignment) == list(MEMBERS)
    for region in LIVE:
        assert alignment[region]["layers"] == pytest.approx(plain(scored, good, region), rel=1e-5)
        assert alignment[region]["mean"] == pytest.approx(
            plain_mean(scored, good, region), rel=1e-5
        )
        assert alignment[region]["n_voxels"] == len(MEMBERS[region])


def test_every_alignment_has_the_interval_of_its_region_and_layer(simulated):
    scored, good, _ = simulated
    alignment = scored.alignment(scored.score(good))
    for region in LIVE:
        found = alignment[region]
        assert found["interval"] == alignment_interval(*within(region, scored, good))
        for layer, predicted in good.items():
            alone = alignment_interval(*within(region, scored, {layer: predicted}))
            assert found["layer_intervals"][layer] == alone
            assert alone[0] < found["layers"][layer] < alone[1]


def test_alignment_of_one_layer_is_its_own_mean(simulated):
    scored, good, _ = simulated
    for region in LIVE:
        alignment = scored.alignment(scored.score({12: good[12]}))[region]
        assert alignment["mean"] == alignment["layers"][12]
        assert alignment["interval"] == alignment["layer_intervals"][12]


def test_gain_is_the_difference_with_a_paired_interval(simulated):
    scored, good, worse = simulated
    gain = scored.gain(scored.score(good), scored.score(worse))
    for region in LIVE:
        difference = plain_mean(scored, good, region) - plain_mean(scored, worse, region)
        *layers, references, ceiling = within(region, scored, good, worse)
        interval = alignment_interval(layers[0], references, ceiling, layers[1])
        assert gain[region]["mean"] == pytest.approx(difference, rel=1e-4)
        assert gain[region]["interval"] == interval
        assert gain[region]["n_voxels"] == len(MEMBERS[region])


def test_a_model_gains_nothing_over_itself(simulated):
    scored, good, _ = simulated
    for region in LIVE:
        expected = {"mean": 0, "interval": (0, 0), "n_voxels": len(MEMBERS[region])}
        assert scored.gain(scored.score(good), scored.score(good))[region] == expected


def test_tests_exchange_blocks_within_the_region_and_test_its_gain(simulated):
    scored, good, worse = simulated
    tests = scored.tests(scored.score(good), scored.score(worse))
    for region in LIVE:
        found = {name: tests[region][name] for name in ("statistic", "p", "n")}
        assert found == block_exchange_test(*within(region, scored, good, worse))
        assert found["statistic"] == pytest.approx(
            scored.gain(scored.score(good), scored.score(worse))[region]["mean"]
        )
        assert found["n"] == 6  # blocks of 10 TRs


def test_p_is_adjusted_over_the_regions_that_have_voxels(simulated):
    """Holm: the smallest of m counts m times, the next m - 1 times, and none less than before."""
    scored, good, worse = simulated
    mixed = {
        layer: np.where(regions()["language"], good[layer], 0.5 * good[layer] + worse[layer])
        for layer in good
    }
    tests = scored.tests(scored.score(mixed), scored.score(worse))
    assert set(tests) == set(LIVE)
    language, auditory = tests["language"], tests["auditory"]
    assert 2 * auditory["p"] < language["p"] < 0.5  # or the order would not show
    assert auditory["p_holm"] == pytest.approx(2 * auditory["p"])
    assert language["p_holm"] == language["p"]


def test_predicted_voxels_are_those_of_the_last_layer(simulated):
    scored, _, _ = simulated
    last = scored.references.copy()
    last[:, 4:] = 1  # a constant predicts nothing
    early = np.zeros_like(last)
    predicted = scored.predicted(scored.score({12: last, 2: early}))
    language = {"mean": 100.0, "interval": (100.0, 100.0), "n_voxels": 4}
    auditory = {"mean": 20.0, "interval": (20.0, 100.0), "n_voxels": 5}  # voxel 3 lies in both
    assert (predicted["language"], predicted["auditory"]) == (language, auditory)


def test_predicted_voxels_pass_a_false_discovery_rate_over_all_voxels(simulated):
    scored, good, _ = simulated
    p = block_permutation_p(good[2], scored.references)
    significant = fdr(p) <= 0.05
    assert 0 < significant.sum() < (p < 0.05).sum()  # or the correction would not show
    predicted = scored.predicted(scored.score({2: good[2]}))
    np.testing.assert_array_equal(scored.above_chance(scored.score({2: good[2]})), significant)
    for region in LIVE:
        assert predicted[region]["mean"] == 100 * significant[MEMBERS[region]].mean()
        least = true_discoveries(p, scored.regions)[region]
        assert predicted[region]["interval"] == (100 * least / len(MEMBERS[region]), 100.0)


def test_impact_is_the_share_that_is_lost_of_alignment_averaged_over_layers(simulated):
    scored, good, worse = simulated
    impact = scored.impact(scored.score(good), scored.score(worse))
    for region in LIVE:
        b_o, b_r = (plain_mean(scored, model, region) for model in (good, worse))
        assert impact[region]["mean"] == pytest.approx(100 * (b_o - b_r) / b_o, rel=1e-4)
        assert impact[region]["residual_alignment"] == pytest.approx(b_r, rel=1e-5)
        whole, rest, references, ceiling = within(region, scored, good, worse)
        assert impact[region]["interval"] == percentile_interval(
            impact_resamples(whole, rest, references, ceiling)
        )
        assert impact[region]["n_voxels"] == len(MEMBERS[region])


def test_impact_of_each_layer_is_its_own_and_their_mean_is_not_the_regions(simulated):
    scored, good, worse = simulated
    for region in LIVE:
        impact = scored.impact(scored.score(good), scored.score(worse))[region]
        whole, rest = (plain(scored, model, region) for model in (good, worse))
        expected = {layer: 100 * (whole[layer] - rest[layer]) / whole[layer] for layer in good}
        assert impact["layers"] == pytest.approx(expected, rel=1e-4)
        assert abs(np.mean(list(expected.values())) - impact["mean"]) > 1


def test_impact_is_0_where_nothing_is_lost_and_100_where_all_is(simulated):
    scored, good, _ = simulated
    nothing = {layer: np.ones_like(predicted) for layer, predicted in good.items()}
    for left, share in ((good, 0), (nothing, 100)):
        for region in LIVE:
            impact = scored.impact(scored.score(good), scored.score(left))[region]
            assert impact["mean"] == pytest.approx(share)
            assert impact["interval"] == pytest.approx((share, share))
            assert impact["layers"] == pytest.approx({12: share, 2: share})


def test_without_a_positive_alignment_there_is_no_impact(simulated):
    scored, good, worse = simulated
    reversed_ = {layer: -predicted for layer, predicted in good.items()}
    for region in LIVE:
        impact = scored.impact(scored.score(reversed_), scored.score(worse))[region]
        assert impact["mean"] is None and impact["interval"] is None
        assert impact["layers"] == {12: None, 2: None}
        b_r = plain_mean(scored, worse, region)
        assert impact["residual_alignment"] == pytest.approx(b_r, rel=1e-5)


def with_alignment(scored, b, seed):
    """Predictions whose normalised alignment is `b` in every voxel, and noise besides."""
    y = (scored.references - scored.references.mean(0)) / scored.references.std(0)
    x = np.random.default_rng(seed).standard_normal(y.shape)
    x -= x.mean(0)
    x -= y * (x * y).mean(0)
    rho = b * scored.ceiling
    return rho * y + np.sqrt(1 - rho**2) * x / x.std(0)


@pytest.mark.parametrize("b_r", [-0.0235, 0.0244])
def test_impact_on_an_alignment_near_zero_is_not_determined(simulated, b_r):
    """As it was found: 570 and -388 per cent of an alignment of 0.005."""
    scored, good, worse = simulated
    models = [
        scored.score({12: predicted, 2: with_alignment(scored, b, seed)})
        for b, seed, predicted in (
            (0.005, 0, with_alignment(scored, 0.005, 1)),
            (b_r, 2, with_alignment(scored, b_r, 3)),
        )
    ]
    alignment = scored.alignment(models[0])
    near_zero, sound = (
        scored.impact(*models),
        scored.impact(scored.score(good), scored.score(worse)),
    )
    for region in LIVE:
        assert alignment[region]["mean"] == pytest.approx(0.005, rel=1e-4)
        scores = near_zero[region]
        assert scores["residual_alignment"] == pytest.approx(b_r, rel=1e-4)
        assert scores["mean"] is None and scores["layers"] == {12: None, 2: None}
        assert scored.mean_impact({"a": near_zero, "b": sound})[region]["mean"] is None
        assert sound[region]["mean"] is not None


def test_a_share_with_an_interval_wider_than_from_nothing_to_all_is_not_determined():
    rng = np.random.default_rng(0)
    everywhere = {"all": np.ones(300, dtype=bool)}
    scored = Scores(rng.standard_normal((N_TRS, 300)), np.full(300, 0.8), everywhere)
    whole, rest = (scored.score({1: with_alignment(scored, 0.03, seed)}) for seed in (1, 2))
    scores = scored.impact(whole, rest)["all"]
    low, high = scores["interval"]
    assert low < 0 < high and high - low > 100
    assert scores["mean"] is None and scores["layers"] == {1: None}
    assert scores["layer_intervals"] == {1: scores["interval"]}
    certain = scored.impact(whole, whole)["all"]
    assert certain["mean"] == 0 and certain["interval"] == (0, 0)


def test_impact_is_compared_on_the_same_resamples(simulated):
    scored, good, worse = simulated
    lost, kept = (
        {
            "sound": scored.impact(scored.score(good), scored.score(left)),
            "same": scored.impact(scored.score(good), scored.score(good)),
        }
        for left in (worse, good)
    )
    found = scored.impact_tests(lost, kept)
    tests = found["sound"]
    assert set(tests) == set(LIVE)
    for region in LIVE:
        mine, other = lost["sound"][region], kept["sound"][region]
        test, drawn = tests[region], mine["resamples"] - other["resamples"]
        assert test["mean"] == mine["mean"] - other["mean"]
        assert test["interval"] == percentile_interval(drawn)
        assert test["p"] == bootstrap_p(drawn)
        assert test["n_voxels"] == len(MEMBERS[region])
    every = [*tests.values(), *found["same"].values()]
    assert [test["p_holm"] for test in every] == pytest.approx(holm([test["p"] for test in every]))
    for test in found["same"].values():
        assert (test["mean"], test["interval"], test["p_holm"]) == (0, (0, 0), 1)


def test_impact_that_means_nothing_is_not_tested(simulated):
    scored, good, worse = simulated
    reversed_ = {layer: -predicted for layer, predicted in good.items()}
    impact, nothing = (
        {"sound": scored.impact(scored.score(model), scored.score(worse))}
        for model in (good, reversed_)
    )
    assert scored.impact_tests(impact, nothing) == {"sound": {}}
    assert scored.impact_tests(nothing, impact) == {"sound": {}}


def test_alignment_of_a_voxel_is_its_mean_over_layers(simulated):
    scored, good, _ = simulated
    expected = [
        np.mean([normalised(scored, predicted, v) for predicted in good.values()])
        for v in range(N_VOXELS)
    ]
    assert scored.score(good).per_voxel == pytest.approx(expected, rel=1e-4)


def test_change_is_that_of_each_voxels_mean_over_layers(simulated):
    scored, good, worse = simulated
    change = scored.change(scored.score(good), scored.score(worse))
    for region, members in MEMBERS.items():
        expected = [
            np.mean([normalised(scored, good[layer], v) for layer in good])
            - np.mean([normalised(scored, worse[layer], v) for layer in worse])
            for v in members
        ]
        assert change[region].shape == (len(members),)
        assert change[region] == pytest.approx(expected, rel=1e-4)


def test_a_region_without_voxels_is_empty_in_every_score(simulated):
    scored, good, worse = simulated
    for scores in (
        scored.alignment(scored.score(good)),
        scored.gain(scored.score(good), scored.score(worse)),
        scored.predicted(scored.score(good)),
        scored.impact(scored.score(good), scored.score(worse)),
    ):
        assert scores["silent"] == EMPTY
    mean = scored.mean_impact({"sound": scored.impact(scored.score(good), scored.score(worse))})
    assert mean["silent"] == EMPTY | {"resamples": None}


def test_constant_predictions_score_0(simulated):
    scored, good, _ = simulated
    constant = {layer: np.full_like(predicted, 3) for layer, predicted in good.items()}
    for region in LIVE:
        alignment = scored.alignment(scored.score(constant))[region]
        assert alignment["mean"] == 0 and alignment["interval"] == (0, 0)
        assert alignment["n_voxels"] == len(MEMBERS[region])


def test_predictions_that_are_not_finite_are_refused(simulated):
    scored, good, _ = simulated
    spoilt = good[2].copy()
    spoilt[5, 3] = np.nan
    with pytest.raises(
        ValueError, match="NaN or infinite values in 1 voxels, the first is voxel 3"
    ):
        scored.alignment(scored.score({12: good[12], 2: spoilt}))


def test_the_headline_is_the_mean_of_single_features_and_not_of_all_together():
    scored = Scores(np.empty((0, N_VOXELS)), np.ones(N_VOXELS), regions())

    def impact(language, auditory):
        live = {
            region: {
                "mean": mean,
                "n_voxels": len(MEMBERS[region]),
                "layers": {2: mean, 12: mean and mean + 2},
                "resamples": None if mean is None else mean + np.arange(-10, 11),
            }
            for region, mean in (("language", language), ("auditory", auditory))
        }
        return live | {"silent": EMPTY}

    features = {
        "power_spectrum": impact(10.0, 40.0),
        "all": impact(90.0, 90.0),
        "articulation": impact(20.0, None),
    }
    assert MEAN_IMPACT not in features
    mean = scored.mean_impact(features)
    np.testing.assert_array_equal(mean["language"].pop("resamples"), 15 + np.arange(-10, 11))
    no_intervals = {"layer_intervals": {2: None, 12: None}}
    assert mean == {
        "language": {"mean": 15.0, "interval": (5.5, 24.5), "n_voxels": 4}
        | {"layers": {2: 15.0, 12: 17.0}}
        | no_intervals,
        # one of them means nothing
        "auditory": {"mean": None, "interval": None, "n_voxels": 5, "resamples": None}
        | {"layers": {2: None, 12: None}}
        | no_intervals,
        "silent": EMPTY | {"resamples": None},
    }


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_regions_gain_is_the_mean_of_its_voxels_change(seed):
    scored, good, worse = simulate(seed)
    gain, change = (
        scored.gain(scored.score(good), scored.score(worse)),
        scored.change(scored.score(good), scored.score(worse)),
    )
    for region in LIVE:
        assert gain[region]["mean"] == pytest.approx(change[region].mean(), abs=1e-12)


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(0.1, 10),
    offset=st.floats(-10, 10),
)
def test_scale_and_offset_of_predictions_do_not_matter(seed, scale, offset):
    scored, good, _ = simulate(seed)
    moved = {layer: scale * predicted + offset for layer, predicted in good.items()}
    before, after = scored.alignment(scored.score(good)), scored.alignment(scored.score(moved))
    for region in LIVE:
        assert after[region]["mean"] == pytest.approx(before[region]["mean"], abs=1e-4)
        assert after[region]["interval"] == pytest.approx(before[region]["interval"], abs=1e-4)


def test_predictions_are_scored_once_whatever_is_asked_of_them(simulated, monkeypatch):
    scored, good, worse = simulated
    calls = []

    def counted(*args, **settings):
        calls.append(args)
        return alignment_scores(*args, **settings)

    monkeypatch.setattr("evaluate_metrics.scores.alignment_scores", counted)
    model, baseline = scored.score(good), scored.score(worse)
    for score in (scored.gain, scored.tests, scored.impact, scored.change):
        score(model, baseline)
    for score in (scored.alignment, scored.predicted):
        score(model)
    assert model.per_voxel is model.per_voxel
    assert len(calls) == len(good) + len(worse)


def test_without_ceilings_alignment_is_the_correlation(simulated):
    scored, good, _ = simulated
    plain = Scores(scored.references, None, scored.regions)
    found = plain.score(good)
    for layer, predicted in good.items():
        pairs = zip(predicted.T, plain.references.T, strict=True)
        expected = [np.corrcoef(*pair)[0, 1] for pair in pairs]
        aligned = found.scores[layer]["brain_alignment_per_voxel"]
        np.testing.assert_allclose(aligned, expected, rtol=1e-5)


@pytest.mark.parametrize(("n_trs", "block"), [(12, 6), (60, 10), (100, 12), (232, 29), (291, 36)])
def test_blocks_grow_with_the_story_but_leave_eight(n_trs, block):
    scored = Scores(np.zeros((n_trs, 1)), np.ones(1), {})
    assert scored.block == block and scored.n_blocks == n_trs / block


def test_alignment_at_some_trs_is_that_of_these_trs(simulated):
    scored, good, worse = simulated
    trs = np.arange(N_TRS) % 20 < 12
    expected = {
        name: np.mean(
            [
                [
                    pearsonr(p[trs, voxel], scored.references[trs, voxel])[0]
                    / scored.ceiling[voxel]
                    for voxel in MEMBERS["language"]
                ]
                for p in predictions.values()
            ]
        )
        for name, predictions in (("good", good), ("worse", worse))
    }
    good, worse = scored.score(good), scored.score(worse)
    both = scored.within_trs({"worse": worse, "good": good}, trs)
    found = both["alignment"]["good"]
    assert found["language"]["mean"] == pytest.approx(expected["good"], abs=1e-5)
    low, high = found["language"]["interval"]
    assert low < found["language"]["mean"] < high
    assert found["silent"] == EMPTY
    gain = both["gain"]["good"]["language"]
    assert list(both["gain"]) == ["good"]
    assert gain["mean"] == pytest.approx(expected["good"] - expected["worse"], abs=1e-5)
    everywhere = scored.within_trs({"good": good}, np.ones(N_TRS, dtype=bool))
    everywhere = everywhere["alignment"]["good"]["language"]
    whole = scored.alignment(good)["language"]
    assert everywhere["mean"] == pytest.approx(whole["mean"], abs=1e-6)
    assert everywhere["interval"] == pytest.approx(whole["interval"], abs=1e-6)


def test_what_is_predicted_at_some_trs_alone_is_found_at_these(simulated):
    scored, _, _ = simulated
    trs = np.arange(N_TRS) % 30 < 15
    noise = np.random.default_rng(1).standard_normal(scored.references.shape).astype(np.float32)
    there = scored.score({1: np.where(trs[:, np.newaxis], scored.references, noise)})

    def found(which):
        return scored.within_trs({"there": there}, which)["alignment"]["there"]["auditory"]

    known, new = found(trs), found(~trs)
    perfect = np.mean(1 / scored.ceiling[MEMBERS["auditory"]])
    assert known["mean"] == pytest.approx(perfect, abs=1e-5)
    assert abs(new["mean"]) < 0.4 * perfect
    assert found(np.arange(N_TRS) == 0)["interval"] is None
