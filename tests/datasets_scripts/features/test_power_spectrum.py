from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_scripts import read_ds003020, read_recording
from datasets_scripts.features.power_spectrum import power_bands, power_spectrum

LISTENING_MINI = Path(__file__).resolve().parents[3].parent / "shared/data/listening-mini"
RATE = 44100
TR = 2.0
SILENCE = np.float32(np.log(1e-10))


def sine(frequency, seconds, amplitude=1.0, rate=RATE):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def test_the_bands_are_448_of_33_and_a_half_hertz_from_25_to_15033():
    bands = power_bands(RATE)
    assert bands.shape == (448, 2)
    np.testing.assert_array_equal(bands[:2], [[25, 58.5], [58.5, 92]])
    np.testing.assert_array_equal(bands[:-1, 1], bands[1:, 0])
    assert bands[-1, 1] == 15033


@settings(deadline=None, max_examples=25)
@given(
    band=st.integers(0, 447),
    place=st.integers(-13, 13),
    amplitude=st.floats(0.01, 1.0),
    tr=st.sampled_from([1.5, 2.0]),
)
def test_a_sine_has_its_mean_power_in_its_own_band_and_none_elsewhere(band, place, amplitude, tr):
    # At a whole number of periods per TR, the Hann taper reaches the two neighbouring bins only.
    frequency = round((41.75 + 33.5 * band + place) * tr) / tr
    power = power_spectrum(sine(frequency, tr, amplitude), RATE, [tr / 2], tr)
    expected = np.full((1, 448), SILENCE)
    expected[0, band] = np.log(amplitude**2 / 2)
    np.testing.assert_allclose(power, expected, rtol=0, atol=1e-5)


def test_a_bin_on_an_edge_belongs_to_the_band_above():
    # 92 Hz parts bands 1 and 2. Of a sine's power, Hann puts 2/3 in its bin and 1/6 beside it.
    power = np.exp(power_spectrum(sine(92.0, TR), RATE, [1.0], TR))
    np.testing.assert_allclose(power[0, 1:3], [0.5 / 6, 0.5 * 5 / 6], rtol=1e-5)


def test_noise_adds_up_to_its_mean_power():
    # 67.5 % of the power of white noise at 44100 Hz lies between 25 and 15033 Hz.
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * RATE)
    power = np.exp(power_spectrum(noise, RATE, np.arange(10) * TR + 1, TR))
    share = (15033 - 25) / (RATE / 2)
    assert power.sum(axis=1).mean() == pytest.approx(0.01 * share, rel=0.01)


def test_a_click_is_flat_and_only_in_its_tr():
    # At the taper's peak, where its square is 8/3 of its mean square.
    audio = np.zeros(round(6 * RATE))
    audio[3 * RATE] = 0.5
    power = power_spectrum(audio, RATE, [1.0, 3.0, 5.0], TR)
    n_samples = TR * RATE
    frequencies = np.arange(n_samples // 2 + 1) / TR
    n_bins = [
        np.sum((lower <= frequencies) & (frequencies < upper)) for lower, upper in power_bands(RATE)
    ]
    expected = np.log(2 * np.array(n_bins) * 0.5**2 / n_samples**2 * 8 / 3)
    np.testing.assert_allclose(power[1], expected, atol=1e-5)
    np.testing.assert_array_equal(power[[0, 2]], SILENCE)


@pytest.mark.parametrize(
    ("midpoint", "heard"), [(0.9, False), (1.5, True), (2.9, True), (3.1, False)]
)
def test_a_tr_reaches_half_a_tr_to_either_side_of_its_midpoint(midpoint, heard):
    noise_at_2_seconds = np.zeros(6 * RATE)
    noise_at_2_seconds[2 * RATE : 2 * RATE + 200] = np.random.default_rng(0).uniform(-1, 1, 200)
    power = power_spectrum(noise_at_2_seconds, RATE, [midpoint], TR)
    assert (power.max() > SILENCE) == heard


def test_silence_and_what_lies_outside_the_sound_are_at_the_floor():
    audio = np.concatenate([np.zeros(2 * RATE), sine(1000, 2)])
    power = power_spectrum(audio, RATE, [-5.0, 1.0, 3.0, 9.0], TR)
    np.testing.assert_array_equal(power[[0, 1, 3]], SILENCE)
    assert power[2].max() == pytest.approx(np.log(0.5))
    assert power.min() == SILENCE
    assert power.dtype == np.float32


@pytest.mark.parametrize(("rate", "n_bands"), [(22050, 328), (16000, 238), (30065, 447)])
def test_bands_above_the_nyquist_frequency_are_dropped_and_named(rate, n_bands):
    first, n_dropped = 25 + 33.5 * n_bands, 448 - n_bands
    named = f"the last {n_dropped}, from {first:g} to 15033 Hz, are dropped"
    with pytest.warns(UserWarning, match=named):
        power = power_spectrum(sine(1000, 2, rate=rate), rate, [1.0], TR)
    assert power.shape == (1, n_bands)
    np.testing.assert_array_equal(power_bands(rate), power_bands(RATE)[:n_bands])
    lower, upper = power_bands(rate)[power.argmax()]
    assert lower <= 1000 < upper


@pytest.mark.parametrize("rate", [30066, 44100, 48000])
def test_all_bands_are_there_where_the_recording_holds_them(rate):
    assert power_spectrum(sine(1000, 2, rate=rate), rate, [1.0], TR).shape == (1, 448)


@pytest.mark.parametrize("n_trs", [0, 3])
def test_there_is_one_row_per_tr(n_trs):
    power = power_spectrum(sine(1000, 6), RATE, np.arange(n_trs) * TR + 1, TR)
    assert power.shape == (n_trs, 448)


@pytest.mark.parametrize(
    ("audio", "rate", "tr_times", "tr", "error", "message"),
    [
        (np.zeros((9, 2)), RATE, [1.0], TR, ValueError, r"mono.* average .* got \(9, 2\)"),
        (np.zeros(0), RATE, [1.0], TR, ValueError, r"at least one sample.* got \(0,\)"),
        (np.zeros(9, np.int16), RATE, [1.0], TR, TypeError, "full scale 1, got int16"),
        (np.array([0, np.nan, np.inf]), RATE, [1.0], TR, ValueError, "got 2 of 3 samples"),
        (np.zeros(9), 100, [1.0], TR, ValueError, "sampling_rate must be at least 117.* got 100"),
        (np.zeros(9), RATE, [[1.0]], TR, ValueError, r"tr_times .* got \(1, 1\)"),
        (np.zeros(9), RATE, [1.0], 0.02, ValueError, "0.03 s or longer.* got 0.02 s"),
        (np.zeros(9), RATE, [1.0], -2.0, ValueError, "at least one sample, got 1 TRs of -2.0"),
    ],
)
def test_what_has_no_spectrum_is_refused(audio, rate, tr_times, tr, error, message):
    with pytest.raises(error, match=message):
        power_spectrum(audio, rate, tr_times, tr)


@pytest.mark.skipif(not LISTENING_MINI.exists(), reason="the shared recordings are not there")
def test_every_story_has_as_many_rows_as_responses():
    for story in read_ds003020(LISTENING_MINI, "UTS02", ["legacy"]):
        recording, rate = read_recording(story.audio_file)
        with pytest.warns(UserWarning, match="120, from 11013 to 15033 Hz"):
            power = power_spectrum(recording, rate, story.tr_times, story.tr)
        assert power.shape == (len(story.responses), 328)
        assert np.isfinite(power).all()
