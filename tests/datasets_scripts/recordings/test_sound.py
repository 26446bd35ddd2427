import io
import os
import struct

import numpy as np
import pytest
import soundfile

from datasets_scripts import read_recording, resample
from datasets_scripts.recordings.sound import recording_seconds


def tone(frequency, sampling_rate, seconds=1.0):
    times = np.arange(round(seconds * sampling_rate)) / sampling_rate
    return np.sin(2 * np.pi * frequency * times).astype(np.float32)


def test_mono_is_read_as_it_is(tmp_path):
    samples = tone(440, 22050)
    soundfile.write(tmp_path / "a.wav", samples, 22050, subtype="FLOAT")
    read, sampling_rate = read_recording(tmp_path / "a.wav")
    assert sampling_rate == 22050
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, samples)


def test_channels_are_averaged(tmp_path):
    left, right = tone(440, 8000), tone(200, 8000)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), 8000, subtype="FLOAT")
    read, _ = read_recording(tmp_path / "a.wav")
    np.testing.assert_allclose(read, (left + right) / 2, atol=1e-7)


@pytest.mark.parametrize("sampling_rate", [8000, 11025, 22050, 44100, 48000])
def test_a_tone_keeps_its_shape_at_another_rate(sampling_rate):
    resampled = resample(tone(440, sampling_rate), sampling_rate)
    assert resampled.dtype == np.float32
    assert resampled.shape == (16000,)
    middle = slice(1000, -1000)  # the sound is taken as silent beyond its ends
    np.testing.assert_allclose(resampled[middle], tone(440, 16000)[middle], atol=2e-3)


def test_what_the_new_rate_cannot_hold_is_removed():
    resampled = resample(tone(11000, 44100), 44100)
    assert np.abs(resampled[1000:-1000]).max() < 1e-3


def test_a_recording_at_the_target_rate_is_unchanged():
    samples = tone(440, 16000)
    np.testing.assert_array_equal(resample(samples, 16000), samples)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff", "mp3"])
def test_a_sound_lasts_as_long_as_its_samples(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone(440, 22050, seconds=2.345), 22050)
    samples, sampling_rate = read_recording(path)
    assert recording_seconds(path) == len(samples) / sampling_rate


def test_how_long_a_sound_lasts_is_told_without_decoding_it(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", tone(440, 8000, seconds=2.5), 8000)
    monkeypatch.delattr(soundfile.SoundFile, "read")
    assert recording_seconds(tmp_path / "a.wav") == 2.5


def test_an_mp3_that_is_cut_short_lasts_as_long_as_what_is_left(tmp_path):
    path = tmp_path / "a.mp3"
    soundfile.write(path, tone(440, 22050, seconds=10.0), 22050)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    samples, sampling_rate = read_recording(path)
    assert recording_seconds(path) == len(samples) / sampling_rate < 8


@pytest.mark.parametrize("function", [read_recording, recording_seconds])
def test_a_missing_recording_is_named(tmp_path, function):
    with pytest.raises(FileNotFoundError, match=r"none\.wav: there is no such recording"):
        function(tmp_path / "none.wav")


@pytest.mark.parametrize("function", [read_recording, recording_seconds])
def test_a_file_that_is_no_sound_is_named(tmp_path, function):
    (tmp_path / "a.wav").write_bytes(b"no sound at all")
    with pytest.raises(ValueError, match=r"a\.wav: not a readable sound file"):
        function(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("samples", "message"),
    [([], "the recording is empty"), ([0.0, np.nan, np.inf], "2 of 3 samples are not finite")],
)
def test_a_recording_without_usable_samples_is_named(tmp_path, samples, message):
    soundfile.write(tmp_path / "a.wav", np.array(samples), 16000, subtype="FLOAT")
    with pytest.raises(ValueError, match=rf"a\.wav: .*{message}"):
        read_recording(tmp_path / "a.wav")


def written(suffix, seconds=2.0):
    """The bytes of a sound file."""
    content = io.BytesIO()
    soundfile.write(content, tone(440, 8000, seconds), 8000, format=suffix)
    return content.getvalue()


@pytest.mark.parametrize("function", [read_recording, recording_seconds])
@pytest.mark.parametrize("suffix", ["wav", "aiff"])
def test_a_recording_that_is_cut_short_is_refused_with_both_sizes(tmp_path, function, suffix):
    content, path = written(suffix), tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    function(path)
    path.write_bytes(content[:-8000])
    extra = 8 if suffix == "aiff" else 0  # AIFF counts two numbers before the samples
    said = rf"a\.{suffix}: cut short: .* {32000 + extra} bytes of sound, .* {24000 + extra}"
    with pytest.raises(ValueError, match=said):
        function(path)
    with pytest.raises(ValueError, match="cut short"):
        function(io.BytesIO(content[:-8000]))


def test_a_cut_flac_is_said_to_be_cut(tmp_path):
    content = written("flac")
    (tmp_path / "a.flac").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"a\.flac: cut short or damaged: .* 16000 samples"):
        read_recording(tmp_path / "a.flac")


