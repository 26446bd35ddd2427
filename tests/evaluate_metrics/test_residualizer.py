"""Removing low-level features from a representation: the ridge, what is left, what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

from evaluate_metrics.encoding_model import EncodingModel
from evaluate_metrics.residualizer import Residualizer
from evaluate_metrics.zscore import zscore

N_DIMENSIONS = 4


def one_hot(rng, n_trs, n_features):
    """Each TR has one of the features: standardised columns are linearly dependent."""
    return np.eye(n_features)[rng.integers(n_features, size=n_trs)]


def simulate(n_stories=3, n_trs=60, n_features=5, dtype=np.float64, seed=0):
    """Stories whose dimensions follow one-hot features, less and less well, far from a mean of 0.

    The last dimension follows nothing.
    """
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((n_features, N_DIMENSIONS)) * [1, 1, 1, 0]
    noise = np.array([0.1, 0.5, 2, 1])
    low_level = [one_hot(rng, n_trs, n_features) for _ in range(n_stories)]
    representation = [
        50 + story @ weights + noise * rng.standard_normal((n_trs, N_DIMENSIONS))
        for story in low_level
    ]
    return [[story.astype(dtype) for story in stories] for stories in (low_level, representation)]


# the regression


@pytest.mark.parametrize("n_features", [5, 200], ids=["narrow", "wide"])
@pytest.mark.parametrize("n_stories", [1, 3, 12])
def test_each_dimension_has_the_ridge_of_an_exhaustive_search_over_contiguous_folds(
    n_stories, n_features
):
    low_level, representation = simulate(n_stories, 120 // n_stories, n_features)
    penalties = np.logspace(-6, 9, 6)
    residualizer = Residualizer(penalties, folds=4).fit(low_level, representation)

    Z = np.concatenate([zscore(story) for story in low_level])
    X = np.concatenate([story - story.mean(axis=0) for story in representation])
    ridges = [Ridge(alpha=p, fit_intercept=False, solver="svd") for p in penalties]
    scores = np.mean(
        [
            [
                r2_score(
                    X[held],
                    ridge.fit(Z[train], X[train]).predict(Z[held]),
                    multioutput="raw_values",
                )
                for ridge in ridges
            ]
            for train, held in KFold(4).split(Z)
        ],
        axis=0,
    )
    assert np.array_equal(residualizer.penalty_, penalties[scores.argmax(axis=0)])
    assert residualizer.cv_score_ == pytest.approx(scores.max(axis=0), abs=1e-8)
    left = np.concatenate(residualizer.transform(low_level, representation))
    for k, chosen in enumerate(scores.argmax(axis=0)):
        expected = ridges[chosen].fit(Z, X[:, k]).predict(Z)
        assert np.concatenate(representation)[:, k] - left[:, k] == pytest.approx(
            expected, rel=1e-8, abs=1e-8
        )


def test_defaults_are_16_penalties_from_1e_minus_6_to_1e9_and_10_folds():
    defaults = Residualizer().get_params()
    assert defaults["penalties"] == pytest.approx(np.logspace(-6, 9, 16))
    assert defaults["folds"] == 10


def test_noisier_dimensions_are_shrunk_more():
    residualizer = Residualizer().fit(*simulate(n_trs=200))
    assert residualizer.penalty_[:2].max() < 10 < residualizer.penalty_[2]
    assert residualizer.penalty_[2] < residualizer.penalty_[3]
    assert residualizer.cv_score_[0] > 0.9


@pytest.mark.parametrize("penalty", [1e-6, 1.0, 1e6])
def test_what_is_left_satisfies_the_normal_equations(penalty):
    low_level, representation = simulate()
    residualizer = Residualizer(penalties=[penalty]).fit(low_level, representation)
    left = np.concatenate(residualizer.transform(low_level, representation))
    Z = np.concatenate([zscore(story) for story in low_level])
    assert Z.T @ left == pytest.approx(penalty * residualizer.coef_, rel=1e-6, abs=1e-9)


def test_layers_side_by_side_are_layers_one_by_one():
    low_level, representation = simulate()
    halves = [[story[:, k : k + 2] for story in representation] for k in (0, 2)]
    together = Residualizer().fit(low_level, representation)
    alone = [Residualizer().fit(low_level, half) for half in halves]
    assert together.coef_ == pytest.approx(np.hstack([half.coef_ for half in alone]), abs=1e-10)


# what is left


@settings(max_examples=25, deadline=None)
@given(arrays(np.float64, (3, N_DIMENSIONS), elements=st.integers(-1000, 1000)))
def test_levels_of_stories_neither_change_the_fit_nor_get_lost(levels):
    low_level, representation = simulate()
    shifted = [story + level for story, level in zip(representation, levels, strict=True)]
    plain, residualizer = (Residualizer().fit(low_level, x) for x in (representation, shifted))
    assert np.array_equal(residualizer.penalty_, plain.penalty_)
    assert residualizer.coef_ == pytest.approx(plain.coef_, abs=1e-9)
    for left, story in zip(residualizer.transform(low_level, shifted), shifted, strict=True):
        assert left.mean(axis=0) == pytest.approx(story.mean(axis=0))


def test_new_story_is_standardised_by_itself_and_predicted_by_the_old_ones():
    low_level, representation = simulate(n_stories=4)
    residualizer = Residualizer().fit(low_level[:3], representation[:3])
    left = residualizer.transform(low_level[3], representation[3])
    assert left == pytest.approx(representation[3] - zscore(low_level[3]) @ residualizer.coef_)
    louder = residualizer.transform(7 * low_level[3] + 2, representation[3])
    assert louder == pytest.approx(left)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mixtures_of_features_leave_nothing_to_standardise(dtype):
    rng = np.random.default_rng(0)
    low_level = [zscore(rng.standard_normal((60, 3))) for _ in range(3)]
    mixture = 5 + 10 * rng.standard_normal((3, N_DIMENSIONS))
    representation = [(100 + story @ mixture).astype(dtype) for story in low_level]
    residualizer = Residualizer().fit(low_level, representation)
    for left in residualizer.transform(low_level, representation):
        assert not zscore(left).any()
        assert left == pytest.approx(np.full(left.shape, 100), rel=1e-6)


def test_constant_dimension_and_constant_feature_take_no_part():
    low_level, representation = simulate()
    plain = Residualizer().fit(low_level, representation)
    for index, (features, story) in enumerate(zip(low_level, representation, strict=True)):
        features[:, 2] = 0.1
        story[:, 1] = 0.1 * index  # another level in each story
    residualizer = Residualizer().fit(low_level, representation)
    assert not residualizer.coef_[:, 1].any()
    assert residualizer.coef_[2] == pytest.approx(np.zeros(N_DIMENSIONS), abs=1e-12)
    assert np.isnan(residualizer.penalty_).tolist() == [False, True, False, False]
    left = residualizer.transform(low_level, representation)
    assert all(np.array_equal(a[:, 1], b[:, 1]) for a, b in zip(left, representation, strict=True))
    assert plain.coef_[:, 1].any()


def test_array_is_a_list_of_one_story():
    (features,), (story,) = simulate(n_stories=1)
    as_array = Residualizer().fit(features, story)
    as_list = Residualizer().fit([features], [story])
    assert np.array_equal(as_array.coef_, as_list.coef_)
    left = as_array.transform(features, story)
    assert isinstance(left, np.ndarray)
    assert np.array_equal(left, as_list.transform([features], [story])[0])


def test_float32_gives_float32_and_is_computed_in_float64():
    exact = Residualizer().fit(*simulate())
    low_level, representation = simulate(dtype=np.float32)
    left = Residualizer().fit(low_level, representation).transform(low_level, representation)
    assert all(story.dtype == np.float32 for story in left)
    expected = exact.transform(*simulate())
    assert np.concatenate(left) == pytest.approx(np.concatenate(expected), rel=1e-6)


# scikit-learn's manners


def test_clone_keeps_the_parameters_and_forgets_the_fit():
    copy = clone(Residualizer(penalties=[1.0], folds=3).fit(*simulate()))
    assert copy.get_params() == {"penalties": [1.0], "folds": 3, "lags": (0,)}
    with pytest.raises(NotFittedError):
        copy.transform(*simulate())


# what it refuses


def changed(what):
    """Low-level features and a representation with one fault."""
    low_level, representation = simulate()
    if what == "a story is missing":
        representation = representation[:-1]
    elif what == "one TR is missing":
        representation[2] = representation[2][:-1]
    elif what == "one dimension":
        representation[1] = representation[1][:, 0]
    elif what == "widths differ":
        low_level[2] = low_level[2][:, :-1]
    elif what == "NaN":
        low_level[0][7, 2] = np.nan
    elif what == "fewer TRs than folds":
        low_level, representation = (
            [story[:3] for story in stories] for stories in (low_level, representation)
        )
    elif what == "no feature":
        low_level = [story[:, :0] for story in low_level]
    elif what == "text":
        representation[1] = representation[1].astype(str)
    elif what == "a list and an array":
        representation = np.concatenate(representation)
    return low_level, representation


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ("a story is missing", ValueError, "must list the same stories, got 3 and 2"),
        (
            "one TR is missing",
            ValueError,
            r"low_level\[2\] has 60 TRs, but representation\[2\] has 59",
        ),
        ("one dimension", ValueError, r"representation\[1\] must be 2-D .* got shape \(60,\)"),
        ("widths differ", ValueError, r"low_level\[2\] has 4 columns, but low_level\[0\] has 5"),
        ("NaN", ValueError, r"low_level\[0\] holds 1 NaN .* the first at TR 7, column 2"),
        ("no feature", ValueError, r"low_level\[0\] has 0 columns"),
        ("text", TypeError, r"representation\[1\] must be numbers, got values of type <U"),
        ("fewer TRs than folds", ValueError, "10 folds need at least 20 TRs, got 9"),
        (
            "a list and an array",
            TypeError,
            "both be arrays or both be lists .* got list and ndarray",
        ),
    ],
)
def test_faulty_stories_are_refused_by_name(what, error, message):
    with pytest.raises(error, match=message):
        Residualizer().fit(*changed(what))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"penalties": [1.0, 0.0]}, "penalties must be .* above 0"),
        ({"penalties": []}, "penalties must be"),
        ({"folds": 1}, "folds must be an integer of at least 2, got 1"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        Residualizer(**parameters).fit(*simulate())


def test_other_features_or_another_layer_are_not_residualised():
    low_level, representation = simulate()
    residualizer = Residualizer().fit(low_level, representation)
    with pytest.raises(ValueError, match="low_level has 4 columns, but .* fitted with 5"):
        residualizer.transform(low_level[0][:, :4], representation[0])
    with pytest.raises(ValueError, match="representation has 2 columns, but .* fitted with 4"):
        residualizer.transform(low_level[0], representation[0][:, :2])


@pytest.mark.parametrize("swapped", ["low_level", "representation"])
def test_columns_of_data_frames_are_not_swapped_after_the_fit(swapped):
    stories = dict(zip(("low_level", "representation"), (s[0] for s in simulate()), strict=True))
    framed = {
        name: pd.DataFrame(story, columns=list("abcdef")[: story.shape[1]])
        for name, story in stories.items()
    }
    residualizer = Residualizer().fit(**framed)
    residual = Residualizer().fit(**stories).transform(**stories)
    np.testing.assert_allclose(residualizer.transform(**framed), residual)
    framed[swapped] = framed[swapped][framed[swapped].columns[::-1]]
    with pytest.raises(ValueError, match=f"column 0 of {swapped} must be 'a'"):
        residualizer.transform(**framed)


def test_it_prints_as_scikit_learns_estimators_do():
    assert repr(Residualizer(folds=3)) == "Residualizer(folds=3)"


# lags


def test_lags_are_other_trs_of_the_same_story():
    rng = np.random.default_rng(0)
    low_level = [rng.standard_normal((50, 2)) for _ in range(3)]
    z = [np.pad(zscore(story), ((2, 2), (0, 0))) for story in low_level]  # 0 outside the story
    shifted = [[np.hstack([story[2 + k : 52 + k] for k in (-2, 0, 1)]) for story in z]]
    representation = [(s @ rng.standard_normal((6, 3)))[:, :3] for s in shifted[0]]
    found = Residualizer([1e-6], lags=[-2, 0, 1]).fit(low_level, representation)
    Z = np.concatenate(shifted[0])
    X = np.concatenate([story - story.mean(axis=0) for story in representation])
    ridge = Ridge(alpha=1e-6, fit_intercept=False, solver="svd").fit(Z, X)
    assert found.coef_ == pytest.approx(ridge.coef_.T, abs=1e-6)
    left = found.transform(low_level[0], representation[0])
    assert left == pytest.approx(representation[0] - shifted[0][0] @ ridge.coef_.T, abs=1e-6)


def heard(rng, n_trs=300):
    """Loudness, what a model that looks back 16 s makes of it, and the voxels that follow it."""
    loudness = rng.standard_normal(n_trs + 20)
    mixtures = np.random.default_rng(99).standard_normal((8, 20)) * 0.6 ** np.arange(8)[:, None]
    past = np.stack([loudness[20 - k : n_trs + 20 - k] for k in range(8)], axis=1)
    hrf = np.array([0.2, 0.5, 1.0, 0.6])  # 1 to 4 TRs later
    response = sum(h * loudness[20 - k : n_trs + 20 - k] for k, h in enumerate(hrf, 1))
    responses = response[:, None] + 0.5 * rng.standard_normal((n_trs, 30))
    layer = past @ mixtures + 1.0 * rng.standard_normal((n_trs, 20))
    return loudness[20:, None], layer, zscore(responses)


def test_what_looks_back_keeps_the_planted_loudness_unless_lags_take_it_too():
    """All that can be predicted is loudness: its impact is 100, which the same TR does not say."""
    rng = np.random.default_rng(0)
    loudness, layer, responses = map(list, zip(*(heard(rng) for _ in range(6)), strict=True))

    def score(representation):
        model = EncodingModel().fit(representation[:-1], responses[:-1])
        (predicted,) = model.predict(representation[-1:])
        return np.mean(zscore(predicted) * zscore(responses[-1]))

    def impact(lags):
        residualizer = Residualizer(lags=lags).fit(loudness[:-1], layer[:-1])
        left = score(residualizer.transform(loudness, layer))
        return 100 * (score(layer) - left) / score(layer)

    assert score(layer) > 0.7
    assert impact([0]) < 20
    assert impact(range(-3, 4)) > 90


@pytest.mark.parametrize("lags", [[], [0.5]])
def test_lags_are_whole_trs(lags):
    low_level, representation = simulate()
    with pytest.raises(ValueError, match="lags must be integers, at least one"):
        Residualizer(lags=lags).fit(low_level, representation)
