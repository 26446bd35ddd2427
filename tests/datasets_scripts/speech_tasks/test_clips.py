"""Clips of collections: opened from a folder, heard, and described by their spectra."""

from functools import partial

import numpy as np
import pytest
import soundfile
from datasets import Dataset

from datasets_scripts import PhantomTasks, fbank, make_phantom_tasks
from datasets_scripts.speech_tasks import SPLITS, Timit, mean_spectra, open_clips, sounds, task_name

SENTENCES = partial(PhantomTasks, kind="sentences")


@pytest.fixture
def tone(wav):
    """One clip of a tone, at 8 kHz and in two channels."""
    times = np.arange(8000) / 8000
    samples = np.sin(2 * np.pi * 440 * times).astype(np.float32)
    audio = wav(np.stack([samples, samples], axis=1), 8000)
    return Dataset.from_dict({"file": ["a.wav"], "audio": [audio]})


def test_sounds_are_mono_at_16_khz(tone):
    (sound,) = sounds(tone)
    expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    np.testing.assert_allclose(sound[1000:-1000], expected[1000:-1000], atol=1e-2)


def test_spectra_are_means_over_frames(tone):
    spectra = mean_spectra(tone, "fbank")
    assert spectra.shape == (1, 80)
    np.testing.assert_array_equal(spectra[0], fbank(sounds(tone)[0]).mean(axis=0))


def test_a_clip_without_a_frame_is_named(wav):
    clips = Dataset.from_dict({"file": ["short.wav"], "audio": [wav(100)]})
    with pytest.raises(ValueError, match=r"short.wav: .* a frame of 400 samples"):
        mean_spectra(clips, "mfcc")


def test_a_folder_is_opened_in_its_splits_and_what_is_unreadable_is_counted(tmp_path):
    folder = tmp_path / "phantom"
    make_phantom_tasks(folder, n_train=25, n_validation=25, n_test=25)
    data, n_unreadable = open_clips(SENTENCES, str(folder), ["phantom/mood"])
    assert {split: len(data[split]) for split in SPLITS} == dict.fromkeys(SPLITS, 25)
    assert n_unreadable == 0
    heard, rate = soundfile.read(folder / data["test"]["file"][3], dtype="float32")
    assert rate == 16000
    np.testing.assert_array_equal(sounds(data["test"])[3], heard)

    (folder / data["test"]["file"][3]).write_bytes(b"RIFF")
    with pytest.warns(
        UserWarning, match="1 of the 25 recordings of test are missing or unreadable"
    ):
        _, n_unreadable = open_clips(SENTENCES, folder, ["phantom/mood"], 0.1)
    assert n_unreadable == 1


def test_a_folder_of_something_else_is_said_to_be_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="not a complete folder of TIMIT"):
        open_clips(Timit, tmp_path, ["timit/mfcc"])


def test_a_task_is_named_within_its_collection():
    assert task_name("phantom/mood") == "mood"
