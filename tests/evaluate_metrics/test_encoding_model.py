"""The encoding model: delays, folds, penalties per voxel, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from evaluate_metrics import EncodingModel, delay
from evaluate_metrics.encoding_model import story_folds
from evaluate_metrics.zscore import zscore

NARROW, WIDE = 6, 150  # features, against the 4 x 60 TRs of `simulate`: with delays, 24 and 600


def simulate(n_features=NARROW, n_voxels=5, n_stories=4, n_trs=60, dtype=np.float64, seed=0):
    """Stories whose voxels follow the features two TRs earlier, less and less well."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((n_features, n_voxels))
    weights /= np.linalg.norm(weights, axis=0)  # a signal of unit variance in every voxel
    noise = np.linspace(0.1, 5, n_voxels)
    features, responses = [], []
    for _ in range(n_stories):
        X = rng.standard_normal((n_trs, n_features))
        Y = delay(X, [2]) @ weights + noise * rng.standard_normal((n_trs, n_voxels))
        features.append(X.astype(dtype))
        responses.append(zscore(Y).astype(dtype))
    return features, responses


def design(features, delays=(1, 2, 3, 4)):
    """The regressors as the definition reads, by loops over stories, delays and TRs."""
    rows = []
    for story in features:
        z = (story - story.mean(axis=0)) / story.std(axis=0)
        silence = np.zeros(z.shape[1])
        for t in range(len(z)):
            rows.append(np.concatenate([z[t - d] if t >= d else silence for d in delays]))
    return np.stack(rows).astype(np.float64)


# delay


def test_delay_puts_one_block_per_delay_in_the_given_order():
    features = np.array([[1, 10], [2, 20], [3, 30]])
    assert delay(features, [2, 0]).tolist() == [[0, 0, 1, 10], [0, 0, 2, 20], [1, 10, 3, 30]]


@given(
    arrays(
        np.float32, st.tuples(st.integers(0, 12), st.integers(1, 3)), elements=st.integers(1, 9)
    ),
    st.lists(st.integers(0, 15), min_size=1, max_size=4),
)
def test_delay_shifts_each_block_and_fills_with_zeros(features, delays):
    n_trs, n_features = features.shape
    delayed = delay(features, delays)
    assert delayed.shape == (n_trs, n_features * len(delays))
    assert delayed.dtype == features.dtype
    for block, lag in enumerate(delays):
        columns = delayed[:, block * n_features : (block + 1) * n_features]
        assert not columns[:lag].any()
        assert np.array_equal(columns[lag:], features[: max(n_trs - lag, 0)])


@pytest.mark.parametrize("delays", [[-1], [1.5], [], ["1"]])
def test_delay_refuses_what_is_no_delay(delays):
    with pytest.raises(ValueError, match="delays must be integers of 0 or more"):
        delay(np.ones((4, 1)), delays)


def test_delay_refuses_other_than_two_dimensions():
    with pytest.raises(ValueError, match=r"\(n_trs, n_features\), got shape \(4,\)"):
        delay(np.ones(4), [1])


# standardisation


def test_columns_are_standardised_with_ddof_0_and_constants_give_0():
    standardised = zscore(np.array([[1, 0.1], [3, 0.1], [5, 0.1]], dtype=np.float32))
    assert standardised[:, 0] == pytest.approx([-np.sqrt(1.5), 0, np.sqrt(1.5)])
    assert standardised[:, 1].tolist() == [0, 0, 0]


# folds


@given(st.lists(st.integers(2, 50), min_size=1, max_size=12), st.integers(2, 6))
def test_every_tr_is_held_out_once(lengths, n_folds):
    if sum(lengths) < 2 * n_folds and len(lengths) < n_folds:
        with pytest.raises(ValueError, match=f"{n_folds} folds need at least {2 * n_folds} TRs"):
            story_folds(lengths, n_folds)
        return
    folds = story_folds(lengths, n_folds)
    assert len(folds) == n_folds and all(len(fold) >= 2 for fold in folds)
    assert sorted(np.concatenate(folds)) == list(range(sum(lengths)))


