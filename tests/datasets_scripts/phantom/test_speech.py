import numpy as np
import pytest
from scipy.linalg import solve_toeplitz
from scipy.signal import decimate, welch

from datasets_scripts import Interval
from datasets_scripts.phantom.speech import (
    PHONES,
    SAMPLING_RATE,
    SILENCE,
    VOICES,
    synthesise,
)

ARPABET = (
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W "
    "Y Z ZH"
).split()
VOWELS = ["IY", "IH", "EH", "AE", "AA", "AO", "UH", "UW", "AH", "ER"]
DIPHTHONGS = ["EY", "AY", "OY", "AW", "OW"]
PLAIN = 1  # the voice whose vocal tract has the length that formants are stated for


def say(labels, seconds=1.0, *, voice=PLAIN, loudness=0.0, brightness=0.0, seed=0):
    """Phones of equal length in one voice."""
    phones = [Interval(k * seconds, (k + 1) * seconds, label) for k, label in enumerate(labels)]
    n = len(phones)
    return synthesise(
        phones,
        np.full(n, voice),
        np.broadcast_to(loudness, n),
        np.broadcast_to(brightness, n),
        np.random.default_rng(seed),
    )


def part(audio, start, end):
    return audio[round(start * SAMPLING_RATE) : round(end * SAMPLING_RATE)]


def rms(audio):
    return np.sqrt(np.mean(audio.astype(np.float64) ** 2))


def power_near(audio, frequency, width=100):
    frequencies, power = welch(audio.astype(np.float64), SAMPLING_RATE, nperseg=2048)
    return power[np.abs(frequencies - frequency) < width].sum()


def resonances(audio):
    """Frequencies up to 4 kHz at which the vocal tract rings, by linear prediction.

    Poles wider than 300 Hz fit the source's slope, not a resonance.
    """
    rate = SAMPLING_RATE / 2
    flattened = np.diff(decimate(audio.astype(np.float64), 2))
    flattened *= np.hanning(len(flattened))
    power = np.abs(np.fft.rfft(flattened, 2 * len(flattened))) ** 2
    autocorrelation = np.fft.irfft(power)[:9]
    predictor = solve_toeplitz(autocorrelation[:-1], autocorrelation[1:])
    poles = np.roots([1, *-predictor])
    sharp = (poles.imag > 0) & (-np.log(np.abs(poles)) * rate / np.pi < 300)
    return np.sort(np.angle(poles[sharp])) * rate / (2 * np.pi)


