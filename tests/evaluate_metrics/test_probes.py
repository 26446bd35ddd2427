"""Linear probes: agreement with scikit-learn, choice of penalties, scores, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score, r2_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler

from evaluate_metrics.probes import ClassProbe, LabelProbe, RidgeProbe

N_LAYERS, N_FEATURES = 3, 12
TRAIN, VALIDATION, TEST = slice(0, 240), slice(240, 360), slice(360, 600)
WORDS = np.array(["down", "left", "no", "up", "yes"])


def simulate(kind, seed=0, n_features=N_FEATURES):
    """600 clips; layers of correlated columns of unlike size hold more and more of the targets."""
    rng = np.random.default_rng(seed)
    if kind == "classes":
        signal = (targets := WORDS[rng.integers(5, size=600)])[:, None] == WORDS
    elif kind == "labels":
        signal = targets = rng.random((600, 5)) < [0.5, 0.3, 0.2, 0.1, 0.6]
    else:
        signal = rng.standard_normal((600, 5))
        targets = 7 + signal * [1e-3, 1, 10, 100, 1e4]
    layers = []
    for strength in (0.5, 1, 3):
        centres = strength * rng.standard_normal((5, n_features)) / np.sqrt(5)
        mixing = rng.standard_normal((n_features, n_features)) * np.geomspace(1e-2, 1e2, n_features)
        noisy = signal @ centres + rng.standard_normal((600, n_features))
        layers.append(noisy @ mixing + 3)
    return np.stack(layers).astype(np.float32), targets


def fitted(probe, layers, targets):
    return probe.fit(layers[:, TRAIN], targets[TRAIN], layers[:, VALIDATION], targets[VALIDATION])


def peer(kind, penalty):
    """scikit-learn's estimator for a penalty."""
    if kind == "real":
        return Ridge(alpha=penalty)
    logistic = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=10_000)
    return logistic if kind == "classes" else OneVsRestClassifier(logistic)


def peer_score(kind, penalty, layer, targets, split):
    """scikit-learn's score of a layer on a split, fitted on the training clips."""
    scaler = StandardScaler().fit(layer[TRAIN].astype(float))
    model = peer(kind, penalty).fit(scaler.transform(layer[TRAIN].astype(float)), targets[TRAIN])
    predicted = model.predict(scaler.transform(layer[split].astype(float)))
    if kind == "real":
        return r2_score(targets[split], predicted)
    return f1_score(targets[split], predicted, average="macro")


PROBES = {"classes": ClassProbe, "labels": LabelProbe, "real": RidgeProbe}
kinds = pytest.mark.parametrize("kind", PROBES)


# agreement with scikit-learn


@kinds
@pytest.mark.parametrize("penalty", [0.1, 10.0, 1e4])
def test_scores_are_those_of_scikit_learn(kind, penalty):
    layers, targets = simulate(kind)
    scores = fitted(PROBES[kind]([penalty]), layers, targets).score(layers[:, TEST], targets[TEST])
    expected = [peer_score(kind, penalty, layer, targets, TEST) for layer in layers]
    tolerance = 1e-3 if kind == "real" else 5e-3
    assert [score["value"] for score in scores] == pytest.approx(expected, abs=tolerance)


@kinds
def test_outputs_are_those_of_scikit_learn(kind):
    layers, targets = simulate(kind)
    probe = fitted(PROBES[kind]([10.0]), layers, targets)
    for layer, coef, intercept in zip(layers, probe.coef_, probe.intercept_, strict=True):
        scaler = StandardScaler().fit(layer[TRAIN].astype(float))
        train, test = (scaler.transform(layer[split].astype(float)) for split in (TRAIN, TEST))
        model = peer(kind, 10.0).fit(train, targets[TRAIN])
        expected = getattr(model, "decision_function", model.predict)(test)
        outputs = layer[TEST] @ coef + intercept
        if kind == "classes":  # the same to all outputs of a clip changes nothing
            outputs, expected = (a - a.mean(axis=1, keepdims=True) for a in (outputs, expected))
        spread = expected.std(axis=0)
        assert outputs / spread == pytest.approx(expected / spread, abs=0.02)


