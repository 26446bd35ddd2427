"""From any recording to predicted responses."""

import io
from fractions import Fraction
from math import ceil
from types import SimpleNamespace

import datasets
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import Wav2Vec2Model, pipeline
from transformers.pipelines.pt_utils import KeyDataset

from datasets_scripts import Story, TrainingWindows, cut, read_recording, resample
from modeling_braintune import Brain, BrainEncodingPipeline, BrainTuningCollator

N_VOXELS = 5
REGIONS = {"language": [0, 3], "auditory": [1]}


def brain(participant="P01", tr=0.4, n_trs_per_window=5):
    return Brain(
        participant=participant,
        tr=tr,
        n_trs_per_window=n_trs_per_window,
        n_recorded_voxels=20,
        voxels=[19, 2, 4, 8, 3],
        noise_ceiling=np.linspace(0.5, 0.9, N_VOXELS),
        regions=REGIONS,
    )


@pytest.fixture
def make_pipeline(make_model, make_extractor):
    """Function from a family and brains to a pipeline with a tiny model."""

    def make(family="wav2vec2", *brains):
        brains = brains or (brain(),)
        several = {each.participant: N_VOXELS for each in brains}
        model = make_model(family, num_voxels=several if len(brains) > 1 else N_VOXELS)
        model.set_brains(*brains)
        return BrainEncodingPipeline(model=model, feature_extractor=make_extractor(family))

    return make


@pytest.fixture
def encode(make_pipeline):
    return make_pipeline()


def noise(seconds, rate=16000, n_channels=1):
    shape = (round(seconds * rate), n_channels)
    return np.random.default_rng(0).normal(scale=0.1, size=shape).astype(np.float32)


def wav(samples, rate):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