@pytest.mark.parametrize("function", [read_recording, recording_seconds])
def test_a_header_that_was_never_finished_is_said_to_be_that(tmp_path, function):
    content = written("wav")
    at = content.index(b"data") + 4
    (tmp_path / "a.wav").write_bytes(content[:at] + struct.pack("<I", 0) + content[at + 4 :])
    with pytest.raises(ValueError, match=r"a\.wav: its header was never finished.* 32000 bytes"):
        function(tmp_path / "a.wav")


def test_a_streamed_wav_whose_header_claims_no_size_is_read(tmp_path):
    content = written("wav")
    at = content.index(b"data") + 4
    (tmp_path / "a.wav").write_bytes(content[:at] + b"\xff" * 4 + content[at + 4 :])
    assert len(read_recording(tmp_path / "a.wav")[0]) == 16000


def claiming(hours, channels=1):
    """The bytes of a short FLAC whose header counts as much as it is told to."""
    content = io.BytesIO()
    soundfile.write(content, np.zeros((1600, channels)), 16000, format="flac")
    written, n = bytearray(content.getvalue()), round(hours * 3600 * 16000)
    written[21] = written[21] & 0xF0 | n >> 32
    written[22:26] = struct.pack(">I", n & 0xFFFFFFFF)
    return bytes(written)


@pytest.mark.parametrize("function", [read_recording, recording_seconds])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (claiming(20), "counts 1152000000 samples of 1 channels, 20.0 hours"),
        (claiming(5.9, channels=8), "counts 339840000 samples of 8 channels, 5.9 hours"),
        (claiming(0), "does not say how long it is"),
    ],
    ids=["long", "wide", "unknown"],
)
def test_what_no_memory_holds_is_refused_before_it_is_decoded(
    tmp_path, monkeypatch, function, content, message
):
    monkeypatch.delattr(soundfile.SoundFile, "read")
    (tmp_path / "a.flac").write_bytes(content)
    for recording in (tmp_path / "a.flac", io.BytesIO(content)):
        with pytest.raises(ValueError, match=message):
            function(recording)


@pytest.mark.parametrize("function", [read_recording, recording_seconds])
def test_a_pipe_is_not_waited_for(tmp_path, function):
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(ValueError, match=r"a\.wav: a pipe or a device, where a file must be"):
        function(tmp_path / "a.wav")


def test_chunks_before_the_samples_are_passed_over(tmp_path):
    content = written("wav")
    at = content.index(b"data")
    note = b"LIST" + struct.pack("<I", 5) + b"INFOa" + b"\0"  # of odd length, and so padded
    (tmp_path / "a.wav").write_bytes(content[:at] + note + content[at:])
    assert len(read_recording(tmp_path / "a.wav")[0]) == 16000
    (tmp_path / "a.wav").write_bytes(content[:at] + note + content[at:-2])
    with pytest.raises(ValueError, match="cut short"):
        read_recording(tmp_path / "a.wav")