@given(st.lists(st.integers(2, 50), min_size=5, max_size=12))
def test_folds_of_enough_stories_never_divide_a_story(lengths):
    folds = story_folds(lengths, 5)
    ends = np.cumsum(lengths)
    for end, length in zip(ends, lengths, strict=True):
        story = set(range(end - length, end))
        assert sum(bool(story & set(fold)) for fold in folds) == 1


def test_folds_of_stories_are_balanced_in_trs():
    assert [len(fold) for fold in story_folds([10, 20, 30, 40, 50], 2)] == [80, 70]


def test_folds_of_few_stories_are_contiguous_chunks():
    folds = story_folds([30, 10], 4)
    assert [(fold[0], fold[-1]) for fold in folds] == [(0, 9), (10, 19), (20, 29), (30, 39)]


# the fit


@pytest.mark.parametrize("n_features", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-4), (np.float64, 1e-8)])
def test_coefficients_are_those_of_scikit_learn(n_features, dtype, tolerance):
    features, responses = simulate(n_features, dtype=dtype)
    model = EncodingModel(penalties=[100.0], voxel_batch=2).fit(features, responses)
    reference = Ridge(alpha=100.0, fit_intercept=False, solver="svd")
    reference.fit(
        design([story.astype(np.float64) for story in features]), np.concatenate(responses)
    )
    error = np.linalg.norm(model.coef_ - reference.coef_.T, axis=0)
    assert model.coef_.dtype == dtype
    assert (error < tolerance * np.linalg.norm(reference.coef_.T, axis=0)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("n_stories", [2, 5], ids=["chunks", "stories"])
def test_penalty_of_each_voxel_is_that_of_an_exhaustive_search(n_stories, n_features, dtype):
    features, responses = simulate(n_features, n_stories=n_stories, dtype=dtype)
    penalties = np.logspace(0, 5, 6)
    model = EncodingModel(penalties, folds=4, voxel_batch=3).fit(features, responses)

    X, Y = design(features), np.concatenate(responses).astype(np.float64)
    scores = np.zeros((len(penalties), Y.shape[1]))
    folds = story_folds([len(story) for story in features], 4)
    for fold in folds:
        train = np.setdiff1d(np.arange(len(X)), fold)
        for row, penalty in enumerate(penalties):
            ridge = Ridge(alpha=penalty, fit_intercept=False, solver="svd").fit(X[train], Y[train])
            predicted = ridge.predict(X[fold])
            scores[row] += r2_score(Y[fold], predicted, multioutput="raw_values") / len(folds)
    assert np.array_equal(model.penalty_, penalties[scores.argmax(axis=0)])
    assert model.cv_score_ == pytest.approx(scores.max(axis=0), abs=1e-5)
    assert len(set(model.penalty_)) > 1  # noisier voxels want more shrinkage


def test_planted_signal_is_predicted_on_a_new_story():
    features, responses = simulate(n_stories=6, n_trs=300)
    model = EncodingModel(np.logspace(0, 6, 7)).fit(features[:5], responses[:5])
    predicted = model.predict(features[5:])[0]
    correlations = [
        np.corrcoef(p, y)[0, 1] for p, y in zip(predicted.T, responses[5].T, strict=True)
    ]
    assert correlations[0] > 0.98
    assert correlations == sorted(correlations, reverse=True)  # as noise was planted


def test_predictions_never_look_across_stories():
    features, responses = simulate()
    model = EncodingModel().fit(features, responses)
    together = model.predict(features)
    alone = [model.predict([story])[0] for story in features]
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))
    assert not alone[1][0].any()  # all delays of the first TR reach before the story


def test_voxel_batches_do_not_change_the_result():
    features, responses = simulate()
    whole = EncodingModel().fit(features, responses)
    parts = EncodingModel(voxel_batch=1).fit(features, responses)
    assert parts.coef_ == pytest.approx(whole.coef_, rel=1e-10)
    assert np.array_equal(parts.penalty_, whole.penalty_)


def test_constant_columns_change_nothing():
    features, responses = simulate()
    padded = [np.insert(story, 0, 0.1 * index, axis=1) for index, story in enumerate(features)]
    plain = EncodingModel(delays=[2]).fit(features, responses)
    model = EncodingModel(delays=[2]).fit(padded, responses)
    assert not model.coef_[0].any()
    assert model.coef_[1:] == pytest.approx(plain.coef_)