def twenty_hours():
    """The bytes of a FLAC whose header counts as many samples as there are in 20 hours."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(1600), 16000, format="FLAC")
    n_samples = (20 * 3600 * 16000).to_bytes(4, "big")
    return file.getvalue()[:22] + n_samples + file.getvalue()[26:]


def forward_pass(encode, content, n_trs):
    """Responses to the training windows of the sound of a wav, as a Trainer sees them."""
    tr, n_trs_per_window = encode.model.brain_of().tr, encode.model.brain_of().n_trs_per_window
    story = Story(
        name="story",
        participant="P01",
        audio=resample(*read_recording(io.BytesIO(content))),
        audio_file=io.BytesIO(content),
        tr=tr,
        tr_times=(np.arange(n_trs) + 0.5) * tr,
        responses=np.zeros((n_trs, N_VOXELS), np.float32),
    )
    windows = TrainingWindows([story], n_trs_per_window=n_trs_per_window)
    batch = BrainTuningCollator(encode.feature_extractor)([windows[i] for i in range(n_trs)])
    with torch.inference_mode():
        return encode.model(**batch).logits.numpy()


def test_in_three_lines(make_pipeline, tmp_path):
    make_pipeline().save_pretrained(tmp_path / "brain-tuned")
    (tmp_path / "story.wav").write_bytes(wav(noise(2.1, 44100, 2), 44100))

    predict = pipeline("brain-encoding", model=str(tmp_path / "brain-tuned"))
    predicted = predict(str(tmp_path / "story.wav"))

    assert predicted["responses"].shape == (6, N_VOXELS)
    np.testing.assert_allclose(predicted["times"], [0.2, 0.6, 1.0, 1.4, 1.8, 2.2])
    assert (predicted["tr"], predicted["participant"]) == (0.4, "P01")
    np.testing.assert_array_equal(predicted["voxels"], [19, 2, 4, 8, 3])
    np.testing.assert_array_equal(predicted["noise_ceiling"], brain().noise_ceiling)
    assert {name: list(v) for name, v in predicted["regions"].items()} == REGIONS


def test_every_family_predicts_what_it_is_trained_to(make_pipeline, family):
    encode, content = make_pipeline(family), wav(noise(2.9), 16000)
    responses = encode(content)["responses"]
    assert responses.shape == (8, N_VOXELS)
    assert np.ptp(responses, axis=0).min() > 0
    np.testing.assert_allclose(responses, forward_pass(encode, content, 8), atol=1e-6)


@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rate=st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]),
    seconds=st.floats(0.025, 6.0),  # shorter ones are refused
    n_channels=st.integers(1, 2),
    tr=st.sampled_from([0.75, 1.5, 2.0, 2.0045]),
)
def test_a_sound_of_any_rate_and_length(encode, rate, seconds, n_channels, tr):
    encode.model.set_brains(brain(tr=tr, n_trs_per_window=1))
    samples = noise(seconds + 1 / rate, rate, n_channels)
    content = wav(samples, rate)
    responses = encode(content)["responses"]
    n_trs = ceil(Fraction(len(samples), rate) / Fraction(str(tr)))
    assert responses.shape == (n_trs, N_VOXELS)
    assert np.isfinite(responses).all()
    if seconds > 1.01 * tr:  # a story's sound is longer than a window
        expected = forward_pass(encode, content, n_trs)
        np.testing.assert_allclose(responses, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("seconds", "rate", "n_channels", "n_trs"),
    [(0.3, 8000, 1, 1), (5.1, 44100, 2, 3), (4.0, 22050, 1, 2), (4.0, 48000, 1, 2)],
)
def test_a_last_tr_that_is_cut_short_counts(make_pipeline, seconds, rate, n_channels, n_trs):
    encode = make_pipeline("wav2vec2", brain(tr=2.0))
    responses = encode(wav(noise(seconds, rate, n_channels), rate))["responses"]
    assert responses.shape == (n_trs, N_VOXELS)
    assert np.isfinite(responses).all()


@pytest.fixture
def forms(tmp_path):
    """One sound, in every form that the pipeline takes."""
    samples, path = noise(1.3)[:, 0], tmp_path / "story.wav"
    content = wav(samples, 16000)
    path.write_bytes(content)
    rows = datasets.Dataset.from_dict({"audio": [str(path)]})
    return {
        "path": path,
        "name": str(path),
        "bytes": content,
        "array": samples,
        "float64": samples.astype(np.float64),
        "tensor": torch.tensor(samples),
        "dict": {"array": samples, "sampling_rate": 16000},
        "raw": {"raw": samples.tolist(), "sampling_rate": 16000},
        "row": rows.cast_column("audio", datasets.Audio(decode=False))[0]["audio"],
        "row of bytes": {"bytes": content, "path": None},
    }


def test_a_recording_in_any_form_gives_the_same(encode, forms):
    expected = encode(forms["path"])["responses"]
    assert expected.shape == (4, N_VOXELS)
    for form, recording in forms.items():
        np.testing.assert_array_equal(encode(recording)["responses"], expected, err_msg=form)


def test_a_decoded_row_is_heard(encode):
    samples = noise(1.3, n_channels=2)

    class Decoder:  # as torchcodec's, which needs FFmpeg
        def get_all_samples(self):
            data = torch.from_numpy(samples.T.copy())
            return SimpleNamespace(data=data, sample_rate=16000)

    found = encode(Decoder())["responses"]
    np.testing.assert_array_equal(found, encode(samples.mean(axis=1))["responses"])


def test_no_code_is_named_for_the_feature_extractor(encode, tmp_path):
    extractor = encode.feature_extractor
    extractor.auto_map = {"AutoFeatureExtractor": "trap.Ear"}
    BrainEncodingPipeline(model=encode.model, feature_extractor=extractor).save_pretrained(tmp_path)
    assert "auto_map" not in (tmp_path / "preprocessor_config.json").read_text()


def test_a_dict_says_its_rate(encode):
    samples = noise(1.3, 44100)[:, 0]
    expected = encode(wav(samples, 44100))["responses"]
    found = encode({"array": samples, "sampling_rate": 44100})["responses"]
    np.testing.assert_array_equal(found, expected)


def test_channels_are_averaged(encode):
    samples = noise(1.3, n_channels=2)
    expected = encode(samples.mean(axis=1))["responses"]
    np.testing.assert_array_equal(encode(wav(samples, 16000))["responses"], expected)


@pytest.mark.parametrize("options", [{}, {"batch_size": 2}, {"windows_per_batch": 3}])
def test_several_recordings_each_give_what_they_give_alone(encode, options):
    recordings = [wav(noise(0.9), 16000), noise(2.5)[:, 0]]
    together = encode(recordings, **options)
    assert [len(predicted["responses"]) for predicted in together] == [3, 7]
    for recording, predicted in zip(recordings, together, strict=True):
        alone = encode(recording)["responses"]
        np.testing.assert_allclose(predicted["responses"], alone, atol=1e-6)


def test_a_column_of_a_data_set_is_heard_row_by_row(encode, forms):
    rows = datasets.Dataset.from_dict({"audio": [str(forms["path"])] * 2})
    rows = rows.cast_column("audio", datasets.Audio(decode=False))
    heard = list(encode(KeyDataset(rows, "audio")))
    assert [len(predicted["responses"]) for predicted in heard] == [4, 4]


def test_of_several_participants_one_is_chosen(make_pipeline):
    brains = {"P01": brain(), "P02": brain("P02", tr=0.8, n_trs_per_window=2)}
    encode = make_pipeline("wav2vec2", *brains.values())
    samples = noise(1.5)[:, 0]
    for (name, its), n_trs, first in zip(brains.items(), (4, 2), (0, N_VOXELS), strict=True):
        predicted = encode(samples, participant=name)
        clips = [{"audio": cut(samples, *window)} for window in its.windows(len(samples))]
        with torch.inference_mode():
            logits = encode.model(**BrainTuningCollator(encode.feature_extractor)(clips)).logits
        assert predicted["participant"] == name
        assert predicted["responses"].shape == (n_trs, N_VOXELS)
        expected = logits[:, first : first + N_VOXELS]
        np.testing.assert_allclose(predicted["responses"], expected, atol=1e-6)
    with pytest.raises(ValueError, match="P01, P02, got 'P03'"):
        encode(samples, participant="P03")
    with pytest.raises(ValueError, match="P01, P02"):
        encode(samples)


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (b"no sound at all", "the recording: not a readable sound file"),
        ({"bytes": b"no sound", "path": "a.wav"}, "a.wav: not a readable sound file"),
        (twenty_hours(), "the recording: its header counts 1152000000 samples .* 20.0 hours"),
        (wav(np.empty(0), 8000), r"the recording: the sound is empty \(0 samples\)"),
        (np.empty(0), "the sound is empty"),
        (wav(np.array([0.1, np.nan, np.inf]), 8000), "the recording: 2 of 3 samples are not fin"),
        ({"array": np.full(9, np.nan), "sampling_rate": 8000}, "9 of 9 samples are not finite"),
        (noise(0.1), r"mono samples of shape \(n_samples,\), got \(1600, 1\)"),
        (np.zeros(1600, np.int16), "the recording must be float .* got int16: divide integers"),
        (np.zeros(10), "the recording has 10 samples at 16 kHz, fewer than the 400 "),
        ({"array": noise(0.1)[:, 0], "sampling_rate": 0}, "samples per second, got 0"),
        (None, "must be float samples .* got object"),
        ({"array": noise(0.1)[:, 0]}, r'"sampling_rate", or "bytes" or "path", got \[.array.\]'),
        ({"bytes": None, "path": None}, r"got \['bytes', 'path'\]"),
    ],
    ids=str.split(
        "bytes named-bytes long empty-file empty-array nan-file nan-array two-channels integers "
        "ten rate-0 none no-rate nothing"
    ),  # those made of a file's bytes would hold the second that it was written in
)
def test_what_is_no_recording_is_refused(encode, recording, message):
    with pytest.raises(ValueError, match=message):
        encode(recording)


@pytest.mark.parametrize("form", [str, lambda path: {"bytes": None, "path": str(path)}])
def test_a_missing_file_is_named(encode, tmp_path, form):
    with pytest.raises(FileNotFoundError, match="nothing.wav: there is no such recording"):
        encode(form(tmp_path / "nothing.wav"))


def test_a_model_must_say_whose_voxels_it_predicts(make_model, make_extractor):
    with pytest.raises(ValueError, match="does not say whose voxels it predicts: give a checkp"):
        BrainEncodingPipeline(
            model=make_model("wav2vec2"), feature_extractor=make_extractor("wav2vec2")
        )


def test_a_plain_backbone_does_not_say_whose_voxels_it_predicts(
    make_config, make_extractor, tmp_path
):
    Wav2Vec2Model(make_config("wav2vec2")).save_pretrained(tmp_path)
    make_extractor("wav2vec2").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"'{tmp_path}' does not say whose voxels it predicts"):
        pipeline("brain-encoding", model=str(tmp_path))