def test_with_two_classes_lambda_is_2_over_the_c_of_scikit_learn():
    layers, words = simulate("classes")
    words = np.where(words < "m", "short", "long")
    probe = fitted(ClassProbe([5.0]), layers, words)
    X = StandardScaler().fit(layers[2, TRAIN]).transform(layers[2]).astype(float)
    expected = LogisticRegression(C=2 / 5, tol=1e-8).fit(X[TRAIN], words[TRAIN])
    margin = (layers[2, TEST] @ probe.coef_[2] + probe.intercept_[2]) @ [-1, 1]
    assert margin == pytest.approx(expected.decision_function(X[TEST]), abs=0.02)


@kinds
def test_more_features_than_clips(kind):
    layers, targets = simulate(kind, n_features=400)
    scores = fitted(PROBES[kind]([100.0]), layers, targets).score(layers[:, TEST], targets[TEST])
    expected = [peer_score(kind, 100.0, layer, targets, TEST) for layer in layers]
    tolerance = 1e-3 if kind == "real" else 5e-3
    assert [score["value"] for score in scores] == pytest.approx(expected, abs=tolerance)


# choice of penalties


@kinds
def test_each_layer_has_the_penalty_that_validates_best(kind):
    layers, targets = simulate(kind)
    penalties = [1.0, 100.0, 1e4]
    probe = fitted(PROBES[kind](penalties), layers, targets)
    for layer, penalty, score in zip(layers, probe.penalty_, probe.validation_score_, strict=True):
        expected = [peer_score(kind, p, layer, targets, VALIDATION) for p in penalties]
        assert score == pytest.approx(max(expected), abs=5e-3)
        assert expected[penalties.index(penalty)] == pytest.approx(max(expected), abs=5e-3)


def test_of_equally_good_penalties_the_strongest_is_chosen():
    words = np.array(["no", "yes"] * 30)
    layers = np.tile(words == "yes", (1, 2, 1)).transpose(0, 2, 1) + np.zeros((1, 60, 2))
    probe = ClassProbe([1e-1, 10.0, 1.0]).fit(layers, words, layers, words)
    assert probe.penalty_.tolist() == [10.0]


def test_weaker_penalties_start_from_stronger_ones_without_effect_on_the_result():
    layers, words = simulate("classes")
    path = fitted(ClassProbe([1.0, 1e8]), layers, words)  # 1e8 leaves the majority class
    alone = fitted(ClassProbe([1.0]), layers, words)
    assert path.penalty_.tolist() == [1.0] * N_LAYERS
    assert np.mean(path.predict(layers) == alone.predict(layers)) > 0.99


# layers


@kinds
def test_a_layer_does_not_depend_on_the_layers_beside_it(kind):
    layers, targets = simulate(kind)
    together = fitted(PROBES[kind]([1.0]), layers, targets)
    for index in range(N_LAYERS):
        alone = fitted(PROBES[kind]([1.0]), layers[[index]], targets)
        assert alone.coef_[0] == pytest.approx(
            together.coef_[index], rel=1e-2, abs=1e-4 * np.abs(alone.coef_).max()
        )


def test_layers_may_come_as_a_list():
    layers, words = simulate("classes")
    listed = ClassProbe().fit(
        list(layers[:, TRAIN]),
        words[TRAIN].tolist(),
        list(layers[:, VALIDATION]),
        words[VALIDATION],
    )
    assert np.array_equal(listed.coef_, fitted(ClassProbe(), layers, words).coef_)