def pitch(audio, frame=800):
    """Mean over frames of the frequency at which the autocorrelation peaks, 60 to 350 Hz."""
    shortest, longest = SAMPLING_RATE // 350, SAMPLING_RATE // 60
    frames = audio[: len(audio) // frame * frame].reshape(-1, frame).astype(np.float64)
    lags = [np.correlate(f, f, "full")[frame - 1 :][shortest:longest].argmax() for f in frames]
    return np.mean(SAMPLING_RATE / (shortest + np.array(lags)))


def test_the_phones_are_those_of_arpabet_and_silence():
    assert sorted(PHONES) == sorted([*ARPABET, SILENCE])
    assert len(ARPABET) == 39


@pytest.mark.parametrize("vowel", VOWELS)
def test_a_vowel_resonates_at_its_formants(vowel):
    first, second = resonances(say([vowel], 2.0))[:2]
    np.testing.assert_allclose([first, second], PHONES[vowel].start[:2], atol=60)


@pytest.mark.parametrize("diphthong", DIPHTHONGS)
def test_a_diphthong_glides_from_one_vowel_to_another(diphthong):
    glide = say([diphthong], 1.0)
    early, late = (resonances(part(glide, *times))[:2] for times in [(0.05, 0.2), (0.8, 0.95)])
    planted = np.subtract(PHONES[diphthong].end[:2], PHONES[diphthong].start[:2])
    np.testing.assert_array_equal(np.sign(late - early), np.sign(planted))


def test_a_longer_vocal_tract_lowers_the_formants():
    longer, plain = (resonances(say(["EH"], 2.0, voice=voice))[:2] for voice in (0, PLAIN))
    np.testing.assert_allclose(longer / plain, VOICES[0].tract, atol=0.03)


@pytest.mark.parametrize("voice", range(len(VOICES)))
@pytest.mark.parametrize("phone", ["AA", "M"])
def test_a_voice_has_its_pitch(phone, voice):
    assert pitch(say([phone], 4.0, voice=voice)) == pytest.approx(VOICES[voice].pitch, rel=0.08)


@pytest.mark.parametrize("phone, lowest, highest", [("S", 4500, 8000), ("SH", 2000, 4800)])
def test_a_sibilant_hisses_in_its_band(phone, lowest, highest):
    frequencies, power = welch(say([phone]), SAMPLING_RATE)
    inside = (frequencies > lowest) & (frequencies < highest)
    assert power[inside].sum() > 0.9 * power.sum()
    assert frequencies[power.argmax()] == pytest.approx(PHONES[phone].band[0], abs=400)


@pytest.mark.parametrize("voiceless, voiced", [("S", "Z"), ("SH", "ZH"), ("F", "V"), ("TH", "DH")])
def test_voice_adds_low_frequencies_to_a_fricative(voiceless, voiced):
    low_shares = [
        power_near(audio, 200, 150) / power_near(audio, 4000, 4000)
        for audio in (say([voiceless]), say([voiced]))
    ]
    assert low_shares[0] < 0.01
    assert low_shares[1] > 0.1


def test_silence_is_silent():
    audio = say(["AA", SILENCE, "S"], 0.5)
    assert rms(part(audio, 0.55, 0.95)) == 0
    assert rms(part(audio, 0.05, 0.45)) > 0.01


@pytest.mark.parametrize("stop", ["P", "T", "K", "CH"])
def test_a_voiceless_stop_closes_before_its_burst(stop):
    audio = say(["AA", stop, "AA"], 0.2)
    assert rms(part(audio, 0.25, 0.34)) == 0
    assert rms(part(audio, 0.375, 0.395)) > 0


@pytest.mark.parametrize("stop", ["B", "D", "G", "JH"])
def test_a_voiced_stop_is_softer_in_its_closure(stop):
    audio = say(["AA", stop, "AA"], 0.2)
    assert 0 < rms(part(audio, 0.25, 0.34)) < 0.5 * rms(part(audio, 0.375, 0.395))


@pytest.mark.parametrize("phone", ["AA", "M", "S", "Z"])
@pytest.mark.parametrize("decibels", [-12.0, 6.0])
def test_loudness_is_in_decibels(phone, decibels):
    levels = []
    for loudness in (0.0, decibels):
        audio = say(["AA", SILENCE, phone], loudness=[0.0, 0.0, loudness])
        levels.append(20 * np.log10(rms(part(audio, 2.1, 2.9)) / rms(part(audio, 0.1, 0.9))))
    assert levels[1] - levels[0] == pytest.approx(decibels, abs=0.01)


@pytest.mark.parametrize("brightness", [-6.0, 6.0])
def test_brightness_is_in_decibels_per_octave(brightness):
    low, high, _ = PHONES["EH"].start
    plain, tilted = say(["EH"], 3.0), say(["EH"], 3.0, brightness=brightness)
    gains = [
        10 * np.log10(power_near(tilted, frequency) / power_near(plain, frequency))
        for frequency in (low, high)
    ]
    assert gains[1] - gains[0] == pytest.approx(brightness * np.log2(high / low), abs=1.0)


def test_brightness_is_of_the_voice_alone():
    np.testing.assert_array_equal(say(["S"]), say(["S"], brightness=6.0))


@pytest.mark.parametrize("loudness", [-30.0, 0.0, 12.0])
def test_the_peak_is_that_of_a_good_recording(loudness):
    audio = say(["HH", "AW"], 0.3, loudness=loudness)
    assert np.abs(audio).max() == pytest.approx(0.9)
    assert audio.dtype == np.float32


@pytest.mark.parametrize("seconds", [0.01, 0.25, 1.37])
def test_the_sound_lasts_as_long_as_the_phones(seconds):
    assert say(["AA", "S"], seconds).shape == (round(2 * seconds * SAMPLING_RATE),)


def test_everything_random_comes_from_the_generator():
    np.testing.assert_array_equal(say(["AA", "S"], 0.2, seed=1), say(["AA", "S"], 0.2, seed=1))
    assert not np.array_equal(say(["AA", "S"], 0.2, seed=1), say(["AA", "S"], 0.2, seed=2))
