"""The ridge solver on plain arrays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from evaluate_metrics.ridge import ridge_cv


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

    def reference(rows):
        ridge = Ridge(alpha=10**log_penalty, fit_intercept=False, solver="svd")
        return ridge.fit(X[rows], Y[rows]).coef_.reshape(n_voxels, n_features).T

    def held_out_r2(fold):
        predicted = X[fold] @ reference(np.setdiff1d(np.arange(n_rows), fold))
        return r2_score(Y[fold], predicted, multioutput="raw_values")

    expected = np.mean([held_out_r2(fold) for fold in folds], axis=0)
    assert coef == pytest.approx(reference(np.arange(n_rows)), rel=1e-6, abs=1e-9)
    assert penalty == pytest.approx(np.full(n_voxels, 10**log_penalty))
    assert score == pytest.approx(expected, rel=1e-6)


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
