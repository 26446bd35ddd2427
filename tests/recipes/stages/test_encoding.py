"""What encoding models make of a checkpoint, and that it is computed once."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import zscore
from transformers import AutoFeatureExtractor, AutoModel

from datasets_scripts import evaluation_windows, lanczos, low_level_features, read_ds003020
from evaluate_metrics import EncodingModel, Residualizer, Scores
from modeling_braintune import frame_step, layer_representations
from recipes.stages.encoding import Extraction, encode, layer_features

WINDOWS = dict(length=4.0, stride=1.0)
ALL, LAYER_1, LAYER_2 = (Extraction(layers=k, **WINDOWS) for k in (None, [1], [2]))


pytestmark = pytest.mark.filterwarnings("ignore:a recording of:UserWarning")


@pytest.fixture(scope="module")
def stories(recordings):
    return list(read_ds003020(recordings, "P01"))


def test_features_are_layer_representations_at_the_trs(stories, pretrained):
    story = stories[0]
    features = layer_features(*LAYER_1.load(pretrained), [story], LAYER_1)
    windows = evaluation_windows(len(story.audio), **WINDOWS)
    model = AutoModel.from_pretrained(pretrained)
    extractor = AutoFeatureExtractor.from_pretrained(pretrained)
    values = layer_representations(model, extractor, story.audio, windows, [1])[0]
    np.testing.assert_array_equal(
        features[1][0], lanczos(values, windows[:, 1] / 16000, story.tr_times)
    )


def test_windows_too_short_for_a_models_first_frame_are_left_out(stories, pretrained):
    """The model needs 280 samples for a frame; the first window of this stride has 160."""
    often = Extraction(layers=[1], length=1.0, stride=0.01)
    features = layer_features(*often.load(pretrained), stories[:1], often)
    assert np.isfinite(features[1][0]).all()


@pytest.mark.parametrize("seconds", [0.7, 1.0, 2.46, 3.0])
def test_samples_of_chunks_are_each_stride_once(pretrained, seconds):
    chunked = Extraction(stride=0.1, chunk=1.0)
    model, _ = chunked.load(pretrained)
    story = SimpleNamespace(audio=np.zeros(round(16000 * seconds)))
    windows = chunked.windows_of(model, story)
    times, taken = chunked.samples_of(windows, 1)
    np.testing.assert_allclose(times, 0.1 * np.arange(1, int(10 * seconds + 1e-9) + 1))
    assert len(taken) == 10 * len(windows) and taken.sum() == len(times)
    assert chunked.samples_of(windows, 3200)[0][0] == pytest.approx(0.2)


def test_frames_of_a_chunk_are_samples_where_they_end(stories, pretrained):
    """What is planted in the sound shows in the sample that holds it, and not a stride before."""
    story, often = stories[0], dict(layers=[1], length=4.0, stride=0.2)
    chunked = Extraction(**often, chunk=1.0)
    model, extractor = chunked.load(pretrained)
    back = chunked.frames_back(model, extractor)
    step = frame_step(model, extractor)
    assert back == [round(k * 0.2 * 16000 / step) for k in (4, 3, 2, 1, 0)]
    features = layer_features(model, extractor, [story], chunked)[1][0]
    windows = evaluation_windows(len(story.audio), length=4.0, stride=1.0)
    values = layer_representations(model, extractor, story.audio, windows, [1], frames_back=back)[0]
    times = np.concatenate([end / 16000 - 0.2 * np.arange(5)[::-1] for _, end in windows])
    expected = lanczos(values.reshape(len(times), -1), times, story.tr_times)
    np.testing.assert_allclose(features, expected, atol=1e-5)
    apart = layer_features(model, extractor, [story], Extraction(**often))[1][0]
    alike = [np.corrcoef(a, b)[0, 1] for a, b in zip(features.T, apart.T, strict=True)]
    assert np.median(alike) > 0.8


def test_representations_that_are_kept_are_the_same(stories, pretrained, tmp_path):
    keeping = dataclasses.replace(ALL, cache_dir=tmp_path)
    direct = layer_features(*ALL.load(pretrained), stories[:1], ALL)
    sparse = dataclasses.replace(ALL, chunk=2.0)
    in_chunks = layer_features(*sparse.load(pretrained), stories[:1], sparse)
    keeping_chunks = dataclasses.replace(sparse, cache_dir=tmp_path)
    for _ in range(2):
        kept = layer_features(*keeping_chunks.load(pretrained), stories[:1], keeping_chunks)
        np.testing.assert_array_equal(kept[1][0], in_chunks[1][0])
        kept = layer_features(*keeping.load(pretrained), stories[:1], keeping)
        for layer in (1, 2):
            np.testing.assert_array_equal(kept[layer][0], direct[layer][0])
    assert len(list(tmp_path.iterdir())) == 2
    assert np.abs(in_chunks[1][0] - direct[1][0]).max() > 1e-3


@pytest.fixture(scope="module")
def measured(stories):
    """Arguments of `encode`, after the checkpoint: ten voxels."""
    live = np.flatnonzero(np.isfinite(stories[0].responses).all(axis=0))[:10]
    test, *train = (
        dataclasses.replace(story, responses=story.responses[:, live], repeats=None)
        for story in stories
    )
    responses = [story.responses.astype(np.float32) for story in train]
    references = test.responses.astype(np.float32)
    region = {"language": np.ones(10, bool)}
    scored = Scores(references=references, ceiling=np.full(10, 0.8), regions=region)
    return train, test, responses, scored


def test_the_story_is_predicted_from_each_layer_and_from_what_is_left_of_it(measured, pretrained):
    train, test, responses, scored = measured
    feature = low_level_features(train, test)["power_spectrum"]
    encoded = encode(pretrained, *measured, ALL, low_level={"spectrum": feature})
    features = layer_features(*ALL.load(pretrained), [*train, test], ALL)
    left = {}
    for layer, arrays in features.items():
        model = EncodingModel().fit(arrays[:-1], responses)
        np.testing.assert_allclose(
            encoded.layers.predictions[layer], model.predict(arrays[-1:])[0], atol=1e-5
        )
        residuals = Residualizer().fit(feature[:-1], arrays[:-1]).transform(feature, arrays)
        left[layer] = EncodingModel().fit(residuals[:-1], responses).predict(residuals[-1:])[0]
    left = scored.score(left)
    expected = scored.impact(encoded.layers, left)["language"]["mean"]
    assert encoded.impact["spectrum"]["language"]["mean"] == pytest.approx(expected, abs=0.01)
    np.testing.assert_allclose(encoded.left_over, left.per_voxel, atol=1e-4)


def test_features_are_removed_at_several_lags_too_if_asked(measured, pretrained):
    train, test, responses, scored = measured
    feature = low_level_features(train, test)["power_spectrum"]
    given = dict(low_level={"spectrum": feature})
    plain = encode(pretrained, *measured, LAYER_2, **given)
    both = encode(pretrained, *measured, LAYER_2, **given, low_level_lags=(-1, 1))
    assert list(both.impact) == [
        *("spectrum", "mean of the four"),
        *("spectrum, lags -1 to 1", "mean of the four, lags -1 to 1"),
    ]
    for name, by_region in plain.impact.items():
        assert both.impact[name] == by_region
    np.testing.assert_array_equal(both.left_over, plain.left_over)
    arrays = layer_features(*LAYER_2.load(pretrained), [*train, test], LAYER_2)[2]
    residualizer = Residualizer(lags=[-1, 0, 1]).fit(feature[:-1], arrays[:-1])
    residuals = residualizer.transform(feature, arrays)
    left = EncodingModel().fit(residuals[:-1], responses).predict(residuals[-1:])[0]
    left = scored.score({2: left}).scores[2]["brain_alignment"]
    found = both.impact["spectrum, lags -1 to 1"]["language"]["residual_alignment"]
    assert found == pytest.approx(left, abs=1e-4)


def test_what_was_measured_is_kept_until_something_changes_that_it_follows_from(
    measured, pretrained, tmp_path
):
    train, test, _, scored = measured
    spectrum = low_level_features(train, test)["power_spectrum"]
    # Responses that follow the model's second layer, so that impact has its intervals
    features = layer_features(*LAYER_2.load(pretrained), [*train, test], LAYER_2)[2]
    weights = np.random.default_rng(0).standard_normal((features[0].shape[1], 10))
    followed = (np.roll(zscore(story @ weights), 2, axis=0) for story in features)
    *responses, references = (signal.astype(np.float32) for signal in followed)
    scored = dataclasses.replace(scored, references=references)

    def encoded(**changes):
        extraction = Extraction(**WINDOWS | {"cache_dir": tmp_path} | changes.pop("windows", {}))
        given = {"responses": responses, "scored": scored, "low_level": {"spectrum": spectrum}}
        given |= changes
        of_voxels = given.pop("responses"), given.pop("scored")
        return encode(pretrained, train, test, *of_voxels, extraction, **given)

    def kept():
        return {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/encoded.safetensors")}

    first, again = (encoded() for _ in range(2))
    assert first.impact["spectrum"]["language"]["interval"] is not None
    (path,) = kept()
    assert again.impact == first.impact
    assert again.at_edges == first.at_edges and set(first.at_edges) == {1, 2}
    np.testing.assert_array_equal(again.left_over, first.left_over)
    for layer, predicted in first.layers.predictions.items():
        np.testing.assert_array_equal(again.layers.predictions[layer], predicted)

    skipped = dataclasses.replace(scored, references=scored.references[1:])
    others = [
        {"low_level": None},
        {"low_level": {"spectrum": spectrum, "again": spectrum}},
        {"low_level": {"again": spectrum, "spectrum": spectrum}},
        {"windows": {"layers": [1]}},
        {"windows": {"stride": 2.0}},
        {"windows": {"chunk": 2.0}},
        {"test_skip_trs": 1, "scored": skipped},
        {"delays": [1, 2]},
        {"low_level_lags": (-1, 0)},
        {"responses": [2 * r for r in responses]},
        {"scored": dataclasses.replace(scored, ceiling=np.full(10, 0.7))},
    ]
    for n, other in enumerate(others, 2):
        encoded(**other)
        assert len(kept()) == n

    whole = path.read_bytes()
    for damaged in (whole[:-10], whole[:-10] + bytes(10)):  # cut off; altered
        path.write_bytes(damaged)
        assert encoded().impact == first.impact

    facts = json.loads((path.parent / "facts.json").read_text())
    assert "'penalties'" in facts["encoding"][1] and "'folds'" in facts["encoding"][2]


def test_layers_are_in_order_whatever_the_order_they_are_asked_for_in(measured, pretrained):
    encoded = encode(pretrained, *measured, dataclasses.replace(ALL, layers=[2, 1]))
    assert list(encoded.layers.predictions) == [1, 2]


def test_trs_that_are_skipped_are_gone_before_features_are_zscored_and_delayed(
    measured, pretrained
):
    train, test, responses, scored = measured
    skipped = dataclasses.replace(scored, references=scored.references[10:])
    encoded = encode(pretrained, train, test, responses, skipped, LAYER_2, test_skip_trs=10)
    *features, heard = layer_features(*LAYER_2.load(pretrained), [*train, test], LAYER_2)[2]
    model = EncodingModel().fit(features, responses)
    np.testing.assert_allclose(
        encoded.layers.predictions[2], model.predict([heard[10:]])[0], atol=1e-5
    )
    too_late = model.predict([heard])[0][10:]
    assert np.abs(encoded.layers.predictions[2] - too_late).max() > 0.01
