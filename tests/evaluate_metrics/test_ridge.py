"""The ridge solver on plain arrays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from evaluate_metrics.ridge import ridge_cv, ridge_validated


@settings(max_examples=25, deadline=None)
@given(
    n_rows=st.integers(6, 30),
    n_features=st.integers(1, 40),
    n_voxels=st.integers(1, 4),
    log_penalty=st.floats(-3, 6),
    seed=st.integers(0, 1000),
)
def test_any_shape_and_penalty_agrees_with_scikit_learn(
    n_rows, n_features, n_voxels, log_penalty, seed
):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n_rows, n_features)), rng.standard_normal((n_rows, n_voxels))
    folds = np.array_split(np.arange(n_rows), 3)
    coef, penalty, score = ridge_cv(X, Y, [10**log_penalty], folds)
    reference = Ridge(alpha=10**log_penalty, fit_intercept=False, solver="svd").fit(X, Y)
    assert coef.T == pytest.approx(np.atleast_2d(reference.coef_), rel=1e-6, abs=1e-9)
    assert penalty == pytest.approx(np.full(n_voxels, 10**log_penalty))
    assert score == pytest.approx(exhaustive(X, Y, penalty[:1], folds)[0], rel=1e-6)


def exhaustive(X, Y, penalties, folds):
    """Mean held-out R^2 of shape (n_penalties, n_voxels), one ridge per fold and penalty."""
    X, Y = X.astype(np.float64), Y.astype(np.float64)
    scores = np.zeros((len(penalties), Y.shape[1]))
    for fold in folds:
        train = np.setdiff1d(np.arange(len(X)), fold)
        for row, penalty in enumerate(penalties):
            ridge = Ridge(alpha=penalty, fit_intercept=False, solver="svd").fit(X[train], Y[train])
            scores[row] += r2_score(Y[fold], ridge.predict(X[fold]), multioutput="raw_values")
    return scores / len(folds)


def simulate(n_rows, n_features, n_voxels, decay, dtype, seed=0):
    """Features whose variances fall as a power, and voxels that follow them more or less."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features)) * np.arange(1, n_features + 1) ** -decay
    X = X @ np.linalg.qr(rng.standard_normal((n_features, n_features)))[0]
    Y = X @ rng.standard_normal((n_features, n_voxels))
    Y = Y / Y.std(axis=0) * np.linspace(0, 2, n_voxels) + rng.standard_normal(Y.shape)
    return X.astype(dtype), Y.astype(dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-8)])
@pytest.mark.parametrize("decay", [0, 1.5], ids=["even", "steep"])
@pytest.mark.parametrize("n_features", [40, 400], ids=["narrow", "wide"])
def test_many_penalties_score_as_in_an_exhaustive_search(n_features, decay, dtype, tolerance):
    X, Y = simulate(200, n_features, 30, decay, dtype)
    penalties = np.logspace(-2, 6, 15)
    folds = np.array_split(np.random.default_rng(1).permutation(200), 5)  # rows in any order
    _, penalty, score = ridge_cv(X, Y, penalties, folds)
    expected = exhaustive(X, Y, penalties, folds)
    assert np.array_equal(penalty, penalties[expected.argmax(axis=0)])
    assert score == pytest.approx(expected.max(axis=0), abs=tolerance)


def test_voxels_that_hardly_follow_choose_large_penalties_as_in_float64():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((300, 100))
    Y = 0.02 * X @ rng.standard_normal((100, 400)) + rng.standard_normal((300, 400))
    folds, penalties = np.array_split(np.arange(300), 5), np.logspace(2, 8, 15)
    _, penalty, _ = ridge_cv(X, Y.astype(np.float32), penalties, folds)
    expected = penalties[exhaustive(X, Y, penalties, folds).argmax(axis=0)]
    assert (expected > 1e7).mean() > 0.2  # what differs there is the seventh digit of 1 - R^2
    assert (penalty == expected).mean() >= 0.995


def test_float32_responses_do_not_limit_small_penalties():
    X, Y = simulate(100, 200, 10, 0, np.float32)
    folds = np.array_split(np.arange(100), 4)
    for penalty in (1e-2, 1e-5, 1e-8):  # against squared singular values of some 100
        _, _, score = ridge_cv(X, Y, [penalty], folds)
        assert score == pytest.approx(exhaustive(X, Y, [penalty], folds)[0], abs=1e-4)


def test_penalties_lost_in_rounding_are_refused():
    X, Y = simulate(20, 40, 2, 0, np.float64)
    folds = np.array_split(np.arange(20), 4)
    with pytest.raises(ValueError, match="penalties must be larger for .* got 1e-18"):
        ridge_cv(X, Y, [1.0, 1e-18], folds)


def test_collinear_features_share_the_weight():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 1)), rng.standard_normal((40, 1))
    folds = np.array_split(np.arange(40), 2)
    coef, _, _ = ridge_cv(np.hstack([x, x, 0 * x]), y, [1.0], folds)
    expected = (x * y).sum() / (2 * (x * x).sum() + 1)
    assert coef.ravel() == pytest.approx([expected, expected, 0])


def test_equal_scores_choose_the_first_penalty():
    responses = np.random.default_rng(0).standard_normal((20, 2))
    folds = np.array_split(np.arange(20), 2)
    _, penalty, _ = ridge_cv(np.zeros((20, 1)), responses, [3.0, 1.0, 2.0], folds)
    assert penalty.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-4), (np.float64, 1e-8)])
@pytest.mark.parametrize("n_features", [40, 400], ids=["narrow", "wide"])
@pytest.mark.parametrize("voxel_batch", [None, 7])
def test_penalties_chosen_on_other_stories_are_those_of_an_exhaustive_search(
    n_features, dtype, tolerance, voxel_batch
):
    X, Y = simulate(260, n_features, 30, 0, dtype)
    Y[200:225, 3] = 1  # constant in a story, which then says nothing of this voxel
    penalties = np.logspace(0, 5, 8)
    others = [(X[200:225], Y[200:225]), (X[225:], Y[225:])]
    coef, penalty, score = ridge_validated(
        X[:200], Y[:200], penalties, others, voxel_batch=voxel_batch
    )
    scores = []
    for one in penalties:
        ridge = Ridge(alpha=one, fit_intercept=False, solver="svd")
        ridge.fit(X[:200].astype(float), Y[:200].astype(float))
        found = [r2_score(y, ridge.predict(x), multioutput="raw_values") for x, y in others]
        found[0][3] = np.nan
        scores.append(np.nanmean(found, axis=0))
    assert score == pytest.approx(np.max(scores, axis=0), abs=tolerance)
    assert np.mean(penalty == penalties[np.argmax(scores, axis=0)]) > 0.9  # but for near equals
    assert coef.dtype == dtype
    for voxel in (0, 3, 29):
        ridge = Ridge(alpha=penalty[voxel], fit_intercept=False, solver="svd")
        ridge.fit(X[:200].astype(float), Y[:200, voxel].astype(float))
        assert coef[:, voxel] == pytest.approx(ridge.coef_, abs=10 * tolerance)
