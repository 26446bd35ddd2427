"""A small source-filter speech synthesiser: ARPAbet phones in, waveform out.

Voiced phones excite the vocal tract with a glottal pulse train, voiceless ones with noise (the
source-filter theory of Fant 1960); the tract is a chain of three resonances whose frequencies glide
from phone to phone. The filter is applied in the short-time spectrum, so a minute of speech takes a
fraction of a second. Vowel formants follow Peterson and Barney (1952).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import irfft, rfft, rfftfreq
from scipy.ndimage import gaussian_filter1d
from scipy.signal.windows import hann

from ..story import Interval

SAMPLING_RATE = 16000
HOP = 160  # samples between two settings of the vocal tract: 10 ms
GLIDE = 1.2  # standard deviation, in hops, of the movement from one phone's target to the next
BANDWIDTHS = (80.0, 100.0, 150.0)  # of the three resonances, in Hz
SILENCE = "sp"


@dataclass(frozen=True)
class Phone:
    """How one phone is made: formants and noise band (centre, width) in Hz, duration in seconds.

    `start` and `end` differ in diphthongs only. A `burst` phone is silent in its first part (the
    closure) and releases the noise in its last 30 ms.
    """

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    voicing: float
    noise: float
    band: tuple[float, float]
    duration: float
    burst: bool = False


def _vowel(f1, f2, f3, duration=0.11):
    return Phone((f1, f2, f3), (f1, f2, f3), 1.0, 0.0, (2000.0, 500.0), duration)


def _diphthong(start, end):
    return Phone(start, end, 1.0, 0.0, (2000.0, 500.0), 0.14)


def _sonorant(f1, f2, f3, strength):
    return Phone((f1, f2, f3), (f1, f2, f3), strength, 0.0, (2000.0, 500.0), 0.07)


def _obstruent(locus, centre, width, noise, voiced, duration, burst):
    formants = (300.0, locus, 2500.0)
    return Phone(formants, formants, 0.25 * voiced, noise, (centre, width), duration, burst)


def _fricative(locus, centre, width, noise, voiced):
    return _obstruent(locus, centre, width, noise, voiced, 0.09, False)


def _stop(locus, centre, width, voiced):
    return _obstruent(locus, centre, width, 0.35, voiced, 0.08, True)


PHONES = {
    "IY": _vowel(270, 2290, 3010),
    "IH": _vowel(390, 1990, 2550, 0.09),
    "EH": _vowel(530, 1840, 2480),
    "AE": _vowel(660, 1720, 2410),
    "AA": _vowel(730, 1090, 2440),
    "AO": _vowel(570, 840, 2410),
    "UH": _vowel(440, 1020, 2240, 0.09),
    "UW": _vowel(300, 870, 2240),
    "AH": _vowel(640, 1190, 2390, 0.08),
    "ER": _vowel(490, 1350, 1690),
    "EY": _diphthong((480, 1900, 2500), (330, 2200, 2700)),
    "AY": _diphthong((720, 1250, 2450), (350, 2100, 2700)),
    "OY": _diphthong((560, 850, 2400), (370, 2050, 2600)),
    "AW": _diphthong((720, 1350, 2400), (400, 900, 2300)),
    "OW": _diphthong((540, 1000, 2350), (360, 800, 2300)),
    "M": _sonorant(250, 1000, 2200, 0.45),
    "N": _sonorant(250, 1600, 2600, 0.45),
    "NG": _sonorant(250, 2100, 2500, 0.45),
    "L": _sonorant(360, 1150, 2900, 0.6),
    "R": _sonorant(340, 1200, 1500, 0.6),
    "W": _sonorant(300, 650, 2200, 0.6),
    "Y": _sonorant(270, 2250, 3000, 0.6),
    "HH": _fricative(1500, 1500, 900, 0.12, False),
    "F": _fricative(900, 5500, 2500, 0.12, False),
    "V": _fricative(900, 5000, 2500, 0.08, True),
    "TH": _fricative(1400, 6200, 1800, 0.10, False),
    "DH": _fricative(1400, 5800, 1800, 0.06, True),
    "S": _fricative(1700, 6300, 900, 0.45, False),
    "Z": _fricative(1700, 6300, 900, 0.30, True),
    "SH": _fricative(1900, 3400, 800, 0.45, False),
    "ZH": _fricative(1900, 3400, 800, 0.30, True),
    "CH": _obstruent(1900, 3800, 900, 0.5, False, 0.11, True),
    "JH": _obstruent(1900, 3600, 900, 0.4, True, 0.10, True),
    "P": _stop(800, 1000, 700, False),
    "B": _stop(800, 900, 600, True),
    "T": _stop(1700, 4800, 1200, False),
    "D": _stop(1700, 4300, 1200, True),
    "K": _stop(2000, 2400, 500, False),
    "G": _stop(2000, 2100, 500, True),
    SILENCE: Phone((500, 1500, 2500), (500, 1500, 2500), 0.0, 0.0, (2000.0, 500.0), 0.2),
}


@dataclass(frozen=True)
class Voice:
    """A speaker: pitch in Hz, vocal tract as a factor on all formants, breathiness (0 to 1)."""

    pitch: float
    tract: float
    breath: float


VOICES = (
    Voice(105.0, 0.92, 0.03),
    Voice(125.0, 1.0, 0.08),
    Voice(190.0, 1.10, 0.05),
    Voice(220.0, 1.18, 0.10),
)


def _resonance(frequency, formant, bandwidth):
    """Magnitude of a two-pole resonance, 1 at 0 Hz: (n_bins,), (n_hops,) to (n_hops, n_bins)."""
    square = formant[:, None] ** 2
    return square / np.sqrt((square - frequency**2) ** 2 + (bandwidth * frequency) ** 2)


def _spectra(signal):
    """Spectra of half-overlapping Hann frames at the hops, (n_samples,) to (n_hops, n_bins)."""
    frames = sliding_window_view(np.pad(signal, HOP), 2 * HOP)[::HOP]
    return rfft(frames.astype(np.float32) * hann(2 * HOP, sym=False).astype(np.float32), axis=1)


def _overlap_add(spectra):
    """The signal of which `_spectra` made the frames: shifted Hann windows add up to one."""
    frames = irfft(spectra, axis=1).reshape(-1, 2, HOP)
    return (frames[:-1, 1] + frames[1:, 0]).ravel()


def synthesise(
    phones: Sequence[Interval],
    voices: np.ndarray,
    loudness: np.ndarray,
    brightness: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Speak a sequence of timed phones.

    Parameters
    ----------
    phones : list of Interval
        Contiguous in time from 0, in seconds; labels are keys of `PHONES`.
    voices : int array of shape (n_phones,)
        Index into `VOICES` of who speaks each phone.
    loudness : array of shape (n_phones,)
        Level of each phone in dB.
    brightness : array of shape (n_phones,)
        Spectral tilt of each phone's voicing around 1 kHz, in dB per octave: vocal effort.
    rng : numpy.random.Generator
        Source of the noise and of the pitch's jitter.

    Returns
    -------
    float32 array of shape (n_samples,) at 16 kHz, peak 0.9.
    """
    n_hops = round(phones[-1].end * SAMPLING_RATE / HOP) + 1
    n_samples = (n_hops - 1) * HOP
    time = np.arange(n_hops) * HOP / SAMPLING_RATE
    which = np.clip(np.searchsorted([p.start for p in phones], time, side="right") - 1, 0, None)
    starts = np.array([p.start for p in phones])[which]
    ends = np.array([p.end for p in phones])[which]
    position = np.clip((time - starts) / (ends - starts), 0, 1)

    made = [PHONES[p.label] for p in phones]
    first, last = np.array([m.start for m in made]), np.array([m.end for m in made])
    tract = np.array([v.tract for v in VOICES])[voices][which]
    formants = first[which] + position[:, None] * (last - first)[which]
    formants = gaussian_filter1d(formants, GLIDE, axis=0) * tract[:, None]

    burst = np.array([m.burst for m in made])[which]
    closed = burst & (ends - time > 0.03)
    level = 10 ** (np.asarray(loudness)[which] / 20)
    voicing = np.array([m.voicing for m in made])[which] * level
    noise = np.where(closed, 0.0, np.array([m.noise for m in made])[which]) * level
    voicing, noise = gaussian_filter1d(voicing, 1.0), gaussian_filter1d(noise, 0.6)
    centre, width = np.array([m.band for m in made])[which].T

    pitch = np.array([v.pitch for v in VOICES])[voices][which]
    drift = gaussian_filter1d(rng.standard_normal(n_hops), 30) * np.sqrt(60)
    pitch = gaussian_filter1d(pitch * (1 + 0.1 * drift), 3)
    breath = np.array([v.breath for v in VOICES])[voices][which]
    pitch, breath = (
        np.interp(np.arange(n_samples) / HOP, np.arange(n_hops), track) for track in (pitch, breath)
    )
    cycles = np.floor(np.cumsum(pitch) / SAMPLING_RATE)
    pulses = np.diff(cycles, prepend=0.0) * np.sqrt(SAMPLING_RATE / 150)
    hiss = rng.standard_normal(n_samples)

    frequency = rfftfreq(2 * HOP, 1 / SAMPLING_RATE)
    octaves = np.log2(np.maximum(frequency, 60) / 1000).astype(np.float32)
    tilt = gaussian_filter1d(np.asarray(brightness)[which], 3).astype(np.float32)
    tube = 10 ** (tilt[:, None] * octaves / 20) / np.sqrt(1 + (frequency / 500) ** 2)
    tube *= voicing[:, None]
    for formant, bandwidth in zip(formants.T, BANDWIDTHS, strict=True):
        tube *= _resonance(frequency, formant, bandwidth)
    constriction = np.exp(-0.5 * ((frequency - centre[:, None]) / width[:, None]) ** 2)
    constriction *= noise[:, None]
    spoken = _spectra(pulses + breath * hiss) * tube + _spectra(hiss) * constriction
    audio = _overlap_add(spoken)
    return (0.9 * audio / np.abs(audio).max()).astype(np.float32)