@kinds
@given(scale=st.sampled_from([1e-3, 1.0, 1e3]), shift=st.integers(-100, 100))
@settings(max_examples=5, deadline=None)
def test_units_of_the_features_do_not_matter(kind, scale, shift):
    layers, targets = simulate(kind)
    moved = scale * (layers.astype(float) + shift)
    one, other = (fitted(PROBES[kind]([10.0]), x, targets) for x in (layers, moved))
    predicted = one.predict(layers[:, TEST])
    if kind == "real":
        assert other.predict(moved[:, TEST]) == pytest.approx(predicted, rel=1e-3)
    else:
        assert np.mean(other.predict(moved[:, TEST]) == predicted) > 0.995


@kinds
def test_a_column_that_is_constant_in_training_changes_nothing(kind):
    layers, targets = simulate(kind)
    constant = np.full((N_LAYERS, 600, 1), 0.1, np.float32)
    constant[:, TEST] = 1e6
    more = np.concatenate([layers, constant], axis=2)
    probe = fitted(PROBES[kind]([10.0]), more, targets)
    assert not probe.coef_[:, -1].any()
    scores = (
        fitted(PROBES[kind]([10.0]), layers, targets).score(layers[:, TEST], targets[TEST]),
        probe.score(more[:, TEST], targets[TEST]),
    )
    assert [s["value"] for s in scores[0]] == pytest.approx(
        [s["value"] for s in scores[1]], abs=1e-3
    )


def test_a_layer_without_variation_predicts_the_majority():
    layers, words = simulate("classes")
    layers[1] = 4
    score = fitted(ClassProbe(), layers, words).score(layers[:, TEST], words[TEST])[1]
    assert score["value"] == score["majority"]


# weighted sum of the layers


@kinds
def test_the_layer_that_knows_the_targets_weighs_most(kind):
    layers, targets = simulate(kind)
    rng = np.random.default_rng(1)
    layers[:2] = rng.standard_normal(layers[:2].shape)
    probe = fitted(PROBES[kind]([10.0], weighted_sum=True), layers, targets)
    assert probe.layer_weights_.sum() == pytest.approx(1)
    assert probe.layer_weights_[2] > 0.9
    (score,) = probe.score(layers[:, TEST], targets[TEST])
    best = fitted(PROBES[kind]([10.0]), layers, targets).score(layers[:, TEST], targets[TEST])[2]
    assert score["value"] > best["value"] - 0.02


def test_weights_and_coefficients_are_a_minimum_of_the_penalised_loss():
    layers, words = simulate("classes")
    layers, y = layers[:, :, :3].astype(float), words[:, None] == WORDS
    probe = fitted(ClassProbe([3.0], weighted_sum=True), layers, words)
    means = layers[:, TRAIN].mean(axis=1, keepdims=True)
    Z = (layers[:, TRAIN] - means) / layers[:, TRAIN].std(axis=1, keepdims=True)

    def loss(parameters):
        weights, W, b = softmax(parameters[:3]), parameters[3:18].reshape(3, 5), parameters[18:]
        outputs = np.tensordot(weights, Z, 1) @ W + b
        return (logsumexp(outputs, axis=1) - outputs[y[TRAIN]]).sum() + 3 / 2 * (W**2).sum()

    expected = minimize(loss, np.zeros(23))
    W = probe.coef_[0] * layers[0, TRAIN].std(axis=0)[:, None] / probe.layer_weights_[0]
    b = probe.intercept_[0] + np.einsum("lxf,lfk->k", means, probe.coef_)
    found = np.concatenate([np.log(probe.layer_weights_), W.ravel(), b])
    assert loss(found) == pytest.approx(expected.fun, abs=1e-3)
    assert probe.layer_weights_ == pytest.approx(softmax(expected.x[:3]), abs=0.01)


def test_a_weighted_sum_of_one_layer_is_that_layer():
    layers, targets = simulate("real")
    probes = [RidgeProbe([10.0], weighted_sum=weighted_sum) for weighted_sum in (False, True)]
    one, other = (fitted(probe, layers[2:], targets).predict(layers[2:, TEST]) for probe in probes)
    spread = targets.std(axis=0)
    assert other / spread == pytest.approx(one / spread, abs=1e-2)
    assert probes[1].layer_weights_.tolist() == [1.0]


