import numpy as np
import pytest
import torch

from modeling_braintune import BrainTuningCollator, cut, model_inputs


def items_of(clips, n_voxels=3):
    return [
        {"audio": clip, "labels": np.full(n_voxels, index, np.float32)}
        for index, clip in enumerate(clips)
    ]


@pytest.mark.parametrize("family", ["wav2vec2", "whisper"])
def test_each_clip_is_normalised_by_itself(family, make_extractor, make_clips):
    extractor, clips = make_extractor(family), make_clips(0.5, 0.5, 0.5)
    together = model_inputs(extractor, clips)
    for index, clip in enumerate(clips):
        for name, alone in model_inputs(extractor, [clip]).items():
            torch.testing.assert_close(together[name][index], alone[0], rtol=1e-5, atol=1e-6)


def test_wav2vec2_clips_have_mean_0_and_variance_1(make_extractor, make_clips):
    values = model_inputs(make_extractor("wav2vec2"), make_clips(0.5, 0.5, 0.5))["input_values"]
    assert values.shape == (3, 8000) and values.dtype == torch.float32
    torch.testing.assert_close(values.mean(1), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(values.var(1, correction=0), torch.ones(3), atol=2e-3, rtol=0)


def test_padded_clips_are_normalised_over_their_own_samples(make_extractor, make_clips):
    extractor = make_extractor("wav2vec2", return_attention_mask=True)
    clips = make_clips(0.5, 0.2)
    inputs = model_inputs(extractor, clips)
    assert inputs["attention_mask"].sum(1).tolist() == [8000, 3200]
    alone = model_inputs(extractor, clips[1:])["input_values"][0]
    assert torch.equal(inputs["input_values"][1, :3200], alone)
    assert not inputs["input_values"][1, 3200:].any()


def test_base_models_take_clips_of_equal_length_only(make_extractor, make_clips):
    with pytest.raises(ValueError, match="clips of 3200 to 8000 samples in one batch"):
        model_inputs(make_extractor("wav2vec2"), make_clips(0.5, 0.2))


def test_base_models_get_no_mask(make_extractor, make_clips):
    assert set(model_inputs(make_extractor("wav2vec2"), make_clips(0.5))) == {"input_values"}


@pytest.mark.parametrize(("n_samples", "n_mel_frames"), [(8000, 50), (1761, 12), (32000, 200)])
def test_whispers_mask_tells_clip_from_padding(n_samples, n_mel_frames, make_extractor):
    inputs = model_inputs(make_extractor("whisper"), [np.ones(n_samples, np.float32)])
    assert inputs["input_features"].shape == (1, 80, 200)
    mask = inputs["attention_mask"][0]
    assert mask.tolist() == [1] * n_mel_frames + [0] * (200 - n_mel_frames)


def test_whisper_cuts_no_clip_off(make_extractor):
    with pytest.raises(ValueError, match=r"clip 1 has 32001 samples.*at most 32000 \(2 s\)"):
        model_inputs(make_extractor("whisper"), [np.ones(400), np.ones(32001)])


def test_integers_are_no_sound(make_extractor):
    clip = np.ones(800, np.int16)
    with pytest.raises(ValueError, match="clip 1 must be float .* got int16: divide .* 32768 for"):
        model_inputs(make_extractor("wav2vec2"), [np.ones(800), clip])


@pytest.mark.parametrize("family", ["wav2vec2", "whisper"])
def test_ten_samples_are_too_little_to_hear(family, make_extractor):
    collate = BrainTuningCollator(make_extractor(family))
    with pytest.raises(ValueError, match=r"clip 0 has 10 samples at 16 kHz, fewer than the 400 "):
        collate([{"audio": np.ones(10), "labels": np.ones(3)}])


@pytest.mark.parametrize("clip", [np.ones((2, 800)), np.ones(0), np.float32(1)])
@pytest.mark.parametrize("family", ["wav2vec2", "whisper"])
def test_clips_are_mono_audio(family, clip, make_extractor):
    with pytest.raises(ValueError, match=r"clip 1 must be mono audio of shape \(n_samples,\), got"):
        model_inputs(make_extractor(family), [np.ones(800), clip])


def test_another_sampling_rate_is_an_error(make_extractor, make_clips):
    with pytest.raises(ValueError, match="8000"):
        model_inputs(make_extractor("wav2vec2", sampling_rate=8000), make_clips(0.5))


def test_a_batch_feeds_the_model(family, make_model, make_extractor, make_clips):
    collate = BrainTuningCollator(make_extractor(family))
    batch = collate(items_of(make_clips(0.5, 0.5)))
    assert batch["labels"].tolist() == [[0.0] * 3, [1.0] * 3]
    assert batch["labels"].dtype == torch.float32
    assert torch.isfinite(make_model(family, num_voxels=3)(**batch).loss)


def test_a_batch_is_a_copy(make_extractor, make_clips):
    items = items_of(make_clips(0.5, 0.5))
    before = items[0]["audio"].copy()
    batch = BrainTuningCollator(make_extractor("wav2vec2"))(items)
    batch["labels"] += 1
    batch["input_values"] += 1
    assert not items[0]["labels"].any() and np.array_equal(items[0]["audio"], before)


def test_labels_of_different_widths_are_an_error(make_extractor, make_clips):
    items = items_of(make_clips(0.5, 0.5))
    items[1]["labels"] = np.zeros(4)
    with pytest.raises(ValueError, match=r"got \[\(3,\), \(4,\)\]"):
        BrainTuningCollator(make_extractor("wav2vec2"))(items)
    with pytest.raises(ValueError, match=r"\(n_voxels,\) in all items, got \[\(\)\]"):
        BrainTuningCollator(make_extractor("wav2vec2"))([{"audio": np.ones(800), "labels": 1.0}])


def test_items_without_labels_give_a_models_inputs_alone(family, make_extractor, make_clips):
    extractor, clips = make_extractor(family), make_clips(0.5, 0.5)
    batch = BrainTuningCollator(extractor)([{"audio": clip} for clip in clips])
    expected = model_inputs(extractor, clips)
    assert batch.keys() == expected.keys() and "labels" not in batch
    for name, values in expected.items():
        assert torch.equal(batch[name], values)


def test_labels_of_some_items_only_are_an_error(make_extractor, make_clips):
    first, second = make_clips(0.5, 0.5)
    items = [{"audio": first, "labels": np.zeros(3)}, {"audio": second}]
    with pytest.raises(ValueError, match="all items of a batch or none have labels, got 1 with"):
        BrainTuningCollator(make_extractor("wav2vec2"))(items)


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (1, 3, [2, 3]),
        (-2, 2, [0, 0, 1, 2]),
        (3, 6, [4, 0, 0]),
        (-1, 5, [0, 1, 2, 3, 4, 0]),
        (-4, -2, [0, 0]),
        (7, 9, [0, 0]),
        (2, 2, []),
    ],
)
def test_a_window_is_cut_with_silence_beyond_the_sound(start, stop, expected):
    clip = cut(np.array([1.0, 2.0, 3.0, 4.0]), start, stop)
    assert clip.dtype == np.float32 and clip.tolist() == expected