def test_fold_in_which_a_voxel_rests_is_left_out_of_its_score():
    features, responses = simulate(n_stories=2)
    responses[0][:30, 0] = 0.5
    model = EncodingModel([1.0], folds=4).fit(features, responses)
    X, y = design(features), np.concatenate(responses)[:, 0]
    scores = []
    for fold in story_folds([60, 60], 4)[1:]:
        train = np.setdiff1d(np.arange(len(X)), fold)
        ridge = Ridge(alpha=1.0, fit_intercept=False).fit(X[train], y[train])
        scores.append(r2_score(y[fold], ridge.predict(X[fold])))
    assert model.cv_score_[0] == pytest.approx(np.mean(scores))


# scikit-learn's manners


def test_clone_keeps_the_parameters_and_forgets_the_fit():
    model = EncodingModel(delays=(0, 1), folds=3).fit(*simulate())
    copy = clone(model)
    assert copy.get_params()["delays"] == (0, 1) and copy.get_params()["folds"] == 3
    with pytest.raises(NotFittedError):
        copy.predict(simulate()[0])


def test_default_penalties_are_15_from_1e2_to_1e8():
    assert EncodingModel().get_params()["penalties"] == pytest.approx(np.logspace(2, 8, 15))


# what it refuses


def changed(what):
    """Features and responses with one fault."""
    features, responses = simulate()
    if what == "a story is missing":
        responses = responses[:-1]
    elif what == "one TR is missing":
        responses[2] = responses[2][:-1]
    elif what == "one dimension":
        features[1] = features[1][:, 0]
    elif what == "widths differ":
        features[3] = features[3][:, :-1]
    elif what == "NaN":
        features[0][7, 2] = np.nan
    elif what == "infinite":
        responses[1][3, 4] = np.inf
    elif what == "one TR":
        features[0], responses[0] = features[0][:1], responses[0][:1]
    elif what == "no feature":
        features = [story[:, :0] for story in features]
    elif what == "complex":
        features[1] = features[1] * 1j
    elif what == "masked":
        responses[2] = np.ma.masked_greater(responses[2], 1)
    elif what == "another order":
        features = [pd.DataFrame(story, columns=list("abcdef")) for story in features]
        features[2] = features[2][list("bacdef")]
    elif what == "dead voxel":
        for story in responses:
            story[:, 3] = 0
    return features, responses


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("a story is missing", "must list the same stories, got 4 and 3"),
        ("one TR is missing", r"features\[2\] has 60 TRs, but responses\[2\] has 59"),
        ("one dimension", r"features\[1\] must be 2-D .* got shape \(60,\)"),
        ("widths differ", r"features\[3\] has 5 columns, but features\[0\] has 6"),
        ("NaN", r"features\[0\] holds 1 NaN or infinite values, the first at TR 7, column 2"),
        ("infinite", r"responses\[1\] holds 1 .* at TR 3, column 4"),
        ("one TR", r"features\[0\] must be .* 2 or more TRs as rows, got shape \(1, 6\)"),
        ("no feature", r"features\[0\] has 0 columns, got shape \(60, 0\): at least 1"),
        ("complex", r"features\[1\] must be real numbers, got complex"),
        ("masked", r"responses\[2\] hold \d+ masked values"),
        ("another order", r"column 0 of features\[2\] must be 'a' .* got 'b'"),
        ("dead voxel", "1 of 5 voxels are constant within every fold, the first is voxel 3"),
    ],
)
def test_faulty_stories_are_refused_by_name(what, message):
    with pytest.raises(ValueError, match=message):
        EncodingModel().fit(*changed(what))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"penalties": [1.0, 0.0]}, "penalties must be .* above 0"),
        ({"penalties": []}, "penalties must be"),
        ({"penalties": [np.nan]}, "penalties must be"),
        ({"folds": 1}, "folds must be an integer of at least 2, got 1"),
        ({"folds": 2.0}, "folds must be an integer of at least 2, got 2.0"),
        ({"voxel_batch": 0}, "voxel_batch must be an integer of at least 1, got 0"),
        ({"delays": 4}, r"delays must be a list of integers, got 4: write \[4\]"),
        ({"delays": [-1]}, "delays must be integers of 0 or more"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        EncodingModel(**parameters).fit(*simulate())


def test_one_story_must_still_be_a_list():
    features, responses = simulate(n_stories=1)
    with pytest.raises(
        TypeError, match=r"got ndarray \(60, 6\): for a single story write \[features\]"
    ):
        EncodingModel().fit(features[0], responses[0])


def test_features_of_another_width_are_not_predicted_from():
    features, responses = simulate()
    model = EncodingModel().fit(features, responses)
    with pytest.raises(ValueError, match="features have 2 columns, .* fitted with 6"):
        model.predict([features[0][:, :2]])


@pytest.mark.parametrize("wrong", [None, scipy.sparse.eye_array(60), np.full((60, 6), "x")])
def test_what_is_no_array_of_numbers_is_refused(wrong):
    features, responses = simulate()
    with pytest.raises(TypeError, match=r"features\[1\] must be"):
        EncodingModel().fit([features[0], wrong, *features[2:]], responses)


def test_columns_of_a_data_frame_are_not_swapped_between_fit_and_prediction():
    features, responses = simulate()
    framed = [pd.DataFrame(story, columns=list("abcdef")) for story in features]
    model = EncodingModel().fit(framed, responses)
    assert model.feature_names_in_.tolist() == list("abcdef")
    expected = EncodingModel().fit(features, responses).predict(features[:1])
    np.testing.assert_allclose(model.predict(framed[:1]), expected)
    with pytest.raises(ValueError, match=r"column 4 of features\[0\] must be 'e' .* got 'f'"):
        model.predict([framed[0][list("abcdfe")]])


def test_it_prints_as_scikit_learns_estimators_do():
    assert repr(EncodingModel(folds=3)) == "EncodingModel(folds=3)"
    assert "penalties=array" in repr(EncodingModel(penalties=np.ones(2)))


# penalties of other stories, and the ends of their grid


def test_penalties_are_chosen_on_the_stories_that_are_given_for_it():
    """What the training stories say of it is the opposite: there, all noise is known."""
    features, responses = simulate(WIDE, n_stories=6)
    grid = np.logspace(-1, 5, 13)
    heard = [features[4:], responses[4:]]
    model = EncodingModel(penalties=grid, delays=[2]).fit(features[:4], responses[:4], heard)
    scores = []
    for penalty in grid:
        ridge = Ridge(alpha=penalty, fit_intercept=False)
        ridge.fit(design(features[:4], [2]), np.concatenate(responses[:4]))
        of_story = [
            r2_score(y, ridge.predict(design([x], [2])), multioutput="raw_values")
            for x, y in zip(*heard, strict=True)
        ]
        scores.append(np.mean(of_story, axis=0))
    np.testing.assert_array_equal(model.penalty_, grid[np.argmax(scores, axis=0)])
    assert model.cv_score_ == pytest.approx(np.max(scores, axis=0))


def test_stories_that_penalties_are_chosen_on_must_fit():
    features, responses = simulate()
    with pytest.raises(ValueError, match="same stories, got 2 and 1"):
        EncodingModel().fit(features[:2], responses[:2], (features[2:], responses[3:]))
    with pytest.raises(ValueError, match="5 of 5 voxels are constant within every validation"):
        EncodingModel().fit(features[:3], responses[:3], (features[3:], [0 * responses[3]]))


@pytest.mark.parametrize(
    ("grid", "ends"),
    [([1e-9, 1e-8], (0, 4)), ([1e9, 1e10], (4, 0)), ([1e9], (0, 0)), ([10, 1e9, 1e-9], (0, 3))],
)
def test_voxels_at_the_ends_of_the_penalties_are_counted(grid, ends):
    """The first voxel wants a penalty of about 10; of the others nothing can be learned."""
    features, responses = simulate(30, n_voxels=4, n_trs=20)
    assert EncodingModel(penalties=grid, delays=[2]).fit(features, responses).at_edges_ == ends