# scores


@kinds
def test_intervals_hold_the_middle_of_bootstrap_resamples(kind):
    layers, targets = simulate(kind)
    probe = fitted(PROBES[kind](), layers, targets)
    scores = probe.score(layers[:, TEST], targets[TEST])
    truth, predicted = targets[TEST], probe.predict(layers[:, TEST])[1]
    rng = np.random.default_rng(7)
    resampled = []
    for _ in range(200):
        rows = rng.integers(len(truth), size=len(truth))
        if kind == "real":
            resampled.append(r2_score(truth[rows], predicted[rows]))
        else:
            resampled.append(f1_score(truth[rows], predicted[rows], average="macro"))
    low, high = np.quantile(resampled, [0.025, 0.975])
    assert scores[1]["interval"] == pytest.approx((low, high), abs=0.2 * (high - low))
    assert all(s["interval"][0] < s["value"] < s["interval"][1] for s in scores)
    assert all(score["n"] == 240 for score in scores)


def test_seeds_draw_other_resamples():
    layers, words = simulate("classes")
    probe = fitted(ClassProbe(), layers, words)
    first, again, other = (
        probe.score(layers[:, TEST], words[TEST], n_resamples=50, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again
    assert [s["value"] for s in other] == [s["value"] for s in first]
    assert [s["interval"] for s in other] != [s["interval"] for s in first]


def test_majority_scores_of_classes_labels_and_numbers():
    rng = np.random.default_rng(0)
    layers = rng.standard_normal((1, 8, 2))
    train, test = np.repeat(["a", "b"], [5, 3]), np.repeat(["a", "b"], [2, 6])
    (score,) = ClassProbe().fit(layers, train, layers, train).score(layers, test)
    assert score["majority"] == pytest.approx((2 * 2 / (2 + 8) + 0) / 2)

    train = np.repeat([[1, 0], [0, 1]], [6, 2], axis=0)  # the first label mostly, the second not
    test = np.repeat([[1, 1], [0, 1]], 4, axis=0)
    (score,) = LabelProbe().fit(layers, train, layers, train).score(layers, test)
    assert score["majority"] == pytest.approx((2 * 4 / (4 + 8) + 0) / 2)

    train, test = np.arange(8.0)[:, None], np.arange(8.0)[:, None] + 1  # means 3.5 and 4.5
    (score,) = RidgeProbe().fit(layers, train, layers, train).score(layers, test)
    assert score["majority"] == pytest.approx(-8 / ((test - 4.5) ** 2).sum())


def test_classes_without_a_test_clip_are_named_and_left_out():
    layers, words = simulate("classes")
    probe = fitted(ClassProbe(), layers, words)
    kept = np.flatnonzero(~np.isin(words, ["no", "yes"]))
    kept = kept[kept >= TEST.start]
    scores = probe.score(layers[:, kept], words[kept])
    expected = f1_score(
        words[kept],
        probe.predict(layers[:, kept])[0],
        average="macro",
        labels=["down", "left", "up"],
    )
    assert scores[0]["value"] == pytest.approx(expected)
    assert scores[0]["absent"] == ["no", "yes"]


def test_labels_without_a_test_clip_are_named_and_left_out():
    layers, labels = simulate("labels")
    probe = fitted(LabelProbe(names=["aa", "b", "k", "m", "z"]), layers, labels)
    test = labels[TEST] & [True, False, True, True, True]
    score = probe.score(layers[:, TEST], test)[2]
    each = f1_score(test, probe.predict(layers[:, TEST])[2], average=None, zero_division=0)
    assert score["value"] == pytest.approx(each[[0, 2, 3, 4]].mean())
    assert score["absent"] == ["b"]


@kinds
def test_predictions_have_the_form_of_the_targets(kind):
    layers, targets = simulate(kind)
    predicted = fitted(PROBES[kind](), layers, targets).predict(layers)
    assert predicted.shape == (N_LAYERS, *targets.shape)
    assert predicted.dtype == targets.dtype


def test_classes_keep_the_given_order():
    layers, words = simulate("classes")
    names = ["yes", "no", "up", "down", "left"]
    given_order = fitted(ClassProbe(names=names), layers, words)
    assert given_order.names_.tolist() == names
    assert np.array_equal(
        given_order.predict(layers), fitted(ClassProbe(), layers, words).predict(layers)
    )


# bad input


def splits(kind):
    layers, targets = simulate(kind)
    return [layers[:, TRAIN], targets[TRAIN], layers[:, VALIDATION], targets[VALIDATION]]


def test_a_class_that_is_absent_from_training():
    layers, words = simulate("classes")
    train = words.copy()
    train[TRAIN][train[TRAIN] == "no"] = "yes"
    with pytest.raises(ValueError, match="validation targets hold 'no', which is none of the"):
        fitted(ClassProbe(), layers, train)
    with pytest.raises(ValueError, match=r"no training clip has the classes \['go'\]"):
        fitted(ClassProbe(names=[*WORDS, "go"]), layers, words)
    train[train == "no"] = "yes"
    probe = fitted(ClassProbe(), layers, train)
    with pytest.raises(ValueError, match="test targets hold 'no', which is none of the classes"):
        probe.score(layers[:, TEST], words[TEST])


@pytest.mark.parametrize("split", ["training", "validation"])
def test_a_split_of_one_class(split):
    given_splits = splits("classes")
    given_splits[1 if split == "training" else 3][:] = "no"
    with pytest.raises(ValueError, match=f"{split} targets are all 'no'"):
        ClassProbe().fit(*given_splits)


@pytest.mark.parametrize("value", [0, 1])
def test_a_label_that_does_not_vary_in_training(value):
    given_splits = splits("labels")
    given_splits[1][:, 2] = value
    with pytest.raises(ValueError, match=r"the labels \['k'\] are in none or in all of the train"):
        LabelProbe(names=["aa", "b", "k", "m", "z"]).fit(*given_splits)


def test_a_split_without_labels():
    layers, labels = simulate("labels")
    probe = fitted(LabelProbe(), layers, labels)
    with pytest.raises(ValueError, match="test targets are all 0"):
        probe.score(layers[:, TEST], np.zeros_like(labels[TEST]))


@pytest.mark.parametrize("value", [2, -1, 0.5, np.nan])
def test_labels_are_0_or_1(value):
    given_splits = splits("labels")
    given_splits[3] = np.where(given_splits[3], 1, value)
    with pytest.raises(ValueError, match=f"validation targets must be 0 or 1, got {value}"):
        LabelProbe().fit(*given_splits)


def test_real_targets_that_are_constant_or_not_finite():
    given_splits = splits("real")
    given_splits[3][:, 1] = 4
    with pytest.raises(ValueError, match=r"validation targets \[1\] are constant"):
        RidgeProbe().fit(*given_splits)
    given_splits[1][5, 2] = np.nan
    with pytest.raises(ValueError, match="training targets hold NaN or infinite values"):
        RidgeProbe().fit(*given_splits)


@kinds
def test_features_that_are_not_finite(kind):
    given_splits = splits(kind)
    given_splits[2][1, 7, 3] = np.inf
    with pytest.raises(
        ValueError, match=r"validation_features\[1\] holds 1 NaN .* clip 7, column 3"
    ):
        PROBES[kind]().fit(*given_splits)


@kinds
def test_lengths_that_disagree(kind):
    features, targets, *validation = splits(kind)
    with pytest.raises(ValueError, match="training targets .* 240 clips .* got shape"):
        PROBES[kind]().fit(features, targets[1:], *validation)


def test_shapes_that_disagree():
    features, targets, validation_features, validation_targets = splits("labels")
    with pytest.raises(ValueError, match="a column for each of 5 outputs, got shape"):
        LabelProbe().fit(features, targets, validation_features, validation_targets[:, 1:])
    with pytest.raises(ValueError, match="validation_features have 2 layers of 12 columns, but"):
        LabelProbe().fit(features, targets, validation_features[1:], validation_targets)
    with pytest.raises(ValueError, match=r"features must be \(n_layers, n_clips, n_features\)"):
        LabelProbe().fit([features[0], features[1, 1:]], targets, features, targets)
    probe = LabelProbe().fit(features, targets, validation_features, validation_targets)
    with pytest.raises(ValueError, match="features have 3 layers of 11 columns, but"):
        probe.predict(features[:, :, 1:])


def test_what_scikit_learn_names_has_its_names():
    layers, words = simulate("classes")
    probe = fitted(ClassProbe([1.0]), layers, words)
    assert probe.classes_.tolist() == sorted(set(words))
    assert probe.n_features_in_ == N_FEATURES


@kinds
@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (None, TypeError, "features must be an array, got None"),
        (np.ones((2, 240, 0)), ValueError, r"a feature at least, got layers of shape \(240, 0\)"),
        (np.ones((2, 240, 3), complex), ValueError, "features must be real numbers"),
        (np.full((2, 240, 3), "x"), TypeError, "features must be numbers"),
        ([scipy.sparse.eye_array(240)], TypeError, r"features\[0\] must be a dense array"),
        (np.ma.masked_less(np.eye(240)[None], 1), ValueError, "features hold 57360 masked"),
    ],
)
def test_features_that_are_no_numbers(kind, wrong, error, message):
    _, *others = splits(kind)
    with pytest.raises(error, match=message):
        PROBES[kind]().fit(wrong, *others)


