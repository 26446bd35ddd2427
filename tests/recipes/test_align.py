"""Alignment of known representations with planted responses."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import zscore
from transformers import AutoFeatureExtractor, AutoModel, Wav2Vec2Model, set_seed

from datasets_scripts import (
    evaluation_windows,
    lanczos,
    noise_ceiling,
    open_participant,
    read_ds003020,
)
from modeling_braintune import layer_representations
from recipes.align import align, layer_features, scored_story

WINDOWS = dict(length=4.0, stride=1.0)
N_REPEATS, SNR = 8, 1.0


@pytest.fixture(scope="module")
def stories(recordings):
    return list(read_ds003020(recordings, "P01"))


@pytest.fixture(scope="module")
def planted(stories, pretrained):
    """Responses that follow layer 2 of the model, two TRs later, in 20 voxels; 5 more are noise."""
    test, *stories = stories
    features = layer_features(pretrained, [*stories, test], [2], **WINDOWS)[2]
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((features[0].shape[1], 20))

    def heard(story_features, n_repeats):
        signal = np.roll(zscore(zscore(story_features) @ weights), 2, axis=0)
        signal[:2] = 0
        signal = np.concatenate([signal, np.zeros((len(signal), 5))], axis=1)
        noise = rng.standard_normal((n_repeats, *signal.shape))
        return zscore(SNR * signal + noise, axis=1).astype(np.float32)

    train = [
        dataclasses.replace(story, responses=heard(f, 1)[0], repeats=None)
        for story, f in zip(stories, features[:-1], strict=True)
    ]
    repeats = heard(features[-1], N_REPEATS)
    test = dataclasses.replace(test, responses=zscore(repeats.mean(axis=0)), repeats=repeats)
    return train, test


@pytest.fixture(scope="module")
def other(tmp_path_factory, pretrained):
    """A checkpoint of the same shape with other weights."""
    folder = tmp_path_factory.mktemp("other")
    set_seed(1)
    model = Wav2Vec2Model(AutoModel.from_pretrained(pretrained).config)
    model.save_pretrained(folder)
    AutoFeatureExtractor.from_pretrained(pretrained).save_pretrained(folder)
    return folder


def test_features_are_layer_representations_at_the_trs(stories, pretrained):
    story = stories[0]
    features = layer_features(pretrained, [story], [1], **WINDOWS)
    windows = evaluation_windows(len(story.audio), **WINDOWS)
    model = AutoModel.from_pretrained(pretrained)
    extractor = AutoFeatureExtractor.from_pretrained(pretrained)
    values = layer_representations(model, extractor, story.audio, windows, [1])[0]
    np.testing.assert_array_equal(
        features[1][0], lanczos(values, windows[:, 1] / 16000, story.tr_times)
    )


def test_the_model_that_the_responses_follow_wins_and_noise_is_not_predicted(
    planted, pretrained, other
):
    train, test = planted
    ceiling = noise_ceiling(test.repeats)
    regions = {"follows": np.arange(20), "noise": np.arange(20, 25)}
    checkpoints = {"other": other, "true": pretrained}
    results = align(checkpoints, train, test, ceiling, regions, layers=[2], **WINDOWS)
    true, gain = results["alignment"]["true"]["follows"], results["gain"]["true"]["follows"]
    assert true["mean"] > 0.6
    assert gain["mean"] > 0 and gain["interval"][0] > 0
    assert gain["mean"] == pytest.approx(
        true["mean"] - results["alignment"]["other"]["follows"]["mean"]
    )
    assert true["n_voxels"] == (ceiling[:20] > 0.4).sum()
    assert results["n_trs"] == len(test.responses)


def test_a_region_without_a_voxel_above_the_threshold_is_empty(planted, pretrained):
    train, test = planted
    ceiling = np.where(np.arange(25) < 20, 0.9, 0.1)
    regions = {"follows": np.arange(20), "noise": np.arange(20, 25)}
    checkpoints = {"a": pretrained, "b": pretrained}
    results = align(checkpoints, train, test, ceiling, regions, layers=[2], **WINDOWS)
    empty = {"mean": None, "interval": None, "n_voxels": 0}
    assert results["alignment"]["a"]["noise"] == empty
    assert results["gain"]["b"]["noise"] == empty
    assert results["gain"]["b"]["follows"]["mean"] == 0


def test_trs_left_out_at_the_start_are_not_scored(planted, pretrained):
    train, test = planted
    spoilt = test.responses.copy()
    spoilt[:10] = np.random.default_rng(1).standard_normal(spoilt[:10].shape)
    ceiling, regions = np.full(25, 0.9), {"follows": np.arange(20)}
    scores = [
        align(
            {"model": pretrained},
            train,
            dataclasses.replace(test, responses=responses),
            ceiling,
            regions,
            layers=[2],
            test_skip_trs=10,
            **WINDOWS,
        )
        for responses in (test.responses, spoilt)
    ]
    assert scores[0]["alignment"] == scores[1]["alignment"]
    assert scores[0]["n_trs"] == len(test.responses) - 10


def test_too_little_of_the_test_story_is_an_error(planted, pretrained):
    train, test = planted
    skip = len(test.responses) - 5
    with pytest.raises(ValueError, match=f"test_skip_trs={skip} leaves 5 of the"):
        align({"m": pretrained}, train, test, np.full(25, 0.9), {}, test_skip_trs=skip)


@pytest.fixture(scope="module")
def participant(recordings):
    return open_participant(recordings, "P01")


def test_by_default_the_ceiling_comes_from_the_scored_repeats_with_a_warning(participant):
    test, ceiling, note = scored_story(participant, "repeated", skip_trs=3)
    np.testing.assert_array_equal(ceiling, noise_ceiling(test.repeats[:, 3:]))
    assert note.startswith("Warning: ") and "on which the models are scored too" in note


def test_the_ceiling_can_come_from_repeats_that_are_not_scored(participant):
    (whole,) = participant.stories(["repeated"])
    test, ceiling, note = scored_story(participant, "repeated", n_repeats=6)
    assert "come from 6 repeats of 'repeated'" in note and "Warning" not in note
    np.testing.assert_array_equal(ceiling, noise_ceiling(whole.repeats[:6], n_scored=4))
    np.testing.assert_array_equal(test.repeats, whole.repeats[6:])
    mean = zscore(whole.repeats[6:].mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(test.responses, mean, atol=1e-5)
    spoilt = whole.repeats.copy()
    spoilt[6:] = np.random.default_rng(0).standard_normal(spoilt[6:].shape)
    np.testing.assert_array_equal(noise_ceiling(spoilt[:6], n_scored=4), ceiling)


def test_the_ceiling_can_come_from_another_repeated_story(participant, monkeypatch):
    (whole,) = participant.stories(["repeated"])
    other = dataclasses.replace(whole, name="other", repeats=whole.repeats[:5])
    stories = {"repeated": whole, "other": other}
    monkeypatch.setattr(participant, "stories", lambda names: (stories[name] for name in names))
    test, ceiling, note = scored_story(participant, "repeated", ceiling_story="other")
    np.testing.assert_array_equal(ceiling, noise_ceiling(other.repeats, n_scored=10))
    assert test is whole and note.endswith("come from 'other'.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ceiling_story": "story01"}, "ceiling_story 'story01' has no repeats"),
        ({"ceiling_story": "story01", "n_repeats": 5}, "exclude each other, got both"),
        ({"n_repeats": 1}, "from 2 to 9, so that of the 10 repeats .* got 1"),
        ({"n_repeats": 10}, "from 2 to 9, .* got 10"),
    ],
)
def test_ceilings_that_cannot_be_had_are_refused(participant, options, message):
    with pytest.raises(ValueError, match=message):
        scored_story(participant, "repeated", **options)
