"""A visitor's sound, read as models hear it; what is none is refused in a sentence."""

import numpy as np
import pytest
import soundfile

from recipes.stages.demo.sound import read_sound
from tests.small_brains import bursts


@pytest.fixture
def write(tmp_path):
    """Function that writes samples as a file, and returns its path."""

    def write(name, samples, rate=16000, **options):
        soundfile.write(tmp_path / name, samples, rate, **options)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", ["said.wav", "said.flac", "said.ogg", "said.mp3", "said.aiff"])
def test_formats_that_are_heard(write, name):
    sound = read_sound(write(name, bursts(2.0)))
    assert (sound.name, sound.rate, sound.samples.dtype) == (name, 16000, np.float32)
    assert sound.seconds == pytest.approx(2.0, abs=0.1)  # MP3 is padded
    # lossy formats change peaks more than power, that of noise which is uniform up to a half
    assert np.sqrt(np.mean(sound.samples**2)) == pytest.approx(0.5 / np.sqrt(3), rel=0.1)


def test_channels_are_averaged_and_rates_changed(write):
    second = np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)
    sound = read_sound(write("stereo.wav", np.column_stack([second, np.zeros(44100)]), 44100))
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    np.testing.assert_allclose(sound.samples[200:-200], expected[200:-200], atol=1e-3)
    assert sound.said == ""


def test_what_cannot_be_heard_in_a_sound_is_said(write):
    sound = read_sound(write("eight.wav", np.tile(bursts(2.0, 4000)[:, None], 8), 4000))
    assert len(sound.samples) == 32000
    assert "8 channels were averaged" in sound.said
    assert "4000 samples per second" in sound.said and "above 2000 Hz" in sound.said


@pytest.mark.parametrize(
    ("name", "samples", "said"),
    [
        ("silence.wav", np.zeros(32000), "nothing to hear, all 2.0 s are silent"),
        ("muted.wav", np.full(32000, 2e-5), "nothing to hear"),
        ("click.wav", bursts(0.5), "must last 1 second, got 0.50 s"),
        ("empty.wav", np.zeros(0), "must last 1 second, got 0.00 s"),
    ],
)
def test_sounds_in_which_there_is_nothing_to_hear(write, name, samples, said):
    with pytest.raises(ValueError, match=f"^{name}: .*{said}"):
        read_sound(write(name, samples, subtype="FLOAT"))


def test_an_hour_is_refused_by_its_header(write):
    """The samples are damaged, so that reading them would fail otherwise."""
    path = write("hour.flac", np.zeros(3600 * 1000, np.int16), 1000)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"hour.flac: a sound may last 10 minutes, got 60.0"):
        read_sound(path)


@pytest.mark.parametrize("content", [b"words, not sound", b"\x00\x00\x00\x18ftypmp42" + bytes(64)])
def test_a_text_and_a_video_are_no_sounds_and_no_folder_is_told(tmp_path, content):
    path = tmp_path / "upload.wav"
    path.write_bytes(content)
    with pytest.raises(ValueError) as raised:
        read_sound(path, "mine.wav")
    assert str(raised.value).startswith("mine.wav: not a sound that can be read")
    assert str(tmp_path) not in str(raised.value)


def test_a_recording_that_is_cut_short_is_refused(write):
    path = write("cut.wav", bursts(3.0))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="^cut.wav: cut short"):
        read_sound(path)
