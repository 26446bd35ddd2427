import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import idct
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from datasets_scripts.features.mel import fbank, frame_times, mfcc


def reference(audio, rate, n_bands, **options):
    """The same energies by an independent implementation."""
    length, stride, n_fft = round(0.025 * rate), round(0.01 * rate), 4 * round(0.025 * rate)
    filters = mel_filter_bank(
        n_fft // 2 + 1, n_bands, 0.0, rate / 2, rate, norm=None, mel_scale="htk"
    )
    return spectrogram(
        audio,
        window_function(length, "hann"),
        length,
        stride,
        fft_length=n_fft,
        power=2.0,
        center=False,
        mel_filters=filters,
        **options,
    ).T


def noise(n_samples, seed=0, rms=0.1):
    return rms * np.random.default_rng(seed).standard_normal(n_samples)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100])
@pytest.mark.parametrize("n_bands", [40, 80])
def test_it_agrees_with_another_implementation(rate, n_bands):
    audio = noise(round(0.3 * rate))
    energies = fbank(audio, rate, n_bands)
    expected = reference(audio, rate, n_bands, log_mel="log", mel_floor=1e-10)
    np.testing.assert_allclose(energies, expected, rtol=0, atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(n_samples=st.integers(400, 4000))
def test_frames_lie_wholly_within_the_sound(n_samples):
    assert fbank(noise(n_samples)).shape == (1 + (n_samples - 400) // 160, 80)


def test_a_long_sound_is_what_its_parts_are():
    # More frames than are transformed at once.
    audio = noise(50 * 16000, rms=0.3).astype(np.float32)
    part = slice(4090, 4100)
    samples = audio[part.start * 160 : (part.stop - 1) * 160 + 400]
    np.testing.assert_array_equal(fbank(audio)[part], fbank(samples))


@pytest.mark.parametrize("frequency", [100, 440, 1000, 3000, 7000])
def test_a_sine_peaks_in_the_band_around_it(frequency):
    energies = fbank(np.sin(2 * np.pi * frequency * np.arange(1600) / 16000))
    peaks = 700 * (10 ** (np.linspace(0, 2840.0230467, 82)[1:-1] / 2595) - 1)
    nearest = np.argsort(np.abs(peaks - frequency))[:2]
    assert set(energies.argmax(axis=1)) <= set(nearest)


def test_the_bands_partition_the_spectrum_between_the_outer_peaks():
    # Ten harmonics from 1 to 2 kHz lie inside: the bands share out all of their energy.
    time = np.arange(4000) / 16000
    audio = sum(np.sin(2 * np.pi * f * time) for f in np.arange(1000, 2001, 100))
    frames = np.lib.stride_tricks.sliding_window_view(audio, 400)[::160]
    # The energy of one side of a spectrum of 1600 bins, by Parseval's theorem.
    expected = 800 * ((frames * window_function(400, "hann")) ** 2).sum(axis=1)
    np.testing.assert_allclose(np.exp(fbank(audio)).sum(axis=1), expected, rtol=1e-3)


def test_silence_is_at_the_floor():
    energies = fbank(np.zeros(1600))
    np.testing.assert_array_equal(energies, np.float32(np.log(1e-10)))
    assert energies.dtype == np.float32


@pytest.mark.parametrize("gain", [0.1, 3.0])
def test_a_gain_adds_its_logarithm_to_every_band(gain):
    audio = noise(1600)
    np.testing.assert_allclose(fbank(gain * audio) - fbank(audio), 2 * np.log(gain), atol=1e-4)


def test_times_are_the_midpoints_of_the_frames():
    # A click in the middle of a frame is loudest there.
    np.testing.assert_allclose(frame_times(3), [0.0125, 0.0225, 0.0325])
    for frame, time in enumerate(frame_times(20, 22050)):
        audio = np.full(22050 // 4, 1e-3)
        audio[round(time * 22050)] = 1
        assert fbank(audio, 22050).mean(axis=1).argmax() == frame


def test_mfcc_are_the_first_cosine_coefficients_of_the_log_energies():
    energies = fbank(noise(1600)).astype(np.float64)
    k, band = np.arange(13)[:, None], np.arange(80)
    cosines = np.sqrt(2 / 80) * np.cos(np.pi * k * (2 * band + 1) / 160)
    cosines[0] /= np.sqrt(2)
    coefficients = mfcc(noise(1600))
    assert coefficients.dtype == np.float32
    np.testing.assert_allclose(coefficients, energies @ cosines.T, atol=1e-4)


def test_all_coefficients_give_the_energies_back():
    audio = noise(1600)
    coefficients = mfcc(audio, n_coefficients=40, n_bands=40)
    np.testing.assert_allclose(
        idct(coefficients, norm="ortho", axis=1), fbank(audio, n_bands=40), atol=1e-4
    )


@pytest.mark.parametrize("features", [fbank, mfcc])
@pytest.mark.parametrize(
    ("audio", "options", "error", "message"),
    [
        (np.zeros((800, 2)), {}, ValueError, r"mono.* got \(800, 2\)"),
        (np.zeros(399), {}, ValueError, r"a frame of 400 samples \(0.025 s\), got 399"),
        (np.zeros(800, np.int16), {}, TypeError, "full scale 1, got int16"),
        (np.full(800, np.nan), {}, ValueError, "finite, got 800 of 800"),
        (np.zeros(800), {"n_bands": 400}, ValueError, "n_bands must be fewer.* got 400"),
    ],
)
def test_what_has_no_frames_is_refused(features, audio, options, error, message):
    with pytest.raises(error, match=message):
        features(audio, **options)


@pytest.mark.parametrize("n_coefficients", [0, 81])
def test_there_are_no_more_coefficients_than_bands(n_coefficients):
    with pytest.raises(ValueError, match=f"in 1 to 80, got {n_coefficients}"):
        mfcc(np.zeros(800), n_coefficients=n_coefficients)