@pytest.mark.parametrize("kind", ["labels", "real"])
def test_targets_that_are_no_numbers(kind):
    features, targets, *validation = splits(kind)
    with pytest.raises(TypeError, match="training targets must be numbers, got values of type"):
        PROBES[kind]().fit(features, targets.astype(str), *validation)


def test_columns_of_data_frames_keep_their_order():
    features, targets, validation_features, validation_targets = splits("real")
    frames = [pd.DataFrame(layer).rename(columns=str) for layer in features]
    named = pd.DataFrame(targets, columns=list("vwxyz"))
    probe = RidgeProbe([1.0]).fit(frames, named, validation_features, validation_targets)
    assert probe.names_.tolist() == list("vwxyz")
    with pytest.raises(ValueError, match=r"column 0 of features\[2\] must be '0' .* got '11'"):
        probe.predict([*frames[:2], frames[2][frames[2].columns[::-1]]])
    with pytest.raises(ValueError, match="column 0 of test targets must be 'v' .* got 'z'"):
        probe.score(frames, named[list("zyxwv")])


@pytest.mark.parametrize("penalties", [[], [0.0], [-1.0], [np.nan], 1.0])
def test_penalties_are_above_0(penalties):
    with pytest.raises(ValueError, match="penalties must be a list of finite numbers above 0"):
        ClassProbe(penalties).fit(*splits("classes"))


def test_a_penalty_too_weak_to_converge_is_reported():
    rng = np.random.default_rng(15)
    features, words = rng.standard_cauchy((1, 400, 100)), WORDS[np.arange(400) % 5]
    with pytest.warns(ConvergenceWarning, match="no convergence in 500 iterations .* 1e-05"):
        ClassProbe([1e-5]).fit(features, words, features, words)


def test_scores_need_a_resample_and_a_fit():
    layers, words = simulate("classes")
    with pytest.raises(NotFittedError):
        ClassProbe().score(layers, words)
    with pytest.raises(ValueError, match="n_resamples must be at least 1, got 0"):
        fitted(ClassProbe(), layers, words).score(layers, words, n_resamples=0)


def test_a_probe_is_an_estimator_of_scikit_learn():
    probe = clone(ClassProbe(penalties=[1.0], weighted_sum=True))
    assert repr(probe) == "ClassProbe(penalties=[1.0], weighted_sum=True)"
